/** The search: schedules as a fast-check arbitrary, and the run of one as a fast-check property. */
import * as fc from 'fast-check'
import { refuse, requireCount } from './arguments.js'
import { type Engine, MICROTASKS } from './engine.js'
import { IsolationError } from './isolation-error.js'
import { literal } from './literal.js'
import { type Outcome, runSchedule } from './run.js'
import { type Drive, DRIVES, type Move, type Schedule } from './schedule.js'
import { type AnySubject, isPinnedAtEntry, nameOf, requireSubject, type Subject } from './subject.js'

/** A subject, and how to search. */
export interface IsolationOptions<I, R, V extends object> extends Subject<I, R, V> {
  /**
   * How a run is driven.
   *
   * - `real`: on the real event loop. For any handler.
   * - `exact`: only what waits on the scheduler goes on. For handlers whose I/O can be handed in.
   * - `simulated`: in a simulated event loop. For handlers that use timers.
   *
   * @default 'real'
   */
  drive?: Drive
  /** How many calls overlap at most. Minimum: 1. @default 3 */
  maxCalls?: number
  /** How often the world changes at most; in real time, before it begins again. Minimum: 0. @default 20 */
  maxMoves?: number
  /**
   * What `assertIsolation` does when it found nothing because it tested nothing: no call was answered, no source was read
   * by a `get()`, or none can have two values.
   *
   * - `throw`: an error that says which.
   * - `pass`: nothing. For a handler that is meant to reject always, or to read no source.
   *
   * @default 'throw'
   */
  ifVacuous?: 'throw' | 'pass'
  /** fast-check's own scheduler, `fc.scheduler()`, in the place of ours. Only with `drive: 'exact'`. */
  scheduler?: fc.Arbitrary<fc.Scheduler>
}

/**
 * The property that a handler sees one world: it runs under random changes of its sources at every point where other
 * work could run, and has to give the answer that it gives alone in the world of its entry, load nothing twice, read
 * nothing late and leave no epoch open.
 *
 * Use it with `fc.assert` where you want fast-check's own options and report; `assertIsolation` is the short form. Its one
 * value is a {@link Schedule}, so a stored one goes in as `examples: [[schedule]]`.
 *
 * - Sources that are not pinned at entry (`repeatable-read`, `read-committed`) keep their value during a run.
 * - After each run the sources have the values that they had before.
 *
 * **Caveat** Runs of one process wait for one another: the world is the process's.
 *
 * @throws INVALID_ARGUMENT when an option is unknown or not what it must be.
 * @example
 * const tax = cell('docs.isolationProperty.tax', 0)
 * const quote = (net) => withEpoch(async () => [net * tax.get(), await null, tax.get()])
 * await fc.assert(isolationProperty({
 *   handler: quote,
 *   input: fc.nat(100),
 *   sources: { tax: { source: tax, values: fc.nat(9) } },
 * }))
 */
export function isolationProperty<I, R, V extends object>(
  options: IsolationOptions<I, R, V>,
): fc.IAsyncPropertyWithHooks<[Schedule] | [Schedule, fc.Scheduler]> {
  return searchOf(options, 'isolationProperty(options)', () => {})
}

/** @internal The property; `ran` hears of each run, those of shrinking too. */
export function searchOf<I, R, V extends object>(
  options: IsolationOptions<I, R, V>,
  call: string,
  ran: (outcome: Outcome, schedule: Schedule) => void,
): fc.IAsyncPropertyWithHooks<[Schedule] | [Schedule, fc.Scheduler]> {
  const { subject, drive, scheduler } = requireOptions(options, call)
  const schedules = schedulesOf(
    options as unknown as IsolationOptions<unknown, unknown, Record<string, unknown>>,
    drive,
  )
  const name = nameOf(subject)
  if (scheduler === undefined) {
    return fc.asyncProperty(schedules, async (schedule) => {
      const outcome = await runSchedule(subject, schedule)
      ran(outcome, schedule)
      if (outcome.violations.length > 0) throw new IsolationError(name, outcome, schedule)
    }) as fc.IAsyncPropertyWithHooks<[Schedule]>
  }
  return fc.asyncProperty(schedules, scheduler, async (schedule, s) => {
    const outcome = await runSchedule(subject, schedule, (note) => engineOf(s, note))
    ran(outcome, schedule)
    if (outcome.violations.length > 0) throw new IsolationError(name, outcome, schedule, fc.stringify(s))
  }) as fc.IAsyncPropertyWithHooks<[Schedule, fc.Scheduler]>
}

