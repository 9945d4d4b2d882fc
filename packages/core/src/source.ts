/**
 * A named process-global value that request code reads, and that somebody else owns: we are given a getter. A global
 * that we own is a cell (`cell.ts`). This file knows how a value is obtained, copied, compared and described; where the
 * pinned one is kept is the epoch's business.
 */
import { carrier } from './carrier.js'
import { INSPECT, type ReadEvent, type SourceEvent, sourceRead, type WriteEvent } from './diagnostics.js'
import type { Epoch } from './epoch.js'
import { EpochError, kindOf, requireFunction, requireKnownOptions, requireWord, siteOf } from './errors.js'
import { root, UNSETTLED } from './snapshot.js'
import { currentScope, disown, isThenable, storage } from './storage.js'
import { ValueNumbers } from './value-numbers.js'

/**
 * When an epoch pins a source, in SQL's words.
 *
 * - `snapshot`: at entry, together with all others. The default.
 * - `repeatable-read`: at this epoch's first read of it, for getters too dear to call at every entry. Two such sources
 *   may belong to two moments.
 * - `read-committed`: never; each read is live. For kill switches, revocation, authorisation.
 */
export type Isolation = 'snapshot' | 'repeatable-read' | 'read-committed'

export interface SourceOptions<T> {
  /** When an epoch pins it. @default 'snapshot' */
  isolation?: Isolation | undefined
  /**
   * Applied at capture, for a value that is mutated in place: a snapshot of a reference is not a snapshot of what it
   * refers to. Return a copy; freeze that copy if you like, never the original. Without `version` a change in place goes
   * unnoticed by `isStale`, `validate` and drift: they then tell replaced values only.
   */
  copy?(value: T): T
  /**
   * A number (or anything compared by `Object.is`) that moves with each change in place, so that `copy` is called once
   * per change, not once per epoch. Needs `copy`.
   */
  version?(): unknown
  /** How a value may be shown in diagnostics; without it no value ever is. */
  describe?(value: T): string
  /** What to do when the name is taken: `throw`, or `replace` for a module that is reloaded. @default 'throw' */
  ifRegistered?: 'throw' | 'replace' | undefined
}

export const SOURCE_OPTIONS: readonly string[] = ['isolation', 'copy', 'version', 'describe', 'ifRegistered']
const ISOLATIONS: readonly Isolation[] = ['snapshot', 'repeatable-read', 'read-committed']

/** @internal What a source is made of. */
export interface SourceParts<T> {
  readonly name: string
  readonly getter: () => T
  readonly options: SourceOptions<T>
  /** Root slot at registration: a plain cell's value, or UNSETTLED. */
  readonly initial: unknown
  /** For messages: the function that the user called, and where from. */
  readonly call: string
  readonly site: { stack?: string }
}

/** Of which original, and at which version of it, a copy was made. */
interface Origin {
  readonly original: unknown
  readonly version: unknown
}

/** A registered process-global value. Made by `source` and `cell`. */
export class Source<T> {
  readonly name: string
  /** @internal where its value stands in a snapshot */
  readonly slot: number
  /** When an epoch pins it. */
  readonly isolation: Isolation
  readonly #getter: () => T
  readonly #options: SourceOptions<T>
  readonly #origins: WeakMap<object, Origin> | undefined
  #lastCopy: T | undefined
  #asyncGetterError: EpochError | undefined
  #numbers: ValueNumbers | undefined

