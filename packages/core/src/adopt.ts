/**
 * Somebody else's property, turned into a cell in place: code that has never heard of us goes on reading and writing
 * it, and from then on goes through the cell. What cannot be adopted is refused with the reason, and left untouched.
 *
 * A property of a known object keeps its value in the root, like any cell. One at the end of a path, where a container
 * may come later or be replaced, keeps it in the container, and is looked up again whenever it is sampled. A place
 * (`Place`) is one property that we stand in for; this file knows how to take it and how to give it back.
 */
import { Cell, CELL_OPTIONS, type CellOptions, type Keep } from './cell.js'
import type { Epoch } from './epoch.js'
import { EpochError, kindOf, requireKnownOptions, siteOf } from './errors.js'
import { Container, isObject, mark, Place, shownKey } from './place.js'
import { root } from './snapshot.js'
import { sampling } from './source.js'
import { currentScope } from './storage.js'

export interface AdoptOptions<T> extends CellOptions<T> {
  /** Unique in the process. @default the key, or the keys of the path joined by dots */
  name?: string | undefined
  /**
   * The property holds a function without parameters (`process.cwd`): adopt what it returns. Such a cell cannot be
   * written, but it can be overridden with `values`.
   *
   * @default false
   */
  call?: boolean | undefined
}

/** What `adopt` returns: a cell with the property's name on it, whose `release` gives the property back. */
export type Adopted<T> = Cell<T>

/**
 * Turns an existing property into a cell in place. Everybody who reads `object[key]` inside an epoch then sees the
 * pinned value, and a write does what the epoch's `writes` say; outside, nothing changes. Enumerability, JSON,
 * `Object.keys` and spread are as before. With `writes: 'local'`, legacy code that sets a global becomes request-scoped
 * without an edit. `release()` puts the property back with the current value.
 *
 * Use it for a library's mutable property: `adopt(Settings, 'defaultLocale')`. For a value that you can only reach
 * through a function, use `source`.
 *
 * A path is for a container that comes later or is replaced: `adopt(globalThis, [Symbol.for('app.state'), 'dir'])`. Until
 * it is there the value is `undefined` and cannot be written.
 *
 * **Caveat** The property becomes an accessor: `Object.getOwnPropertyDescriptor` and `util.inspect` show that. A
 * container that comes later is noticed at the next entry; one that replaces another, at once. Reads of the value that
 * do not go through the property (a module's own variable behind it) stay live. A local write to a property that was an
 * accessor does not run its setter: the epoch sees what was written, as it was written.
 *
 * @param object an object, a function or a class, for a static property.
 * @param key a string or a symbol; or a path, an array of them.
 * @throws ADOPT_REFUSED when the property cannot be stood in for: frozen, sealed, non-configurable, inherited, missing,
 *   write-only, adopted already, in `process.env`, in a module namespace, or behind a Proxy that refuses. The object is left
 *   as it was.
 * @throws DUPLICATE_SOURCE when the name is taken; pass another as `name`.
 * @throws ASYNC_GETTER when an accessor, or a function with `call`, returns a promise.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * const i18n = { language: 'en' }
 * const language = adopt(i18n, 'language', { name: 'docs.adopt.language' })
 * withEpoch({ writes: 'local' }, () => {
 *   i18n.language = 'fr' // legacy code, unedited
 *   return [i18n.language, language.live()]
 * }) // => ['fr', 'en']
 * language.release()
 */
