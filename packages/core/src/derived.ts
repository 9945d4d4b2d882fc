/**
 * What is computed from sources, shared by every epoch that sees the same values of those it was computed from: the
 * level above `memo`. A computation runs in an epoch of its own, pinned to the caller's snapshot and in no request's
 * context, which notes what is read; a later caller whose values of just those sources are equal gets the result. So
 * the leader's end poisons nobody, and nothing of its request leaks into what others share.
 */
import { carrier } from './carrier.js'
import { derivedHit, derivedMiss } from './diagnostics.js'
import { Epoch } from './epoch.js'
import { requireFunction, requireKnownOptions, requirePositive } from './errors.js'
import { board, type Flight, launch } from './flight.js'
import { openEpochs } from './open-epochs.js'
import { root, type Values } from './snapshot.js'
import type { Source } from './source.js'
import { callThrough, currentScope, enter, enterClean } from './storage.js'

export interface DerivedOptions<A extends unknown[]> {
  /**
   * What results are keyed by beside the sources, instead of the arguments. An array is a tuple: its items are compared
   * one by one.
   */
  key?: ((...args: A) => unknown) | undefined
  /** How many results to keep; the one not used for longest goes first. Minimum: 1. @default 100 */
  max?: number | undefined
  /** For diagnostics and cycle messages. @default the function's name */
  name?: string | undefined
}

/** What `derived` returns: the function, with a way to forget. */
export interface Derived<A extends unknown[], R> {
  (...args: A): R
  /** Forgets all results, for all epochs. Computations under way still reach those who wait. */
  clear(): void
}

/** What a computation used. */
interface Inputs {
  readonly values: Map<Source<unknown>, unknown>
  /** False once it used something that a later caller's values cannot be compared by. */
  comparable: boolean
}

/** One result, or one computation under way, and what it was computed from. */
interface Result {
  readonly flight: Flight
  readonly inputs: Inputs
  /** The value, or the promise that all callers share. */
  value: unknown
  readonly leaf: Leaf
}

/** Results by key: a trie with one map per argument. */
interface Leaf {
  readonly results: Set<Result>
  readonly children: Map<unknown, Leaf>
  readonly parent: { readonly leaf: Leaf; readonly part: unknown } | undefined
}

/** The epoch that a computation runs in: it notes what is read. Its writes are refused, for whose would they be? */
class Derivation extends Epoch {
  readonly #flight: Flight
  /** Dropped when the computation is done: what it started must not hold the values. */
  #inputs: Inputs | undefined

  constructor(values: Values, flight: Flight, inputs: Inputs) {
    super(values, `derived ${flight.name}`, 'reject', undefined)
    this.#flight = flight
    this.#inputs = inputs
  }

  override read<T>(source: Source<T>): T {
    try {
      const value = super.read(source)
      this.note(source, value)
      return value
    } catch (error) {
      this.untracked() // what was computed from an error is not compared
      throw error
    }
  }

  override computing(): Flight {
    return this.#flight
  }

