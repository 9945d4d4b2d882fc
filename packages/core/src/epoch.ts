/**
 * The span of one request's asynchronous execution, pinned to a snapshot: what it reads, what it writes, and how it
 * ends. An epoch is a lease, held by the function it runs, by every iterator that function returned and by every
 * `waitUntil`; when the last lets go it closes, and what a forgotten timer still holds is a husk. This file knows
 * nothing of how an epoch is entered (`with-epoch.ts`) or found again (`storage.ts`).
 *
 *     open ──last lease released──► closing ──onClose hooks, signal──► closed
 *     reads: pinned                 reads: pinned                      reads: live, and told of
 */
import { carrier } from './carrier.js'
import { epochClose, INSPECT, sourceDrift, sourceLateRead, sourceWriteConflict } from './diagnostics.js'
import { EpochError, kindOf, report, requireFunction } from './errors.js'
import type { IfOverdue } from './overdue.js'
import { openEpochs } from './open-epochs.js'
import { FAILURES, root, UNSETTLED, type Values, VERSION } from './snapshot.js'
import type { Cell } from './cell.js'
import type { Source } from './source.js'
import { currentScope, enter, isThenable, toPromise } from './storage.js'

/** What a write inside an epoch does; see {@link EpochOptions.writes}. */
export type Writes = 'publish' | 'local' | 'reject'

/** What the async storage holds: an epoch, or a memo computation inside one. */
export interface Scope {
  read<T>(source: Source<T>): T
  owner(): Epoch
  /** The memo entry being computed, if any; a method, so that another copy's frame answers too. */
  computing(): unknown
}

/** What stands in the place of a number of leases. */
const CLOSING = -1
const CLOSED = -2

/** Kept apart from the epoch so that one that writes nothing, memoises nothing and is not waited for stays small. */
interface Extra {
  /** The values are this epoch's own copy, so a local change may be made in place. */
  owned: boolean
  /** Captured values of the slots whose value here is a local one. */
  base: Map<number, unknown> | undefined
  memos: Map<unknown, unknown> | undefined
  hooks: Array<() => unknown> | undefined
  controller: AbortController | undefined
  /** When and where it was opened, if anybody wants to know: the clock and the stack are dear. */
  birth: Birth | undefined
  limit: AgeLimit | undefined
}

/** @internal */
export interface Birth {
  readonly at: number
  readonly site: { stack?: string } | undefined
}

/** @internal */
export interface AgeLimit {
  readonly maxAgeMs: number
  readonly ifOverdue: IfOverdue
  reported: boolean
}

/**
 * The handle of one epoch; `withEpoch` passes it to its handler and `getEpoch()` finds it.
 *
 * Use the handle in a row loop, `epoch.get(source)`, to spare the async-local look-up of `source.get()`; use it for
 * what only the epoch itself can tell or do: `signal`, `waitUntil`, `onClose`, `advance`, `isStale`, `validate`.
 *
 * @example
 * const tenant = cell('docs.epoch.tenant', 'a')
 * withEpoch({ name: 'orders.list' }, (epoch) => {
 *   tenant.live() // => 'a'
 *   epoch.get(tenant) // => 'a'
 *   epoch.name // => 'orders.list'
 *   epoch.phase // => 'open'
 * })
 */
export class Epoch {
  /** Unique in the process, rising from 1; 0 for those that stand for no epoch, which nobody is handed. */
  readonly id: number
  /** As given to `withEpoch`; 'anonymous' otherwise. */
  readonly name: string
  /** The id of the epoch inside which this one was opened. An id, not the epoch: a link would keep it alive. */
  readonly parentId: number | undefined
  /** @internal the list of open epochs, oldest snapshot first */
  prev: Epoch | undefined = undefined
  /** @internal */
  next: Epoch | undefined = undefined
  /** The pinned values; undefined once closed, and for what stands for no epoch. */
  #values: Values | undefined
  /** How many hold it open; CLOSING, then CLOSED, from when the last let go. */
  #leases: number
  #writes: Writes
  #extra: Extra | undefined = undefined

  // Its fields are private and its methods are not, only internal: a private method costs each epoch a field of its own.

  /** @internal */
  constructor(values: Values | undefined, name: string, writes: Writes, parent: Epoch | undefined) {
    this.id = values === undefined ? 0 : ++carrier.lastId
    this.name = name
    this.parentId = parent?.id
    this.#values = values
    this.#writes = writes
    this.#leases = values === undefined ? CLOSED : 1
  }

