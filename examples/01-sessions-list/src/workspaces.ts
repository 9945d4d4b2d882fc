/**
 * The folders that the program runs on: some workspaces full of plugins, and a session store whose sessions name models
 * of those plugins. Prepared on first use, kept for the next. It does not know how manifests are made or fetched.
 */
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { generateManifests } from './generated-manifests.js'
import { MANIFEST_FILE, type PluginMetadata, scanPlugins } from './plugin-loader.js'
import { fetchRealManifests, OPENCLAW } from './real-manifests.js'
import { type Session, SessionStore, type TranscriptLine } from './session-store.js'

/** One actor each: agents A to C, crons D and E. */
export const WORKSPACES = 5

export type Workspaces = { readonly workspaceDirs: readonly string[]; readonly store: SessionStore }

export type WorkspacesOptions = {
  /** The folder to prepare them in. */
  dataDir: string
  /** `real` for the manifests of the published openclaw, else how many to generate per workspace. */
  manifests: 'real' | { generated: number }
  sessions: number
}

/** Move this when what is written changes, so that folders of before are written anew. */
const FORMAT = 1

export async function prepareWorkspaces({
  dataDir,
  manifests,
  sessions,
}: WorkspacesOptions): Promise<Workspaces> {
  const name = manifests === 'real' ? 'real' : `generated-${manifests.generated}`
  const dir = path.join(dataDir, name)
  const stamp = JSON.stringify({ format: FORMAT, workspaces: WORKSPACES, sessions })
  const workspaceDirs = Array.from({ length: WORKSPACES }, (_, n) =>
    path.join(dir, `workspace-${letterOf(n)}`),
  )
  const store = new SessionStore(path.join(dir, 'sessions'))
  const stampFile = path.join(dir, 'stamp.json')
  if (existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === stamp) return { workspaceDirs, store }

  // Written beside and moved into place, so that a run cut short leaves nothing that looks whole.
  const unfinished = `${dir}.unfinished-${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  try {
    const real = manifests === 'real' ? await fetchRealManifests(dataDir) : undefined
    for (let n = 0; n < WORKSPACES; n++) {
      const pluginsDir = path.join(unfinished, `workspace-${letterOf(n)}`, 'plugins')
      if (real !== undefined) await cp(real, pluginsDir, { recursive: true })
      if (manifests !== 'real') await writeGenerated(pluginsDir, manifests.generated, n + 1)
    }
    const first = scanPlugins(path.join(unfinished, `workspace-${letterOf(0)}`))
    await writeSessions(new SessionStore(path.join(unfinished, 'sessions')), sessions, modelReferences(first))
    await writeFile(path.join(unfinished, 'stamp.json'), stamp)
    await rm(dir, { recursive: true, force: true })
    await rename(unfinished, dir)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return { workspaceDirs, store }
}

/** `…/workspace-c` → `C`. */
export function workspaceLetter(workspaceDir: string): string {
  return workspaceDir.slice(-1).toUpperCase()
}

export function describeManifests(manifests: WorkspacesOptions['manifests'], plugins: number): string {
  const origin = manifests === 'real' ? `the manifests of ${OPENCLAW}` : 'generated manifests'
  return `${WORKSPACES} workspaces of ${plugins} plugins each, ${origin}`
}

function letterOf(n: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + n)
}

async function writeGenerated(pluginsDir: string, plugins: number, release: number): Promise<void> {
  for (const manifest of generateManifests(plugins, release)) {
    await mkdir(path.join(pluginsDir, manifest.id), { recursive: true })
    await writeFile(path.join(pluginsDir, manifest.id, MANIFEST_FILE), JSON.stringify(manifest, null, 2))
  }
}

/** Ids that the normaliser has something to do with: aliases, prefixes to strip, bare ids to prefix. */
function modelReferences({ providers }: PluginMetadata): string[] {
  return [...providers].flatMap(([provider, { rule }]) =>
    rule === undefined
      ? []
      : [
          ...Object.keys(rule.aliases ?? {}),
          ...(rule.stripPrefixes ?? []).map((prefix) => `${prefix}some-model`),
          ...(rule.prefixWhenBare === undefined ? [] : ['some-model']),
        ].map((model) => `${provider}/${model}`),
  )
}

async function writeSessions(
  store: SessionStore,
  count: number,
  references: readonly string[],
): Promise<void> {
  const agentIds = ['main', 'research', 'support']
  const sessions = Array.from({ length: count }, (_, n): Session => {
    const agentId = agentIds[n % agentIds.length]!
    return {
      id: `session-${n}`,
      key: `agent:${agentId}:session-${n}`,
      agentId,
      title: `Conversation ${n + 1}`,
      // Every fourth leaves the choice to its agent. The stride spreads the others over all providers.
      ...(n % 4 === 3 ? {} : { model: references[(n * 7) % references.length]! }),
      updatedAtMs: Date.UTC(2026, 4, 22) - n * 60_000,
    }
  })
  const defaultModels = Object.fromEntries(agentIds.map((id, n) => [id, references[n % references.length]!]))
  await store.write({ defaultModels, sessions }, (session): TranscriptLine[] => [
    { role: 'user', text: `A question about ${session.title.toLowerCase()}` },
    { role: 'assistant', text: `The answer in ${session.title.toLowerCase()}` },
  ])
}
