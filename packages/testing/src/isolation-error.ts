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
  const all = folded(trace)
  const steps = all.slice(-STEPS).map(({ at, line, more }) => {
    const again = more === 0 ? '' : ` (${more} more time${more === 1 ? '' : 's'})`
    return `  ${String(at).padStart(3)}. ${line}${again}`
  })
  if (all.length > STEPS) steps.unshift(`       … ${all.at(-STEPS)!.at - 1} steps before`)
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

/** Steps that repeat the one before are one line, numbered as the first of them. */
function folded(trace: readonly string[]): Array<{ at: number; line: string; more: number }> {
  const lines: Array<{ at: number; line: string; more: number }> = []
  for (const [index, line] of trace.entries()) {
    const last = lines.at(-1)
    if (last?.line === line) last.more++
    else lines.push({ at: index + 1, line, more: 0 })
  }
  return lines
}
