/**
 * A home of its own for the gateway: its configuration, its agents with a workspace each, its sessions. Nothing of the
 * user's home or environment is read. The path stays the same for all gateways of a run, so that their answers can be
 * compared; the content is laid out anew for each.
 */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** The first is the default one; its workspace is active after start-up. */
export const AGENTS = ['main', 'ops', 'docs', 'lab'] as const

export type Agent = (typeof AGENTS)[number]

/**
 * Configured models, all served by the stand-in; sessions use them in turn. Each row of a list looks for its own among
 * them, and each look loads the metadata, so their number is the height of the staircase.
 */
export const MODELS = ['gpt-5.5', 'gpt-5.4', 'gpt-5.4-mini', 'gpt-5.4-nano'] as const

export const TOKEN = 'local-demonstration'

export class Home {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  get timeline(): string {
    return path.join(this.#root, 'timeline.jsonl')
  }

  workspace(agent: Agent): string {
    return path.join(this.#root, 'workspaces', agent)
  }

  /** For every process of the program. */
  get env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.#home,
      TMPDIR: path.join(this.#root, 'tmp'),
      NO_COLOR: '1',
      OPENCLAW_DIAGNOSTICS: 'timeline',
      OPENCLAW_DIAGNOSTICS_TIMELINE_PATH: this.timeline,
      OPENCLAW_SKIP_CHANNELS: '1',
      OPENCLAW_DISABLE_BONJOUR: '1',
      OPENCLAW_NO_AUTO_UPDATE: '1',
      // One process, or ours would end with the program's launcher between us and it.
      OPENCLAW_NO_RESPAWN: '1',
    }
  }

  /** Empty but for the configuration. */
  async clear(modelPort: number): Promise<void> {
    await rm(this.#home, { recursive: true, force: true, maxRetries: 5 })
    await rm(this.timeline, { force: true })
    await mkdir(this.#state, { recursive: true })
    await mkdir(path.join(this.#root, 'tmp'), { recursive: true })
    for (const agent of AGENTS) {
      await rm(this.workspace(agent), { recursive: true, force: true })
      await mkdir(this.workspace(agent), { recursive: true })
    }
    await writeFile(path.join(this.#state, 'openclaw.json'), JSON.stringify(this.#config(modelPort), null, 2))
  }

  /** Keeps the sessions that there are now, under the number of them. */
  async saveSessions(rows: number): Promise<void> {
    await cp(path.join(this.#state, 'agents'), this.#saved(`sessions-${rows}`), { recursive: true })
  }

  async restoreSessions(rows: number): Promise<void> {
    await cp(this.#saved(`sessions-${rows}`), path.join(this.#state, 'agents'), { recursive: true })
  }

  async saveRegistry(): Promise<void> {
    await cp(path.join(this.#state, 'plugins'), this.#saved('registry'), { recursive: true })
  }

  async restoreRegistry(): Promise<void> {
    await cp(this.#saved('registry'), path.join(this.#state, 'plugins'), { recursive: true })
  }

  async loseRegistry(): Promise<void> {
    await rm(path.join(this.#state, 'plugins'), { recursive: true, force: true })
  }

  get #home(): string {
    return path.join(this.#root, 'home')
  }

  get #state(): string {
    return path.join(this.#home, '.openclaw')
  }

  #saved(name: string): string {
    return path.join(this.#root, 'saved', name)
  }

  #config(modelPort: number): object {
    return {
      gateway: { mode: 'local', bind: 'loopback', auth: { mode: 'token', token: TOKEN } },
      logging: { file: path.join(this.#root, 'gateway.log') },
      update: { checkOnStart: false },
      browser: { enabled: false },
      agents: {
        defaults: {
          skipBootstrap: true,
          model: { primary: `openai/${MODELS[0]}` },
          models: Object.fromEntries(MODELS.map((id) => [`openai/${id}`, {}])),
          heartbeat: { every: '0m' },
        },
        list: AGENTS.map((id, index) => ({ id, default: index === 0, workspace: this.workspace(id) })),
      },
      models: {
        mode: 'merge',
        pricing: { enabled: false },
        providers: {
          openai: {
            baseUrl: `http://127.0.0.1:${modelPort}/v1`,
            apiKey: 'none',
            api: 'openai-completions',
            models: MODELS.map((id) => ({
              id,
              name: id,
              reasoning: false,
              input: ['text'],
              cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
              contextWindow: 120_000,
              maxTokens: 8192,
            })),
          },
        },
      },
    }
  }
}
