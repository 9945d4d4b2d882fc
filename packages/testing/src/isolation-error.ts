/** A run that did not see one world, as an error whose message can be pasted into a test. */
import type { Outcome, Violation } from './run.js'
import { type Schedule, scheduleCode } from './schedule.js'

/** The last steps are those that matter; a handler in real time has thousands. */
const STEPS = 60

/**
 * What `assertIsolation`, `isolationProperty` and `replay` fail with: what was found, what happened in which order, and
 * the schedule as code.
 *
 * @example
 * const locale = cell('docs.IsolationError.locale', 'en')
 * const handler = async () => [locale.get(), await null, locale.get()]
 * const failed = await replay({ handler, sources: { locale: { source: locale } } }, {
 *   drive: 'real',
 *   world: { locale: 'en' },
 *   calls: [undefined],
 *   moves: [{ after: 0, set: 'locale', to: 'fr' }],
 *   choices: [],
 * }).catch((error) => error)
 * failed instanceof IsolationError // => true
 * failed.violations[0].kind // => 'torn'
 */
export class IsolationError extends Error {
  readonly violations: readonly Violation[]
  /** What happened, in order. */
  readonly trace: readonly string[]
  readonly schedule: Schedule

  constructor(name: string, { violations, trace }: Outcome, schedule: Schedule, order?: string) {
    super(messageOf(name, violations, trace, schedule, order))
    this.violations = violations
    this.trace = trace
    this.schedule = schedule
  }

  override get name(): string {
    return 'IsolationError'
  }
}

function messageOf(
  name: string,
  violations: readonly Violation[],
  trace: readonly string[],
  schedule: Schedule,
  order: string | undefined,
): string {
  const found = violations.map(({ kind, message }) => `  ${kind}: ${message}`)
  const hidden = Math.max(0, trace.length - STEPS)
  const steps = trace
    .slice(hidden)
    .map((line, index) => `  ${String(hidden + index + 1).padStart(3)}. ${line}`)
  if (hidden > 0) steps.unshift(`       … ${hidden} steps before`)
  return [
    `${name} did not see one world.`,
    ...found,
    '',
    'What happened:',
    ...steps,
    '',
    ...(order === undefined
      ? [
          'The same run as a regression test, without fast-check:',
          '',
          "  import { replay } from '@withepoch/testing/replay'",
          '',
          `  await replay(subject, ${scheduleCode(schedule, '  ')})`,
        ]
      : ['The order was that of fast-check’s scheduler:', '', order]),
    '',
  ].join('\n')
}
