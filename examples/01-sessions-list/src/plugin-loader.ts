/**
 * The plugin loader: a scan reads, parses and validates every manifest of a workspace, and one slot remembers the last
 * result, keyed by the workspace's directory. That slot is the original's: right for as long as one workspace is
 * active, and a miss on every look-up as soon as two take turns. It does not know which workspace is active.
 *
 * A scan reads synchronously, again as in the original. It holds up the event loop, and that is half of the bug: by the
 * time it is done another actor's turn is due, so the next look-up finds another workspace and scans again.
 */
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { type ModelIdRule, PluginManifest } from './plugin-manifest.js'
import { type Scan, scanChannel } from './trace.js'

export type PluginMetadata = {
  /** The directory that was scanned. */
  readonly workspaceDir: string
  readonly plugins: readonly PluginManifest[]
  /** Which plugin speaks for a provider, and how that provider's model ids are cleaned up. */
  readonly providers: ReadonlyMap<string, { readonly plugin: string; readonly rule: ModelIdRule | undefined }>
}

export const MANIFEST_FILE = 'openclaw.plugin.json'

let scans = 0
let slot: PluginMetadata | undefined

/** How many scans this process has made. A scan is synchronous: the difference across a call is that call's own. */
export function scanCount(): number {
  return scans
}

/** The metadata of a workspace's plugins: from the slot if it holds this workspace's, else by a scan. */
export function pluginMetadata(workspaceDir: string): PluginMetadata {
  if (slot?.workspaceDir !== workspaceDir) slot = scanPlugins(workspaceDir)
  return slot
}

/** Empties the slot, as a fresh process has it. */
export function forgetPluginMetadata(): void {
  slot = undefined
}

/** Reads every `plugins/<folder>/openclaw.plugin.json` of a workspace, whole and every time. */
export function scanPlugins(workspaceDir: string): PluginMetadata {
  const startMs = performance.now()
  scans += 1
  const pluginsDir = path.join(workspaceDir, 'plugins')
  const plugins = readdirSync(pluginsDir).map((folder) =>
    readManifest(path.join(pluginsDir, folder, MANIFEST_FILE)),
  )
  const metadata = { workspaceDir, plugins, providers: providersOf(plugins) }
  if (scanChannel.hasSubscribers) {
    const scan: Scan = { workspaceDir, plugins: plugins.length, tookMs: performance.now() - startMs }
    scanChannel.publish(scan)
  }
  return metadata
}

function readManifest(file: string): PluginManifest {
  const text = readFileSync(file, 'utf8')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Error(`Plugin manifest ${file} is no JSON: ${(error as Error).message}`, { cause: error })
  }
  const parsed = PluginManifest.safeParse(json)
  if (!parsed.success) {
    throw new Error(`Plugin manifest ${file} is not valid:\n${z.prettifyError(parsed.error)}`)
  }
  return parsed.data
}

/** Where two plugins speak for one provider, the first in the folder's order does. */
function providersOf(plugins: readonly PluginManifest[]): PluginMetadata['providers'] {
  const providers = new Map<string, { plugin: string; rule: ModelIdRule | undefined }>()
  for (const plugin of plugins) {
    const rules = new Map(Object.entries(plugin.modelIdNormalization?.providers ?? {}))
    for (const provider of new Set([...(plugin.providers ?? []), ...rules.keys()])) {
      if (!providers.has(provider)) providers.set(provider, { plugin: plugin.id, rule: rules.get(provider) })
    }
  }
  return providers
}
