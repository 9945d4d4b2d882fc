/** This library, with cells: globals of one's own. `groups/enter.ts` measures both kinds of source, and more of them. */
import { cell, getEpoch, withEpoch } from '../withepoch/index.js'
import { type Contender, globals, single } from './contender.js'

const value = cell('contender.one', single.value)
const cells = globals.map((each, index) => cell(`contender.ten.${index}`, each.value))
const local = { writes: 'local' } as const

export const contender: Contender = {
  name: 'withepoch',
  one: {
    enter: (work) => withEpoch(work),
    enterAsync: (work) => withEpoch(work),
    read: () => value.get(),
    readByHandle(times) {
      const epoch = getEpoch()
      let sum = 0
      for (let index = 0; index < times; index++) sum += epoch.get(value)
      return sum
    },
    readOutside: (index) => cells[index]!.get(),
    write: (next) => value.set(next),
    nested: (work) => withEpoch(work),
  },
  ten: { enterAsync: (work) => withEpoch(work), read: (index) => cells[index]!.get() },
}

/** Enters so that a write stays in the request, which is all that the others' writes can do. */
export function enterLocally(work: () => number): number {
  return withEpoch(local, work)
}
