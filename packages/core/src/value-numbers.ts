/**
 * Numbers that stand for a source's values, for listeners that must tell values apart without seeing them. A number is
 * given in the order of asking, so nothing of a value can be worked out from it, as it could from a hash. What counts as
 * one value, and when numbers are asked for, is the source's business.
 */
import { UNSETTLED } from './snapshot.js'

export class ValueNumbers {
  #last = 0
  readonly #values = new Remembered<number>()
  readonly #copies = new Remembered<Remembered<number>>()
  readonly #next = (): number => ++this.#last

  /** 0 for what stands in the place of a value. */
  of(value: unknown): number {
    return value === UNSETTLED ? 0 : this.#values.get(value, this.#next)
  }

  /** Copies of one original at one version have one number, however many are made. */
  ofCopy(original: unknown, version: unknown): number {
    return this.#copies.get(original, () => new Remembered()).get(version, this.#next)
  }

  hasCopyOf(original: unknown): boolean {
    return this.#copies.has(original)
  }
}

/** How many primitives are remembered at least. One not asked for while so many others were is new again. */
const KEPT = 512

/** A map that keeps nothing alive for long: objects are held weakly, of primitives the last ones asked for. */
class Remembered<V> {
  readonly #byObject = new WeakMap<object, V>()
  #recent = new Map<unknown, V>()
  #former = new Map<unknown, V>()

  has(key: unknown): boolean {
    return isObject(key)
      ? this.#byObject.has(key)
      : this.#recent.has(asKey(key)) || this.#former.has(asKey(key))
  }

  get(value: unknown, make: () => V): V {
    if (isObject(value)) {
      const found = this.#byObject.get(value) ?? make()
      this.#byObject.set(value, found)
      return found
    }
    const key = asKey(value)
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const found = this.#former.get(key) ?? make()
    if (this.#recent.size === KEPT) {
      this.#former = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, found)
    return found
  }
}

const MINUS_ZERO = Symbol('-0')

/** A Map takes -0 for 0, `Object.is` does not. */
function asKey(value: unknown): unknown {
  return Object.is(value, -0) ? MINUS_ZERO : value
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
