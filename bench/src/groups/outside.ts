/**
 * Reading outside every epoch: while none is open anywhere, and while somebody else's is. Apart from `read.ts`, because
 * a process in which no epoch has ever been open is the case that is promised.
 */
import { cell, source, withEpoch } from '../withepoch/index.js'
import { Epoch, floor, liveValues, ours, plain, storage } from './floor.js'
import { pair, type Run } from './group.js'

const states = Array.from({ length: 8 }, (_, index) => ({ value: index }))
const cells = states.map((state, index) => cell(`outside.cell.${index}`, state.value))
const sources = states.map((state, index) => source(`outside.source.${index}`, () => state.value))

export async function outsideGroup(run: Run): Promise<void> {
  await pair(run, 'read outside, cell', ours(readingCells), plain('a property', readingProperties))
  await pair(run, 'read outside, source', ours(readingSources), plain('the getter', callingGetters))
  let close = (): void => {}
  const open = withEpoch({ name: 'somebody else' }, () => new Promise<void>((resolve) => (close = resolve)))
  // One that is not ours, so that the AsyncLocalStorage of the baseline is in use as well.
  storage.run(new Epoch(liveValues, 'somebody else', undefined), () => 1)
  await pair(
    run,
    'read outside, cell, others open',
    ours(readingCells),
    floor('getStore(), then a property', readingBare),
  )
  close()
  await open
}

function readingCells(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += cells[index & 7]!.get()
  return sum
}

function readingSources(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += sources[index & 7]!.get()
  return sum
}

function readingProperties(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += states[index & 7]!.value
  return sum
}

const getters = states.map((state) => () => state.value)

function callingGetters(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += getters[index & 7]!()
  return sum
}

function readingBare(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) {
    const store = storage.getStore()
    sum += store === undefined ? states[index & 7]!.value : store.id
  }
  return sum
}
