/**
 * Carrying an epoch to code that runs in somebody else's context: listeners run in the context of whoever emits,
 * iterators in that of whoever pulls, queued callbacks in that of whoever frees the place. And the opposite, `detach`:
 * running with no epoch. Only the epoch is carried; other libraries' contexts are theirs to carry.
 */
import type { EventEmitter } from 'node:events'
import { detached, type Scope } from './epoch.js'
import { EpochError, kindOf, requireFunction } from './errors.js'
import { currentScope, enter, isThenable } from './storage.js'

/**
 * Binds `fn` to the current epoch: wherever it is called, it runs inside. Bound outside any epoch it runs with none.
 *
 * Use it for callbacks handed to a pool, a queue, an `EventTarget` or an `AbortSignal`.
 *
 * **Caveat** It does not hold the epoch open: called after the end, its reads are late. `epoch.waitUntil` holds it.
 *
 * @throws INVALID_ARGUMENT when `fn` is not a function.
 * @example
 * const user = cell('docs.bind.user', 'ann')
 * withEpoch({ values: [[user, 'bob']] }, () => {
 *   const callback = bind(() => user.get())
 *   return [detach(() => user.get()), detach(callback)]
 * }) // => ['ann', 'bob']
 */
export function bind<This, A extends unknown[], R>(
  fn: (this: This, ...args: A) => R,
): (this: This, ...args: A) => R {
  requireFunction(fn, 'bind(fn)', 'fn')
  const scope = here()
  return function bound(this: This, ...args: A): R {
    leaveFor(scope)
    return enter(scope, () => Reflect.apply(fn, this, args) as R)
  }
}

/**
 * Runs `fn` with no epoch: its reads are live, and so is whatever it starts. For work that a request sets off but that
 * does not belong to it: a shared connection, a cache's loader, a scheduler's timer.
 *
 * @returns what `fn` returns.
 * @throws INVALID_ARGUMENT when `fn` is not a function.
 * @example
 * withEpoch(() => detach(() => tryGetEpoch())) // => undefined
 */
export function detach<R>(fn: () => R): R {
  requireFunction(fn, 'detach(fn)', 'fn')
  currentScope()?.owner().untracked()
  return enter(detached, () => fn())
}

const BOUND = Symbol.for('withepoch.boundEmitter')
/** What an emitter must have for its listeners to be bound, and found again. */
const NEEDED = ['on', 'removeListener', 'rawListeners'] as const
/** On a bound listener: the one that was added, by which it is taken away. */
const ORIGINAL: unique symbol = Symbol.for('withepoch.originalListener')

/**
 * Makes listeners of `emitter` run in the epoch in which they were added, not in that of whoever emits. Those added
 * before are left as they are; `off`, `once`, `listeners` and `newListener` work with the listeners as you know them.
 *
 * Use it on requests, responses and sockets, whose events come from the connection.
 *
 * **Caveat** It replaces seven methods on this one object. For an `EventTarget`, a `MessagePort`, or an emitter that is
 * not Node's, use `bind(listener)`.
 *
 * @returns the same emitter.
 * @throws INVALID_ARGUMENT when it is not an emitter.
 * @example
 * import { EventEmitter } from 'node:events'
 * const emitter = new EventEmitter()
 * const seen = []
 * withEpoch({ name: 'listener' }, () => {
 *   bindEmitter(emitter).on('row', () => seen.push(tryGetEpoch()?.name))
 *   detach(() => emitter.emit('row'))
 * })
 * seen // => ['listener']
 */
export function bindEmitter<E extends EventEmitter>(emitter: E): E {
  if (NEEDED.some((method) => typeof emitter?.[method] !== 'function')) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `bindEmitter(emitter): expected an EventEmitter, got ${kindOf(emitter)}.${hintFor(emitter)}`,
    )
  }
  if (Object.hasOwn(emitter, BOUND)) return emitter
  const methods: Record<string, unknown> = { [BOUND]: true }
  for (const method of ['on', 'addListener', 'prependListener'] as const) {
    const original = emitter[method]
    methods[method] = function (type: string | symbol, listener: Listener): E {
      return Reflect.apply(original, this, [type, boundListener(listener, listener)]) as E
    }
  }
  for (const [method, plain] of [
    ['once', 'on'],
    ['prependOnceListener', 'prependListener'],
  ] as const) {
    const original = emitter[plain]
    methods[method] = function (type: string | symbol, listener: Listener): E {
      const once = boundListener(function (this: E, ...args: unknown[]): unknown {
        emitter.removeListener(type, once)
        return Reflect.apply(listener, this, args)
      }, listener)
      return Reflect.apply(original, this, [type, once]) as E
    }
  }
  for (const method of ['off', 'removeListener'] as const) {
    const original = emitter[method]
    methods[method] = function (type: string | symbol, listener: Listener): E {
      const bound = emitter.rawListeners(type).findLast((raw) => (raw as Bound)[ORIGINAL] === listener)
      return Reflect.apply(original, this, [type, bound ?? listener]) as E
    }
  }
  for (const key of Reflect.ownKeys(methods)) {
    Object.defineProperty(emitter, key, { value: methods[key as string], configurable: true, writable: true })
  }
  return emitter
}