/** @internal */
export function requireOptions(
  options: unknown,
  call: string,
): { subject: AnySubject; drive: Drive; scheduler: fc.Arbitrary<fc.Scheduler> | undefined } {
  requireSubject(options, call)
  const {
    drive = 'real',
    maxCalls,
    maxMoves,
    ifVacuous = 'throw',
    scheduler,
    input,
    sources,
  } = options as unknown as Partial<IsolationOptions<unknown, unknown, Record<string, unknown>>> & {
    sources: AnySubject['sources']
  }
  if (!DRIVES.includes(drive))
    refuse(call, `drive must be one of ${DRIVES.join(', ')}, got ${literal(drive)}.`)
  if (!['throw', 'pass'].includes(ifVacuous))
    refuse(call, `ifVacuous must be 'throw' or 'pass', got ${literal(ifVacuous)}.`)
  requireCount(maxCalls, call, 'maxCalls', 1)
  requireCount(maxMoves, call, 'maxMoves', 0)
  if (input !== undefined && !isArbitrary(input)) refuse(call, 'input must be a fast-check arbitrary.')
  if (scheduler !== undefined && !isArbitrary(scheduler))
    refuse(call, 'scheduler must be an arbitrary, as fc.scheduler() is.')
  if (scheduler !== undefined && drive !== 'exact')
    refuse(call, `scheduler goes with drive: 'exact', and drive is '${drive}'.`)
  for (const [name, { values }] of Object.entries(sources))
    if (!isArbitrary(values))
      refuse(call, `sources.${name}.values must be a fast-check arbitrary for the values that it can have.`)
  return { subject: options, drive, scheduler }
}

function isArbitrary(value: unknown): value is fc.Arbitrary<unknown> {
  return typeof (value as { generate?: unknown } | null | undefined)?.generate === 'function'
}

function schedulesOf(
  options: IsolationOptions<unknown, unknown, Record<string, unknown>>,
  drive: Drive,
): fc.Arbitrary<Schedule> {
  const { sources, input = fc.constant(undefined), maxCalls = 3, maxMoves = 20 } = options
  /** A schedule is to be read: of objects without a prototype fast-check makes many. */
  const plain = { noNullPrototype: true }
  const entries = Object.entries(sources)
  const pinned = entries.filter(([, entry]) => isPinnedAtEntry(entry))
  const movesAt = (after: number, microtasks: number): fc.Arbitrary<readonly Move[]> => {
    const move = pinned.map(([name, { values }]) =>
      fc.record(
        {
          after: fc.nat(after),
          microtasks: fc.nat(microtasks),
          set: fc.constant(name),
          to: values!,
        },
        plain,
      ),
    )
    return fc.array(fc.oneof(...move), { maxLength: maxMoves, size: 'max' })
  }
  // Close together, for handlers that only let microtasks in between; and far apart, for those that take their time.
  const moves = fc.oneof({ withCrossShrink: true }, movesAt(0, 1), movesAt(3, 6))
  return fc.record(
    {
      drive: fc.constant(drive),
      world: fc.record(Object.fromEntries(entries.map(([name, { values }]) => [name, values!])), plain),
      calls: fc.array(input, { minLength: 1, maxLength: maxCalls }),
      moves: pinned.length === 0 ? fc.constant([]) : moves,
      choices:
        drive === 'exact' || drive === 'simulated'
          ? fc.array(fc.nat(7), { maxLength: 60, size: 'max' })
          : fc.constant([]),
    },
    plain,
  ) as fc.Arbitrary<Schedule>
}

/** fast-check's scheduler drives: what we would do between its tasks has to be a task of its. */
function engineOf(s: fc.Scheduler, note: (line: string) => void): Engine {
  return {
    scheduler: s,
    pause: async (label) => {
      await s.schedule(Promise.resolve(), label)
      note(label)
    },
    async drive(points, isOver, timeoutMs) {
      let over = false
      const changes = (async () => {
        while (!over && points.task()) {
          for (let count = 0; count < MICROTASKS && points.microtask(); count++) await Promise.resolve()
          await s.schedule(Promise.resolve(), 'the world')
        }
      })()
      let timer: ReturnType<typeof setTimeout> | undefined
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))
      const ended = (async () => {
        while (!isOver()) {
          await s.waitIdle()
          if (!isOver()) await new Promise(setImmediate)
        }
        over = true
        await s.waitIdle()
        await changes
        return true
      })()
      const result = await Promise.race([ended, late.then(() => false)])
      clearTimeout(timer)
      return result
    },
    end() {},
  }
}
