/**
 * The door: opens an epoch, runs the handler inside, and ties the end of the one to the end of the other. Nesting is
 * decided here. What an epoch is stands in `epoch.ts`; this file knows what a handler can return.
 */
import { boundIterator, isIterator } from './bind.js'
import { carrier } from './carrier.js'
import { Epoch, requireSource, type Writes } from './epoch.js'
import {
  EpochError,
  kindOf,
  requireFunction,
  requireKnownOptions,
  requirePositive,
  requireWord,
} from './errors.js'
import { ObservedEpoch } from './observed-epoch.js'
import { openEpochs } from './open-epochs.js'
import { type IfOverdue, noteBirth, watchAges } from './overdue.js'
import { root } from './snapshot.js'
import type { Source } from './source.js'
import { currentEpoch, currentScope, enter, isThenable, toPromise } from './storage.js'

/** A source and the value that an epoch is to see for it. */
export type Override<T> = readonly [source: Source<T>, value: NoInfer<T>]

export interface EpochOptions<V extends readonly unknown[] = readonly unknown[]> {
  /** For diagnostics: the method, the route, the job. @default 'anonymous' */
  name?: string | undefined
  /**
   * What to do inside another epoch that is open.
   *
   * - `reuse`: join it, and hold it open until the handler is done. With `values`, or with other `writes` than its own,
   *   joining would change the outer epoch's view: a fork is opened instead.
   * - `fork`: a child that starts from the outer epoch's values; its local writes stay its own.
   * - `fresh`: a new capture of the live values. What an entry point wants.
   * - `throw`: NESTED_EPOCH.
   *
   * @default 'reuse'
   */
  ifNested?: 'reuse' | 'fork' | 'fresh' | 'throw' | undefined
  /** Overrides: local writes made at entry, so the world never sees them. `[[language, 'fr'], [limit, 10]]`. */
  values?: { readonly [K in keyof V]: Override<V[K]> } | undefined
  /**
   * What a write inside does.
   *
   * - `publish`: it goes live, and this epoch sees it too.
   * - `local`: this epoch alone sees it. Turns code that sets a global into a request-scoped override.
   * - `reject`: it throws WRITE_REJECTED.
   *
   * @default 'publish', or what the forked parent has
   */
  writes?: Writes | undefined
  /** Milliseconds after which this epoch, if still open, is overdue. @default what `configure` says */
  maxAgeMs?: number | undefined
  /** What to do when it is overdue: `report` it, or report and `close` it. @default what `configure` says */
  ifOverdue?: IfOverdue | undefined
}

const OPTIONS = ['name', 'ifNested', 'values', 'writes', 'maxAgeMs', 'ifOverdue']
const NESTINGS = ['reuse', 'fork', 'fresh', 'throw']
const WRITES: readonly Writes[] = ['publish', 'local', 'reject']
const NO_OPTIONS: EpochOptions = {}

/**
 * Runs `handler` with one consistent view of every source: the values of the moment of entry, whatever concurrent work
 * does to the globals meanwhile.
 *
 * Call it at the door of a request: an RPC dispatch, a message, a job, a tick of a subscription. There say
 * `ifNested: 'fresh'`, because a server that was started inside an epoch hands its context to every later request.
 *
 * The epoch ends when the handler is done: on return, when its promise (any thenable) settles, when the generator it
 * returned finishes; and not before every `epoch.waitUntil(promise)` has settled. Errors pass through once.
 *
 * **Caveat** A snapshot prevents torn reads, not write skew; `epoch.validate(...)` is the fence. A snapshot of a
 * reference does not stop others from mutating what it refers to; see `copy`.
 *
 * @param handler gets the epoch. A thenable it returns comes back as a promise, an iterator as a bound iterator.
 * @returns what `handler` returns.
 * @throws what `handler` throws.
 * @throws NESTED_EPOCH when inside an open epoch with `ifNested: 'throw'`.
 * @throws EPOCH_IN_GETTER when called by a source's getter; EPOCH_IN_PUBLISH when called inside `publish`.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be; the handler is not called.
 * @example
 * const region = cell('docs.withEpoch.region', 'eu')
 * await withEpoch({ name: 'orders.list' }, async () => {
 *   const first = region.get()
 *   await detach(async () => region.set('us'))
 *   return [first, region.get()]
 * }) // => ['eu', 'eu']
 */
export function withEpoch<R>(handler: (epoch: Epoch) => PromiseLike<R>): Promise<R>
export function withEpoch<R>(handler: (epoch: Epoch) => R): R
export function withEpoch<R, const V extends readonly unknown[]>(
  options: EpochOptions<V>,
  handler: (epoch: Epoch) => PromiseLike<R>,
): Promise<R>
export function withEpoch<R, const V extends readonly unknown[]>(
  options: EpochOptions<V>,
  handler: (epoch: Epoch) => R,
): R
export function withEpoch(first: unknown, second?: unknown): unknown {
  const options = second === undefined && typeof first === 'function' ? NO_OPTIONS : (first as EpochOptions)
  const handler = (options === NO_OPTIONS ? first : second) as (epoch: Epoch) => unknown
  if (options !== NO_OPTIONS) checkOptions(options)
  requireFunction(handler, 'withEpoch(options?, handler)', 'handler')

  const outer = currentScope()?.owner()
  if (outer === undefined || !outer.isOpen()) return run(openFresh(options, outer), handler)
  const { ifNested = 'reuse', values, writes = outer.writeMode } = options
  if (ifNested === 'throw') {
    throw new EpochError(
      'NESTED_EPOCH',
      `withEpoch({ ifNested: 'throw' }) was called inside epoch #${outer.id} "${outer.name}". Say 'reuse' to join it, ` +
        "'fork' for a child of it, or 'fresh' for a new capture.",
    )
  }
  if (ifNested === 'fresh') return run(openFresh(options, outer), handler)
  const joins =
    ifNested === 'reuse' && (values === undefined || values.length === 0) && writes === outer.writeMode
  if (joins) return finish(outer, handler(outer), true)
  return run(prepare(outer.fork(options.name ?? outer.name, writes), options), handler)
}

