/**
 * The live values of the sources of one subject, as the kit knows them: it has set them, so it can tell what they were
 * when a call came in, and set them so again. It asks the sources only whether somebody else has written since, and it
 * uses no epoch: what is tested must not be its own judge.
 */
import { isDeepStrictEqual } from 'node:util'
import { detach, publish, withEpoch } from 'withepoch'
import { refuse } from './arguments.js'
import { brief } from './literal.js'
import { type AnySubject, isCell, sourcesOf, type WorldEntry } from './subject.js'

/** The value of each entry at one moment. */
export type FrozenWorld = Readonly<Record<string, unknown>>

interface State {
  /** A copy of what was set, which nobody else holds. */
  value: unknown
  /** What the sources held right after, copied: somebody may change it in place. */
  live: readonly unknown[]
  /** A writer that has stopped half-way, and what it began from. */
  writing: Writing | undefined
}

interface Writing {
  readonly steps: Iterator<unknown>
  readonly to: unknown
  /** How many tasks it lets pass between two steps, and how many of them are still to come. */
  readonly tasks: number
  left: number
}

export class World {
  readonly #entries: ReadonlyMap<string, WorldEntry<unknown>>
  readonly #states = new Map<string, State>()
  /** What was live before, and is to be so again: the very values, not copies. */
  readonly #original = new Map<string, unknown>()

  constructor(subject: AnySubject) {
    this.#entries = new Map(Object.entries(subject.sources))
    for (const name of this.#entries.keys()) {
      const live = this.#live(name)
      const value = this.#isTuple(name) ? live : live[0]
      this.#states.set(name, { value: copyOf(value), live: live.map(copyOf), writing: undefined })
      if (!live.some((each) => each instanceof Unreadable)) this.#original.set(name, value)
    }
  }

  /** Puts back what was live before, all that can be; throws the first error of a `set`. */
  restore(): void {
    const errors: unknown[] = []
    for (const [name, value] of this.#original) {
      const putBack = (): void => {
        const result = this.#write(name, value)
        if (isIterator(result)) while (result.next().done !== true);
      }
      for (const step of [() => this.finish(name), putBack]) {
        try {
          step()
        } catch (error) {
          errors.push(error)
        }
      }
    }
    if (errors.length > 0) throw errors[0]
  }

  /** Sets an entry, in one go; of a writer that stops half-way, all steps. Whether the source has another value now. */
  set(name: string, value: unknown): boolean {
    const before = this.#live(name)
    this.begin(name, value)
    this.finish(name)
    this.#requireArrived(name, value)
    return this.#hasMoved(name, before)
  }

  /**
   * Sets an entry as its `set` does: the first step of one that stops half-way, for so many tasks each time. Whether the
   * source has another value now, or will have.
   */
  begin(name: string, value: unknown, tasks = 1): boolean {
    this.finish(name)
    const before = this.#live(name)
    const result = this.#write(name, copyOf(value))
    const state = this.#states.get(name)!
    if (isIterator(result)) {
      state.writing = { steps: result, to: copyOf(value), tasks, left: tasks }
      this.#advance(name)
      return true
    }
    this.#hold(name, value)
    this.#requireArrived(name, value)
    return this.#hasMoved(name, before)
  }

