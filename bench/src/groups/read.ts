/**
 * Reading inside an epoch: by the source, and through the epoch's handle. The first reads one source again and again, as
 * a call site does; the second one of eight, or the compiler would lift the whole read out of the loop.
 */
import { cell, source, withEpoch } from '../withepoch/index.js'
import { Epoch, floor, liveValues, ours, storage } from './floor.js'
import { pair, type Run } from './group.js'

const state = { value: 1 }
const cells = Array.from({ length: 8 }, (_, index) => cell(`read.cell.${index}`, index))
const sources = Array.from({ length: 8 }, (_, index) =>
  source(`read.source.${index}`, () => state.value + index),
)
const oneCell = cell('read.one', 1)
const oneSource = source('read.one.source', () => state.value)

export async function readGroup(run: Run): Promise<void> {
  const bare = floor('getStore() and a field', readingBare)
  await pair(run, 'read inside, cell', ours(readingCells), bare)
  await pair(run, 'read inside, source', ours(readingSources), bare)
  await pair(run, 'read by handle, cell', ours(readingByHandle), bare)
  await pair(run, 'read by handle, source', ours(readingSourcesByHandle), bare)
}

function readingCells(times: number): number {
  return withEpoch(() => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += oneCell.get()
    return sum
  }) as number
}

function readingSources(times: number): number {
  return withEpoch(() => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += oneSource.get()
    return sum
  }) as number
}

function readingByHandle(times: number): number {
  return withEpoch((epoch) => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += epoch.get(cells[index & 7]!)
    return sum
  }) as number
}

function readingSourcesByHandle(times: number): number {
  return withEpoch((epoch) => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += epoch.get(sources[index & 7]!)
    return sum
  }) as number
}

function readingBare(times: number): number {
  return storage.run(new Epoch(liveValues, 'bare', undefined), () => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += storage.getStore()!.id
    return sum
  })
}