  /** `open` while any lease is held, `closing` while `onClose` hooks run, then `closed`. */
  get phase(): 'open' | 'closing' | 'closed' {
    if (this.#leases === CLOSED) return 'closed'
    return this.#leases === CLOSING ? 'closing' : 'open'
  }

  /** The version of the snapshot that this epoch is pinned to; `undefined` once closed. */
  get version(): number | undefined {
    return this.#values?.[VERSION] as number | undefined
  }

  /** Whether it was opened to be observed: its reads are live, and nothing is pinned. */
  get observing(): boolean {
    return false
  }

  /**
   * Aborted when the epoch closes, so that work it started can stop with it. The reason is an `EpochError` with the
   * code `EPOCH_CLOSED`. Of a closed epoch: already aborted.
   *
   * @example
   * const signal = await withEpoch(async (epoch) => epoch.signal)
   * signal.aborted // => true
   */
  get signal(): AbortSignal {
    if (this.#leases === CLOSED) return AbortSignal.abort(this.closedError('epoch.signal'))
    const extra = this.extend()
    extra.controller ??= new AbortController()
    return extra.controller.signal
  }

  /**
   * The epoch's value of `source`: as `source.get()`, without the async-local look-up, so the form for a row loop.
   *
   * **Caveat** A closed epoch has no values: the read is late, gets the live value and is told of.
   *
   * @throws EPOCH_CLOSED when the epoch is closed and strict mode is on.
   * @throws INVALID_ARGUMENT when `source` is not a source.
   * @example
   * const locale = cell('docs.get.locale', 'en')
   * withEpoch((epoch) => {
   *   locale.get() // => 'en'
   *   epoch.get(locale) // => 'en'
   * })
   */
  get<T>(source: Source<T>): T {
    // The short way: a plain value, and nobody who has to know that it was read.
    const values = this.#values
    const isPlain = values !== undefined && carrier.deriving === 0 && !carrier.readsHeard
    if (isPlain && source !== undefined && source !== null) {
      const value = values[source.slot]
      if (value !== UNSETTLED && value !== undefined) return value as T
    }
    requireSource(source, 'epoch.get(source)')
    if (carrier.deriving > 0) {
      const caller = currentScope()?.owner()
      if (caller !== this) caller?.untracked() // a derived value that is computed from another epoch's
    }
    return this.read(source)
  }

  /**
   * Keeps the epoch open until `promise` settles: for background work that must go on seeing this snapshot.
   *
   * **Caveat** A rejection is not swallowed: it is reported as unhandled, even if another branch of the promise is
   * handled. Where you handle it, pass the handled one: `epoch.waitUntil(work().catch(log))`.
   *
   * @throws EPOCH_CLOSED when the epoch is closing or closed.
   * @throws INVALID_ARGUMENT when `promise` has no `then`.
   * @example
   * const flag = cell('docs.waitUntil.flag', 'old')
   * let later
   * await withEpoch(async (epoch) => {
   *   epoch.waitUntil(Promise.resolve().then(() => { later = flag.get() }))
   *   publish(() => flag.set('new'))
   * })
   */
  waitUntil(promise: PromiseLike<unknown>): void {
    if (!isThenable(promise)) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `epoch.waitUntil(promise): expected a promise, got ${kindOf(promise)}.`,
      )
    }
    this.requireOpen('epoch.waitUntil()')
    this.hold()
    void enter(this, () =>
      toPromise(promise).then(
        () => this.release(),
        (error: unknown) => {
          this.release()
          throw error
        },
      ),
    )
  }

  /**
   * Calls `fn`, inside the epoch, when it closes: after the last lease is released, last registered first, before
   * `signal` aborts and the values are dropped. A promise it returns is awaited before the next hook runs.
   *
   * An error does not stop the other hooks; it is reported as an unhandled rejection, so it is never lost.
   *
   * @throws EPOCH_CLOSED when the epoch is closing or closed.
   * @throws INVALID_ARGUMENT when `fn` is not a function.
   * @example
   * const order = []
   * withEpoch((epoch) => {
   *   epoch.onClose(() => order.push('first registered'))
   *   epoch.onClose(() => order.push('last registered'))
   * })
   * order // => ['last registered', 'first registered']
   */
  onClose(fn: () => unknown): void {
    requireFunction(fn, 'epoch.onClose(fn)', 'fn')
    this.requireOpen('epoch.onClose()')
    const extra = this.extend()
    extra.hooks ??= []
    extra.hooks.push(fn)
  }

