/**
 * One schedule, once more: what a regression test calls. It is an entry of its own, `@withepoch/testing/replay`, that
 * needs no fast-check.
 */
import { IsolationError } from './isolation-error.js'
import { requireSchedule, type Schedule } from './schedule.js'
import { type AnySubject, nameOf, requireSubject, type Subject } from './subject.js'
import { runSchedule } from './run.js'

export { IsolationError } from './isolation-error.js'
export type { Violation } from './run.js'
export type { Drive, Move, Schedule } from './schedule.js'
export type { ActorContext, CallContext, Subject, WorldEntry } from './subject.js'

/**
 * Runs a handler under one schedule and checks what it saw. Does not need fast-check: import it from
 * `@withepoch/testing/replay` and leave out `values` and `input`.
 *
 * Use it to keep a failure as a regression test: paste the schedule that it printed. Under the drives `exact` and
 * `simulated` the run is the same each time, as far as everything in it waits on them; under `real` it is tried again.
 *
 * @throws IsolationError when the handler did not see one world.
 * @throws INVALID_ARGUMENT when the subject or the schedule is not what it must be; nothing is run.
 * @throws what an actor, a `set` or `reset` throws.
 * @example
 * const locale = cell('docs.replay.locale', 'en')
 * const handler = () => withEpoch(async () => [locale.get(), await null, locale.get()])
 * await replay({ handler, sources: { locale: { source: locale } } }, {
 *   drive: 'exact',
 *   world: { locale: 'en' },
 *   calls: [undefined],
 *   moves: [{ after: 0, set: 'locale', to: 'fr' }],
 *   choices: [],
 * })
 */
export async function replay<I, R, V extends object>(
  subject: Subject<I, R, V>,
  schedule: Schedule,
): Promise<void> {
  const call = 'replay(subject, schedule)'
  requireSubject(subject, call)
  requireSchedule(schedule, call, Object.keys(subject.sources))
  const outcome = await runSchedule(subject as unknown as AnySubject, schedule)
  if (outcome.violations.length > 0) throw new IsolationError(nameOf(subject), outcome, schedule)
}
