/**
 * Where the async context is kept: the process's one AsyncLocalStorage, and the only file that imports it. What it
 * stores is a scope: an epoch, or a memo computation inside one. `enterWith` stands inside an AsyncResource
 * only, which gives the caller its context back: by itself it leaks into the synchronous caller.
 */
import { AsyncLocalStorage, AsyncResource, executionAsyncId } from 'node:async_hooks'
import { carrier } from './carrier.js'
import type { Epoch, Scope } from './epoch.js'

/** What `currentScope` asks. A read asks it itself: in Bun each call further down costs a read as much as the read. */
export const storage: AsyncLocalStorage<Scope> = (carrier.storage ??= new AsyncLocalStorage<Scope>())

/** The scope of the running code: open, closed or detached; undefined outside, and while a getter is sampled. */
export function currentScope(): Scope | undefined {
  return carrier.sampling ? undefined : storage.getStore()
}

/** The epoch of the running code while its values are held, so open or closing. */
export function currentEpoch(): Epoch | undefined {
  const epoch = currentScope()?.owner()
  return epoch?.isHeld() === true ? epoch : undefined
}

/**
 * Calls `fn` in `scope` with up to two arguments; what it starts is in it too. By a resource `fn` always gets two, perhaps undefined,
 * because a list would cost each entry an array: wrap a user's function, so that it does not see them.
 */
export function enter<A extends [unknown?, unknown?], R>(scope: Scope, fn: (...args: A) => R, ...args: A): R {
  return byResource
    ? (resource().runInAsyncScope(inside, undefined, scope, fn as unknown as Entered, args[0], args[1]) as R)
    : storage.run(scope, fn, ...args)
}

type Entered = (first: unknown, second: unknown) => unknown

function inside(scope: Scope, fn: Entered, first: unknown, second: unknown): unknown {
  storage.enterWith(scope)
  return fn(first, second)
}

/** Its trigger is the running code. The default costs more to find, and is another one only inside some calls of Node's own. */
function resource(): AsyncResource {
  return new AsyncResource('withepoch', executionAsyncId())
}

/**
 * Where the async context is a frame (Node 24 and 26), `run` copies the frame twice and leaves its key in the caller's; an
 * AsyncResource gives the caller's back as it was, at a third of the cost. Elsewhere `run` is the cheaper one: on
 * async_hooks (where there is an `_enable`), in Bun and in Deno; and workerd refuses `enterWith`.
 */
const byResource =
  !('_enable' in AsyncLocalStorage.prototype) &&
  !('Bun' in globalThis) &&
  !('Deno' in globalThis) &&
  resourceRestores()

/** Whether what is entered inside an AsyncResource ends with it, also by an exception. */
function resourceRestores(): boolean {
  const seen: unknown[] = []
  const look = (): unknown => seen.push(storage.getStore())
  const within = (value: number, fn: () => void): unknown =>
    resource().runInAsyncScope(inside, undefined, value as unknown as Scope, fn, undefined, undefined)
  try {
    within(1, () => {
      look()
      try {
        within(2, () => {
          look()
          throw seen
        })
      } catch {
        look()
      }
    })
    look()
  } catch {
    return false // `enterWith` is refused
  }
  return String(seen) === '1,2,1,'
}

/**
 * The context in which the library was loaded: no request of anybody's, neither ours nor another library's, if it was
 * loaded at start-up.
 */
const runClean = AsyncLocalStorage.snapshot()

/** Runs `fn` with no async context at all, so that what it starts holds no request. */
export function enterClean<R>(fn: () => R): R {
  return runClean(fn)
}

/** A native promise for any thenable; a lazy one (a query builder) does its work in the context of this call. */
export function toPromise(thenable: PromiseLike<unknown>): Promise<unknown> {
  // Its `then` as well: one with a `then` of its own may throw, or be lazy, like any other thenable.
  if (thenable instanceof Promise && thenable.then === Promise.prototype.then) return thenable
  return new Promise((resolve, reject) => thenable.then(resolve, reject))
}

/**
 * For a promise that is refused: its rejection is nobody's, and must not end the process. Of a thenable that is no promise
 * nothing is asked: a lazy one would start its work.
 */
export function disown(thenable: PromiseLike<unknown>): void {
  try {
    void Promise.prototype.then.call(thenable as Promise<unknown>, undefined, () => {})
  } catch {
    // no promise of any realm
  }
}

/** Calls `fn`; a lazy thenable (a query builder) does its work when `then` is called, so that is called here too. */
export function callThrough<A extends unknown[]>(fn: (...args: A) => unknown, args: A): unknown {
  const result = fn(...args)
  return isThenable(result) ? toPromise(result) : result
}

/**
 * Duck-typed, because a promise from another realm (vm, a test runner) is no instance of ours. What objects to being
 * asked is none: handlers return proxies that throw on any name they do not know.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false
  let then: unknown
  try {
    then = (value as { then?: unknown }).then
  } catch {
    // it objects
  }
  return typeof then === 'function'
}
