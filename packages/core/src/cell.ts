/**
 * A process global that we own: its live value stands in the root, so an epoch captures it without calling anything,
 * and a write is one step. It is a source with `set` and `update`. A cell whose value cannot stand in the root as it
 * is (it is copied at capture, or pinned at another time) keeps it itself and is polled like a foreign source.
 */
import { carrier } from './carrier.js'
import { EpochError, requireFunction, requireKnownOptions, siteOf } from './errors.js'
import type { Epoch } from './epoch.js'
import { Retirement } from './retirement.js'
import { root, UNSETTLED } from './snapshot.js'
import { Source, SOURCE_OPTIONS, type SourceOptions } from './source.js'
import { currentScope, disown, isThenable, storage } from './storage.js'

export interface CellOptions<T> extends SourceOptions<T> {
  /**
   * Called once for each replaced value, when no open epoch can see it any more: where an old pool is closed or an old
   * registry disposed of. A promise it returns is waited for by `drain`. Its errors reach the `drain` under way, else
   * the process as an unhandled rejection. A value that is live again is not retired.
   */
  retire?(old: T): unknown
}

export const CELL_OPTIONS: readonly string[] = [...SOURCE_OPTIONS, 'retire']

/** @internal Where a cell keeps its live value if not in the root: a property with a getter and a setter counts. */
export interface Keep<T> {
  value: T
  /** Behind a getter and a setter that are somebody else's: they may throw, and the setter may store another value. */
  readonly foreign?: boolean
}

/** There was no value to replace. */
const NONE: unique symbol = Symbol('none')

/** @internal */
export interface CellParts<T> {
  readonly name: string
  readonly initial: T
  readonly options: CellOptions<T>
  readonly call: string
  readonly site: { stack?: string }
  readonly keep?: Keep<T> | undefined
}

/** A registered process-global value that can be written. Made by `cell` and `adopt`. */
export class Cell<T> extends Source<T> {
  /** Undefined for a plain cell. */
  readonly #keep: Keep<T> | undefined
  /** The live value of a plain cell, in the root too unless it is ahead; UNSETTLED for one whose value is in its `#keep`. */
  #live: T
  /** Whether `#live` is not in the root yet: then the next write is this one field, as long as nobody looks. */
  #ahead = false
  #released = false
  readonly #retirement: Retirement<T> | undefined