/** What to do with one that is no EventEmitter of Node's: a MessagePort has `on`, and so have emitters of others. */
function hintFor(emitter: { addEventListener?: unknown; on?: unknown } | null | undefined): string {
  if (typeof emitter?.addEventListener === 'function') {
    return ' It is an EventTarget: pass bind(listener) to addEventListener instead.'
  }
  return typeof emitter?.on === 'function'
    ? ' It has no rawListeners: pass bind(listener) to its `on` instead.'
    : ''
}

type Listener = (...args: unknown[]) => unknown

type Bound = Partial<Record<typeof ORIGINAL, Listener>>

/** EventEmitter shows `.listener` in `listeners`, and finds by it what `off` is given; wrappers of others have one too. */
function boundListener(run: Listener, listener: Listener): Listener {
  if (typeof listener !== 'function') return listener // the emitter's own error says it best
  const shown = (listener as { listener?: Listener }).listener ?? listener
  return Object.assign(bind(run), { listener: shown, [ORIGINAL]: listener })
}

/**
 * Makes each step of an iterable run in the current epoch, wherever it is pulled from: `next`, `return` and `throw`.
 *
 * Use it for rows that a handler hands out and others consume: a generator's body runs in the context of its consumer.
 *
 * **Caveat** It does not hold the epoch open. An iterator that the handler of `withEpoch` returns is bound and holds it
 * without this.
 *
 * @returns an iterable of the same kind; an iterator for an iterator.
 * @throws INVALID_ARGUMENT when it is not iterable.
 * @example
 * const locale = cell('docs.bindIterable.locale', 'en')
 * withEpoch({ values: [[locale, 'fr']] }, () => {
 *   const rows = bindIterable((function* () { yield locale.get() })())
 *   return detach(() => [...rows])
 * }) // => ['fr']
 */
export function bindIterable<I extends Iterable<unknown> | AsyncIterable<unknown>>(iterable: I): I {
  const scope = here()
  const object = iterable as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined
  if (isIterator(object)) return boundIterator(object, scope, () => {}) as unknown as I
  for (const key of [Symbol.asyncIterator, Symbol.iterator] as const) {
    if (typeof object?.[key] === 'function') {
      return {
        [key]: () => boundIterator(enter(scope, () => object[key]!()) as AnyIterator, scope, () => {}),
      } as unknown as I
    }
  }
  throw new EpochError(
    'INVALID_ARGUMENT',
    `bindIterable(iterable): expected an iterable, got ${kindOf(iterable)}.`,
  )
}

type AnyIterator = Iterator<unknown, unknown, unknown> | AsyncIterator<unknown, unknown, unknown>

/**
 * An iterator that is its own iterable, as generators are; a cursor that makes iterators is not one. The symbols are
 * looked at first, and a value that objects to being looked at is none: handlers return proxies that throw on any name
 * they do not know.
 */
export function isIterator(value: unknown): value is AnyIterator {
  if (typeof value !== 'object' || value === null) return false
  const object = value as Record<string | symbol, unknown>
  try {
    const self = object[Symbol.asyncIterator] ?? object[Symbol.iterator]
    return (
      typeof self === 'function' &&
      typeof object['next'] === 'function' &&
      Reflect.apply(self, value, []) === value
    )
  } catch {
    return false
  }
}

const SYNC_PROTOTYPE = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object
const ASYNC_PROTOTYPE = Object.getPrototypeOf(
  Object.getPrototypeOf(Object.getPrototypeOf((async function* () {})())),
) as object

/**
 * The iterator, each step inside `scope`; `onEnd` is called once, when it is done, fails, or is given up by `return`.
 * It inherits from the native prototype, so the iterator helpers of newer Nodes are there.
 */
export function boundIterator<I extends AnyIterator>(iterator: I, scope: Scope, onEnd: () => void): I {
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    onEnd()
  }
  const watch = (result: unknown): unknown => {
    if ((result as IteratorResult<unknown>).done === true) end()
    return result
  }
  const fail = (error: unknown): never => {
    end()
    throw error
  }
  const step = (method: 'next' | 'return' | 'throw', args: unknown[]): unknown => {
    leaveFor(scope)
    try {
      const result: unknown = enter(scope, () => Reflect.apply(iterator[method]!, iterator, args))
      return isThenable(result) ? result.then(watch, fail) : watch(result)
    } catch (error) {
      return fail(error)
    }
  }
  const isAsync = typeof (iterator as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator] === 'function'
  const bound = Object.create(isAsync ? ASYNC_PROTOTYPE : SYNC_PROTOTYPE) as Record<string, unknown>
  bound['next'] = (...args: unknown[]) => step('next', args)
  bound['return'] = (value: unknown) => {
    if (iterator.return !== undefined) return step('return', [value])
    end()
    const result = { done: true, value }
    return isAsync ? Promise.resolve(result) : result
  }
  if (iterator.throw !== undefined) bound['throw'] = (error: unknown) => step('throw', [error])
  return bound as unknown as I
}

/** A derived value that is computed from another epoch's values depends on more than its own snapshot. */
function leaveFor(scope: Scope): void {
  const caller = currentScope()?.owner()
  if (caller !== scope.owner()) caller?.untracked()
}

/** The scope of the running code, open or closed; the detached one outside, so that binding there means none. */
function here(): Scope {
  return currentScope() ?? detached
}
