/**
 * A property of `globalThis` that a program will create, and perhaps replace. Until it is there it must not be made to
 * seem so, because programs ask `Object.hasOwn(globalThis, key)` and create their singletons only if the answer is no.
 * So the trap stands on the prototype of the global object, where an assignment finds its setter and `hasOwn` finds
 * nothing. From then on an accessor stands in for the property, to hear of the next assignment.
 */
import { kindOf, refuse, requireFunction } from './arguments.js'

type Value = NonNullable<unknown>
type Listener = (value: Value) => unknown

/** One subscriber, and what it wants called when its value has gone. */
interface Subscriber {
  readonly listener: Listener
  leave: (() => void) | undefined
}

/** One key that somebody waits for. */
class Watch {
  readonly #key: PropertyKey
  readonly #subscribers = new Set<Subscriber>()
  #value: unknown

  constructor(key: PropertyKey) {
    this.#key = key
    this.#setTrap()
    if (Object.hasOwn(globalThis, key)) this.#standIn()
  }

  /** Whether the property is as we left it: an accessor of ours, or not there. */
  isCurrent(): boolean {
    const own = Object.getOwnPropertyDescriptor(globalThis, this.#key)
    return own === undefined || own.get === this.#get || own.configurable === false
  }

  standInAgain(): void {
    this.#standIn()
  }

  add(listener: Listener): () => void {
    const subscriber: Subscriber = { listener, leave: undefined }
    this.#subscribers.add(subscriber)
    const current: unknown = Reflect.get(globalThis, this.#key)
    if (current !== undefined && current !== null) tell(subscriber, current)
    return () => {
      if (this.#subscribers.delete(subscriber)) leave(subscriber)
    }
  }

  readonly #get = (): unknown => this.#value

  readonly #set = (value: unknown): void => {
    const isSame = Object.is(value, this.#value)
    this.#value = value
    if (!isSame) this.#changed()
  }

  #changed(): void {
    for (const subscriber of this.#subscribers) {
      leave(subscriber)
      if (this.#value !== undefined && this.#value !== null) tell(subscriber, this.#value)
    }
  }

  /** Where an assignment to a property that is not there arrives. */
  #setTrap(): void {
    const key = this.#key
    const standIn = (): void => {
      this.#standIn()
      this.#changed()
    }
    Object.defineProperty(Object.getPrototypeOf(globalThis) as object, key, {
      configurable: true,
      get: () => undefined,
      set(this: object, value: unknown) {
        Object.defineProperty(this, key, { value, writable: true, enumerable: true, configurable: true })
        if (this === globalThis) standIn()
      },
    })
  }

  #standIn(): void {
    const own = Object.getOwnPropertyDescriptor(globalThis, this.#key) as PropertyDescriptor
    this.#value = Reflect.get(globalThis, this.#key)
    // What cannot be stood in for is what it is: fixed, or somebody else's accessor, whose value is theirs to change.
    if (own.configurable !== true || own.writable !== true) return
    Object.defineProperty(globalThis, this.#key, {
      get: this.#get,
      set: this.#set,
      enumerable: own.enumerable === true,
      configurable: true,
    })
  }
}

function tell(subscriber: Subscriber, value: Value): void {
  const result = subscriber.listener(value)
  subscriber.leave = typeof result === 'function' ? (result as () => void) : undefined
}

function leave(subscriber: Subscriber): void {
  const { leave } = subscriber
  subscriber.leave = undefined
  leave?.()
}

const watches = new Map<PropertyKey, Watch>()

/**
 * Calls `fn` with the value of a property of `globalThis`: at once if it is there, else in the very assignment that
 * creates it, before the program's next line runs; and again with each value that replaces it.
 *
 * Use it in a preload, for a singleton that a program creates after start-up. To pin a property of that object, `adopt`
 * with a path needs none of this: `adopt(globalThis, [key, 'dir'])`.
 *
 * - Until the property is there, `Object.hasOwn(globalThis, key)` is false and a read is `undefined`, as without it.
 * - `undefined` and `null` are no values: `fn` is not called with them.
 * - If `fn` returns a function, that is called when the value is replaced, or on release.
 * - What `fn` throws, the program's assignment throws, after it was made.
 *
 * **Caveat** Once it is there, the property is an accessor. `key in globalThis` is true from the start. A property that is
 * created by `Object.defineProperty` is not heard of, nor is a change behind an accessor of the program's own.
 *
 * @returns a function that ends it.
 * @throws INVALID_ARGUMENT when `key` is not a property key, or `fn` not a function.
 * @example
 * const key = Symbol.for('docs.whenGlobalExists')
 * const seen = []
 * const stop = whenGlobalExists(key, (state) => void seen.push(state.dir))
 * Object.hasOwn(globalThis, key) // => false
 * globalThis[key] = { dir: '/a' }
 * globalThis[key] = { dir: '/b' }
 * seen // => ['/a', '/b']
 * stop()
 */
export function whenGlobalExists<T extends NonNullable<unknown>>(
  key: PropertyKey,
  fn: (value: T) => void | (() => void),
): () => void {
  if (typeof key !== 'string' && typeof key !== 'symbol' && typeof key !== 'number') {
    refuse(`whenGlobalExists(key, fn): key must be a string or a symbol, got ${kindOf(key)}.`)
  }
  requireFunction(fn, 'whenGlobalExists(key, fn)', 'fn')
  let watch = watches.get(key)
  if (watch === undefined) watches.set(key, (watch = new Watch(key)))
  else if (!watch.isCurrent()) watch.standInAgain()
  return watch.add(fn as Listener)
}