  /** A task has passed: one step more of each writer that has stopped half-way for long enough. Their names. */
  advance(): string[] {
    const due = [...this.#states].filter(([, { writing }]) => writing !== undefined && --writing.left === 0)
    for (const [name] of due) this.#advance(name)
    return due.map(([name]) => name)
  }

  finish(name: string): void {
    while (this.#states.get(name)!.writing !== undefined) this.#advance(name)
  }

  finishAll(): void {
    for (const name of this.#states.keys()) this.finish(name)
  }

  /** Sets all entries. */
  become(world: FrozenWorld): void {
    for (const [name, value] of Object.entries(world)) this.set(name, value)
  }

  now(): FrozenWorld {
    return Object.fromEntries([...this.#states.keys()].map((name) => [name, this.#valueNow(name)]))
  }

  /**
   * What a call that comes in now may see. One world; but where a writer has stopped half-way, what was before it or what
   * will be after it, and nothing between.
   */
  candidates(): readonly FrozenWorld[] {
    let worlds: Array<Record<string, unknown>> = [{}]
    for (const [name, { writing }] of this.#states) {
      const values = [writing === undefined ? this.#valueNow(name) : this.#states.get(name)!.value]
      if (writing !== undefined) values.push(writing.to)
      worlds = worlds.flatMap((world) => values.map((value) => ({ ...world, [name]: value })))
    }
    return worlds
  }

  #write(name: string, value: unknown): unknown {
    const { set, source } = this.#entries.get(name)!
    return detach(() => {
      if (set !== undefined) return set(value)
      if (!Array.isArray(source)) return cellOf(source).set(value)
      publish(() => source.forEach((each, index) => cellOf(each).set((value as unknown[])[index])))
    })
  }

  #advance(name: string): void {
    const state = this.#states.get(name)!
    const { steps, to } = state.writing!
    state.writing!.left = state.writing!.tasks
    let done: boolean | undefined
    try {
      done = detach(() => steps.next()).done
    } catch (error) {
      state.writing = undefined
      throw error
    }
    if (done === true) this.#hold(name, to)
  }

  #hold(name: string, value: unknown): void {
    // Another request comes in. Without anybody who looks, a group of foreign sources would not know that they agreed.
    if (this.#isTuple(name)) withEpoch({ ifNested: 'fresh' }, () => {})
    this.#states.set(name, { value: copyOf(value), live: this.#live(name).map(copyOf), writing: undefined })
  }

  /**
   * A `set` that writes somewhere else changes nothing, and then nothing is tested. Looked at where the whole write was
   * made in one go: between the steps of a writer that stops half-way others may have written.
   */
  #requireArrived(name: string, value: unknown): void {
    const live = this.#states.get(name)!.live
    // What cannot be read cannot be compared: a getter may throw for a value, and the handler be meant to see that.
    if (live.some((each) => each instanceof Unreadable)) return
    if (isAlike(this.#isTuple(name) ? live : live[0], value)) return
    const found = (this.#isTuple(name) ? live : live[0]) as unknown
    refuse(
      `sources.${name}.${this.#entries.get(name)!.set === undefined ? 'source.set' : 'set'}(${brief(value)})`,
      `afterwards the live value is ${brief(found)}. It must be the value set, made live before set returns. Write what ` +
        'the source reads; if the source holds it in another form, let `values` make that form.',
    )
  }

  /** By identity: an equal object in the place of another is a change to who compares them so. */
  #hasMoved(name: string, before: readonly unknown[]): boolean {
    return this.#live(name).some((value, index) => !Object.is(value, before[index]))
  }

  #valueNow(name: string): unknown {
    const state = this.#states.get(name)!
    const live = this.#live(name)
    if (live.every((value, index) => isDeepStrictEqual(value, state.live[index]))) return state.value
    // Written by somebody else, the handler perhaps.
    state.live = live.map(copyOf)
    return (state.value = copyOf(this.#isTuple(name) ? live : live[0]))
  }

  #isTuple(name: string): boolean {
    return Array.isArray(this.#entries.get(name)!.source)
  }

  #live(name: string): readonly unknown[] {
    return sourcesOf(this.#entries.get(name)!).map((source) => {
      try {
        return source.live()
      } catch (error) {
        return new Unreadable(error)
      }
    })
  }
}

/** What stands for the value of a getter that throws. */
class Unreadable {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** Equal, or equal but for prototypes: a getter may make its object anew, and `fc.record` makes some without one. */
function isAlike(one: unknown, other: unknown): boolean {
  if (isDeepStrictEqual(one, other)) return true
  try {
    return isDeepStrictEqual(structuredClone(one), structuredClone(other))
  } catch {
    return false
  }
}

/** A copy that shares nothing with the value, where one can be made. */
export function copyOf<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  try {
    const copy = structuredClone(value)
    return isDeepStrictEqual(copy, value) ? copy : value
  } catch {
    return value
  }
}

function cellOf(source: unknown): { set(value: unknown): void } {
  if (!isCell(source)) throw new TypeError('a source that is no cell, and no set') // refused by requireSubject
  return source
}

function isIterator(value: unknown): value is Iterator<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { next?: unknown }).next === 'function'
  )
}