export function adopt<O extends object, K extends keyof O>(
  object: O,
  key: K,
  options: AdoptOptions<CallResult<O[K]>> & { call: true },
): Adopted<CallResult<O[K]>>
export function adopt<O extends object, K extends keyof O>(
  object: O,
  key: K,
  options?: AdoptOptions<O[K]>,
): Adopted<O[K]>
export function adopt<T>(
  object: object,
  path: readonly PropertyKey[],
  options?: AdoptOptions<T | undefined>,
): Adopted<T | undefined>
export function adopt(object: object, where: unknown, options: AdoptOptions<unknown> = {}): Adopted<unknown> {
  const path = (Array.isArray(where) ? where : [where]) as PropertyKey[]
  const shown = path.map(shownKey).join(', ')
  const call = `adopt(object, ${Array.isArray(where) ? `[${shown}]` : shown})`
  if (!isObject(object)) {
    throw new EpochError('INVALID_ARGUMENT', `${call}: expected an object, got ${kindOf(object)}.`)
  }
  if (path.length === 0 || !path.every(isKey)) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${call}: expected a property key, or a path of one key or more, got ${kindOf(where)}.`,
    )
  }
  requireKnownOptions(options, call, [...CELL_OPTIONS, 'name', 'call'])
  const { name = path.map(nameOfKey).join('.'), call: calls = false, ...cellOptions } = options
  if (typeof calls !== 'boolean') {
    throw new EpochError('INVALID_ARGUMENT', `${call}: call must be a boolean, got ${kindOf(calls)}.`)
  }
  const parts = { name, options: cellOptions, call: 'adopt', site: siteOf(adopt) }
  if (!Array.isArray(where)) return adoptPlace(new Place(object, path[0] as PropertyKey, call), calls, parts)
  if (calls) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${call}: call goes with a key, not with a path; adopt it on its object.`,
    )
  }
  return new AdoptedPath(object, path, call, parts)
}

type CallResult<F> = F extends () => infer R ? R : never

type Parts = {
  readonly name: string
  readonly options: CellOptions<unknown>
  readonly call: string
  readonly site: { stack?: string }
}

function adoptPlace(place: Place, calls: boolean, parts: Parts): Adopted<unknown> {
  place.takeOver(parts)
  const original = place.requireOwn()
  if (calls) return adoptFunction(place, original, parts)
  const keep = original.writable === true ? undefined : keepOf(place, original)
  const adopted = new AdoptedPlace(place, { ...parts, initial: original.value, keep })
  adopted.take(accessorFor(place, adopted, original))
  return adopted
}

/** An accessor goes on keeping the value where it always did. */
function keepOf(place: Place, original: PropertyDescriptor): Keep<unknown> {
  if (original.writable === true) return { value: original.value as unknown }
  if (original.get === undefined) {
    return {
      get value() {
        return original.value as unknown
      },
      set value(_next) {
        throw place.readOnly('is not writable')
      },
    }
  }
  return {
    foreign: true,
    get value() {
      return Reflect.apply(original.get as () => unknown, place.object, [])
    },
    set value(next) {
      if (original.set === undefined) throw place.readOnly('has a getter only')
      Reflect.apply(original.set, place.object, [next])
    },
  }
}

