/**
 * Whether cost stays flat and memory stays what the arithmetic says: 100,000 epochs open at once, 10,000 cells, 1,000,000
 * writes while they are open. What one open, close, retire and drain costs is measured at rising numbers of open epochs;
 * for a plot, the sizes rise by tens.
 */
// oxlint-disable unicorn/no-unnecessary-await, typescript/await-thenable -- `await null` lets other work in, and is what costs least
import { cell, type Cell, drain, withEpoch } from '../withepoch/index.js'
import { heapInUse } from '../heap.js'
import { collectGarbage } from '../isolation.js'
import { openRequests } from '../open-requests.js'
import { quantile } from '../quantile.js'
import type { Run } from './group.js'

const fresh = { ifNested: 'fresh' } as const

export async function scaleGroup(run: Run): Promise<void> {
  const sizes = run.smoke ? [1, 10, 100, 1_000] : [1, 10, 100, 1_000, 10_000, 100_000]
  const most = sizes.at(-1)!
  const cellCount = run.smoke ? 100 : 10_000
  const cells: Array<Cell<number>> = Array.from({ length: cellCount }, (_, index) =>
    cell(`scale.${index}`, index),
  )
  const pool = cell('scale.pool', {}, { retire: () => {} })

  /** `[open epochs, ns]` for one of each, while so many others are open. */
  const curves: Record<string, Array<readonly [number, number]>> = {}
  for (const size of sizes) {
    const others = openRequests(
      size,
      (work) => withEpoch(work),
      () => cells[0]!.get(),
    )
    collectGarbage()
    const costs = { ...(await openAndClose(cells)), ...(await whileOpen(pool, cells)) }
    for (const [name, ns] of Object.entries(costs)) (curves[name] ??= []).push([size, ns])
    for (let index = 0; index < size; index++) others.finish(index)
    await Promise.all(others.results)
    await drain()
  }
  for (const [name, curve] of Object.entries(curves)) run.facts[`curve: ${name}`] = curve

  // Once for nothing: what code allocates depends on whether it has been compiled yet.
  await bytesEach(most, cells)
  const perEpoch = await bytesEach(Math.round(most / 10), cells)
  run.facts['cells'] = cellCount
  run.facts['bytes per open request'] = perEpoch
  await oneSnapshot(run, cells, most, perEpoch)
  await manySnapshots(run, cells, perEpoch)
}

/** Memory of many open epochs that saw one snapshot, and time of many writes, in tenths: both are to be straight lines. */
async function oneSnapshot(
  run: Run,
  cells: ReadonlyArray<Cell<number>>,
  count: number,
  perEpoch: number,
): Promise<void> {
  const writes = run.smoke ? 10_000 : 1_000_000
  const before = await heapInUse()
  const open = openRequests(
    count,
    (work) => withEpoch(work),
    () => cells[0]!.get(),
  )
  const times: Array<readonly [number, number]> = []
  const start = performance.now()
  for (let tenth = 1; tenth <= 10; tenth++) {
    for (let index = 0; index < writes / 10; index++)
      cells[index % cells.length]!.update((value) => value + 1)
    times.push([(tenth * writes) / 10, performance.now() - start])
  }
  run.facts['curve: writes'] = times
  run.facts['open epochs'] = count
  run.facts['writes'] = writes
  run.facts['bytes held'] = (await heapInUse()) - before
  // The arithmetic of docs/performance.md: the open requests, and the array that all of them hold.
  run.facts['bytes computed'] = count * perEpoch + bytesOfSnapshot(cells.length)
  for (let index = 0; index < count; index++) open.finish(index)
  await Promise.all(open.results)
}

/** Memory where every epoch holds a snapshot of its own, and what is left when all have closed. */
async function manySnapshots(run: Run, cells: ReadonlyArray<Cell<number>>, perEpoch: number): Promise<void> {
  const count = run.smoke ? 50 : 1_000
  const before = await heapInUse()
  await heldBy(run, cells, count, before)
  await drain()
  run.facts['versions'] = count
  run.facts['bytes computed for versions'] = count * (perEpoch + bytesOfSnapshot(cells.length))
  run.facts['bytes left'] = (await heapInUse()) - before
}

/** Apart, so that nothing of it is left on the stack when the rest is weighed. */
async function heldBy(
  run: Run,
  cells: ReadonlyArray<Cell<number>>,
  count: number,
  before: number,
): Promise<void> {
  const open = openRequests(
    count,
    (work) => withEpoch(work),
    () => cells[0]!.get(),
    (index) => cells[0]!.set(-index),
  )
  run.facts['bytes held by versions'] = (await heapInUse()) - before
  for (let index = 0; index < count; index++) open.finish(index)
  await Promise.all(open.results)
}

/** An array with a word for each slot: version, failures, and one per cell. */
function bytesOfSnapshot(cellCount: number): number {
  return 8 * (cellCount + 2)
}

const BATCH = 100
const BATCHES = 15

/** Nanoseconds for opening one more, and for closing it, promises and all. */
async function openAndClose(cells: ReadonlyArray<Cell<number>>): Promise<Record<string, number>> {
  const opening: number[] = []
  const closing: number[] = []
  for (let batch = 0; batch < 2 * BATCHES; batch++) {
    const start = performance.now()
    const more = openRequests(
      BATCH,
      (work) => withEpoch(work),
      () => cells[0]!.get(),
    )
    const opened = performance.now()
    for (let index = 0; index < BATCH; index++) more.finish(index)
    await Promise.all(more.results)
    const closed = performance.now()
    if (batch < BATCHES) continue // the first half warms up
    opening.push(((opened - start) * 1e6) / BATCH)
    closing.push(((closed - opened) * 1e6) / BATCH)
  }
  return { open: quantile(opening, 0.5), close: quantile(closing, 0.5) }
}

/** Nanoseconds for one of each of what is done while others are open. */
async function whileOpen(
  pool: Cell<object>,
  cells: ReadonlyArray<Cell<number>>,
): Promise<Record<string, number>> {
  const nothing = (): number => 1
  let next = 0
  const each: Record<string, () => unknown> = {
    'write, then open': () => {
      cells[next % 8]!.set(++next)
      return withEpoch(fresh, nothing)
    },
    // Replaces a value that the open epochs see; it is retired when the last of them has closed.
    retire: () => pool.set({}),
    drain: () => {
      const giveUp = new AbortController()
      const drained = drain({ signal: giveUp.signal }).catch(() => {})
      giveUp.abort()
      return drained
    },
  }
  const costs: Record<string, number> = {}
  for (const [name, doOnce] of Object.entries(each)) {
    const runs: number[] = []
    for (let batch = 0; batch < 2 * BATCHES; batch++) {
      const start = performance.now()
      for (let index = 0; index < BATCH; index++) doOnce()
      if (batch >= BATCHES) runs.push(((performance.now() - start) * 1e6) / BATCH)
      await null
    }
    costs[name] = quantile(runs, 0.5)
  }
  return costs
}

async function bytesEach(count: number, cells: ReadonlyArray<Cell<number>>): Promise<number> {
  const before = await heapInUse()
  const open = openRequests(
    count,
    (work) => withEpoch(work),
    () => cells[0]!.get(),
  )
  const bytes = ((await heapInUse()) - before) / count
  for (let index = 0; index < count; index++) open.finish(index)
  await Promise.all(open.results)
  return bytes
}
