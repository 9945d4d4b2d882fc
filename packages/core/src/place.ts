/**
 * One property of somebody else's object that we stand in for: taking it, giving it back, and saying why it cannot be
 * taken. And a container, a property that leads on to others: all paths through it share one stand-in. Neither knows what
 * is read through it; `adopt.ts` does.
 */
import type { Cell } from './cell.js'
import { EpochError, kindOf } from './errors.js'
import { root } from './snapshot.js'

const ADOPTED = Symbol.for('withepoch.adopted')

/** Says of a function that stands in for a property by which cell. */
export function mark(standIn: object, cell: Cell<unknown>): void {
  Object.defineProperty(standIn, ADOPTED, { value: cell })
}

function adopterOf(own: PropertyDescriptor | undefined): Cell<unknown> | undefined {
  const standIn = own?.get ?? (own?.value as unknown)
  if (typeof standIn !== 'function' || !Object.hasOwn(standIn, ADOPTED)) return undefined
  return (standIn as unknown as Record<symbol, Cell<unknown>>)[ADOPTED]
}

/** Who may take over from a former cell of that name. */
interface Takeover {
  readonly name: string
  readonly options: { readonly ifRegistered?: 'throw' | 'replace' | undefined }
}

/** One property that is, or is to be, stood in for. */
export class Place {
  readonly object: object
  readonly key: PropertyKey
  readonly call: string
  #original: PropertyDescriptor | undefined
  #mine: PropertyDescriptor = {}

  constructor(object: object, key: PropertyKey, call: string) {
    this.object = object
    this.key = key
    this.call = call
  }

  read(): unknown {
    return Reflect.get(this.object, this.key)
  }

  /** @throws ADOPT_REFUSED when the object refuses to say. */
  isThere(): boolean {
    return this.#ask(() => this.key in this.object)
  }

  /** `ifRegistered: 'replace'`: the cell of the module that is reloaded gives the property back first. */
  takeOver({ name, options }: Takeover): void {
    if (options.ifRegistered !== 'replace') return
    const former = adopterOf(this.#own())
    if (former?.name === name) former.release()
  }

  /** @throws ADOPT_REFUSED when there is no property of its own here that can be stood in for. */
  requireOwn(): PropertyDescriptor {
    const { object, key } = this
    if (object === globalThis.process?.env) {
      throw this.#refused(
        'process.env does not take accessors',
        `Use source('env.${String(key)}', () => process.env.${String(key)})`,
      )
    }
    const own = this.#own()
    if (own === undefined) {
      const owner = this.#ask(() => ownerOf(object, key))
      if (owner === undefined) {
        throw this.#refused('there is no such property', `If it comes later, pass a path: [${shownKey(key)}]`)
      }
      const why = `it is inherited from ${nameOf(owner)}`
      if (Reflect.getOwnPropertyDescriptor(owner, key)?.get === undefined) {
        throw this.#refused(why, 'Adopt it there, on its owner')
      }
      // Adopted there, it would still be each heir's own business what it answers.
      throw this.#refused(`${why}, where it is an accessor`, 'Declare it with source(name, getter) instead')
    }
    const adopter = adopterOf(own)
    if (adopter !== undefined) {
      throw this.#refused(
        `it is adopted already, as "${adopter.name}"`,
        'Use that cell, or release() it first',
      )
    }
    if (own.configurable !== true) {
      throw this.#refused(
        this.#ask(() => whyFixed(object)),
        'Declare it with source(name, getter) instead',
      )
    }
    if (own.get === undefined && own.set !== undefined)
      throw this.#refused('it is write-only', 'There is nothing to read')
    this.#original = own
    return own
  }

  /** @throws ADOPT_REFUSED when the object does not let us; it is then as it was. */
  take(descriptor: PropertyDescriptor): void {
    const { object, key } = this
    this.#mine = { ...descriptor, configurable: true }
    let error: unknown
    try {
      Reflect.defineProperty(object, key, this.#mine)
      if (this.isMine()) return
    } catch (thrown) {
      error = thrown
    }
    try {
      Reflect.defineProperty(object, key, this.#original as PropertyDescriptor) // requireOwn() came first
    } catch {
      // it refused before; it is as it was
    }
    throw this.#refused(
      'the object does not let it be redefined',
      'It is a Proxy that refuses; adopt its target',
      error,
    )
  }

  /** Puts the property back as it was, with the current value, unless somebody else has redefined it meanwhile. */
  giveBack(currentValue: () => unknown): void {
    const original = this.#original
    if (original === undefined || !this.isMine()) return
    const keptByUs = original.writable === true && this.#mine.get !== undefined
    Reflect.defineProperty(
      this.object,
      this.key,
      keptByUs ? { ...original, value: currentValue() } : original,
    )
  }

  readOnly(why: string): EpochError {
    return new EpochError(
      'ADOPT_REFUSED',
      `${this.call}: a write, but the property ${why}. Override it with values in withEpoch.`,
    )
  }

  /** Whether what stands there is what we put there. */
  isMine(): boolean {
    const now = Reflect.getOwnPropertyDescriptor(this.object, this.key)
    return (
      now !== undefined &&
      now.get === this.#mine.get &&
      now.set === this.#mine.set &&
      now.value === this.#mine.value
    )
  }

  #own(): PropertyDescriptor | undefined {
    return this.#ask(() => Reflect.getOwnPropertyDescriptor(this.object, this.key))
  }

  #ask<R>(question: () => R): R {
    try {
      return question()
    } catch (error) {
      throw this.#refused(
        'the object refuses to show it',
        'It is a Proxy that refuses; adopt its target',
        error,
      )
    }
  }

  #refused(why: string, remedy: string, cause?: unknown): EpochError {
    return new EpochError(
      'ADOPT_REFUSED',
      `${this.call} on ${nameOf(this.object)}: ${shownKey(this.key)} cannot be adopted: ${why}. ${remedy}.`,
      cause === undefined ? {} : { cause },
    )
  }
}

