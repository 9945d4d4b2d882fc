/**
 * What is computed from sources, shared by every epoch that sees the same values of those it was computed from: the
 * level above `memo`. A computation runs in an epoch of its own, pinned to the caller's snapshot and in no request's
 * context, which notes what is read; a later caller whose values of just those sources are equal gets the result. So
 * the leader's end poisons nobody, and nothing of its request leaks into what others share.
 */
import { carrier } from './carrier.js'
import type { Cell } from './cell.js'
import { derivedHit, derivedMiss } from './diagnostics.js'
import { Epoch } from './epoch.js'
import { EpochError, kindOf, requireFunction, requireKnownOptions } from './errors.js'
import { board, type Flight, launch, refuseCycle } from './flight.js'
import { noteBirth } from './overdue.js'
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
  /** Where it is computed, while it is. */
  own: Derivation | undefined
  /** To be called when it is done, one way or the other. */
  readonly waiting: Array<() => void>
}

/** Results by key: a trie with one map per argument. */
interface Leaf {
  readonly results: Set<Result>
  readonly children: Map<unknown, Leaf>
  readonly parent: { readonly leaf: Leaf; readonly part: unknown } | undefined
}

/** One call that cannot be answered at once. */
interface Call<A extends unknown[]> {
  readonly args: A
  readonly key: readonly unknown[]
  readonly epoch: Epoch | undefined
  /** The computation that it was made in. */
  readonly caller: Flight | undefined
  /** Where it waits for others' computations and, if none of them will do, computes. */
  own: Derivation | undefined
}

/**
 * The epoch that a call waits and computes in, pinned when the call was made: whatever becomes of the caller's, the
 * result belongs to that moment. It notes what is read. Its writes are refused, for whose would they be?
 */
class Derivation extends Epoch {
  #flight: Flight | undefined
  // Both are dropped when the computation is done: what it started must hold neither the values nor the caller.
  #inputs: Inputs | undefined
  #caller: Epoch | undefined

  constructor(values: Values, name: string, caller: Epoch | undefined) {
    super(values, `derived ${name}`, 'reject', undefined)
    this.#caller = caller
  }

