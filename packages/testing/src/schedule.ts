/**
 * One run, as data: the world it starts from, what the calls are given, what is changed meanwhile, and in which order
 * things go on. It is what fast-check generates and shrinks, what a failure prints and what a regression test holds.
 */
import { kindOf, refuse, requireCount, requireKnown, requireObject } from './arguments.js'
import { literal } from './literal.js'

/**
 * How a run is driven.
 *
 * - `real`: on the real event loop; the world changes on its turns, and between the microtasks of each.
 * - `exact`: by a {@link Scheduler} on which the handler's I/O waits; only one thing goes on at a time.
 * - `simulated`: in a simulated event loop, for a handler with timers, which then runs the same each time.
 */
export type Drive = 'real' | 'exact' | 'simulated'

export const DRIVES: readonly Drive[] = ['real', 'exact', 'simulated']

/** A change of the world, some time after the one before it. */
export interface Move {
  /**
   * How many tasks to let pass first: turns of the event loop, steps of a scheduler. A writer that stops half-way does so
   * for one more than that.
   */
  readonly after: number
  /** And then, how many microtasks. Default: 0. */
  readonly microtasks?: number | undefined
  /** Which entry of `sources`. */
  readonly set: string
  readonly to: unknown
}

/** One run of a handler under mutation; made by `isolationProperty`, run by `replay`. */
export interface Schedule {
  readonly drive: Drive
  /** The value of each source before the first call. */
  readonly world: Readonly<Record<string, unknown>>
  /** What each of the concurrent calls is given. */
  readonly calls: readonly unknown[]
  readonly moves: readonly Move[]
  /** Which of those that wait goes on, each time: 0 is the one that waited for longest, and what is missing. */
  readonly choices: readonly number[]
}

/** @throws INVALID_ARGUMENT when it is none, or does not fit the sources. */
export function requireSchedule(
  value: unknown,
  call: string,
  names: readonly string[],
): asserts value is Schedule {
  requireObject(value, call, 'schedule')
  requireKnown(value, call, ['drive', 'world', 'calls', 'moves', 'choices'])
  const { drive, world, calls, moves, choices } = value as Partial<Schedule>
  if (!DRIVES.includes(drive as Drive))
    refuse(call, `schedule.drive must be one of ${DRIVES.join(', ')}, got ${literal(drive)}.`)
  requireObject(world, call, 'schedule.world')
  const strange = [
    ...Object.keys(world),
    ...(Array.isArray(moves) ? moves.map((move) => (move as Partial<Move> | null)?.set) : []),
  ].find((name) => !names.includes(name as string))
  if (strange !== undefined)
    refuse(
      call,
      `the schedule sets "${strange}", which is no entry of sources. Entries: ${names.join(', ')}.`,
    )
  for (const [name, list] of Object.entries({ calls, moves, choices }))
    if (!Array.isArray(list)) refuse(call, `schedule.${name} must be an array, got ${kindOf(list)}.`)
  if (calls!.length === 0) refuse(call, 'schedule.calls is empty: nothing would be run.')
  for (const { after, microtasks } of moves!) {
    requireCount(after ?? null, call, 'after of a move', 0)
    requireCount(microtasks, call, 'microtasks of a move', 0)
  }
  for (const choice of choices!) requireCount(choice ?? null, call, 'a choice', 0)
}

/** The schedule as TypeScript. */
export function scheduleCode(schedule: Schedule, indent = ''): string {
  const lines = Object.entries(schedule).map(
    ([key, value]) => `${indent}  ${key}: ${literal(value, `${indent}  `)},`,
  )
  return `{\n${lines.join('\n')}\n${indent}}`
}
