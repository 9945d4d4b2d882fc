/**
 * Writing a cell: in place, when no epoch has taken the snapshot since the last write, and by a copy, when one has. The
 * second goes by the number of cells.
 */
import { cell, publish, withEpoch } from '../withepoch/index.js'
import { ours, plain } from './floor.js'
import { pair, type Run } from './group.js'

const values = Array.from({ length: 16 }, (_, index) => ({ index }))
const states = Array.from({ length: 8 }, () => ({ value: values[15]! }))
const cells = states.map((state, index) => cell(`write.cell.${index}`, state.value))

export async function writeGroup(run: Run): Promise<void> {
  await pair(run, 'write, none taken', ours(writing), plain('an assignment', assigning))
  await pair(run, 'publish of two writes', ours(publishing), plain('two assignments', assigningTwice))
  let declared = cells.length
  for (const size of [10, 100, 1000]) {
    while (declared < size) cell(`write.more.${declared++}`, 0)
    await pair(run, `enter, then write at ${size} cells`, ours(enteringAndWriting), ours(entering))
  }
}

function writing(times: number): number {
  for (let index = 0; index < times; index++) cells[index & 7]!.set(values[index & 15]!)
  return cells[0]!.get().index
}

function assigning(times: number): number {
  for (let index = 0; index < times; index++) states[index & 7]!.value = values[index & 15]!
  return states[0]!.value.index
}

function publishing(times: number): number {
  for (let index = 0; index < times; index++) {
    publish(() => {
      cells[0]!.set(values[index & 15]!)
      cells[1]!.set(values[index & 15]!)
    })
  }
  return cells[1]!.get().index
}

function assigningTwice(times: number): number {
  for (let index = 0; index < times; index++) {
    states[0]!.value = values[index & 15]!
    states[1]!.value = values[index & 15]!
  }
  return states[1]!.value.index
}

const nothing = (): number => 1

function enteringAndWriting(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) {
    sum += withEpoch(nothing) as number
    cells[index & 7]!.set(values[index & 15]!)
  }
  return sum
}

function entering(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += withEpoch(nothing) as number
  return sum
}