  begin(flight: Flight, inputs: Inputs): void {
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

  /** What is pinned at its first read is pinned in the caller's epoch too, or the two would see two values. */
  override readUnsettled<T>(source: Source<T>): T {
    const caller = this.#caller
    if (caller?.isHeld() !== true || source.isolation === 'read-committed') return super.readUnsettled(source)
    return super.readUnsettled(Object.create(source, { sample: { value: () => caller.peek(source) } }))
  }

  // These look at the live values.
  override advance(): void {
    this.untracked()
    super.advance()
  }

  override isStale(): boolean {
    this.untracked()
    return super.isStale()
  }

  override validate(...sources: Array<Source<unknown>>): void {
    this.untracked()
    super.validate(...sources)
  }

  override write<T>(cell: Cell<T>): void {
    throw new EpochError(
      'WRITE_REJECTED',
      `A write to "${cell.name}" in the computation of "${this.name}". A derived computation only reads, for its result ` +
        'is for everybody: write before it or after it.',
    )
  }

  override computing(): Flight | undefined {
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

  /** Before it is done only as overdue: what it reads from there on is live, and not even noted while nobody is open. */
  override close(): void {
    this.untracked()
    super.close()
  }

  done(): void {
    this.#inputs = undefined
    this.#caller = undefined
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
 * - Not shared, but computed for each caller, is what depends on more than the snapshot: it read a source with `live()`,
 *   called `detach`, opened an epoch of its own, called `advance`, `isStale` or `validate`, or left another derived or
 *   memoised call unawaited.
 *
 * **Caveat** What it reads elsewhere (a file, the clock, a variable that is no source, another library's async context)
 * is not known, and so not compared. Declare it as a source, make it part of the key, or call `clear()` when it changes.
 * A result holds the values it was computed from, until `max` others have been used since.
 *
 * Called in an epoch that has closed, it computes from the live values.
 *
 * @throws EPOCH_CLOSED when called in an epoch that has closed and strict mode is on.
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
  if (options.max !== undefined && !(typeof options.max === 'number' && options.max >= 1)) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `derived(fn, options): max must be a number, 1 or more, got ${typeof options.max === 'number' ? options.max : kindOf(options.max)}.`,
    )
  }
  const { max = 100 } = options
  const name = options.name ?? (fn.name || 'anonymous')
  const trunk: Leaf = { results: new Set(), children: new Map(), parent: undefined }
  /** The results kept, the one used last at the end. */
  const byUse = new Set<Result>()
  /** Those that are not there yet, unless they are forgotten already. */
  const underWay = new Set<Result>()
  /** What the computation that ended last had read: what the next will most likely read. */
  let expected: Array<Source<unknown>> = []

  function derivedFunction(...args: A): R {
    const scope = currentScope()
    const owner = scope?.owner()
    const epoch = owner?.isHeld() === true ? owner : undefined
    if (owner?.observing === true) return callThrough(fn, args) as R
    if (epoch === undefined) owner?.refuseLate(`A late call of derived "${name}"`)
    const key: unknown = options.key === undefined ? args : options.key(...args)
    const caller = scope?.computing() as Flight | undefined
    return find({ args, key: Array.isArray(key) ? key : [key], epoch, caller, own: undefined }) as R
  }

  derivedFunction.clear = function clear(): void {
    for (const result of [...byUse, ...underWay]) forget(result)
  }
  return derivedFunction

  function find(call: Call<A>): unknown {
    const { epoch, caller } = call
    let fits: Result | undefined
    for (const result of leafAt(trunk, call.key)?.results ?? []) {
      if (!agrees(result.inputs, call.own ?? epoch)) refuseCycle(result.flight, caller)
      else if (result.flight.state === 'done') return use(result, call)
      else if (mayAgree(result, call)) fits ??= result
    }
    if (fits === undefined) return compute(call)
    // Under way, and agreeing so far: wait, and look again at all that it has read.
    const result = fits
    board(result.flight, caller)
    call.own ??= openFor(epoch, name, derivedFunction)
    // Not on the result itself: its rejection is for those who get it.
    return new Promise<void>((landed) => result.waiting.push(landed)).then(() => arrived(result, call))
  }

  function arrived(result: Result, call: Call<A>): unknown {
    try {
      if (agrees(result.inputs, call.own)) return use(result, call)
      // Where one cannot be shared the next one hardly can: waiting for it would only put the callers in a row.
      return result.inputs.comparable ? find(call) : compute(call)
    } catch (error) {
      call.own?.done()
      throw error
    }
  }

  /** Whether it is worth waiting for: one that will most likely read other values is not. */
  function mayAgree({ own }: Result, call: Call<A>): boolean {
    if (own === undefined) return true
    const view = call.own ?? call.epoch
    return expected.every((source) => {
      if (source.isolation !== 'snapshot') return true
      try {
        return Object.is(own.peek(source), seenBy(view, source))
      } catch {
        return false
      }
    })
  }

  function use(result: Result, { epoch, own }: Call<A>): unknown {
    if (derivedHit.hasSubscribers) derivedHit.publish({ epoch, memo: name })
    if (byUse.delete(result)) byUse.add(result)
    passOn(result.inputs, epoch)
    own?.done()
    return result.value
  }

  function compute(call: Call<A>): unknown {
    const { epoch, caller, args } = call
    if (derivedMiss.hasSubscribers) derivedMiss.publish({ epoch, memo: name })
    const own = (call.own ??= openFor(epoch, name, derivedFunction))
    const flight: Flight = { name, state: 'running', waitsFor: undefined }
    const inputs: Inputs = { values: new Map(), comparable: true }
    const leaf = leafOf(trunk, call.key)
    const result: Result = { flight, inputs, value: undefined, leaf, own, waiting: [] }
    own.begin(flight, inputs)
    leaf.results.add(result)
    underWay.add(result)
    carrier.deriving++
    const run = (): unknown => enter(own, callThrough, fn, args)
    const ended = (succeeded: boolean, whole: boolean): void => {
      carrier.deriving--
      if (!whole) own.untracked() // it left something behind whose inputs are not known yet
      if (succeeded) expected = Array.from(inputs.values.keys())
      own.done()
      result.own = undefined
      if (underWay.delete(result) && succeeded && inputs.comparable) keep(result)
      else forget(result)
      passOn(inputs, epoch)
      for (const landed of result.waiting.splice(0)) landed()
    }
    // All of it in no context: a promise that is kept keeps, on some Nodes, the context that it was made in.
    result.value = enterClean(() => launch(flight, caller, run, ended))
    return result.value
  }

  function keep(result: Result): void {
    byUse.add(result)
    for (const oldest of byUse) {
      if (byUse.size <= max) break
      forget(oldest)
    }
  }

  function forget(result: Result): void {
    byUse.delete(result)
    underWay.delete(result)
    result.leaf.results.delete(result)
    for (let { leaf } = result; leaf.parent !== undefined; leaf = leaf.parent.leaf) {
      if (leaf.results.size > 0 || leaf.children.size > 0) break
      const siblings = leaf.parent.leaf.children
      if (siblings.get(leaf.parent.part) !== leaf) break // gone already, and another has come in its place
      siblings.delete(leaf.parent.part)
    }
  }
}

/** Whether the caller's values of all that a result was computed from are equal to those it was computed from. */
function agrees(inputs: Inputs, epoch: Epoch | undefined): boolean {
  if (!inputs.comparable) return false
  try {
    for (const [source, value] of inputs.values) {
      if (!Object.is(seenBy(epoch, source), value)) return false
    }
    return true
  } catch {
    return false
  }
}

/** The caller's value; outside any epoch the live one, as a snapshot would hold it. */
function seenBy<T>(epoch: Epoch | undefined, source: Source<T>): T {
  return epoch === undefined ? source.sample() : epoch.peek(source)
}

/** What a derived value was computed from is what another one, that asked for it, was computed from. */
function passOn(inputs: Inputs, epoch: Epoch | undefined): void {
  if (epoch === undefined) return
  if (!inputs.comparable) epoch.untracked()
  for (const [source, value] of inputs.values) epoch.note(source, value)
}

function openFor(epoch: Epoch | undefined, name: string, callee: (...args: never[]) => unknown): Derivation {
  const make = (values: Values): Derivation => new Derivation(values, name, epoch)
  let own: Derivation
  if (epoch === undefined) openEpochs.add((own = make(root.capture())))
  else own = epoch.spawn(make)
  carrier.guardWrites = true // what it leaves behind may write when no epoch is open any more
  noteBirth(own, callee)
  return own
}

function leafAt(trunk: Leaf, path: readonly unknown[]): Leaf | undefined {
  let leaf: Leaf | undefined = trunk
  for (const part of path) leaf = leaf?.children.get(part)
  return leaf
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