  /** @internal */
  constructor({ name, initial, options, call, site, keep }: CellParts<T>) {
    if (options.retire !== undefined) requireFunction(options.retire, `${call}("${name}", …)`, 'retire')
    const inRoot =
      keep === undefined && options.copy === undefined && (options.isolation ?? 'snapshot') === 'snapshot'
    const getter = (): T => (this.#keep as Keep<T>).value
    super({ name, getter, options, initial: inRoot ? initial : UNSETTLED, call, site })
    this.#keep = inRoot ? undefined : (keep ?? { value: initial })
    this.#live = inRoot ? initial : (UNSETTLED as T)
    this.#retirement = options.retire && new Retirement(this, (old) => options.retire?.(old))
  }

  /**
   * @internal as any source's, with one field in the place of a look at the snapshot while no epoch is open. Written out,
   * because in Bun a read inside costs three times as much where it is one call further down.
   */
  override get(): T {
    if (carrier.open === 0) {
      const live = this.#live
      return live === UNSETTLED ? this.liveNow() : live
    }
    const scope = carrier.sampling ? undefined : storage.getStore()
    return scope === undefined ? this.readLive('live') : scope.read(this)
  }

  /** @internal */
  override liveNow(): T {
    return this.#keep === undefined ? this.#live : super.liveNow()
  }

  /**
   * Writes the value. Outside an epoch it is live at once. Inside, it does what the epoch's `writes` say: `publish`
   * makes it live and this epoch's own, `local` makes it this epoch's own alone, `reject` refuses.
   *
   * **Caveat** `set(get() + 1)` inside an epoch loses updates, because the read is old: use `update`.
   *
   * @throws WRITE_REJECTED when the epoch was opened with `writes: 'reject'`; nothing is written.
   * @throws WRITE_CONFLICT when the live value has changed since this epoch captured it and strict mode is on; nothing
   *   is written. Without strict mode the write happens, and `withepoch:source:write-conflict` tells of it.
   * @throws EPOCH_CLOSED when the epoch has closed and its writes were `local`: the world must not see it.
   * @example
   * const limit = cell('docs.set.limit', 10)
   * limit.set(20)
   * limit.get() // => 20
   */
  set(value: T): void {
    if (this.#ahead && carrier.open === 0 && !carrier.guardWrites && !carrier.writesHeard) {
      if (isSame(this.#live, value)) return
      this.#live = value
      return root.count()
    }
    const scope = this.#writer()
    if (scope === undefined) this.writeLive(value, undefined)
    else scope.write(this, value, false)
  }

  /**
   * Computes the next value from the newest one, in one synchronous step, so no update is lost: from the live value,
   * or, where the epoch's writes are `local`, from the epoch's own.
   *
   * @param next must be synchronous; if it throws, nothing changes.
   * @throws INVALID_ARGUMENT when `next` is not a function or returns a promise.
   * @throws WRITE_REJECTED when the epoch was opened with `writes: 'reject'`.
   * @throws EPOCH_CLOSED when the epoch has closed and its writes were `local`.
   * @example
   * const hits = cell('docs.update.hits', 0)
   * hits.update((count) => count + 1)
   * hits.get() // => 1
   */
  update(next: (previous: T) => T): void {
    requireFunction(next, `cell "${this.name}".update(next)`, 'next')
    const scope = this.#writer()
    const value = next(scope?.writeMode === 'local' && scope.isHeld() ? scope.read(this) : this.liveNow())
    if (isThenable(value)) {
      disown(value)
      throw new EpochError(
        'INVALID_ARGUMENT',
        `cell "${this.name}".update(next): next returned a promise. It must be synchronous, or another write would come ` +
          'between. Await first, then update.',
      )
    }
    if (scope === undefined) this.writeLive(value, undefined)
    else scope.write(this, value, true)
  }

  /** A released cell goes on by itself: its place in the root is for whoever takes the name. */
  override release(): void {
    this.#released = true // first: what is told of the release may write this cell
    root.release(this.name, this)
  }

  /** @internal makes `value` live; if that throws, nothing has changed */
  writeLive(value: T, epoch: Epoch | undefined): void {
    const keep = this.#keep
    if (keep === undefined) return this.writePlain(value, epoch)
    const before = this.#liveOrNone(keep)
    const isUnchanged = isSame(before, value)
    if (isUnchanged && keep.foreign !== true) return // a foreign setter is called each time, as it was
    const snapshot = keep.foreign === true ? undefined : this.toSnapshot(value)
    keep.value = value
    if (before !== NONE) {
      root.onRollback(() => {
        keep.value = before
      })
    }
    if (!this.#released) {
      if (keep.foreign === true) this.#refresh()
      else if (this.isolation === 'snapshot') root.write(this.slot, snapshot)
      else root.bump() // its value is not in the root, but the write is a version all the same
    }
    if (isUnchanged) return
    if (before === NONE) this.announce('live', value, epoch)
    else this.replaced(before, value, epoch)
  }

  /** @internal */
  writePlain(value: T, epoch: Epoch | undefined): void {
    const before = this.#live
    if (isSame(before, value)) return
    this.#live = value
    if (this.#ahead) root.count()
    else if (!this.#released) this.#storePlain(value)
    if (carrier.writesHeard || root.hasGroups || this.#retirement !== undefined)
      this.replaced(before, value, epoch)
  }

  /** @internal */
  caughtUp(): T {
    this.#ahead = false
    return this.#live
  }

  /** @internal */
  override rolledBack(): void {
    if (this.#keep === undefined) this.#live = root.read(this.slot) as T
  }

  /** @internal the value that was written, as a snapshot holds it: a foreign setter may have made another of it */
  written(value: T): T {
    return this.#keep?.foreign === true ? this.sample() : this.toSnapshot(value)
  }

  /** @internal tells whoever has to know that `before` is not live any more */
  replaced(before: T, value: T, epoch: Epoch | undefined): void {
    this.announce('live', value, epoch)
    root.checkGroup(this.slot)
    const retirement = this.#retirement
    if (retirement !== undefined) root.onCommit(() => retirement.replaced(before))
  }

  /** The first write since somebody looked: it puts the cell ahead, unless somebody has to know of each write. */
  #storePlain(value: T): void {
    this.#ahead = this.#retirement === undefined && !root.hasGroups && !root.publishing
    if (this.#ahead) root.fallBehind(this)
    else root.store(this.slot, value)
  }

  /** The value in the root after a foreign setter ran; where the getter throws, the next entry captures that. */
  #refresh(): void {
    try {
      if (this.isolation === 'snapshot') root.write(this.slot, this.sample())
      else root.bump()
    } catch {
      root.bump()
    }
  }

  /** A foreign getter may throw until the first write. */
  #liveOrNone(keep: Keep<T>): T | typeof NONE {
    if (keep.foreign !== true) return keep.value
    try {
      return this.liveNow()
    } catch {
      return NONE
    }
  }

  /** The epoch that a write belongs to, open or closed; undefined outside. */
  #writer(): Epoch | undefined {
    // With no epoch open (a listener to reads counts as one), only late work of an epoch that was not to publish must still
    // be held back.
    if (carrier.open < (carrier.readsHeard ? 2 : 1) && !carrier.guardWrites) return undefined
    return currentScope()?.owner()
  }
}

/**
 * Declares a process global of your own. Reads cost an array read, entry costs nothing however many there are, and
 * epochs that saw no write share one snapshot.
 *
 * Use it for configuration, flags, the active registry: what you would otherwise keep in a module-level `let`.
 *
 * **Caveat** Replace the value, do not mutate it: `config.set({ ...config.live(), debug: true })`. For a value that is
 * mutated in place say `copy`, and `version` to make that cheap.
 *
 * @param name unique in the process.
 * @param initial the first live value; `undefined` is a value like any other.
 * @throws DUPLICATE_SOURCE when the name is taken, with both places.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * const config = cell('docs.cell.config', { debug: false })
 * await withEpoch(async () => {
 *   detach(() => config.set({ debug: true }))
 *   return [config.get().debug, config.live().debug]
 * }) // => [false, true]
 */
export function cell<T>(name: string, initial: T, options: CellOptions<T> = {}): Cell<T> {
  requireKnownOptions(options, 'cell(name, initial, options)', CELL_OPTIONS)
  return new Cell({ name, initial, options, call: 'cell', site: siteOf(cell) })
}

/** `Object.is`, which V8 calls where it compiles `===` to a comparison. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return one !== 0 || Object.is(one, other)
  return Number.isNaN(one) && Number.isNaN(other)
}
