/** Sources for one test each: names are unique in the process, and free again when the test is over. */
import { cell, detach, type Cell, type CellOptions } from 'withepoch'
import { after } from './telemetry.js'

let count = 0

export function aName(): string {
  return `test.source${++count}`
}

export function aCell<T>(initial: T, options: CellOptions<T> = {}): Cell<T> {
  const made = cell(aName(), initial, options)
  after(() => made.release())
  return made
}

/** Somebody else's turn: what it writes, it writes in no epoch. */
export function elsewhere(fn: () => void): void {
  detach(fn)
}