function adoptFunction(place: Place, original: PropertyDescriptor, parts: Parts): Adopted<unknown> {
  const fn = original.value as ((...args: unknown[]) => unknown) | undefined
  if (typeof fn !== 'function' || fn.length > 0) {
    const found = typeof fn === 'function' ? `a function of ${fn.length} parameter(s)` : kindOf(fn)
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${place.call}: call: true is for a function without parameters, got ${found}.`,
    )
  }
  const keep: Keep<unknown> = {
    foreign: true,
    get value() {
      return Reflect.apply(fn, place.object, [])
    },
    set value(_next) {
      throw place.readOnly('is a function, whose result nobody can set')
    },
  }
  const adopted = new AdoptedPlace(place, { ...parts, initial: undefined, keep })
  const stand = function (): unknown {
    return adopted.get()
  }
  Object.defineProperties(stand, Object.getOwnPropertyDescriptors(fn)) // process.memoryUsage has a function on it
  mark(stand, adopted)
  adopted.take({
    value: stand,
    writable: original.writable === true,
    enumerable: original.enumerable === true,
  })
  return adopted
}

class AdoptedPlace extends Cell<unknown> {
  readonly #place: Place

  constructor(place: Place, parts: ConstructorParameters<typeof Cell<unknown>>[0]) {
    super(parts)
    this.#place = place
  }

  /** Stands in for the property; what cannot be done is undone, the name included. */
  take(descriptor: PropertyDescriptor): void {
    try {
      requireSynchronous(this)
      this.#place.take(descriptor)
    } catch (error) {
      super.release()
      throw error
    }
  }

  override release(): void {
    this.#place.giveBack(() => this.liveNow())
    super.release()
  }
}

/**
 * A cell at the end of a path. Containers that are there are watched by standing in for the properties that lead to
 * them, so a replacement is noticed at once; one that is not there yet must not be made to seem so (programs ask
 * `Object.hasOwn(globalThis, key)`), so it is looked for when the value is sampled, which every entry does.
 */
class AdoptedPath extends Cell<unknown> {
  readonly #start: object
  readonly #path: readonly PropertyKey[]
  readonly #call: string
  /** The properties from the start to the leaf; shorter while the rest is not there. */
  #steps: Step[] = []
  #settled = false
  #released = false
  #warned = false
  /** A container is being replaced: what the write of the new value has to do, in the place of assigning it. */
  #replace: (() => void) | undefined

  constructor(start: object, path: readonly PropertyKey[], call: string, parts: Parts) {
    const leaf = (): Keep<unknown> | undefined => this.leaf()
    const store = (next: unknown): void => this.store(next)
    const keep: Keep<unknown> = {
      foreign: true,
      get value() {
        return leaf()?.value
      },
      set value(next) {
        store(next)
      },
    }
    super({ ...parts, initial: undefined, keep })
    this.#start = start
    this.#path = [...path]
    this.#call = call
    try {
      this.#attach(0)
      requireSynchronous(this)
    } catch (error) {
      this.release()
      throw error
    }
  }

  override release(): void {
    this.#released = true
    this.#detach(0)
    super.release()
  }

  /** Where the live value is, if the whole path is there. */
  leaf(): Keep<unknown> | undefined {
    return sampling(() => this.#find())
  }

  #find(): Keep<unknown> | undefined {
    if (this.#released) return undefined
    const moved = this.#steps.findIndex((step) => !step.stands())
    if (moved >= 0) this.#detach(moved)
    if (!this.#settled) this.#lookAgain()
    return this.#settled ? this.#steps.at(-1)?.keep : undefined
  }

  override writeLive(value: unknown, epoch: Epoch | undefined): void {
    if (this.#replace === undefined && this.leaf() === undefined) {
      throw new EpochError(
        'ADOPT_REFUSED',
        `${this.#call}: a write, but the property is not there yet. Wait until its container exists.`,
      )
    }
    super.writeLive(value, epoch)
  }

  /** A write, or the undoing of one, which must not fail because the path has gone meanwhile. */
  store(value: unknown): void {
    const replace = this.#replace
    this.#replace = undefined
    if (replace !== undefined) return replace()
    const leaf = this.leaf()
    if (leaf !== undefined) leaf.value = value
  }

  /** What is there now but cannot be adopted is no error here, since nobody called us: it is read as it is. */
  #lookAgain(): void {
    try {
      this.#attach(this.#steps.length)
    } catch (error) {
      if (!(error instanceof EpochError)) throw error
      const place = this.#placeAt(this.#steps.length)
      if (place === undefined || this.#steps.length < this.#path.length - 1) return
      this.#steps.push(unwatched(place, asItIs(place)))
      this.#settled = true
      if (this.#warned) return
      this.#warned = true
      process.emitWarning(
        `${error.message} Until then "${this.name}" is read where it is, and direct reads of the property are not pinned.`,
        { type: 'EpochWarning', code: error.code },
      )
    }
  }

  /** Stands in for the properties from `depth` on, as far as they are there. */
  #attach(depth: number): void {
    for (let index = depth; index < this.#path.length; index++) {
      const place = this.#placeAt(index)
      if (place?.isThere() !== true) return
      if (index === this.#path.length - 1) this.#takeLeaf(place)
      else this.#takeContainer(place, index)
    }
  }

  /** The property at `index` of the path, if there is an object for it to be on. */
  #placeAt(index: number): Place | undefined {
    const container = index === 0 ? this.#start : this.#steps[index - 1]?.keep.value
    return isObject(container)
      ? new Place(container, this.#path[index] as PropertyKey, this.#call)
      : undefined
  }

  #takeLeaf(place: Place): void {
    const original = place.requireOwn()
    const keep = keepOf(place, original)
    place.take(accessorFor(place, this, original))
    this.#steps.push({
      place,
      keep,
      stands: () => place.isMine(),
      leave: () => place.giveBack(() => keep.value),
    })
    this.#settled = true
  }

  /** A container behind an accessor, or in a fixed property, is not stood in for but compared when it is sampled. */
  #takeContainer(place: Place, index: number): void {
    const keep = { value: place.read() }
    const container = Container.at(place, this)
    if (container === undefined) return void this.#steps.push(unwatched(place, keep))
    const replaced = (next: unknown): void => this.#replaceContainer(index, next)
    container.follow(replaced)
    this.#steps.push({
      place,
      keep,
      stands: () => container.stands(),
      leave: () => container.leave(replaced),
    })
  }

  /** Somebody assigns another container: a write of this cell like any other, if the value in it is another. */
  #replaceContainer(index: number, next: unknown): void {
    const step = this.#steps[index]
    if (step === undefined || Object.is(step.keep.value, next)) return
    const replace = (): void => this.#moveTo(index, next)
    const value = sampling(() => valueAt(next, this.#path.slice(index + 1)))
    if (Object.is(this.liveNow(), value)) return replace()
    const epoch = currentScope()?.owner()
    if (epoch?.writeMode === 'local' && epoch.isHeld()) {
      throw new EpochError(
        'WRITE_REJECTED',
        `${this.#call}: ${shownKey(step.place.key)}, which leads to "${this.name}", was replaced inside epoch #${epoch.id} ` +
          `"${epoch.name}", whose writes are local. Everybody shares the container: write the property itself, or replace ` +
          'the container outside the epoch (detach).',
      )
    }
    this.#replace = replace
    const former = step.keep.value
    try {
      this.set(value)
    } finally {
      this.#replace = undefined
    }
    // Undone first, so that the former value is put back into the former container.
    root.onRollback(() => this.#moveTo(index, former))
  }

  #moveTo(index: number, container: unknown): void {
    const step = this.#steps[index]
    if (step === undefined) return
    this.#detach(index + 1)
    step.keep.value = container
    this.leaf()
  }

  /** Gives the properties from `depth` on back, the leaf first. */
  #detach(depth: number): void {
    this.#settled = false
    while (this.#steps.length > depth) {
      this.#steps.pop()?.leave()
    }
  }
}