/**
 * The epoch of the running code.
 *
 * @throws NO_EPOCH when there is none, or it has closed.
 * @example
 * withEpoch({ name: 'jobs.run' }, () => getEpoch().name) // => 'jobs.run'
 */
export function getEpoch(): Epoch {
  const epoch = currentEpoch()
  if (epoch !== undefined) return epoch
  const closed = currentScope()?.owner()
  const found =
    closed === undefined || closed.id === 0
      ? 'the running code is in no epoch'
      : `epoch #${closed.id} "${closed.name}", which this code was started in, has closed`
  throw new EpochError(
    'NO_EPOCH',
    `getEpoch(): ${found}. Wrap the entry point in withEpoch(handler), or use tryGetEpoch() where none is fine.`,
  )
}

/**
 * The epoch of the running code, or undefined when there is none or it has closed.
 *
 * @example
 * tryGetEpoch() // => undefined
 */
export function tryGetEpoch(): Epoch | undefined {
  return currentEpoch()
}

function openFresh(options: EpochOptions, parent: Epoch | undefined): Epoch {
  parent?.untracked()
  const { name = 'anonymous', writes = 'publish' } = options
  const values = root.capture()
  // Two calls of two constructors: one of whichever it is could not be inlined.
  const epoch = carrier.observe
    ? new ObservedEpoch(values, name, writes, realParent(parent))
    : new Epoch(values, name, writes, realParent(parent))
  openEpochs.add(epoch)
  return prepare(epoch, options)
}

/** The detached sentinel is nobody's parent. */
function realParent(parent: Epoch | undefined): Epoch | undefined {
  return parent?.id === 0 ? undefined : parent
}

/** What the options ask of an epoch that has just been opened. */
function prepare(epoch: Epoch, options: EpochOptions): Epoch {
  if (epoch.writeMode !== 'publish' || epoch.observing) carrier.guardWrites = true
  const { values, maxAgeMs, ifOverdue } = options
  if (values !== undefined) for (const [source, value] of values) epoch.writeLocal(source, value)
  noteBirth(epoch, withEpoch, maxAgeMs, ifOverdue)
  if (maxAgeMs !== undefined) watchAges(maxAgeMs)
  return epoch
}

function run(epoch: Epoch, handler: (epoch: Epoch) => unknown): unknown {
  return enter(epoch, runInside, epoch, handler)
}

function runInside(epoch: Epoch, handler: (epoch: Epoch) => unknown): unknown {
  try {
    return finish(epoch, handler(epoch), false)
  } catch (error) {
    epoch.release()
    throw error
  }
}

/**
 * Ties the end to what the handler returned. One that joined an outer epoch takes a lease first, if it needs one: the
 * outer must not close under it.
 */
function finish(epoch: Epoch, result: unknown, joined: boolean): unknown {
  if (isThenable(result)) {
    if (joined) epoch.hold()
    return toPromise(result).then(
      (value) => runInside(epoch, () => value),
      (error: unknown) => {
        epoch.release()
        throw error
      },
    )
  }
  if (isIterator(result)) {
    if (joined) epoch.hold()
    // One that joined runs on in what it is part of, a memo computation perhaps.
    const scope = joined ? (currentScope() ?? epoch) : epoch
    return boundIterator(result, scope, () => epoch.release())
  }
  if (!joined) epoch.release()
  return result
}

function checkOptions(options: EpochOptions): void {
  const call = 'withEpoch(options, handler)'
  requireKnownOptions(options, call, OPTIONS)
  requireWord(options.ifNested, call, 'ifNested', NESTINGS)
  requireWord(options.writes, call, 'writes', WRITES)
  requirePositive(options.maxAgeMs, call, 'maxAgeMs')
  requireWord(options.ifOverdue, call, 'ifOverdue', ['report', 'close'])
  if (options.name !== undefined && typeof options.name !== 'string') {
    throw new EpochError('INVALID_ARGUMENT', `${call}: name must be a string, got ${kindOf(options.name)}.`)
  }
  if (options.values === undefined) return
  if (!Array.isArray(options.values)) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${call}: values must be an array of [source, value] pairs, got ${kindOf(options.values)}.`,
    )
  }
  for (const pair of options.values as ReadonlyArray<unknown>) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${call}: values must hold [source, value] pairs, got ${kindOf(pair)}.`,
      )
    }
    requireSource(pair[0], `${call}, values`)
    const source = pair[0] as Source<unknown>
    if (source.isolation === 'read-committed') {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${call}: values cannot override "${source.name}": it is read-committed, so every read of it is live.`,
      )
    }
  }
}
