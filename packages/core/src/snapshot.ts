/**
 * The live values of every source, in one process-wide array, and how an epoch takes them. The array is immutable
 * once taken: a write then replaces it by a copy, and otherwise writes in place; a cell that is written again before
 * anybody looks keeps the value to itself, and the array catches up. So an epoch is a pointer, entry costs the same for
 * one cell and for a thousand, epochs that saw no change share one array, and the garbage collector reclaims what
 * nobody sees any more. This file knows slots and versions; what a source is, and who reads, it does not.
 *
 *     live root ──► [ 7, failures, 'a', 'b', … ]        taken by epochs 1 and 2
 *        │ write 'B'                  ▲ ▲
 *        ▼                            │ └ epoch 2
 *     live root ──► [ 8, failures, 'a', 'B', … ]        taken by nobody: the next write stays in place
 */
import { carrier } from './carrier.js'
import { sourceWrite, type WriteEvent } from './diagnostics.js'
import { EpochError, report } from './errors.js'
import { disown, isThenable } from './storage.js'
import type { Source } from './source.js'

/** `[version, failures, value of slot 2, value of slot 3, …]`, immutable from the moment an epoch takes it. */
export type Values = unknown[]

export const VERSION = 0
/** Errors that getters threw at capture, by slot; undefined until one does. */
export const FAILURES = 1
const FIRST_SLOT = 2

type Failures = ReadonlyMap<number, unknown>
const NO_FAILURES: Failures = new Map()

/**
 * Stands in a slot that has no plain value: the getter threw, the source is pinned at its first read, or never. One
 * comparison on the read path then tells all of these from a value, and `undefined` stays a value like any other.
 */
export const UNSETTLED: symbol = Symbol.for('withepoch.unsettled')

/** One `publish` in progress: what to put back if it throws, and what to tell once it has not. */
interface Publication {
  readonly values: Values
  readonly taken: boolean
  readonly undo: Array<() => void>
  readonly writes: Array<Omit<WriteEvent, 'version'>>
  readonly committed: Array<() => void>
}

/** @internal What the root knows of a group: values that belong together, and what to hand out while they do not. */
export interface Coherence {
  readonly slots: readonly number[]
  /** A member was written: look again. */
  check(): void
  /** An epoch is about to open: the values to give it in the place of the live ones; undefined for the live ones. */
  enter(): readonly unknown[] | undefined
  /** The last values that agreed, by slot, for a member read late; undefined where the live ones are as good. */
  agreed(): ReadonlyArray<readonly [slot: number, value: unknown]> | undefined
  /** Whether it goes on handing out a value that is no longer live. */
  holds(slot: number, value: unknown): boolean
  whenMoved(moved: () => void): void
  /** A member was registered anew, by a module that was loaded again. */
  follow(slot: number, source: Source<unknown>): void
  /** A member is gone, so there is nothing left to agree. */
  release(): void
}

/** @internal A cell that was written while nobody looked, and has its newest value to itself. */
export interface Ahead {
  readonly slot: number
  /** Is ahead no longer: the value, for the root. */
  caughtUp(): unknown
}

interface Registration {
  readonly source: Source<unknown>
  readonly site: () => string
}

export class Root {
  #values: Values = [0, undefined]
  /** An epoch holds `#values`, so the next write has to copy. */
  #taken = false
  /** Counts the writes; a whole `publish` is one. */
  #version = 0
  /** While there are any, no epoch holds `#values`. */
  readonly #ahead: Ahead[] = []
  #publication: Publication | undefined
  readonly #registered = new Map<string, Registration>()
  /** A name keeps its slot for good, so a reloaded module finds it again; by isolation, for open epochs keep the old. */
  readonly #slots = new Map<string, number>()
  readonly #polled = new Set<Source<unknown>>()
  /** A source that gives way to another of its name, so its group goes on. */
  #replaced: Source<unknown> | undefined
  readonly #groups = new Set<Coherence>()
  readonly #groupBySlot = new Map<number, Coherence>()
  /** The live array with the values of broken groups put in, kept while both are the same. */
  #patched: { version: number; parts: Array<readonly unknown[] | undefined>; values: Values } | undefined

  get version(): number {
    return this.#version
  }

  get hasGroups(): boolean {
    return this.#groups.size > 0
  }

  get publishing(): boolean {
    return this.#publication !== undefined
  }