  /**
   * Moves the epoch to the newest snapshot, at a boundary where seeing newer values is right: between two batches of
   * a long job, say. Local writes and overrides stay; memos are dropped.
   *
   * @throws EPOCH_CLOSED when the epoch is closing or closed.
   * @throws EPOCH_IN_PUBLISH when called inside `publish`.
   * @throws EPOCH_IN_GETTER when called by a getter.
   * @example
   * const batch = cell('docs.advance.batch', 1)
   * await withEpoch(async (epoch) => {
   *   await detach(async () => batch.set(2))
   *   const before = batch.get()
   *   epoch.advance()
   *   return [before, batch.get()]
   * }) // => [1, 2]
   */
  advance(): void {
    this.requireOpen('epoch.advance()')
    const next = root.capture()
    const former = this.#values as Values
    this.#values = next
    this.disown()
    this.dropMemos()
    const base = this.#extra?.base
    if (base !== undefined) {
      for (const slot of base.keys()) {
        base.set(slot, next[slot])
        this.setOwn(slot, former[slot])
      }
    }
    // A local value may be an old one: then it is still held, and this epoch still counts as old. To a drain it does
    // until it closes, so while one is under way it keeps its place.
    if (carrier.draining === 0 && (base === undefined || base.size === 0)) openEpochs.toNewest(this)
  }

  /**
   * Whether any value this epoch captured is no longer the live one. Overrides and local writes do not count; the
   * value they stand in for does. Costs a look at every source, and a call of every getter.
   *
   * @throws EPOCH_CLOSED when the epoch is closed.
   * @example
   * const theme = cell('docs.isStale.theme', 'light')
   * withEpoch((epoch) => {
   *   const before = epoch.isStale()
   *   detach(() => theme.set('dark'))
   *   return [before, epoch.isStale()]
   * }) // => [false, true]
   */
  isStale(): boolean {
    this.requireValues('epoch.isStale()')
    for (const source of root.sources()) if (this.hasMoved(source)) return true
    return false
  }

  /**
   * The fence against write skew, which a snapshot does not prevent: throws unless the live values of these sources
   * are still the ones this epoch captured. Call it right before the write it guards, without an `await` between, or
   * inside the `publish` that makes the write.
   *
   * @param sources what the decision was based on; none given: everything.
   * @throws EPOCH_STALE when one of them has moved, naming it.
   * @throws EPOCH_CLOSED when the epoch is closed.
   * @throws INVALID_ARGUMENT when one of them is not a source.
   * @example
   * const onCall = cell('docs.validate.onCall', 2)
   * withEpoch((epoch) => {
   *   publish(() => {
   *     epoch.validate(onCall)
   *     onCall.update((count) => count - 1)
   *   })
   *   return onCall.get()
   * }) // => 1
   */
  validate(...sources: Array<Source<unknown>>): void {
    this.requireValues('epoch.validate()')
    for (const source of sources) requireSource(source, 'epoch.validate(...sources)')
    const moved = (sources.length > 0 ? sources : [...root.sources()]).filter((source) =>
      this.hasMoved(source),
    )
    if (moved.length === 0) return
    const names = moved.map((source) => `"${source.name}"`).join(', ')
    throw new EpochError(
      'EPOCH_STALE',
      `epoch.validate() of ${this.label()}: ${names} changed since the epoch captured ${moved.length > 1 ? 'them' : 'it'}. ` +
        'Retry the work in a new epoch, or epoch.advance() and decide again.',
    )
  }

  toJSON(): {
    id: number
    name: string
    parentId: number | undefined
    phase: string
    version: number | undefined
  } {
    return { id: this.id, name: this.name, parentId: this.parentId, phase: this.phase, version: this.version }
  }

  get [Symbol.toStringTag](): string {
    return 'Epoch'
  }

  /** Never shows a value, not even with `showHidden`: the values are private fields. */
  [INSPECT](): string {
    return `Epoch { ${this.label()}, ${this.phase}, version ${this.version ?? '-'} }`
  }

  /** @internal */
  owner(): Epoch {
    return this
  }

  /** @internal */
  computing(): unknown {
    return undefined
  }

