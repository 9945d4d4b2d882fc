/**
 * The process global of the bug: the active plugin registry, and with it the active workspace directory. Whoever takes a
 * turn sets it, whoever reads it gets what the last writer left. It does not know who reads.
 */
import { type Write, writeChannel } from './trace.js'

/** What a workspace has activated: the original holds tools and hooks here, this program their plugins' ids. */
export type PluginRegistry = { readonly workspaceDir: string; readonly pluginIds: readonly string[] }

let active: PluginRegistry | undefined

export function setActivePluginRegistry(registry: PluginRegistry, actor: string): void {
  active = registry
  if (writeChannel.hasSubscribers) {
    const write: Write = { actor, workspaceDir: registry.workspaceDir, atMs: performance.now() }
    writeChannel.publish(write)
  }
}

/** @throws when no registry has been set: there is no workspace to fall back to. */
export function activeWorkspaceDir(): string {
  if (active === undefined) {
    throw new Error(
      'activeWorkspaceDir() found no active plugin registry. Call setActivePluginRegistry() first.',
    )
  }
  return active.workspaceDir
}
