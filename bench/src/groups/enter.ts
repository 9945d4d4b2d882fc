/**
 * Entering and ending an epoch, by the number of sources there are, of either kind. Sources cannot be taken out of the
 * process again without a trace, so one process goes from 1 to 1,000 and measures on the way.
 */
import { cell, source, withEpoch } from '../withepoch/index.js'
import { Epoch, floor, liveValues, ours, storage } from './floor.js'
import { pair, type Run } from './group.js'

const SIZES = [1, 10, 100, 1000]

/** Keeps what the getters read from being a constant. */
const state = Array.from({ length: 1000 }, (_, index) => ({ value: index }))

export async function enterGroup(run: Run): Promise<void> {
  const declare =
    run.argument === 'sources'
      ? (index: number) => source(`enter.${index}`, () => state[index]!.value)
      : (index: number) => cell(`enter.${index}`, index)
  let declared = 0
  for (const size of SIZES) {
    while (declared < size) declare(declared++)
    await pair(run, `enter at ${size} ${run.argument}`, ours(entering), floor('als.run(new Epoch)', running))
  }
}

const nothing = (): number => 1

export function entering(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += withEpoch(nothing) as number
  return sum
}

function running(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) {
    sum += storage.run(new Epoch(liveValues, 'anonymous', undefined), nothing)
  }
  return sum
}