  /** @internal the pinned value of `source`; kept small, for it is the hot path */
  read<T>(source: Source<T>): T {
    const values = this.#values
    if (values === undefined) return this.readLate(source)
    if (carrier.readsHeard) return this.readTold(source)
    const value = values[source.slot]
    return value === UNSETTLED || value === undefined ? this.readUnsettled(source) : (value as T)
  }

  /** @internal as `read`, while somebody listens */
  readTold<T>(source: Source<T>): T {
    const from = source.isolation === 'read-committed' ? 'live' : 'pinned'
    let value: T
    try {
      value = this.peek(source)
    } catch (error) {
      source.tellRead(from, UNSETTLED, this)
      throw error
    }
    if (sourceDrift.hasSubscribers) this.reportDrift(source, value)
    source.tellRead(from, value, this)
    return value
  }

  /** @internal as `read`, without a trace: for comparing, not for using */
  peek<T>(source: Source<T>): T {
    const values = this.#values
    if (values === undefined) return source.liveNow()
    const value = values[source.slot]
    return value === UNSETTLED || value === undefined ? this.readUnsettled(source) : (value as T)
  }

  /** @internal a slot without a plain value: pinned undefined, a captured error, first read, or never pinned */
  readUnsettled<T>(source: Source<T>): T {
    const values = this.#values as Values
    const { slot } = source
    if (slot < values.length) {
      if (values[slot] === undefined) return undefined as T
      const failures = values[FAILURES] as ReadonlyMap<number, unknown> | undefined
      if (failures?.has(slot) === true) throw failures.get(slot)
    }
    if (source.isolation === 'read-committed') return source.liveNow()
    // Captured now: a source pinned at its first read, or one registered after this epoch took its snapshot.
    const agreed = root.groupOf(slot)?.agreed()
    if (agreed !== undefined) {
      for (const [member, value] of agreed) {
        if (member >= values.length || values[member] === UNSETTLED) this.setOwn(member, value)
      }
      return (this.#values as Values)[slot] as T
    }
    let value: T
    try {
      value = source.sample()
    } catch (error) {
      this.setOwn(slot, UNSETTLED)
      const own = this.#values as Values
      own[FAILURES] = new Map(own[FAILURES] as ReadonlyMap<number, unknown> | undefined).set(slot, error)
      throw error
    }
    this.setOwn(slot, value)
    return value
  }

  /** @internal a read after the end: live, and told of */
  readLate<T>(source: Source<T>): T {
    if (this.id === 0) return source.readLive('live')
    if (source.isolation === 'read-committed') return source.readLive('live', this)
    this.refuseLate(`A late read of "${source.name}"`)
    const value = source.readLive('late', this)
    if (sourceLateRead.hasSubscribers) sourceLateRead.publish(source.event(this, value))
    return value
  }

  /** @internal in strict mode, what comes after the end is an error */
  refuseLate(call: string): void {
    if (carrier.strict && this.id !== 0) throw this.closedError(call)
  }

  /** @internal */
  reportDrift(source: Source<unknown>, value: unknown): void {
    if (this.hasLocal(source)) return // a local value differs because it was meant to
    if (this.hasMoved(source)) sourceDrift.publish(source.event(this, value))
  }

  /** @internal whether its value here is a local one: an override, or written with `writes: 'local'` */
  hasLocal(source: Source<unknown>): boolean {
    return this.#extra?.base?.has(source.slot) === true
  }

  /** @internal whether the live value differs from the captured one */
  hasMoved(source: Source<unknown>): boolean {
    const { slot } = source
    const base = this.#extra?.base
    const captured = base?.has(slot) === true ? base.get(slot) : this.own(slot)
    if (captured !== UNSETTLED) return source.movedFrom(captured)
    const failures = (this.#values as Values)[FAILURES] as ReadonlyMap<number, unknown> | undefined
    return failures?.has(slot) === true && source.movedFromFailure()
  }

  /** @internal `sawLive`: the value was computed from the live one (`update`), so it cannot undo an unseen change */
  write<T>(cell: Cell<T>, value: T, sawLive: boolean): void {
    if (this.#writes === 'reject') {
      throw new EpochError(
        'WRITE_REJECTED',
        `A write to "${cell.name}" inside ${this.label()}, which was opened with writes: 'reject'. Write outside the ` +
          "epoch (detach), or open it with writes: 'local' or 'publish'.",
      )
    }
    if (this.#values === undefined) {
      // Late, or in no epoch. Published, it is what it would have been without us; a local one has nowhere left to go.
      if (this.#writes === 'publish') return cell.writeLive(value, undefined)
      throw this.closedError(`A late write to "${cell.name}", which was to stay local,`)
    }
    if (this.#writes === 'local') {
      if (cell.isolation === 'read-committed') {
        throw new EpochError(
          'WRITE_REJECTED',
          `A write to "${cell.name}" inside ${this.label()}: the epoch's writes are local, and a read-committed source ` +
            'is never pinned, so nothing would read it. Write it outside the epoch (detach).',
        )
      }
      if (this.writeLocal(cell, value)) cell.announce('local', value, this)
      return
    }
    if (!sawLive && this.hasMoved(cell)) {
      if (sourceWriteConflict.hasSubscribers) sourceWriteConflict.publish(cell.event(this, value))
      if (carrier.strict) {
        throw new EpochError(
          'WRITE_CONFLICT',
          `A write to "${cell.name}" inside ${this.label()}: its live value has changed since the epoch captured it, ` +
            'so the write would undo a change it never saw. Use update(prev => next), or retry in a new epoch.',
        )
      }
    }
    cell.writeLive(value, this)
    if (cell.isolation === 'read-committed') {
      root.onRollback(() => this.dropMemos())
      return this.dropMemos()
    }
    this.rememberForRollback(cell.slot)
    this.#extra?.base?.delete(cell.slot)
    this.replaceOwn(cell.slot, cell.written(value))
  }

  /**
   * @internal changes this epoch's value alone: `writes: 'local'`, and the overrides given at entry; false when it had
   * that value already
   */
  writeLocal<T>(source: Source<T>, value: T): boolean {
    const { slot } = source
    this.rememberForRollback(slot)
    const extra = this.extend()
    const base = (extra.base ??= new Map<number, unknown>())
    if (!base.has(slot)) base.set(slot, this.own(slot))
    return this.replaceOwn(slot, value)
  }

  /** @internal how this epoch takes writes */
  get writeMode(): Writes {
    return this.#writes
  }

  /**
   * @internal a child that starts from this epoch's values, local ones included; both copy on their next write
   * @throws EPOCH_IN_PUBLISH when called inside `publish`.
   */
  fork(name: string, writes: Writes): Epoch {
    this.untracked()
    return this.spawn((values) => new Epoch(values, name, writes, this))
  }

  /** @internal as `fork`, for a child of another kind */
  spawn<E extends Epoch>(make: (values: Values) => E): E {
    root.requireWhole()
    this.disown()
    const child = make(this.#values as Values)
    const base = this.#extra?.base
    if (base !== undefined) child.inheritBase(base)
    openEpochs.addAfter(child, this)
    return child
  }

  /** @internal */
  inheritBase(base: ReadonlyMap<number, unknown>): void {
    this.extend().base = new Map(base)
  }

  /** @internal told when what runs here used something that a derived value cannot be compared by */
  untracked(): void {}

  /** @internal told what a derived value that was asked for here was computed from */
  note(_source: Source<unknown>, _value: unknown): void {}

  /** @internal whether values are held: open or closing */
  isHeld(): boolean {
    return this.#values !== undefined
  }

  /** @internal whether a nested `withEpoch` may join, and a lease may be taken */
  isOpen(): boolean {
    return this.#leases >= 0
  }

  /** @internal one more lease; what joined an epoch may have ended it meanwhile, and that stays ended */
  hold(): void {
    if (this.isOpen()) this.#leases++
  }

  /** @internal the last one closes the epoch */
  release(): void {
    if (this.isOpen() && --this.#leases === 0) this.close()
  }

  /** @internal the epoch's memo tables, by memo; undefined once closed */
  memoTables(): Map<unknown, unknown> | undefined {
    if (this.#values === undefined) return undefined
    const extra = this.extend()
    return (extra.memos ??= new Map())
  }

  /** @internal */
  dropMemos(): void {
    if (this.#extra !== undefined) this.#extra.memos = undefined
  }

  /** @internal */
  get birth(): Birth | undefined {
    return this.#extra?.birth
  }

  /** @internal */
  get ageLimit(): AgeLimit | undefined {
    return this.#extra?.limit
  }

  /** @internal */
  born(birth: Birth, limit: AgeLimit | undefined): void {
    const extra = this.extend()
    extra.birth = birth
    extra.limit = limit
  }

  /** @internal now, whoever still holds a lease; and if it is closing already, without waiting for its hooks */
  close(): void {
    if (this.#leases === CLOSING) return this.finish()
    if (this.#leases === CLOSED) return
    this.#leases = CLOSING
    if (this.#extra?.hooks === undefined) this.finish()
    else this.runHooks(this.#extra.hooks)
  }

  /** @internal */
  runHooks(hooks: Array<() => unknown>): void {
    for (let hook = hooks.pop(); hook !== undefined; hook = hooks.pop()) {
      try {
        const result = enter(this, () => hook())
        if (isThenable(result)) {
          void enter(this, toPromise, result)
            .catch(report)
            .then(() => this.runHooks(hooks))
          return
        }
      } catch (error) {
        report(error)
      }
    }
    this.finish()
  }

  /** @internal */
  finish(): void {
    if (this.#leases === CLOSED) return
    this.#extra?.controller?.abort(this.closedError('epoch.signal'))
    this.#leases = CLOSED
    if (epochClose.hasSubscribers) epochClose.publish({ epoch: this }) // while it still has its version
    this.#values = undefined
    this.#extra = undefined
    openEpochs.remove(this)
  }

  /** @internal */
  extend(): Extra {
    return (this.#extra ??= {
      owned: false,
      base: undefined,
      memos: undefined,
      hooks: undefined,
      controller: undefined,
      birth: undefined,
      limit: undefined,
    })
  }

  /** @internal the values are somebody else's as well: the next local change copies them */
  disown(): void {
    if (this.#extra !== undefined) this.#extra.owned = false
  }

  /** @internal changes one slot of this epoch's own array, which it copies first unless it already is its own. */
  setOwn(slot: number, value: unknown): void {
    let values = this.#values as Values
    const extra = this.extend()
    if (!extra.owned) {
      values = this.#values = values.slice()
      extra.owned = true
    }
    while (values.length < slot) values.push(UNSETTLED) // no holes: they would slow every read of the array
    values[slot] = value
  }

  /** @internal */
  own(slot: number): unknown {
    const values = this.#values as Values
    return slot < values.length ? values[slot] : UNSETTLED
  }

  /** @internal a write: what was computed from the former value is dropped with it. */
  replaceOwn(slot: number, value: unknown): boolean {
    if (Object.is(this.own(slot), value)) return false
    this.setOwn(slot, value)
    this.dropMemos()
    return true
  }

  /** @internal inside `publish`, a write that is undone in the root is undone here too; what was pinned meanwhile stays. */
  rememberForRollback(slot: number): void {
    if (!root.publishing) return
    const value = this.own(slot)
    const hadBase = this.#extra?.base?.has(slot) === true
    const base = this.#extra?.base?.get(slot)
    root.onRollback(() => {
      if (this.#values === undefined) return
      this.replaceOwn(slot, value)
      if (hadBase) this.#extra?.base?.set(slot, base)
      else this.#extra?.base?.delete(slot)
    })
  }

  /** @internal */
  requireOpen(call: string): void {
    if (!this.isOpen()) throw this.closedError(call)
  }

  /** @internal */
  requireValues(call: string): void {
    if (this.#values === undefined) throw this.closedError(call)
  }

  /** @internal */
  closedError(call: string): EpochError {
    return new EpochError(
      'EPOCH_CLOSED',
      `${call}: ${this.label()} is ${this.phase}. Work that goes on after its request takes a lease with ` +
        "epoch.waitUntil(promise), runs with no epoch in detach(fn), or opens its own with withEpoch({ ifNested: 'fresh' }, fn).",
    )
  }

  /** @internal */
  label(): string {
    return `epoch #${this.id} "${this.name}"`
  }
}

/** What detached work runs under. Made when the module loads: made later, it could capture a request. */
export const detached: Epoch = (carrier.detached ??= new Epoch(undefined, 'detached', 'publish', undefined))

/** @throws INVALID_ARGUMENT when `source` is not a source, of whichever copy. */
export function requireSource(source: unknown, call: string): void {
  if (typeof (source as Source<unknown> | undefined)?.slot !== 'number') {
    throw new EpochError('INVALID_ARGUMENT', `${call}: expected a source or a cell, got ${kindOf(source)}.`)
  }
}
