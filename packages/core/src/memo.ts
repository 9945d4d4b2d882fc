/**
 * What is computed from a snapshot, computed once per epoch. Concurrent callers share one flight (`flight.ts`); the
 * results belong to the epoch, and end with it. This file knows keys and when results are dropped; sharing between
 * epochs is `derived`'s business.
 */
import { carrier } from './carrier.js'
import { memoHit, memoMiss } from './diagnostics.js'
import type { Epoch, Scope } from './epoch.js'
import { requireFunction, requireKnownOptions } from './errors.js'
import { board, type Flight, launch } from './flight.js'
import type { Source } from './source.js'
import { callThrough, currentScope, enter } from './storage.js'

export interface MemoOptions<A extends unknown[]> {
  /**
   * What the result is keyed by, instead of the arguments: for arguments that are new objects at each call. An array is
   * a tuple: its items are compared one by one.
   */
  key?: (...args: A) => unknown
  /** For diagnostics and cycle messages. @default the function's name */
  name?: string
}

/** What `memo` returns: the function, with a way to forget. */
export interface Memo<A extends unknown[], R> {
  (...args: A): R
  /** Forgets what the current epoch has computed with this memo; outside an epoch there is nothing to forget. */
  clear(): void
}

/** A trie over the key: one map per argument, primitives by value, objects by identity. */
interface Node {
  flight: Flight | undefined
  /** The value, or the promise that all callers share; set while there is a flight that runs no more. */
  result: unknown
  children: Map<unknown, Node> | undefined
}

/** The scope of a computation: it reads as its epoch does, and knows what is being computed. */
class Frame implements Scope {
  readonly #epoch: Epoch
  readonly #computing: Flight

  constructor(epoch: Epoch, computing: Flight) {
    this.#epoch = epoch
    this.#computing = computing
  }

  /** Carried on by what it started, but nothing waits through a computation that is done. */
  computing(): Flight | undefined {
    return this.#computing.state === 'done' ? undefined : this.#computing
  }

  read<T>(source: Source<T>): T {
    return this.#epoch.read(source)
  }

  owner(): Epoch {
    return this.#epoch
  }
}

/**
 * Wraps `fn` so that one epoch calls it once per key; the key is the arguments, objects by identity and primitives by
 * value (`1` is not `'1'`). Outside an epoch it calls through.
 *
 * Use it around what a request derives from its snapshot again and again: a scan of the plugin manifests, a compiled
 * policy, a tenant's settings.
 *
 * - Concurrent callers of an asynchronous `fn` get the same promise.
 * - A rejection goes to those who wait, and is then forgotten: the next call tries again. One that nobody awaits is
 *   reported as unhandled. An exception is not kept either.
 * - A write or `advance()` drops the epoch's results; its end drops them too. No epoch sees another's.
 *
 * **Caveat** `fn` is called without `this`, in the async context of the first caller.
 *
 * **Caveat** Asking counts as waiting: whoever prefetches another memo without an `await`, and is asked back by it, is
 * told of a cycle, although both could finish. Prefetch before, outside of both.
 *
 * @throws MEMO_CYCLE when a computation asks for itself, directly or through others, with the path.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * let scans = 0
 * const manifests = memo(async (dir) => { scans++; return `manifests of ${dir}` })
 * await withEpoch(() => Promise.all([manifests('/a'), manifests('/a'), manifests('/b')]))
 * scans // => 2
 */
export function memo<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: MemoOptions<A> = {},
): Memo<A, R> {
  requireFunction(fn, 'memo(fn, options)', 'fn')
  requireKnownOptions(options, 'memo(fn, options)', ['key', 'name'])
  if (options.key !== undefined) requireFunction(options.key, 'memo(fn, options)', 'key')
  const name = options.name ?? (fn.name || 'anonymous')
  const { key } = options

  function memoized(...args: A): R {
    const scope = currentScope()
    const tables = scope?.owner().memoTables() as Map<unknown, Node> | undefined
    if (scope === undefined || tables === undefined) return fn(...args)
    const node = nodeOf(tables, memoized, key === undefined ? args : pathOf(key(...args)))
    const caller = scope.computing() as Flight | undefined
    const epoch = scope.owner()
    if (node.flight !== undefined) {
      if (carrier.memosHeard) tell(memoHit, epoch, name)
      board(node.flight, caller)
      return node.result as R
    }
    if (carrier.memosHeard) tell(memoMiss, epoch, name)
    const flight: Flight = { name, state: 'running', waitsFor: undefined }
    node.flight = flight
    const run = (): unknown => enter(new Frame(epoch, flight), callThrough, fn, args)
    node.result = launch(flight, caller, run, (succeeded) => {
      if (!succeeded) node.flight = node.result = undefined
    })
    return node.result as R
  }

  memoized.clear = function clear(): void {
    currentScope()?.owner().memoTables()?.delete(memoized)
  }
  return memoized
}

function tell(heard: typeof memoHit, epoch: Epoch, memo: string): void {
  if (heard.hasSubscribers) heard.publish({ epoch, memo })
}

function pathOf(key: unknown): readonly unknown[] {
  return Array.isArray(key) ? key : [key]
}

function nodeOf(tables: Map<unknown, Node>, memo: unknown, path: readonly unknown[]): Node {
  let node = child(tables, memo)
  for (const part of path) node = child((node.children ??= new Map()), part)
  return node
}

function child(nodes: Map<unknown, Node>, part: unknown): Node {
  let node = nodes.get(part)
  if (node === undefined)
    nodes.set(part, (node = { flight: undefined, result: undefined, children: undefined }))
  return node
}
