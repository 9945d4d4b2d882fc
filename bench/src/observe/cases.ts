/**
 * What reads, entries and writes cost, around whichever core is given. Loaded once for each side, under an address of its
 * own, so that no loop is compiled for two cores.
 */
import type * as core from '../withepoch/index.js'

export type Core = Pick<typeof core, 'cell' | 'source' | 'withEpoch' | 'memo'>

export type Slice = (times: number) => number

/** One thing each, by name; the names are those of the table. */
export function casesOf({ cell, source, withEpoch, memo }: Core): Record<string, Slice> {
  const state = { value: 1 }
  const one = cell('observe.one', 1)
  const foreign = source('observe.foreign', () => state.value)
  const cells = Array.from({ length: 8 }, (_, index) => cell(`observe.cell.${index}`, index))
  const twice = memo(() => one.get() * 2)
  const inside =
    (read: () => number): Slice =>
    (times) =>
      withEpoch(() => {
        let sum = 0
        for (let index = 0; index < times; index++) sum += read()
        return sum
      }) as number
  return {
    'read inside, cell': inside(() => one.get()),
    'read inside, source': inside(() => foreign.get()),
    'read by handle': (times) =>
      withEpoch((epoch) => {
        let sum = 0
        for (let index = 0; index < times; index++) sum += epoch.get(cells[index & 7]!)
        return sum
      }) as number,
    'read outside': (times) => {
      let sum = 0
      for (let index = 0; index < times; index++) sum += cells[index & 7]!.get()
      return sum
    },
    'memo hit': inside(() => twice()),
    'enter and end': (times) => {
      let sum = 0
      for (let index = 0; index < times; index++) sum += withEpoch(() => 1) as number
      return sum
    },
    write: (times) => {
      for (let index = 0; index < times; index++) one.set(index)
      return one.get()
    },
    'a request: 50 reads of 8 cells': (times) => {
      let sum = 0
      for (let index = 0; index < times; index++) {
        sum += withEpoch(() => {
          let read = 0
          for (let at = 0; at < 50; at++) read += cells[at & 7]!.get()
          return read
        }) as number
      }
      return sum
    },
  }
}