  /** All registered sources, in the order of registration. */
  sources(): Iterable<Source<unknown>> {
    return Array.from(this.#registered.values(), (registration) => registration.source)
  }

  /** Gives `source` the slot of its name. @throws DUPLICATE_SOURCE when the name is taken and may not be replaced. */
  register(
    source: Source<unknown>,
    name: string,
    initial: unknown,
    polled: boolean,
    replace: boolean,
    site: () => string,
  ): number {
    const former = this.#registered.get(name)
    if (former !== undefined) {
      if (!replace) {
        throw new EpochError(
          'DUPLICATE_SOURCE',
          `A source named "${name}" is already registered.\n  first:  ${former.site()}\n  second: ${site()}\n` +
            "Names are unique in the process. If the module was reloaded, pass { ifRegistered: 'replace' } or call " +
            'release() on the first.',
        )
      }
      this.#replaced = former.source
      former.source.release()
      this.#replaced = undefined
    }
    const key = `${source.isolation} ${name}`
    const slot = this.#slots.get(key) ?? FIRST_SLOT + this.#slots.size
    this.#slots.set(key, slot)
    this.#registered.set(name, { source, site })
    if (polled) this.#polled.add(source)
    // A declaration is no write: it outlives the publication that it may be made in.
    const declare = (): void => {
      this.catchUp()
      this.store(slot, initial)
      this.onRollback(declare)
    }
    declare()
    const group = former && this.#groupBySlot.get(former.source.slot)
    if (former?.source.slot === slot) group?.follow(slot, source)
    else group?.release()
    return slot
  }

  /** Frees the name. Open epochs keep what they captured; later ones capture at first read. */
  release(name: string, source: Source<unknown>): void {
    if (this.#registered.get(name)?.source !== source) return
    this.catchUp()
    this.#unregister(name, source)
    if (source !== this.#replaced) this.#groupBySlot.get(source.slot)?.release()
  }

  read(slot: number): unknown {
    this.catchUp()
    return this.#values[slot]
  }

  /** Makes `value` live, inside `publish` together with the rest. */
  write(slot: number, value: unknown): void {
    if (!Object.is(this.#values[slot], value)) this.store(slot, value)
  }

  /**
   * The newest snapshot, taken: foreign getters are polled first and written only where they changed. Polling is
   * synchronous and so is the rest, which is what makes a capture atomic.
   *
   * @throws EPOCH_IN_GETTER when called by a getter that is being polled.
   * @throws EPOCH_IN_PUBLISH when called inside `publish`.
   */
  capture(): Values {
    if (carrier.sampling) {
      throw new EpochError(
        'EPOCH_IN_GETTER',
        'withEpoch() was called by the getter of a source while that source was being read. A getter returns the ' +
          'process-global value and nothing else: move the call out of it.',
      )
    }
    this.requireWhole()
    if (this.#polled.size > 0) this.#poll()
    this.catchUp()
    return this.#groups.size === 0 ? this.#take() : this.#takeCoherent()
  }

  /** @throws EPOCH_IN_PUBLISH inside `publish`, where a snapshot would hold half of what is being written. */
  requireWhole(): void {
    if (this.#publication === undefined) return
    throw new EpochError(
      'EPOCH_IN_PUBLISH',
      'withEpoch() or advance() was called inside publish(), where the new state is half-written. Prepare first, ' +
        'then publish, then open the epoch.',
    )
  }

  /**
   * Runs `fn` so that its writes become visible together, as one version, or not at all if it throws.
   *
   * @throws ASYNC_PUBLISH when `fn` returns a promise; its writes are undone.
   */
  publish<R>(fn: () => R): R {
    this.catchUp()
    const outer = this.#publication
    const publication: Publication = {
      values: this.#values,
      taken: this.#taken,
      undo: [],
      writes: [],
      committed: [],
    }
    this.#publication = publication
    this.#taken = true // so that the first write copies, and the old array can be put back
    let result: R
    try {
      result = fn()
      if (isThenable(result)) {
        disown(result)
        throw new EpochError(
          'ASYNC_PUBLISH',
          'publish(fn): fn returned a promise. Publishing is synchronous, or others would see half of it; the writes ' +
            'made so far were undone. Await first, then publish what you prepared.',
        )
      }
    } catch (error) {
      this.#values = publication.values
      this.#taken = publication.taken
      this.#publication = outer
      for (const undo of publication.undo.reverse()) attempt(undo)
      for (const { source } of this.#registered.values()) source.rolledBack()
      throw error
    }
    this.#publication = outer
    if (outer === undefined) {
      if (this.#values !== publication.values) this.#values[VERSION] = ++this.#version
      for (const group of this.#groups) group.check()
      for (const write of publication.writes) sourceWrite.publish({ ...write, version: this.version })
      for (const committed of publication.committed) committed()
    } else {
      for (const committed of publication.committed) outer.committed.push(committed)
      for (const undo of publication.undo) outer.undo.push(undo)
      for (const write of publication.writes) outer.writes.push(write)
    }
    return result
  }

  /** Has `undo` called if the publication in progress throws; outside one there is nothing to undo. */
  onRollback(undo: () => void): void {
    this.#publication?.undo.push(undo)
  }

  /** Tells of a write now, or when the publication in progress has succeeded. Callers check for subscribers. */
  announce(write: Omit<WriteEvent, 'version'>): void {
    if (this.#publication === undefined) sourceWrite.publish({ ...write, version: this.version })
    else this.#publication.writes.push(write)
  }

  /** Calls `committed` once the writes so far are visible: now, or when the publication in progress has succeeded. */
  onCommit(committed: () => void): void {
    if (this.#publication === undefined) committed()
    else this.#publication.committed.push(committed)
  }

  addGroup(group: Coherence): void {
    this.catchUp()
    this.#groups.add(group)
    for (const slot of group.slots) this.#groupBySlot.set(slot, group)
  }

  removeGroup(group: Coherence): void {
    this.#groups.delete(group)
    this.#patched = undefined // the groups that are left may be as they were, with one more put in
    for (const slot of group.slots) this.#groupBySlot.delete(slot)
  }

  groupOf(slot: number): Coherence | undefined {
    return this.#groupBySlot.get(slot)
  }

  /** A slot was written: its group looks again, but not at half a publication. */
  checkGroup(slot: number): void {
    if (this.#publication === undefined) this.#groupBySlot.get(slot)?.check()
  }

  /** The group that still hands out `value`, though it is not live any more. */
  holderOf(slot: number, value: unknown): Coherence | undefined {
    const group = this.#groupBySlot.get(slot)
    return group?.holds(slot, value) === true ? group : undefined
  }

  /** A new version with the same values: what epochs get from here on differs in another way. */
  bump(): void {
    this.store(FAILURES, this.#values[FAILURES])
  }

  #take(): Values {
    this.#taken = true
    return this.#values
  }

  #takeCoherent(): Values {
    const groups = [...this.#groups]
    const parts = groups.map((group) => group.enter())
    this.catchUp() // a group asks what is somebody else's, which may have written
    if (parts.every((part) => part === undefined)) {
      this.#patched = undefined
      return this.#take()
    }
    const { version } = this
    const former = this.#patched
    if (former?.version === version && parts.every((part, index) => part === former.parts[index]))
      return former.values
    const values = this.#values.slice()
    const failures = new Map(values[FAILURES] as Failures | undefined)
    for (const [index, group] of groups.entries()) {
      const part = parts[index]
      if (part === undefined) continue
      for (const [member, slot] of group.slots.entries()) {
        values[slot] = part[member]
        failures.delete(slot)
      }
    }
    values[FAILURES] = failures
    this.#patched = { version, parts, values }
    return values
  }

  #unregister(name: string, source: Source<unknown>): void {
    this.#registered.delete(name)
    this.#polled.delete(source)
    const clear = (): void => {
      if (this.#registered.get(name)?.source.slot === source.slot) return // done again after a rollback: it is its heir's
      this.store(source.slot, UNSETTLED)
      this.onRollback(clear)
    }
    clear()
  }

  #poll(): void {
    const changed: Array<Source<unknown>> = []
    const former = (this.#values[FAILURES] as Failures | undefined) ?? NO_FAILURES
    let failures: Map<number, unknown> | undefined
    for (const source of this.#polled) {
      const { slot } = source
      const before = this.#values[slot]
      const failed = former.has(slot)
      try {
        const value = source.sample()
        if (Object.is(value, before)) continue
        if (failed || (before !== UNSETTLED && !source.isSameCopy(before, value))) changed.push(source)
        this.store(slot, value)
        if (failed) (failures ??= new Map(former)).delete(slot)
      } catch (error) {
        if (failed && Object.is(former.get(slot), error)) continue
        if (before !== UNSETTLED) changed.push(source)
        this.store(slot, UNSETTLED)
        failures ??= new Map(former)
        failures.set(slot, error)
      }
    }
    if (failures !== undefined) this.store(FAILURES, failures)
    for (const source of changed) source.announce('polled', this.#values[source.slot])
  }

  /**
   * @internal lets a cell be ahead, so that writing it again costs one store, not two: until somebody looks, its slot is
   * empty, and holds no former value. Whoever reads its slot or hands the array out catches up first, and again after
   * code of somebody else's has run.
   */
  fallBehind(cell: Ahead): void {
    this.store(cell.slot, UNSETTLED)
    this.#ahead.push(cell)
  }

  /** @internal a cell that is ahead was written again */
  count(): void {
    this.#version++
  }

  /** @internal before anybody looks */
  catchUp(): void {
    if (this.#ahead.length === 0) return
    for (let cell = this.#ahead.pop(); cell !== undefined; cell = this.#ahead.pop())
      this.#values[cell.slot] = cell.caughtUp()
    this.#values[VERSION] = this.#version
  }

  /** @internal */
  store(slot: number, value: unknown): void {
    if (this.#taken) {
      this.#values = this.#values.slice()
      this.#taken = false
    }
    this.#values[slot] = value
    if (this.#publication === undefined) this.#values[VERSION] = ++this.#version
  }
}

/** What is put back must not keep the rest from being put back. Its error goes to the process, the first one to the caller. */
function attempt(undo: () => void): void {
  try {
    undo()
  } catch (error) {
    report(error)
  }
}

/** The process's root; every copy of the library uses the first one's. */
export const root: Root = (carrier.root ??= new Root())
