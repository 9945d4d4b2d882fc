/**
 * Requests that are open: asynchronous functions that have entered and are waiting. What a request holds besides its
 * context (its own frame, its promise) is the same for every way of entering, so the difference between two ways is the
 * context's.
 */

export interface OpenRequests {
  /** The requests' own promises, as a server would hold them. */
  readonly results: Array<Promise<number>>
  /** Lets one of them go on to its end. */
  readonly finish: (index: number) => void
}

/** Opens so many requests by `enter`; inside, each waits and then reads. */
export function openRequests(
  count: number,
  enter: (work: () => Promise<number>) => Promise<number>,
  read: () => number,
  between: (index: number) => void = () => {},
): OpenRequests {
  const gates: Array<() => void> = Array.from({ length: count }, () => () => {})
  const results: Array<Promise<number>> = []
  for (let index = 0; index < count; index++) {
    results.push(
      enter(async () => {
        await new Promise<void>((resolve) => (gates[index] = resolve))
        return read()
      }),
    )
    between(index)
  }
  return { results, finish: (index) => gates[index]!() }
}
