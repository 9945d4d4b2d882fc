/**
 * What an open epoch weighs: the difference in heap between 100,000 requests that wait inside an epoch and as many that
 * wait inside a raw AsyncLocalStorage with a store of one field. The argument is how many cells there are, and whether
 * one is written between two entries, so that no two epochs share a snapshot.
 */
import { cell, type Cell, withEpoch } from '../withepoch/index.js'
import { AsyncLocalStorage } from 'node:async_hooks'
import { heapInUse } from '../heap.js'
import { openRequests } from '../open-requests.js'
import { quantile } from '../quantile.js'
import type { Run } from './group.js'

const storage = new AsyncLocalStorage<{ value: number }>()

export async function bytesGroup(run: Run): Promise<void> {
  const [size, written] = run.argument.split('-')
  const cellCount = Number(size)
  const cells: Array<Cell<number>> = Array.from({ length: cellCount }, (_, index) =>
    cell(`bytes.${index}`, index),
  )
  const count = run.smoke ? 5_000 : written === undefined ? 100_000 : 20_000

  const raw = (): Promise<number> =>
    weigh(
      count,
      (work) => storage.run({ value: 1 }, work),
      () => storage.getStore()!.value,
    )
  const ours = (): Promise<number> =>
    weigh(
      count,
      (work) => withEpoch(work),
      () => cells[0]!.get(),
      (index) => {
        if (written !== undefined) cells[0]!.set(index + 1)
      },
    )
  // What code allocates depends on whether it has been compiled yet, so both have several turns, and the median counts.
  const weights: Array<readonly [raw: number, ours: number]> = []
  for (let turn = 0; turn < (run.smoke ? 1 : 3); turn++) weights.push([await raw(), await ours()])
  run.facts['count'] = count
  run.facts['raw'] = median(weights.map(([weight]) => weight))
  run.facts['withepoch'] = median(weights.map(([, weight]) => weight))
  run.facts['over raw'] = median(weights.map(([rawWeight, ourWeight]) => ourWeight - rawWeight))
}

/** Bytes per open request. */
async function weigh(
  count: number,
  enter: (work: () => Promise<number>) => Promise<number>,
  read: () => number,
  between?: (index: number) => void,
): Promise<number> {
  const before = await heapInUse()
  const open = openRequests(count, enter, read, between)
  const after = await heapInUse()
  for (let index = 0; index < count; index++) open.finish(index)
  await Promise.all(open.results)
  return (after - before) / count
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}
