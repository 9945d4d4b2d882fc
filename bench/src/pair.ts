/**
 * How a cost is measured: as a ratio of two sides, alternately, in slices so short that whatever disturbs the machine
 * disturbs both. The ratio of a case is the median of the rounds' ratios; its spread is their interquartile range.
 * Nanoseconds are reported for scale. What is compared is not known here.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { collectGarbage, inCleanContext, keepOnly } from './isolation.js'
import type { PairResult } from './protocol.js'
import { quantile } from './quantile.js'

/** One of the two things that are compared. */
export interface Side {
  readonly name: string
  /** Does the thing `times` times, in a loop of its own, and returns something that depends on every one of them. */
  readonly slice: (times: number) => number | Promise<number>
  /** The AsyncLocalStorages that this side uses; all others are switched off while it is timed. */
  readonly storages: readonly AsyncLocalStorage<unknown>[]
}

/** How much time a case may take. */
export interface Budget {
  readonly warmUpMs: number
  readonly sliceMs: number
  readonly rounds: number
}

export const BUDGETS = {
  full: { warmUpMs: 60, sliceMs: 1, rounds: 101 },
  smoke: { warmUpMs: 3, sliceMs: 0.2, rounds: 5 },
} as const satisfies Record<string, Budget>

/**
 * Where results of slices go. It is printed with the results, so no compiler may conclude that nobody wants them.
 */
let consumed = 0

export function checksum(): number {
  return consumed
}

export async function measurePair(
  name: string,
  side: Side,
  baseline: Side,
  { warmUpMs, sliceMs, rounds }: Budget,
): Promise<PairResult> {
  collectGarbage()
  const sideTimes = await timesPerSlice(side, warmUpMs, sliceMs)
  const baselineTimes = await timesPerSlice(baseline, warmUpMs, sliceMs)
  const ratios: number[] = []
  const sideNs: number[] = []
  const baselineNs: number[] = []
  for (let round = 0; round < rounds; round++) {
    // Whoever comes second may find the caches warm, so they take turns at it.
    const sideFirst = round % 2 === 0
    const first = await nsEach(sideFirst ? side : baseline, sideFirst ? sideTimes : baselineTimes)
    const second = await nsEach(sideFirst ? baseline : side, sideFirst ? baselineTimes : sideTimes)
    const [ours, theirs] = sideFirst ? [first, second] : [second, first]
    sideNs.push(ours)
    baselineNs.push(theirs)
    ratios.push(ours / theirs)
  }
  return {
    case: name,
    side: side.name,
    baseline: baseline.name,
    ratio: quantile(ratios, 0.5),
    spread: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    sideNs: quantile(sideNs, 0.5),
    baselineNs: quantile(baselineNs, 0.5),
    rounds,
  }
}

/** Warms a side up until the optimising compiler has had its turn, and finds how often fits into one slice. */
async function timesPerSlice(side: Side, warmUpMs: number, sliceMs: number): Promise<number> {
  let times = 1
  let ns = Infinity
  const until = performance.now() + warmUpMs
  do {
    ns = await nsEach(side, times)
    const fits = Math.floor((sliceMs * 1e6) / ns)
    times = Math.max(1, Math.min(fits, times * 4))
  } while (performance.now() < until)
  return times
}

async function nsEach(side: Side, times: number): Promise<number> {
  keepOnly(side.storages)
  return inCleanContext(async () => {
    // Once before the clock starts: an AsyncLocalStorage that was switched off switches itself on.
    consumed += await side.slice(1)
    const start = performance.now()
    const result = side.slice(times)
    const sum = typeof result === 'number' ? result : await result
    const end = performance.now()
    consumed += sum
    return ((end - start) * 1e6) / times
  })
}
