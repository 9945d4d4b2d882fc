/**
 * Real agent turns, through the gateway and the stand-in model. In each turn the agent writes a file by the
 * program's own `write` tool, under a relative name, so that its workspace decides where it lands, and reads it back by
 * `read`. What then is on disk, and in the answer, tells whether agents still see and write their own workspace.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Client } from './client.js'
import type { TurnCount } from './conditions.js'
import { type Agent, AGENTS, type Home } from './home.js'

const MOST_FAILED = 8

/** The session in which an agent takes its turns. It is among those that are listed. */
export function turnsSession(agent: Agent): string {
  return `agent:${agent}:turns`
}

/**
 * Lets the agent write one file in its workspace and read it. Returns what was wrong about it, if anything was.
 *
 * @throws when the turn fails.
 */
export async function takeTurn(client: Client, home: Home, agent: Agent): Promise<string | undefined> {
  const name = `note-${randomUUID()}.txt`
  const text = `${agent}-${randomUUID()}`
  const ended = (await client.callToTheEnd('agent', {
    message: `write ${name}: ${text}`,
    agentId: agent,
    sessionKey: turnsSession(agent),
    idempotencyKey: randomUUID(),
    deliver: false,
  })) as { status: string; result?: { payloads?: ReadonlyArray<{ text?: string }> } }
  if (ended.status !== 'ok') throw new Error(`a turn of ${agent} ended as ${JSON.stringify(ended)}`)
  const written = await readFile(path.join(home.workspace(agent), name), 'utf8').catch(() => undefined)
  if (written !== text) return `${agent} wrote ${name}, and its workspace holds ${written ?? 'no such file'}`
  // The stand-in answers with what the tool read.
  const said = ended.result?.payloads?.map((payload) => payload.text).join('\n')
  return said?.includes(text) ? undefined : `${agent} read ${name}, and got ${said}`
}

/** All agents at work at once, one turn after another, until they are told to stop. */
export class BusyAgents {
  #stopped = false
  #done = 0
  readonly #wrong: string[] = []
  readonly #failed: string[] = []
  readonly #loops: Promise<void>

  constructor(client: Client, home: Home) {
    this.#loops = Promise.all(
      AGENTS.map(async (agent) => {
        while (!this.#stopped) {
          try {
            const wrong = await takeTurn(client, home, agent)
            this.#done++
            if (wrong !== undefined) this.#wrong.push(wrong)
          } catch (error) {
            this.#failed.push((error as Error).message)
            // Every turn fails, as they do once the gateway has ended: that is for whoever waits for the turns.
            if (this.#done === 0 && this.#failed.length > MOST_FAILED) throw error
          }
        }
      }),
    ).then(() => undefined)
    // Reported by stop().
    this.#loops.catch(() => undefined)
  }

  get done(): number {
    return this.#done
  }

  /** Resolves when the turns under way have ended. */
  async stop(): Promise<TurnCount> {
    this.#stopped = true
    await this.#loops
    return { done: this.#done, wrong: this.#wrong, failed: this.#failed }
  }
}
