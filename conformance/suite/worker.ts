/**
 * The suite in workerd, which has no `node:test`: one `test()` that plays the cells of the groups it is bundled with and
 * prints what was seen.
 */
import { type Group, waysOf } from './primitive.js'
import { callbacks } from './primitives/callbacks.js'
import { emitters } from './primitives/emitters.js'
import { generators } from './primitives/generators.js'
import { lazyThenables } from './primitives/lazy.js'
import { library } from './primitives/library.js'
import { loaders } from './primitives/loaders.js'
import { pools } from './primitives/pools.js'
import { promises } from './primitives/promises.js'
import { streams } from './primitives/streams.js'
import { timers } from './primitives/timers.js'
import { play } from './stage.js'

const groups: readonly Group[] = [
  promises,
  timers,
  callbacks,
  emitters,
  generators,
  lazyThenables,
  pools,
  loaders,
  streams,
  library,
]

export default {
  async test(): Promise<void> {
    const seen: Record<string, Record<string, Record<string, string>>> = {}
    for (const { id, primitives } of groups) {
      for (const primitive of primitives) {
        for (const way of waysOf(primitive)) {
          const actors = await play(primitive, way).catch((error: Error) => `failed: ${error.message}`)
          ;((seen[id] ??= {})[primitive.name] ??= {})[way] = actors
        }
      }
    }
    console.log(`report: ${JSON.stringify(seen)}`)
  },
}
