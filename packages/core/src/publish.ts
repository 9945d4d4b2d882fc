/**
 * Several writes as one: the writer's half of consistency. The work is the root's (`snapshot.ts`); this is its door.
 */
import { requireFunction } from './errors.js'
import { root } from './snapshot.js'

/**
 * Runs `fn` and makes the cell writes in it visible together, as one version: no epoch ever sees half. If `fn` throws,
 * none of them happened, neither in the process nor in the epoch that made them. Nested calls join the outer one; an
 * inner one that throws undoes its own writes.
 *
 * Use it wherever two cells belong together: a configuration and what was built from it.
 *
 * **Caveat** It is synchronous, because a writer that awaits between two writes is caught half-done. Prepare first,
 * then publish. Writes to globals that are not cells are not undone.
 *
 * @returns what `fn` returns.
 * @throws ASYNC_PUBLISH when `fn` returns a promise; the writes are undone.
 * @throws INVALID_ARGUMENT when `fn` is not a function.
 * @example
 * const config = cell('docs.publish.config', 'v1')
 * const channels = cell('docs.publish.channels', ['v1'])
 * publish(() => {
 *   config.set('v2')
 *   channels.set(['v2'])
 * })
 * withEpoch(() => [config.get(), ...channels.get()]) // => ['v2', 'v2']
 */
export function publish<R>(fn: () => R): R {
  requireFunction(fn, 'publish(fn)', 'fn')
  return root.publish(fn)
}
