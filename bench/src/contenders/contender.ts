/**
 * What every contender is asked to do, in its own words: pin process globals for the span of a request. `one` pins one
 * global, `ten` pins ten. Each contender's file says how its authors mean it to be used; how it is timed stands in
 * `slices.ts`. What a contender cannot do is a string that says why.
 */

/** Why there is a dash in the table. */
export type Reason = string

export interface Contender {
  readonly name: string
  readonly one: OneValue | Reason
  readonly ten: TenValues | Reason
}

/** One global, pinned. */
export interface OneValue {
  /** Runs synchronous work inside. */
  readonly enter: ((work: () => number) => number) | Reason
  /** Runs asynchronous work inside; the promise is that of the whole. */
  readonly enterAsync: (work: () => Promise<number>) => Promise<number>
  /** Reads the pinned value; called inside. */
  readonly read: () => number
  /** Reads the pinned value so often, with a handle fetched once; called inside. */
  readonly readByHandle: ((times: number) => number) | Reason
  /** Reads a live value by the same call, outside; by the index one of several, lest the loop be compiled away. */
  readonly readOutside: ((index: number) => number) | Reason
  /** Changes the value for this request alone; called inside. */
  readonly write: ((value: number) => void) | Reason
  /** Enters again, called inside, in the way that joins what is there. */
  readonly nested: ((work: () => number) => number) | Reason
}

/** Ten globals, pinned. */
export interface TenValues {
  readonly enterAsync: (work: () => Promise<number>) => Promise<number>
  /** Reads one of them by its index. */
  readonly read: (index: number) => number
}

/** The process globals that are to be pinned. */
export const globals: Array<{ value: number }> = Array.from({ length: 10 }, (_, index) => ({
  value: index + 1,
}))

/** The first of them, as a module's own variable. */
export const single: { value: number } = { value: 1 }
