/** What a child process prints and `main.ts` reads: one line of JSON behind a mark, so that a library may print too. */

/** What came out, for one case on one runtime in one process. Times are nanoseconds for doing the thing once. */
export interface PairResult {
  readonly case: string
  readonly side: string
  readonly baseline: string
  /** Median of side ÷ baseline over the rounds. */
  readonly ratio: number
  /** First and third quartile of the same. */
  readonly spread: readonly [number, number]
  readonly sideNs: number
  readonly baselineNs: number
  readonly rounds: number
}

/** What a group finds beside pairs: numbers, and curves as lists of `[size, cost]`. */
export interface Facts {
  readonly [name: string]: number | ReadonlyArray<readonly [number, number]>
}

export interface ChildResult {
  readonly group: string
  readonly runtime: string
  readonly contextKind: string
  readonly pairs: readonly PairResult[]
  /** Case by case, why there is a dash. */
  readonly dashes: Readonly<Record<string, string>>
  readonly facts: Facts
  readonly ms: number
  readonly checksum: number
}

export const RESULT_MARK = 'withepoch-bench-result '
