/**
 * The costs that a change could ruin without any other test noticing: work that has come to depend on how many cells, or
 * how many open epochs, there are, and a read that has come to do more than look. Ratios of two things measured
 * alternately in this process, the best of several rounds, with bounds far above what is normal and far below what the
 * mistake would cost: the test runs beside others on a loaded machine, from source and with a listener on every channel.
 * What things really cost is measured by `npm run bench`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { cell, memo, withEpoch } from 'withepoch'

/** How long a guard tries before it gives up: a pause of the machine passes, a cost that grows with n does not. */
const PATIENCE_MS = 600

/**
 * How many times as long `first` takes as `second`, timed in turns: as soon as that is less than `enough`, or what is left
 * after all patience. The least of each counts, because disturbances only ever make it longer.
 */
function ratio(first: () => unknown, second: () => unknown, enough: number): number {
  let [leastFirst, leastSecond] = [Infinity, Infinity]
  const until = performance.now() + PATIENCE_MS
  for (let round = 0; round < 10 || performance.now() < until; round++) {
    leastFirst = Math.min(leastFirst, timed(first))
    leastSecond = Math.min(leastSecond, timed(second))
    if (round >= 10 && leastFirst / leastSecond < enough) break
  }
  return leastFirst / leastSecond
}

function timed(work: () => unknown): number {
  const start = performance.now()
  work()
  return performance.now() - start
}

const times = (count: number, work: (index: number) => unknown) => (): void => {
  for (let index = 0; index < count; index++) work(index)
}

const first = cell('guard.first', 0)
const enter = times(500, () => withEpoch({ ifNested: 'fresh' }, () => 1))
const write = times(2_000, (index) => first.set(index))
/** With a listener on every channel each read and write is told of, which costs several times what it does itself. */
const TELLING = channel('withepoch:source:read').hasSubscribers ? 20 : 1
/** What the machine does in the time, whatever the library does: a yardstick that no number of cells or epochs changes. */
const storage = new AsyncLocalStorage<{ value: number }>()
const enterBare = times(500, () => storage.run({ value: 1 }, () => 1))
const writeBare = times(2_000, (index) => storage.run({ value: index }, () => 1))

test('a read costs a look-up, not a search: inside, less than 20 × a bare getStore() and a field', () => {
  let sum = 0
  const ours = (): unknown => withEpoch(times(2_000, () => (sum += first.get())))
  const bare = (): unknown =>
    storage.run(
      { value: 1 },
      times(2_000, () => (sum += storage.getStore()!.value)),
    )
  expect(ratio(ours, bare, 20 * TELLING)).toBeLessThan(20 * TELLING)
})

test('a handle saves the look-up: less than 1.5 × a read by the source', () => {
  let sum = 0
  const byHandle = (): unknown => withEpoch((epoch) => times(2_000, () => (sum += epoch.get(first)))())
  const bySource = (): unknown => withEpoch(times(2_000, () => (sum += first.get())))
  expect(ratio(byHandle, bySource, 1.5)).toBeLessThan(1.5)
})

test('a read with no epoch open needs no look-up: less than 1.5 × one inside', () => {
  let sum = 0
  const outside = times(2_000, () => (sum += first.get()))
  const inside = (): unknown => withEpoch(times(2_000, () => (sum += first.get())))
  expect(ratio(outside, inside, 1.5)).toBeLessThan(1.5)
})

test('a memo hit computes nothing: less than a tenth of computing', () => {
  const compute = (seed: number): number => {
    let sum = seed
    for (let index = 0; index < 20_000; index++) sum = (sum * 31 + index) % 1_000_003
    return sum
  }
  const once = memo(compute)
  const hits = (): unknown => withEpoch(times(50, () => once(1)))
  const computed = times(50, () => compute(1))
  expect(ratio(hits, computed, 0.1)).toBeLessThan(0.1)
})

test('with 20,000 cells, entry and a write still cost what they do: less than 40 × a bare run', () => {
  for (let index = 0; index < 20_000; index++) cell(`guard.more.${index}`, index)
  expect(ratio(enter, enterBare, 40)).toBeLessThan(40)
  expect(ratio(write, writeBare, 40 * TELLING)).toBeLessThan(40 * TELLING)
})

test('with 5,000 open epochs too', async () => {
  const close: Array<() => void> = []
  const open = Array.from({ length: 5_000 }, () =>
    withEpoch({ ifNested: 'fresh' }, () => new Promise<void>((resolve) => close.push(resolve))),
  )
  try {
    expect(ratio(enter, enterBare, 40)).toBeLessThan(40)
    expect(ratio(write, writeBare, 40 * TELLING)).toBeLessThan(40 * TELLING)
  } finally {
    for (const each of close) each()
    await Promise.all(open)
  }
})
