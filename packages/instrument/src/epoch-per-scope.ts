/**
 * An application that has an AsyncLocalStorage of its own has a door already: the `run` that opens its scope for each
 * call. Ours opens with it. The application's storage stays its own; only the `run` of this one instance is stood in for.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Epoch, EpochError, type EpochOptions, tryGetEpoch, withEpoch } from 'withepoch'
import { kindOf, refuse, requireFunction, requireKnown } from './arguments.js'

export interface EpochPerScopeOptions<S> extends Pick<
  EpochOptions,
  'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'
> {
  /** Whether the scope with this store is a call that gets an epoch. @default every one */
  when?: ((store: S) => boolean) | undefined
  /** The epoch's name, or a function of the store. @default 'scope' */
  name?: string | ((store: S) => string) | undefined
}

const OPTIONS = ['when', 'name', 'values', 'writes', 'maxAgeMs', 'ifOverdue']

/**
 * Opens a fresh epoch wherever `storage.run(store, callback)` opens a scope. It ends when what `callback` returned has
 * settled; what is left running after that keeps the application's store, as ever, and reads live.
 *
 * Use it in a preload, for a program whose every call goes through one `AsyncLocalStorage`. With sources declared by then,
 * nothing in the program has to be edited. `whenGlobalExists` finds the storage if it is a global.
 *
 * - A `run` inside a scope whose epoch is still open is part of that call: it opens none, and does not hold it open.
 * - A `run` by work that a call left behind is a call of its own.
 * - `callback` is called with its arguments, inside both; its result and errors pass through. A thenable that is not a
 *   promise comes back as one.
 *
 * **Caveat** `enterWith`, `storage.withScope`, and callbacks that `bind` or `snapshot` made open no scope here.
 *
 * @returns a function that gives the instance its own `run` back.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be. An option that only `withEpoch` can judge is
 *   refused at the first `run`.
 * @example
 * const locale = cell('docs.epochPerScope.locale', 'en')
 * const requests = new AsyncLocalStorage()
 * epochPerScope(requests, { name: (request) => request.method })
 * await requests.run({ method: 'page' }, async () => {
 *   const before = locale.get()
 *   await detach(async () => locale.set('fr'))
 *   return [getEpoch().name, before, locale.get()]
 * }) // => ['page', 'en', 'en']
 */
export function epochPerScope<S>(
  storage: AsyncLocalStorage<S>,
  options: EpochPerScopeOptions<S> = {},
): () => void {
  const call = 'epochPerScope(storage, options)'
  if (!(storage instanceof AsyncLocalStorage)) {
    refuse(`${call}: expected an AsyncLocalStorage, got ${kindOf(storage)}.`)
  }
  requireKnown(options, call, OPTIONS)
  const { when, name = 'scope', ...others } = options
  if (when !== undefined) requireFunction(when, call, 'when')
  if (typeof name !== 'string' && typeof name !== 'function') {
    refuse(`${call}: name must be a string or a function of the store, got ${kindOf(name)}.`)
  }
  // oxlint-disable-next-line typescript/unbound-method -- called by Reflect.apply, with whatever `this` it was called on
  const run = storage.run
  /** Those that this door opened: a scope inside one of them is no new call. */
  const opened = new WeakSet<Epoch>()
  let released = false

  const inEpoch = function (
    this: unknown,
    store: S,
    callback: (...args: unknown[]) => unknown,
    ...args: unknown[]
  ) {
    const outer = this === storage ? tryGetEpoch() : undefined
    const isPart = this !== storage || (outer !== undefined && opened.has(outer))
    if (released || isPart || (when !== undefined && !when(store))) {
      return Reflect.apply(run, this, [store, callback, ...args])
    }
    const epochOptions = {
      ...others,
      name: typeof name === 'string' ? name : name(store),
      ifNested: 'fresh' as const,
    }
    return Reflect.apply(run, this, [
      store,
      () =>
        withEpoch(epochOptions, (epoch) => {
          opened.add(epoch)
          return callback(...args)
        }),
    ])
  }
  const own = Object.getOwnPropertyDescriptor(storage, 'run')
  const isOurs = { value: inEpoch, writable: true, enumerable: false, configurable: true }
  if (!Reflect.defineProperty(storage, 'run', isOurs)) {
    throw new EpochError('INVALID_ARGUMENT', `${call}: the storage's run cannot be replaced; is it frozen?`)
  }
  return () => {
    released = true
    if (storage.run !== (inEpoch as unknown)) return // somebody has wrapped it since: giving it back would undo that too
    if (own === undefined) Reflect.deleteProperty(storage, 'run')
    else Object.defineProperty(storage, 'run', own)
  }
}
