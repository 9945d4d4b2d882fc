/** The library's one AsyncLocalStorage, found where every copy of the library finds it. */
import type { AsyncLocalStorage } from 'node:async_hooks'
import '../withepoch/index.js'

export const carrier = (globalThis as Record<symbol, unknown>)[Symbol.for('withepoch.carrier')] as {
  readonly storage: AsyncLocalStorage<unknown>
}
