/**
 * What is computed from a snapshot, computed once per epoch. Concurrent callers share one flight; the results belong
 * to the epoch, and end with it. This file knows keys, flights and cycles; sharing between epochs is not its business.
 *
 * A computation runs in a frame, a scope that reads as its epoch does and remembers which entry is being computed. A
 * caller inside a frame that meets a flight waits for it, which is noted, so that a circle of waiting computations
 * is found when it would close, and is an error with its path where it would have been a hang.
 */
import { memoHit, memoMiss } from './diagnostics.js'
import type { Epoch, Scope } from './epoch.js'
import { EpochError, requireFunction, requireKnownOptions } from './errors.js'
import type { Source } from './source.js'
import { currentScope, enter, isThenable, toPromise } from './storage.js'

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

/** One result, or one computation under way. */
interface Entry {
  readonly memo: string
  state: 'running' | 'in-flight' | 'done'
  result: unknown
  /** The flights this computation has asked for and that are not done: edges of the waits-for graph. */
  waitsFor: Set<Entry> | undefined
}

/** A trie over the key: one map per argument, primitives by value, objects by identity. */
interface Node {
  entry: Entry | undefined
  children: Map<unknown, Node> | undefined
}

class Frame implements Scope {
  readonly #epoch: Epoch
  readonly #computing: Entry

  constructor(epoch: Epoch, computing: Entry) {
    this.#epoch = epoch
    this.#computing = computing
  }

  computing(): Entry {
    return this.#computing
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
    const caller = scope.computing() as Entry | undefined
    const epoch = scope.owner()
    if (node.entry !== undefined) {
      if (memoHit.hasSubscribers) memoHit.publish({ epoch, memo: name })
      return resultOf(node.entry, caller) as R
    }
    if (memoMiss.hasSubscribers) memoMiss.publish({ epoch, memo: name })
    return compute(node, name, epoch, caller, fn, args) as R
  }

  memoized.clear = function clear(): void {
    currentScope()?.owner().memoTables()?.delete(memoized)
  }
  return memoized
}

function compute<A extends unknown[]>(
  node: Node,
  memo: string,
  epoch: Epoch,
  caller: Entry | undefined,
  fn: (...args: A) => unknown,
  args: A,
): unknown {
  const entry: Entry = { memo, state: 'running', result: undefined, waitsFor: undefined }
  node.entry = entry
  const forget = (): void => {
    if (node.entry === entry) node.entry = undefined
  }
  if (caller !== undefined) wait(caller, entry)
  try {
    const result = enter(new Frame(epoch, entry), runInFrame, fn, args) // a thenable's `then` is called inside too
    if (!isThenable(result)) {
      settle(entry)
      return (entry.result = result)
    }
    entry.state = 'in-flight'
    // One promise for all callers, derived so that the eviction does not make the rejection look handled.
    return (entry.result = result.then(
      (value) => {
        settle(entry)
        return value
      },
      (error: unknown) => {
        forget()
        settle(entry)
        throw error
      },
    ))
  } catch (error) {
    forget()
    settle(entry)
    throw error
  }
}

function runInFrame<A extends unknown[]>(fn: (...args: A) => unknown, args: A): unknown {
  const result = fn(...args)
  return isThenable(result) ? toPromise(result) : result
}

function resultOf(entry: Entry, caller: Entry | undefined): unknown {
  if (entry.state === 'done') return entry.result
  const path = caller === undefined ? undefined : pathBetween(entry, caller)
  // Still running means that this call is below it on the stack, whatever the context says.
  const cycle = path ?? (entry.state === 'running' ? [entry] : undefined)
  if (cycle !== undefined) {
    throw new EpochError(
      'MEMO_CYCLE',
      `memo "${entry.memo}" waits for itself: ${[...cycle, entry].map((step) => step.memo).join(' → ')}. None of them ` +
        'could ever finish; take the part that both need out into a memo of its own.',
    )
  }
  if (caller !== undefined) wait(caller, entry)
  return entry.result
}

function wait(caller: Entry, entry: Entry): void {
  caller.waitsFor ??= new Set()
  caller.waitsFor.add(entry)
}

function settle(entry: Entry): void {
  entry.state = 'done'
  entry.waitsFor = undefined
}

/** The chain of waiting from one computation to another, if there is one. */
function pathBetween(from: Entry, to: Entry, seen = new Set<Entry>()): Entry[] | undefined {
  if (from === to) return [from]
  seen.add(from)
  for (const next of from.waitsFor ?? []) {
    if (next.state === 'done' || seen.has(next)) continue
    const rest = pathBetween(next, to, seen)
    if (rest !== undefined) return [from, ...rest]
  }
  return undefined
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
  if (node === undefined) nodes.set(part, (node = { entry: undefined, children: undefined }))
  return node
}
