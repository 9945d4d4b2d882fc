/** All groups, in the order of the page. */
import type { Group } from './primitive.js'
import { callbacks } from './primitives/callbacks.js'
import { emitters } from './primitives/emitters.js'
import { fakes } from './primitives/fakes.js'
import { generators } from './primitives/generators.js'
import { handles } from './primitives/handles.js'
import { http } from './primitives/http.js'
import { lazyThenables } from './primitives/lazy.js'
import { library } from './primitives/library.js'
import { loaders } from './primitives/loaders.js'
import { pools } from './primitives/pools.js'
import { processEvents } from './primitives/process.js'
import { queryBuilders } from './primitives/query-builders.js'
import { promises } from './primitives/promises.js'
import { streams } from './primitives/streams.js'
import { threads } from './primitives/threads.js'
import { timers } from './primitives/timers.js'

export const groups: readonly Group[] = [
  promises,
  timers,
  callbacks,
  emitters,
  generators,
  lazyThenables,
  queryBuilders,
  pools,
  loaders,
  streams,
  http,
  handles,
  threads,
  processEvents,
  fakes,
  library,
]