const CONTAINER = Symbol.for('withepoch.container')

/** A property that leads on: reads get the object that is there, and whoever follows a path through it hears of another. */
export class Container {
  readonly #place: Place
  #value: unknown
  readonly #followers = new Set<(next: unknown) => void>()

  /** The one that stands there already, or a new one; undefined where nobody can stand in. */
  static at(place: Place, cell: Cell<unknown>): Container | undefined {
    const found = Reflect.getOwnPropertyDescriptor(place.object, place.key)?.get
    if (found !== undefined) return (found as unknown as Record<symbol, Container | undefined>)[CONTAINER]
    try {
      return new Container(place, place.requireOwn(), cell)
    } catch {
      // refused
    }
    return undefined
  }

  private constructor(place: Place, own: PropertyDescriptor, cell: Cell<unknown>) {
    this.#place = place
    this.#value = own.value
    const get = (): unknown => this.#value
    mark(get, cell)
    Object.defineProperty(get, CONTAINER, { value: this })
    const set = (next: unknown): void => this.#replace(next)
    place.take({ get, set: own.writable === true ? set : undefined, enumerable: own.enumerable === true })
  }

  stands(): boolean {
    return this.#place.isMine()
  }

  follow(replaced: (next: unknown) => void): void {
    this.#followers.add(replaced)
  }

  /** The last to leave gives the property back. */
  leave(replaced: (next: unknown) => void): void {
    this.#followers.delete(replaced)
    if (this.#followers.size === 0) this.#place.giveBack(() => this.#value)
  }

  #replace(next: unknown): void {
    const former = this.#value
    this.#value = next
    root.onRollback(() => {
      this.#value = former
    })
    try {
      for (const replaced of Array.from(this.#followers)) replaced(next)
    } catch (error) {
      this.#value = former
      throw error
    }
  }
}

export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

export function shownKey(key: unknown): string {
  return typeof key === 'string' ? JSON.stringify(key) : String(key)
}

function ownerOf(object: object, key: PropertyKey): object | undefined {
  for (let owner = Reflect.getPrototypeOf(object); owner !== null; owner = Reflect.getPrototypeOf(owner)) {
    if (Object.hasOwn(owner, key)) return owner
  }
  return undefined
}

function whyFixed(object: object): string {
  if ((object as Record<symbol, unknown>)[Symbol.toStringTag] === 'Module') {
    return 'it is an export in a module namespace, which nobody can redefine'
  }
  if (Object.isFrozen(object)) return 'the object is frozen'
  return Object.isSealed(object) ? 'the object is sealed' : 'it is not configurable'
}

function nameOf(object: object): string {
  if (object === globalThis) return 'globalThis'
  if (object === globalThis.process?.env) return 'process.env'
  try {
    if (typeof object === 'function') return object.name === '' ? 'a function' : object.name
    const constructor = Object.getOwnPropertyDescriptor(object, 'constructor')?.value as
      | { name?: string }
      | undefined
    if (constructor?.name !== undefined) return `${constructor.name}.prototype`
    return kindOf(object)
  } catch {
    return 'an object' // a Proxy that does not even say what it is
  }
}
