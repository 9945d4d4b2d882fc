/**
 * The loops that are timed, one per case, around whatever a contender brings. This module is loaded twice in a process,
 * under two addresses (`slices.js?side`, `slices.js?baseline`), so that each side has loops of its own: a loop that had
 * called two contenders would have been compiled for both, and would be slower for each.
 */
// oxlint-disable unicorn/no-unnecessary-await, typescript/await-thenable -- `await null` lets other work in, and is what costs least
import { globals, type OneValue, type TenValues } from './contenders/contender.js'

export type Slice = (times: number) => number | Promise<number>

/** The cases of one value; undefined where the contender cannot. */
export function oneValueSlices(
  one: OneValue,
  enterToWrite: ((work: () => number) => number) | undefined = typeof one.enter === 'string'
    ? undefined
    : one.enter,
): Record<OneValueCase, Slice | undefined> {
  const { enter, enterAsync, read, readByHandle, readOutside, write, nested } = one
  /** Does synchronous work inside, for contenders that can only enter asynchronously as well. */
  const inside: (work: () => number) => number | Promise<number> =
    typeof enter === 'string' ? (work) => enterAsync(async () => work()) : enter
  const nothing = (): number => 1
  return {
    enter:
      typeof enter === 'string'
        ? undefined
        : (times) => {
            let sum = 0
            for (let index = 0; index < times; index++) sum += enter(nothing)
            return sum
          },
    'enter, 1 await': entering(enterAsync, 1),
    'enter, 10 awaits': entering(enterAsync, 10),
    'enter, 100 awaits': entering(enterAsync, 100),
    'read inside': (times) =>
      inside(() => {
        let sum = 0
        for (let index = 0; index < times; index++) sum += read()
        return sum
      }),
    'read by handle':
      typeof readByHandle === 'string' ? undefined : (times) => inside(() => readByHandle(times)),
    'read outside':
      typeof readOutside === 'string'
        ? undefined
        : (times) => {
            let sum = 0
            for (let index = 0; index < times; index++) sum += readOutside(index & 7)
            return sum
          },
    write:
      typeof write === 'string'
        ? undefined
        : (times) => {
            const work = (): number => {
              for (let index = 0; index < times; index++) write(index)
              return read()
            }
            return enterToWrite === undefined ? inside(work) : enterToWrite(work)
          },
    'nested entry':
      typeof nested === 'string'
        ? undefined
        : (times) =>
            inside(() => {
              let sum = 0
              for (let index = 0; index < times; index++) sum += nested(nothing)
              return sum
            }),
  }
}

export type OneValueCase =
  | 'enter'
  | 'enter, 1 await'
  | 'enter, 10 awaits'
  | 'enter, 100 awaits'
  | 'read inside'
  | 'read by handle'
  | 'read outside'
  | 'write'
  | 'nested entry'

function entering(enterAsync: OneValue['enterAsync'], awaits: number): Slice {
  const work = async (): Promise<number> => {
    for (let index = 0; index < awaits; index++) await null
    return 1
  }
  return async (times) => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += await enterAsync(work)
    return sum
  }
}

/** A whole request: 50 reads of 10 globals with 5 awaits between them. */
export function requestSlice({ enterAsync, read }: TenValues): Slice {
  const work = async (): Promise<number> => {
    let sum = 0
    for (let step = 0; step < 5; step++) {
      for (let index = 0; index < 10; index++) sum += read(index)
      await null
    }
    return sum
  }
  return async (times) => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += await enterAsync(work)
    return sum
  }
}

/** The same with live globals: what is there before anything is pinned. */
export function liveRequestSlice(): Slice {
  const work = async (): Promise<number> => {
    let sum = 0
    for (let step = 0; step < 5; step++) {
      for (let index = 0; index < 10; index++) sum += globals[index]!.value
      await null
    }
    return sum
  }
  return async (times) => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += await work()
    return sum
  }
}
