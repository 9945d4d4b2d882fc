/** What a group of cases is given, and where it puts what it finds. */
import { type Budget, measurePair, type Side } from '../pair.js'
import type { Facts, PairResult } from '../protocol.js'

export interface Run {
  /** What stands after the colon in the group's name. */
  readonly argument: string
  readonly budget: Budget
  /** A trial run: sizes are small and numbers mean nothing. */
  readonly smoke: boolean
  readonly pairs: PairResult[]
  readonly dashes: Record<string, string>
  readonly facts: Record<string, Facts[string]>
}

export type Group = (run: Run) => Promise<void>

/** Measures one case and keeps it. */
export async function pair(run: Run, name: string, side: Side, baseline: Side): Promise<void> {
  run.pairs.push(await measurePair(name, side, baseline, run.budget))
}
