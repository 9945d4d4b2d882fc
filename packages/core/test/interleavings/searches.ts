/**
 * The three searches under one type, so that whoever runs them need not know what they look at; and a counted run of
 * one. A run that fails is shrunk, counted as one, and the search goes on after it.
 */
import * as fc from 'fast-check'
import * as groups from './groups.js'
import * as lifecycle from './lifecycle.js'
import type { Order } from './order.js'
import * as reads from './reads.js'

/** Programs, and what compares the run of one with its oracle: it throws where they differ. */
export interface Search {
  readonly programs: fc.Arbitrary<unknown>
  readonly replay: (program: unknown, order: Order) => Promise<unknown>
}

export const searches: Readonly<Record<string, Search>> = {
  reads: searchOf(reads),
  lifecycle: searchOf(lifecycle),
  groups: searchOf(groups),
}

function searchOf<P>(search: {
  programs: fc.Arbitrary<P>
  replay(program: P, order: Order): Promise<unknown>
}): Search {
  return { programs: search.programs, replay: (program, order) => search.replay(program as P, order) }
}

export interface Count {
  passed: number
  failed: number
  /** What fast-check says of each failure: seed, path and counterexample. */
  readonly reports: string[]
}

/** So many that there is no more to learn from the next. */
const MOST_FAILURES = 5

/**
 * Runs `runs` random programs, each in a random order, and counts. Stops short only after five failures.
 *
 * @param onRun called after each.
 */
export async function count(
  search: Search,
  seed: number,
  runs: number,
  onRun: () => void = () => {},
): Promise<Count> {
  const sum: Count = { passed: 0, failed: 0, reports: [] }
  const orders = fc.array(fc.nat(7), { maxLength: 60, size: 'max' })
  let shrinking = false
  const property = fc.asyncProperty(search.programs, orders, async (program, order) => {
    try {
      await search.replay(program, order)
    } catch (error) {
      shrinking = true
      throw error
    }
    if (!shrinking) onRun()
  })
  for (let part = 0; sum.passed + sum.failed < runs && sum.failed < MOST_FAILURES; part++) {
    shrinking = false
    // 2^16 apart, so that what one search does after a failure is not what the next one does.
    const details = await fc.check(property, {
      seed: (seed + part * 2 ** 16) | 0,
      numRuns: runs - sum.passed - sum.failed,
    })
    sum.passed += details.numRuns - (details.failed ? 1 : 0)
    if (!details.failed) continue
    sum.failed++
    sum.reports.push(`${fc.defaultReportMessage(details)}
${String(details.errorInstance)}`)
    onRun()
  }
  return sum
}