interface Step {
  readonly place: Place
  readonly keep: Keep<unknown>
  /** Whether it is as we left it: neither deleted nor redefined, nor, where nobody tells us, replaced. */
  stands(): boolean
  leave(): void
}

/** A property that we do not stand in for, so nobody tells us of a replacement. */
function unwatched(place: Place, keep: Keep<unknown>): Step {
  return { place, keep, stands: () => Object.is(place.read(), keep.value), leave() {} }
}

/** A property that cannot be stood in for, read and written like by anybody else. */
function asItIs(place: Place): Keep<unknown> {
  return {
    get value() {
      return place.read()
    },
    set value(next) {
      if (!Reflect.set(place.object, place.key, next)) throw place.readOnly('does not take it')
    },
  }
}

function valueAt(container: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (isObject(value) ? Reflect.get(value, key) : undefined), container)
}

/** What a reader gets today, a promise, it could not get from us: an epoch would pin it before it has a value. */
function requireSynchronous(adopted: Cell<unknown>): void {
  try {
    adopted.liveNow()
  } catch (error) {
    if (error instanceof EpochError) throw error
    // The getter's own error is captured and rethrown to readers, like any getter's.
  }
}

/** The accessor that stands in for a property, for the object itself and for those that inherit from it. */
function accessorFor(place: Place, cell: Cell<unknown>, original: PropertyDescriptor): PropertyDescriptor {
  const { object, key } = place
  /** Assigning through an heir makes a property of the heir's own, as it did; a Proxy of the object is no heir. */
  const isHeir = (receiver: unknown): receiver is object =>
    Object.prototype.isPrototypeOf.call(object, receiver as object)
  const get = function (this: unknown): unknown {
    return original.get !== undefined && isHeir(this) ? Reflect.apply(original.get, this, []) : cell.get()
  }
  mark(get, cell)
  const set = function (this: unknown, value: unknown): void {
    if (!isHeir(this)) cell.set(value)
    else if (original.set !== undefined) Reflect.apply(original.set, this, [value])
    else Object.defineProperty(this, key, { value, writable: true, enumerable: true, configurable: true })
  }
  const writable = original.writable === true || original.set !== undefined
  return { get, set: writable ? set : undefined, enumerable: original.enumerable === true }
}

function isKey(key: unknown): key is PropertyKey {
  return typeof key === 'string' || typeof key === 'symbol' || typeof key === 'number'
}

function nameOfKey(key: PropertyKey): string {
  return typeof key === 'symbol' ? (key.description ?? 'symbol') : String(key)
}
