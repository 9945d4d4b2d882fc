/**
 * The order of things as data. Wherever several could go on, a `Choices` says which does; it notes what it said and how
 * many there were, so that a run can be repeated, and so that all runs can be gone through one by one. It knows nothing
 * of what is chosen.
 */
import { kindOf, refuse, requireCount } from './arguments.js'

/**
 * Says which of those that wait goes on: from a list, or from a seed.
 *
 * Use a list for an order that is to be written down: it shrinks well, since what is missing counts as 0, the one that
 * has waited for longest. Use a seed (a number) for one random order that is the same at each run.
 *
 * @throws INVALID_ARGUMENT when it is given something else than whole numbers, 0 or more.
 * @example
 * const choices = new Choices([1, 5])
 * choices.next(3) // => 1
 * choices.next(3) // => 2
 * choices.next(3) // => 0
 * choices.made // => [1, 2, 0]
 * new Choices(7).next(100) === new Choices(7).next(100) // => true
 */
export class Choices {
  /** What was chosen, in order; given to a new `Choices` it makes the same run. */
  readonly made: number[] = []
  /** How many there were to choose from, each time. */
  readonly outOf: number[] = []
  readonly #list: readonly number[]
  readonly #random: (() => number) | undefined

  constructor(from: readonly number[] | number = []) {
    const call = 'new Choices(from)'
    if (typeof from === 'number') {
      if (!Number.isInteger(from)) refuse(call, `a seed must be a whole number, got ${from}.`)
      this.#list = []
      this.#random = randomBits(from)
    } else {
      if (!Array.isArray(from)) refuse(call, `from must be a list of numbers or a seed, got ${kindOf(from)}.`)
      for (const choice of from) requireCount(choice ?? null, call, 'a choice', 0)
      this.#list = from
      this.#random = undefined
    }
  }

  /** One of `count`: 0 is the one that has waited for longest. A choice beyond the last goes round. */
  next(count: number): number {
    requireCount(count ?? null, 'choices.next(count)', 'count', 1)
    const wanted = this.#random === undefined ? (this.#list[this.made.length] ?? 0) : this.#random()
    const chosen = wanted % count
    this.made.push(chosen)
    this.outOf.push(count)
    return chosen
  }
}

/** A list, a seed, or choices that are shared with others. */
export type ChoicesFrom = Choices | readonly number[] | number

/** @internal */
export function choicesFrom(from: ChoicesFrom): Choices {
  return from instanceof Choices ? from : new Choices(from)
}

/** 32 random bits at a time, from the mulberry32 generator (Tommy Ettinger, 2017, public domain). */
function randomBits(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return (bits ^ (bits >>> 14)) >>> 0
  }
}
