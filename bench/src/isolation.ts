/**
 * Keeps the sides of a comparison from costing each other anything. On runtimes whose AsyncLocalStorage is built on
 * async_hooks (Node 20 and 22) every instance that has ever run is paid for at every promise of the process, so the
 * ones that do not belong to the side being timed are switched off. On runtimes with context frames a `run` leaves its
 * key behind in the caller's frame, so every slice starts in the context that the process started with.
 *
 * It has to be loaded before anything that makes an AsyncLocalStorage.
 */
import asyncHooks, { AsyncLocalStorage } from 'node:async_hooks'
import * as nodeModule from 'node:module'

/** How this runtime keeps the async context. */
export type ContextKind = 'hooks' | 'frames' | 'other'

type Storage = AsyncLocalStorage<unknown>

const isNode = !('Bun' in globalThis) && !('Deno' in globalThis)
const onHooks = isNode && '_enable' in AsyncLocalStorage.prototype

export const contextKind: ContextKind = onHooks ? 'hooks' : isNode ? 'frames' : 'other'

const all: Storage[] = []

if (onHooks) {
  // A construct trap, not a subclass: the instances are the runtime's own, and cost what they cost.
  const collecting: typeof AsyncLocalStorage = new Proxy(AsyncLocalStorage, {
    construct(target, args, newTarget) {
      const made = Reflect.construct(target, args, newTarget === collecting ? target : newTarget) as Storage
      all.push(made)
      return made
    },
  })
  Object.defineProperty(asyncHooks, 'AsyncLocalStorage', { value: collecting })
  nodeModule.syncBuiltinESMExports()
}

/** Runs `load` and says which instances were made by it: they belong to one side. */
export async function storagesOf<T>(
  load: () => Promise<T>,
): Promise<readonly [loaded: T, storages: readonly Storage[]]> {
  const before = all.length
  const loaded = await load()
  return [loaded, all.slice(before)]
}

/** Switches off every instance but these. One that is off switches itself on at its next `run`. */
export function keepOnly(storages: readonly Storage[]): void {
  for (const storage of all) if (!storages.includes(storage)) storage.disable()
}

/** Calls `fn` in the context that the process started with. */
export const inCleanContext: <R>(fn: () => R) => R = AsyncLocalStorage.snapshot()

/** Empties the heap of garbage, so that one case does not pay for the case before it. */
export function collectGarbage(): void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } }
  if (Bun !== undefined) Bun.gc(true)
  else if (gc !== undefined) gc()
  else throw new Error('No way to collect garbage: start this process with --expose-gc.')
}
