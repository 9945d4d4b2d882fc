/** The short form: stored failures first, then the search, and one error that says all of it. */
import * as fc from 'fast-check'
import { refuse } from './arguments.js'
import { readFailures, storeFailure } from './failures-file.js'
import { IsolationError } from './isolation-error.js'
import { type IsolationOptions, requireOptions, searchOf } from './isolation-property.js'
import { requireSchedule, type Schedule } from './schedule.js'
import { runSchedule } from './run.js'
import { nameOf } from './subject.js'
import { Tally } from './tally.js'

type Values = [Schedule] | [Schedule, fc.Scheduler]

/** fast-check's parameters, and a file of failures. */
export interface AssertParameters extends Omit<fc.Parameters<Values>, 'path' | 'reporter' | 'asyncReporter'> {
  /** Where failures are kept, as JSON: what is in it runs first, and what is found is added. Commit it. */
  failuresFile?: string
}

/**
 * Searches for a schedule under which a handler does not see one world; see {@link isolationProperty} for what is checked.
 *
 * @param params fast-check's parameters: `numRuns` (100 by default), `seed`, …; and `failuresFile`.
 * @throws IsolationError when there is one, shrunk. Its message holds the seed, what happened, and the schedule as code.
 * @throws INVALID_ARGUMENT when an option is not what it must be, the file of failures holds something else, a source does
 *   not hold what was set, or nothing was tested (see `ifVacuous`).
 * @throws what an actor, a `set` or `reset` throws.
 * @example
 * const rate = cell('docs.assertIsolation.rate', 1)
 * const subject = {
 *   handler: async () => [rate.get(), await null, rate.get()],
 *   sources: { rate: { source: rate, values: fc.nat() } },
 * }
 * const failed = await assertIsolation(subject).catch((error) => error)
 * failed.violations[0].kind // => 'torn'
 * await assertIsolation({ ...subject, handler: () => withEpoch(subject.handler) })
 */
export async function assertIsolation<I, R, V extends object>(
  options: IsolationOptions<I, R, V>,
  params: AssertParameters = {},
): Promise<void> {
  const call = 'assertIsolation(options, params)'
  const { subject } = requireOptions(options, call)
  const { failuresFile, ...parameters } = params
  if (failuresFile !== undefined && (typeof failuresFile !== 'string' || failuresFile === ''))
    refuse(call, 'failuresFile must be a path.')
  const tally = new Tally(subject)
  const property = searchOf(options, call, (outcome, schedule) => tally.add(outcome, schedule))

  const stored = failuresFile === undefined ? [] : readFailures(failuresFile, call)
  for (const [index, { schedule, seed, path }] of stored.entries()) {
    const which = `Stored failure ${index + 1} of ${stored.length} (${failuresFile}) still fails.`
    if (schedule === undefined) {
      const again = await fc.check(property, { ...parameters, seed, path, endOnFailure: true })
      if (again.failed) throw described(again.errorInstance, `${which} Seed ${seed}, path "${path}".`)
    } else {
      const names = Object.keys(subject.sources)
      const where = `${call}, stored failure ${index + 1}`
      try {
        requireSchedule(schedule, where, names)
      } catch (error) {
        throw described(error, `Rename it in ${failuresFile} as in the test, or delete that failure there.`)
      }
      const outcome = await runSchedule(subject, schedule)
      if (outcome.violations.length > 0)
        throw described(new IsolationError(nameOf(subject), outcome, schedule), which)
    }
  }

  const details = await tally.listen(() => fc.check(property, parameters))
  if (!details.failed) {
    const vacuous = options.ifVacuous === 'pass' ? undefined : tally.vacuity()
    if (vacuous !== undefined) refuse(call, `nothing was tested: ${vacuous}`)
    return
  }
  const error = details.errorInstance
  if (!(error instanceof IsolationError)) throw error ?? new Error(fc.defaultReportMessage(details))
  const { seed, counterexamplePath, numRuns, numShrinks } = details
  const path = counterexamplePath!
  if (failuresFile !== undefined) {
    // With fast-check's scheduler the schedule alone does not say the order.
    const schedule = options.scheduler === undefined ? error.schedule : undefined
    storeFailure(failuresFile, { schedule, seed, path }, call)
  }
  throw described(
    error,
    `Found after ${numRuns} runs, shrunk ${numShrinks} times; with fast-check: { seed: ${seed}, path: '${path}' }.`,
  )
}

function described(error: unknown, line: string): unknown {
  if (error instanceof Error) error.message = `${error.message}\n${line}`
  return error
}