  /** @internal */
  constructor({ name, getter, options, initial, call, site }: SourceParts<T>) {
    if (typeof name !== 'string' || name === '') {
      const found = name === '' ? 'an empty string' : kindOf(name)
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${call}(name, …): name must be a non-empty string, got ${found}.`,
      )
    }
    const where = `${call}("${name}", …)`
    requireFunction(getter, where, 'the getter')
    requireWord(options.isolation, where, 'isolation', ISOLATIONS)
    requireWord(options.ifRegistered, where, 'ifRegistered', ['throw', 'replace'])
    for (const option of ['copy', 'version', 'describe'] as const) {
      if (options[option] !== undefined) requireFunction(options[option], where, option)
    }
    if (options.version !== undefined && options.copy === undefined) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${where}: version without copy. version says when the value was changed in place, which a snapshot of the ` +
          'reference would let through: say how to copy it as well.',
      )
    }
    this.name = name
    this.isolation = options.isolation ?? 'snapshot'
    this.#getter = getter
    this.#options = { ...options }
    this.#origins = options.copy === undefined ? undefined : new WeakMap()
    const polled = initial === UNSETTLED && this.isolation === 'snapshot'
    this.slot = root.register(this, name, initial, polled, options.ifRegistered === 'replace', () =>
      firstFrame(site),
    )
  }

  /**
   * The value that the running code is to see: inside an epoch the pinned one, outside the live one.
   *
   * @throws what the getter threw, at capture or now.
   * @throws ASYNC_GETTER when the getter returned a promise.
   * @throws EPOCH_CLOSED when the epoch of this code has closed and strict mode is on.
   * @example
   * let dir = '/a'
   * const workspaceDir = source('docs.get.workspaceDir', () => dir)
   * await withEpoch(async () => {
   *   dir = '/b'
   *   await null
   *   return [workspaceDir.get(), workspaceDir.live()]
   * }) // => ['/a', '/b']
   */
  get(): T {
    // Nobody is pinned and nobody asks about reads: spare the async-local look-up, which costs more than the read.
    if (carrier.open === 0) return this.liveNow()
    const scope = carrier.sampling ? undefined : storage.getStore()
    return scope === undefined ? this.readLive('live') : scope.read(this)
  }

  /**
   * The live value, always: for the few reads that must not be pinned. For a value that must never be, declare it
   * `isolation: 'read-committed'` instead.
   *
   * @throws what the getter throws; ASYNC_GETTER when it returns a promise.
   */
  live(): T {
    // A derived value that was computed from it depends on something that is not in the snapshot.
    if (carrier.deriving > 0) currentScope()?.owner().untracked()
    return this.liveNow()
  }

  /**
   * Takes the name back, for a module that is unloaded. Open epochs keep what they captured. Of no effect the second
   * time, or once the name was taken over.
   */
  release(): void {
    root.release(this.name, this)
  }

  toJSON(): { source: string } {
    return { source: this.name }
  }

  /** Never shows the value. */
  [INSPECT](): string {
    return `${this.constructor.name} { '${this.name}', ${this.isolation} }`
  }

  /** @internal */
  liveNow(): T {
    const value = sampling(this.#getter)
    if (isThenable(value)) throw this.#asyncGetter(value)
    return value
  }

  /** @internal a publication was undone: what stands in the root is live again */
  rolledBack(): void {}

  /** @internal the live value, to a reader: told of, unless a getter reads it while it is sampled */
  readLive(from: 'live' | 'late', epoch?: Epoch): T {
    if (!carrier.readsHeard || carrier.sampling) return this.liveNow()
    let value: T
    try {
      value = this.liveNow()
    } catch (error) {
      this.tellRead(from, UNSETTLED, epoch)
      throw error
    }
    this.tellRead(from, value, epoch)
    return value
  }

  /** @internal the value as a snapshot holds it */
  sample(): T {
    const value = this.liveNow()
    const origin = this.#originOf(this.#lastCopy)
    return origin !== undefined && this.#isOrigin(origin, value)
      ? (this.#lastCopy as T)
      : this.toSnapshot(value)
  }

  /** @internal */
  toSnapshot(value: T): T {
    if (this.#options.copy === undefined) return value
    const copy = sampling(() => this.#options.copy?.(value)) as T
    if (typeof copy === 'object' && copy !== null) {
      this.#origins?.set(copy, { original: value, version: this.#versionNow() })
      if (this.#options.version !== undefined) this.#lastCopy = copy
    }
    return copy
  }

  /** @internal whether two values are copies of one original at one version, so that nothing changed between them */
  isSameCopy(first: unknown, second: unknown): boolean {
    const origin = this.#originOf(first)
    const other = this.#originOf(second)
    if (origin === undefined || other === undefined) return false
    return Object.is(origin.original, other.original) && Object.is(origin.version, other.version)
  }

  /** @internal whether the live value is another than the captured one; a getter that throws now has moved */
  movedFrom(captured: unknown): boolean {
    try {
      const value = this.liveNow()
      const origin = this.#originOf(captured)
      return origin === undefined
        ? !Object.is(this.toSnapshot(value), captured)
        : !this.#isOrigin(origin, value)
    } catch {
      return true
    }
  }

  /** @internal */
  movedFromFailure(): boolean {
    try {
      this.liveNow()
      return true
    } catch {
      return false
    }
  }

  /** @internal */
  event(epoch: Epoch | undefined, value: T): SourceEvent {
    return { source: this, epoch, version: root.version, described: this.#described(value) }
  }

  /** @internal */
  announce(to: WriteEvent['to'], value: T, epoch?: Epoch): void {
    if (carrier.writesHeard) this.tellWrite(to, value, epoch)
  }

  /** @internal as `announce`, while somebody listens */
  tellWrite(to: WriteEvent['to'], value: T, epoch: Epoch | undefined): void {
    // Of a live write the number of what is live now: a setter of somebody else's may have made another value of it.
    const valueId = to === 'live' ? this.#liveNumber() : this.#numberOf(value)
    root.announce({ source: this, epoch, to, valueId, described: this.#described(value) })
  }

  /** @internal tells of a read that got `value`; UNSETTLED where it threw */
  tellRead(from: ReadEvent['from'], value: T | typeof UNSETTLED, epoch: Epoch | undefined): void {
    if (carrier.telling || !sourceRead.hasSubscribers) return
    carrier.telling = true
    try {
      const isPinned = from === 'pinned'
      const valueId = isPinned ? this.#numberOf(value) : this.#liveNumber(() => value)
      const isMeant = !isPinned || epoch?.hasLocal(this) === true
      const liveValueId = isMeant ? valueId : this.#liveNumber()
      const described = this.#described(value as T)
      const event: ReadEvent = {
        source: this,
        epoch,
        version: root.version,
        described,
        valueId,
        liveValueId,
        from,
      }
      sourceRead.publish(event)
    } finally {
      carrier.telling = false
    }
  }

  /** The number of a value as a snapshot holds it. */
  #numberOf(value: unknown): number {
    const numbers = (this.#numbers ??= new ValueNumbers())
    const origin = this.#originOf(value)
    return origin === undefined ? numbers.of(value) : numbers.ofCopy(origin.original, origin.version)
  }

  /** The number that a copy of this live value would have; once there is one, without making another. */
  #numberOfLive(value: unknown): number {
    if (this.#origins === undefined || value === UNSETTLED) return this.#numberOf(value)
    if (this.#numbers?.hasCopyOf(value) === true) return this.#numbers.ofCopy(value, this.#versionNow())
    return this.#numberOf(this.toSnapshot(value as T))
  }

  /** 0 where the getter, `copy` or `version` throws. */
  #liveNumber(live: () => unknown = () => this.liveNow()): number {
    try {
      return this.#numberOfLive(live())
    } catch {
      return 0
    }
  }

  #described(value: T): string | undefined {
    if (this.#options.describe === undefined || (value as unknown) === UNSETTLED) return undefined
    try {
      return this.#options.describe(value)
    } catch {
      return '(describe threw)' // a diagnostic must not break the read it tells of
    }
  }

  #originOf(copy: unknown): Origin | undefined {
    return this.#origins?.get(copy as object) // of what is no object there is none
  }

  #isOrigin(origin: Origin, value: T): boolean {
    return Object.is(origin.original, value) && Object.is(origin.version, this.#versionNow())
  }

  #versionNow(): unknown {
    return sampling(() => this.#options.version?.())
  }

  /** One error per source, not per call, so that polling it again is no change. */
  #asyncGetter(promise: PromiseLike<unknown>): EpochError {
    disown(promise)
    return (this.#asyncGetterError ??= new EpochError(
      'ASYNC_GETTER',
      `The getter of source "${this.name}" returned a promise, which would be captured before it has a value. Let the ` +
        'getter return what is there now, and compute the rest with memo(async () => …) from it.',
    ))
  }
}

/**
 * Declares a process global that somebody else owns, by a synchronous getter. Inside an epoch `get()` then returns what
 * the getter returned when the epoch was opened; outside, what it returns now.
 *
 * Use it for a library's or a plugin's global that you cannot change; use `cell` for a global of your own.
 *
 * **Caveat** The getter is called at every entry. A value mutated in place needs `copy` (and, to make that cheap,
 * `version`); a dear getter wants `isolation: 'repeatable-read'`.
 *
 * @param name unique in the process; dots by convention: 'plugins.workspaceDir'.
 * @param getter returns the live value; must be synchronous and must not call `withEpoch`.
 * @throws DUPLICATE_SOURCE when the name is taken, with both places.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * const state = { workspaceDir: '/a' }
 * const workspaceDir = source('docs.source.workspaceDir', () => state.workspaceDir)
 * workspaceDir.get() // => '/a'
 */
export function source<T>(name: string, getter: () => T, options: SourceOptions<T> = {}): Source<T> {
  requireKnownOptions(options, 'source(name, getter, options)', SOURCE_OPTIONS)
  return new Source({ name, getter, options, initial: UNSETTLED, call: 'source', site: siteOf(source) })
}

function firstFrame(site: { stack?: string }): string {
  return (
    site.stack
      ?.split('\n')
      .find((line) => line.trim().startsWith('at '))
      ?.trim() ?? 'at an unknown place'
  )
}

/** Runs a getter so that whatever it reads is live, and `withEpoch` inside it is an error. */
export function sampling<R>(getter: () => R): R {
  const outer = carrier.sampling
  carrier.sampling = true
  try {
    return getter()
  } finally {
    carrier.sampling = outer
  }
}
