/** Which times of a cell count. */
import type { Cell } from './conditions.js'

/** Milliseconds of the calls, but for those that only made the code warm. */
export function timesOf({ calls }: Pick<Cell, 'calls'>): number[] {
  return calls.filter(({ isWarmUp }) => isWarmUp !== true).map(({ ms }) => ms)
}
