/**
 * Whether a search that found nothing has tested anything. What it looks at is what the runs say of themselves, and the
 * first read of a source by a call; that a read was right is not its business.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import type { ReadEvent } from 'withepoch'
import { brief } from './literal.js'
import type { Outcome } from './run.js'
import type { Schedule } from './schedule.js'
import { type AnySubject, sourcesOf } from './subject.js'
import { callContext } from './watch.js'

/** Of an arbitrary that gave one value in so many tries, one is what it gives. */
const TRIES = 100

export class Tally {
  readonly #subject: AnySubject
  #runs = 0
  #calls = 0
  #rejections = 0
  #lastRejection: unknown
  #read = false

  constructor(subject: AnySubject) {
    this.#subject = subject
  }

  /**
   * Listens for reads while `search` runs, until there is one: whoever listens makes the library read on another path, and
   * it is the usual one that is to be tested.
   */
  async listen<T>(search: () => Promise<T>): Promise<T> {
    const sources = new Set<unknown>(Object.values(this.#subject.sources).flatMap(sourcesOf))
    const read = (message: unknown): void => {
      if (callContext.getStore() === undefined || !sources.has((message as ReadEvent).source)) return
      this.#read = true
      unsubscribe('withepoch:source:read', read)
    }
    subscribe('withepoch:source:read', read)
    try {
      return await search()
    } finally {
      unsubscribe('withepoch:source:read', read)
    }
  }

  add({ rejections }: Outcome, { calls }: Schedule): void {
    this.#runs++
    this.#calls += calls.length
    this.#rejections += rejections.length
    if (rejections.length > 0) this.#lastRejection = rejections.at(-1)
  }

  /** Why nothing was tested, and what to do; undefined if something was. */
  vacuity(): string | undefined {
    if (this.#calls === 0) return undefined // stopped before the first run
    const runs = this.#runs === 1 ? 'one run' : `${this.#runs} runs`
    if (this.#rejections === this.#calls)
      return (
        `each of the ${this.#calls} calls of ${runs} was rejected, the last with ${brief(this.#lastRejection)}. Give the ` +
        "handler what it needs; if it is meant to reject always, say ifVacuous: 'pass'."
      )
    const names = Object.keys(this.#subject.sources).join(', ')
    if (!this.#read)
      return (
        `no call of ${runs} read any of its sources (${names}) by get(). Name those that the handler reads; if it is meant ` +
        "to read none, say ifVacuous: 'pass'."
      )
    if (Object.values(this.#subject.sources).every(({ values }) => isConstant(values!)))
      return (
        `none of its sources (${names}) can have two values. Give at least one \`values\` that differ, such as ` +
        "fc.constantFrom('a', 'b'); if that is meant, say ifVacuous: 'pass'."
      )
    return undefined
  }
}

function isConstant(values: fc.Arbitrary<unknown>): boolean {
  const [first, ...others] = fc.sample(values, TRIES)
  return others.every((other) => isDeepStrictEqual(other, first))
}
