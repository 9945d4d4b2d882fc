/**
 * The process global of the bug: the active plugin registry, and with it the active workspace directory. Whoever takes a
 * turn sets it, whoever reads it gets what the last writer left. It does not know who reads.
 *
 * It is kept where the original keeps it, on `globalThis` under a registered symbol, so that a second copy of this module
 * would find it.
 */
import { type Write, writeChannel } from './trace.js'

/** What a workspace has activated: the original holds tools and hooks here, this program their plugins' ids. */
export type PluginRegistry = { readonly workspaceDir: string; readonly pluginIds: readonly string[] }

type PluginRegistryState = { registry: PluginRegistry | undefined; workspaceDir: string | undefined }

const KEY = Symbol.for('sessions-list.pluginRegistryState')
const globals = globalThis as { [KEY]?: PluginRegistryState }
const state = (globals[KEY] ??= { registry: undefined, workspaceDir: undefined })

export function setActivePluginRegistry(registry: PluginRegistry, actor: string): void {
  state.registry = registry
  state.workspaceDir = registry.workspaceDir
  if (writeChannel.hasSubscribers) {
    const write: Write = { actor, workspaceDir: registry.workspaceDir }
    writeChannel.publish(write)
  }
}

/** @throws when no registry has been set: there is no workspace to fall back to. */
export function activeWorkspaceDir(): string {
  const { workspaceDir } = state
  if (workspaceDir === undefined) {
    throw new Error(
      'activeWorkspaceDir() found no active plugin registry. Call setActivePluginRegistry() first.',
    )
  }
  return workspaceDir
}
