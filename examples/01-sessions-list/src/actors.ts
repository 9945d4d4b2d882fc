/**
 * Agents and crons: the other work of the process. They take turns, one at a time, as in one command lane; a turn sets
 * the active plugin registry to the actor's own workspace and then waits, a cron for its job, an agent for its prompt and
 * then for its model. They do not know of `sessions.list`.
 *
 * One lane, because loops of their own would wake together after each scan and always write in the same order: every
 * row would see the last one's workspace, and the bug would hide behind an accident.
 */
import { setImmediate as nextTurnOfTheLoop, setTimeout as wait } from 'node:timers/promises'
import { scanPlugins } from './plugin-loader.js'
import { type PluginRegistry, setActivePluginRegistry } from './plugin-registry.js'

export type Actor = { readonly name: string; readonly kind: 'agent' | 'cron'; readonly workspaceDir: string }

const JOB_TAKES_MS = 1

/** The registry that an actor activates on its turns. Loaded past the loader's slot, as the original loads it at start. */
export function loadRegistry(workspaceDir: string): PluginRegistry {
  return { workspaceDir, pluginIds: scanPlugins(workspaceDir).plugins.map((plugin) => plugin.id) }
}

/** Starts the turns. `stop()` ends them after the turn under way, and rejects if one has failed. */
export function startActors(actors: readonly Actor[]): { stop(): Promise<void> } {
  const registries = new Map(actors.map((actor) => [actor, loadRegistry(actor.workspaceDir)]))
  let stopped = false
  const lane = (async () => {
    while (!stopped) {
      for (const [actor, registry] of registries) {
        setActivePluginRegistry(registry, actor.name)
        if (actor.kind === 'agent') await nextTurnOfTheLoop()
        await wait(JOB_TAKES_MS)
        if (stopped) return
      }
    }
  })()
  return {
    async stop() {
      stopped = true
      await lane
    },
  }
}