  override untracked(): void {
    if (this.#inputs !== undefined) this.#inputs.comparable = false
  }

  /** A source read twice with two values (one that is never pinned) cannot be compared by one. */
  override note(source: Source<unknown>, value: unknown): void {
    const values = this.#inputs?.values
    if (values === undefined) return
    if (values.has(source) && !Object.is(values.get(source), value)) this.untracked()
    values.set(source, value)
  }

  done(): void {
    this.#inputs = undefined
    this.release()
  }
}

/**
 * Wraps `fn` so that it is computed once for each key and each set of values of the sources it read, however many epochs
 * ask, and however many ask at once. What it reads is noticed by itself, across awaits.
 *
 * Use it for what many requests derive from the same few globals: the plugin metadata of the active workspace, a
 * compiled configuration. Use `memo` for what belongs to one request.
 *
 * - A rejection goes to those who wait and is then forgotten, as in `memo`.
 * - `fn` runs in an epoch of its own, with the caller's values, in no request's async context; writes in it are refused.
 * - Not shared, but computed for each caller, is what read a source with `live()`, called `detach`, or opened an epoch
 *   of its own: it depends on more than the snapshot.
 *
 * **Caveat** What it reads elsewhere (a file, the clock, a variable that is no source, another library's async context)
 * is not known, and so not compared. Declare it as a source, make it part of the key, or call `clear()` when it changes.
 * A result holds the values it was computed from, until `max` others have been used since.
 *
 * @throws MEMO_CYCLE when a computation asks for itself, directly or through others, with the path.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * const workspace = cell('docs.derived.workspace', '/a')
 * let scans = 0
 * const metadata = derived(async () => { scans++; return `metadata of ${workspace.get()}` })
 * await Promise.all([withEpoch(() => metadata()), withEpoch(() => metadata())])
 * workspace.set('/b')
 * await withEpoch(() => metadata())
 * workspace.set('/a')
 * await withEpoch(() => metadata()) // => 'metadata of /a'
 * scans // => 2
 */
export function derived<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: DerivedOptions<A> = {},
): Derived<A, R> {
  requireFunction(fn, 'derived(fn, options)', 'fn')
  requireKnownOptions(options, 'derived(fn, options)', ['key', 'max', 'name'])
  if (options.key !== undefined) requireFunction(options.key, 'derived(fn, options)', 'key')
  requirePositive(options.max, 'derived(fn, options)', 'max')
  const { max = 100 } = options
  const name = options.name ?? (fn.name || 'anonymous')
  const trunk: Leaf = { results: new Set(), children: new Map(), parent: undefined }
  /** All results, the one used last at the end. */
  const byUse = new Set<Result>()

  function derivedFunction(...args: A): R {
    const scope = currentScope()
    return find(heldBy(scope?.owner()), scope?.computing() as Flight | undefined, args) as R
  }

  derivedFunction.clear = function clear(): void {
    for (const result of byUse) forget(result)
  }
  return derivedFunction

  function find(epoch: Epoch | undefined, caller: Flight | undefined, args: A): unknown {
    const key: unknown = options.key === undefined ? args : options.key(...args)
    const leaf = leafOf(trunk, Array.isArray(key) ? key : [key])
    for (const result of leaf.results) {
      if (!agrees(result.inputs, epoch)) continue
      byUse.delete(result)
      byUse.add(result)
      if (derivedHit.hasSubscribers) derivedHit.publish({ epoch, memo: name })
      board(result.flight, caller)
      if (result.flight.state === 'done') {
        passOn(result.inputs, epoch)
        return result.value
      }
      // Under way, and agreeing so far: wait, and look again at all that it has read.
      const arrived = (take: () => unknown): unknown => {
        if (!agrees(result.inputs, heldBy(epoch))) return find(heldBy(epoch), caller, args)
        passOn(result.inputs, epoch)
        return take()
      }
      return (result.value as Promise<unknown>).then(
        (value) => arrived(() => value),
        (error: unknown) =>
          arrived(() => {
            throw error
          }),
      )
    }
    if (derivedMiss.hasSubscribers) derivedMiss.publish({ epoch, memo: name })
    return compute(leaf, epoch, caller, args)
  }

  function compute(leaf: Leaf, epoch: Epoch | undefined, caller: Flight | undefined, args: A): unknown {
    const flight: Flight = { name, state: 'running', waitsFor: undefined }
    const inputs: Inputs = { values: new Map(), comparable: true }
    const result: Result = { flight, inputs, value: undefined, leaf }
    const own = openFor(epoch, flight, inputs)
    leaf.results.add(result)
    byUse.add(result)
    carrier.deriving++
    const run = (): unknown => enterClean(() => enter(own, callThrough, fn, args))
    result.value = launch(flight, caller, run, (succeeded) => {
      carrier.deriving--
      own.done()
      if (!succeeded || !inputs.comparable) forget(result)
      for (const oldest of byUse) {
        if (byUse.size <= max) break
        forget(oldest)
      }
      passOn(inputs, epoch)
    })
    return result.value
  }

  function forget(result: Result): void {
    byUse.delete(result)
    result.leaf.results.delete(result)
    for (let { leaf } = result; leaf.parent !== undefined; leaf = leaf.parent.leaf) {
      if (leaf.results.size > 0 || leaf.children.size > 0) break
      leaf.parent.leaf.children.delete(leaf.parent.part)
    }
  }
}

/** Whether the caller's values of all that a result was computed from are equal to those it was computed from. */
function agrees(inputs: Inputs, epoch: Epoch | undefined): boolean {
  if (!inputs.comparable) return false
  try {
    for (const [source, value] of inputs.values) {
      if (!Object.is(epoch === undefined ? source.liveNow() : epoch.peek(source), value)) return false
    }
    return true
  } catch {
    return false
  }
}

/** What a derived value was computed from is what another one, that asked for it, was computed from. */
function passOn(inputs: Inputs, epoch: Epoch | undefined): void {
  if (epoch === undefined) return
  if (!inputs.comparable) epoch.untracked()
  for (const [source, value] of inputs.values) epoch.note(source, value)
}

function openFor(epoch: Epoch | undefined, flight: Flight, inputs: Inputs): Derivation {
  if (epoch !== undefined) return epoch.spawn((values) => new Derivation(values, flight, inputs))
  const own = new Derivation(root.capture(), flight, inputs)
  openEpochs.add(own)
  return own
}

function heldBy(epoch: Epoch | undefined): Epoch | undefined {
  return epoch?.isHeld() === true ? epoch : undefined
}

function leafOf(trunk: Leaf, path: readonly unknown[]): Leaf {
  let leaf = trunk
  for (const part of path) {
    let child = leaf.children.get(part)
    if (child === undefined) {
      child = { results: new Set(), children: new Map(), parent: { leaf, part } }
      leaf.children.set(part, child)
    }
    leaf = child
  }
  return leaf
}
