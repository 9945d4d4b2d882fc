/**
 * What the library has promised to cost: each target with its bound by runtime, and how to find what was measured. A
 * bound is a ratio within one process; only the bytes are absolute.
 */
import { findFact, findPair, type RuntimeResult } from './results.js'

export interface Target {
  readonly title: string
  /** The least and most allowed; undefined where there is no target, with the reason in `without`. */
  readonly atMost: (runtime: RuntimeResult) => number | undefined
  readonly without?: string
  readonly measured: (runtime: RuntimeResult) => Measured | undefined
  /** Where it is missed: what the time, or the memory, goes to. */
  readonly because: string
  readonly unit: '×' | 'bytes'
}

export interface Measured {
  readonly value: number
  readonly spread: readonly [number, number] | undefined
}

export interface Verdict {
  readonly target: Target
  readonly runtime: RuntimeResult
  readonly measured: Measured | undefined
  readonly atMost: number | undefined
  /** `none` where nothing is promised, `unmeasured` where something is and was not measured. */
  readonly outcome: 'met' | 'missed' | 'none' | 'unmeasured'
}

/** `AsyncLocalStorage.run` copies the frame twice on these, so it is not the least that an entry could cost. */
const runIsNoFloor = (runtime: RuntimeResult): boolean => runtime.contextKind === 'frames'

/** The best row of the request table in the design's measurements, × live globals. */
const BEST_REQUEST: Readonly<Record<string, number>> = { '22': 2.7, '24': 2.2, '26': 2.5, Bun: 1.7 }
const bestRequest = (runtime: RuntimeResult): number | undefined => BEST_REQUEST[lineOf(runtime)]

/** 'Bun', 'Deno', or Node's major version. */
function lineOf({ title }: RuntimeResult): string {
  const [name = '', version = ''] = title.split(' ')
  return name === 'Node' ? (version.split('.')[0] ?? '') : name
}

const pairOf =
  (group: string, name: string) =>
  (runtime: RuntimeResult): Measured | undefined => {
    const pair = findPair(runtime, group, name)
    return pair && { value: pair.ratio, spread: pair.spread }
  }

const enterAtMost = (runtime: RuntimeResult): number => (runIsNoFloor(runtime) ? 0.45 : 1.1)

export const TARGETS: readonly Target[] = [
  {
    title: 'enter a synchronous function, 1 cell, × `als.run(new Epoch)`',
    atMost: enterAtMost,
    measured: pairOf('enter:cells', 'enter at 1 cells'),
    because:
      'the floor makes an object and enters. An epoch besides looks whether it is nested, which is a second look at the context where `run` has ' +
      'its own; takes its place among the open epochs, so that `retire` and `drain` know whom they wait for, and gives it back; and sees ' +
      'the handler end, also by an exception. On Node 22 the object, the entry and the end of the handler came to 1.6 with all else left ' +
      'out. Where the context is a frame the `AsyncResource` is nearly all of it',
    unit: '×',
  },
  {
    title: 'the same at 1,000 cells',
    atMost: enterAtMost,
    measured: pairOf('enter:cells', 'enter at 1000 cells'),
    because: 'what entering one costs: the number of cells adds nothing',
    unit: '×',
  },
  {
    title: 'read inside, × `getStore()` and a field',
    atMost: () => 1.15,
    measured: pairOf('read', 'read inside, cell'),
    because:
      'the floor reads a field of the store. An epoch has an array, so that it can share it with others: array, slot, and whether what stands ' +
      'there is a plain value, came to about 1.25 without anything else on Node 24. Besides there are three flags: whether any epoch is open, whether a ' +
      'getter is being sampled, whether anybody listens',
    unit: '×',
  },
  {
    title: 'read by handle, × `getStore()` and a field',
    atMost: () => 0.3,
    measured: pairOf('read', 'read by handle, cell'),
    because:
      '4 to 5 ns, the same steps without the look-up, and `getStore()` is down to 6 to 12 ns itself where the context is a frame',
    unit: '×',
  },
  {
    title: 'read outside, no epoch open, a cell, × a property',
    atMost: () => 1.5,
    measured: pairOf('outside', 'read outside, cell'),
    because:
      'about 1 ns more than a property: the count of open epochs, the cell’s own field, and whether it has one. The count and the field alone came ' +
      'to 1.7 to 1.8',
    unit: '×',
  },
  {
    title: 'read outside, no epoch open, a source, × its getter',
    atMost: () => 1.5,
    measured: pairOf('outside', 'read outside, source'),
    because:
      'the getter runs under a flag, so that what it reads is live and an epoch that it opens is an error; the flag is taken down also if it ' +
      'throws; and its result must not be a promise. The count of open epochs and the getter behind a field alone came to 2.0 to 2.3',
    unit: '×',
  },
  {
    title: 'a whole request, × live globals',
    atMost: (runtime) => {
      const best = bestRequest(runtime)
      return best === undefined ? undefined : 1.1 * best
    },
    without: 'the design was not measured on this runtime',
    measured: pairOf('request:withepoch', 'request'),
    because: 'fifty reads, at what a read costs, and an end that is noticed: see both',
    unit: '×',
  },
  {
    title: 'a whole request, × ten hand-written pins',
    // Where the best of all designs came to more than a fifth of ten pins, no implementation can be five times as fast.
    atMost: (runtime) => (['20', '22', 'Bun'].includes(lineOf(runtime)) ? undefined : 0.2),
    without:
      'ten pins cost 3.5 times the best design on Node 22 and 2.5 times on Bun, so five times is out of reach',
    measured: pairOf('request:withepoch', 'request against ten pins'),
    because: 'fifty reads, at what a read costs, and an end that is noticed: see both',
    unit: '×',
  },
  {
    title: 'bytes per open epoch over raw AsyncLocalStorage, nothing written',
    atMost: () => 64,
    measured: (runtime) => {
      const value = findFact(runtime, 'bytes:10', 'over raw')
      return value === undefined ? undefined : { value, spread: undefined }
    },
    because:
      'to see a promise end takes a promise and its reaction, 96 bytes, and two functions with the epoch in their context, about 150; the ' +
      'epoch itself is 96, the store of the raw one 32. The functions cannot be shared: one that looked for its epoch in the context would ' +
      'close another’s where a library has replaced `then`, as zone.js does',
    unit: 'bytes',
  },
  {
    title: 'a write with no epoch taken since, × an assignment',
    atMost: () => 3,
    measured: pairOf('write', 'write, none taken'),
    because:
      'it compares with the former value as `Object.is` does, counts a version, and asks whether anybody has looked since the last write, an epoch ' +
      'is open, or ever was one that keeps its writes to itself, and whether somebody listens',
    unit: '×',
  },
]

export function judge(runtimes: readonly RuntimeResult[]): Verdict[] {
  return TARGETS.flatMap((target) =>
    runtimes.map((runtime): Verdict => {
      const measured = target.measured(runtime)
      const atMost = target.atMost(runtime)
      const outcome =
        atMost === undefined
          ? 'none'
          : measured === undefined
            ? 'unmeasured'
            : measured.value <= atMost
              ? 'met'
              : 'missed'
      return { target, runtime, measured, atMost, outcome }
    }),
  )
}
