/**
 * All orders instead of random ones: a depth-first walk over the choices of a program that is small enough. It knows
 * nothing of what is chosen; whatever draws from the `Choices` it is given can be walked.
 */
import { requireCount, requireFunction } from './arguments.js'
import { Choices } from './choices.js'

/** What a walk came to. */
export interface Walk {
  /** How many schedules were run. */
  readonly schedules: number
  /** Whether these were all; false when `max` was reached before. */
  readonly complete: boolean
}

/**
 * Calls `run` once for each schedule there is: every sequence of choices that can come up. Depth first: the last choice
 * that has an alternative left changes first.
 *
 * Use it for two or three short actors, whose orders can be counted: it proves where a random search only does not find.
 * Six steps of two actors have 924 orders; each further actor multiplies.
 *
 * **Caveat** `run` has to be repeatable: with the same choices, the same number of alternatives each time.
 *
 * @param options `max`: how many to run at most. Default: 100,000. Minimum: 1.
 * @returns how many were run, and whether these were all.
 * @throws what `run` throws; the property `choices` of the error, if it is an object, holds the choices of that run.
 * @throws INVALID_ARGUMENT when `run` is not a function or `max` not what it must be.
 * @example
 * const orders = []
 * await everySchedule(async (choices) => {
 *   const scheduler = new Scheduler(choices)
 *   let order = ''
 *   for (const actor of ['a', 'b']) void scheduler.pause(actor).then(() => { order += actor })
 *   await scheduler.runAll()
 *   orders.push(order)
 * }) // => { schedules: 2, complete: true }
 * orders // => ['ab', 'ba']
 */
export async function everySchedule(
  run: (choices: Choices) => unknown,
  options: { max?: number } = {},
): Promise<Walk> {
  const call = 'everySchedule(run, options)'
  requireFunction(run, call, 'run')
  requireCount(options.max, call, 'max', 1)
  const { max = 100_000 } = options
  let list: number[] | undefined = []
  let schedules = 0
  while (list !== undefined && schedules < max) {
    const choices: Choices = new Choices(list)
    try {
      await run(choices)
    } catch (error) {
      if (typeof error === 'object' && error !== null) Object.assign(error, { choices: choices.made })
      throw error
    }
    schedules++
    list = following(choices)
  }
  return { schedules, complete: list === undefined }
}

/** The choices after these, in the order of a depth-first walk; undefined after the last. */
function following({ made, outOf }: Choices): number[] | undefined {
  const last = made.findLastIndex((choice, turn) => choice + 1 < outOf[turn]!)
  return last < 0 ? undefined : [...made.slice(0, last), made[last]! + 1]
}
