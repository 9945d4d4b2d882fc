/**
 * What has to hold with the preload, each as one sentence with its answer. What the unmodified program does is said for
 * the comparison, and not judged. Times are: another program on the machine can make them fail.
 */
import { compare } from './comparison.js'
import type { Cell, Cost, Leftovers, Load, Results, Row } from './conditions.js'
import { AGENTS } from './home.js'
import { median } from './quantile.js'
import { timesOf } from './times.js'
import { turnsSession } from './turns.js'

/** How much longer a call may take than under the same load with nothing to disturb it. */
const MOST_TIMES = 1.5

export interface Verdict {
  /** Nothing: it is said, and not judged. */
  readonly holds: boolean | undefined
  readonly says: string
}

export function verdictsOf({ cells, cost }: Pick<Results, 'cells' | 'cost'>): Verdict[] {
  return [
    ...scanVerdicts(cells),
    ...leftoverVerdicts(cells),
    ...(cost ? [costVerdict(cost)] : []),
    ...timeVerdicts(cells),
    ...answerVerdicts(cells),
    ...turnVerdicts(cells),
  ]
}

function scanVerdicts(cells: readonly Cell[]): Verdict[] {
  const preloaded = cells.filter(({ mode }) => mode === 'preload')
  if (preloaded.length === 0) return []
  const over = preloaded.filter(({ calls }) => calls.some(({ scans }) => scans > 1))
  const calls = preloaded.reduce((sum, cell) => sum + cell.calls.length, 0)
  return [
    {
      holds: over.length === 0,
      says:
        over.length === 0
          ? `no call with the preload made more than one scan (${calls} calls in ${preloaded.length} conditions)`
          : `calls with the preload made more than one scan: ${over.map((cell) => `${titleOf(cell)}: ${Math.max(...cell.calls.map(({ scans }) => scans))}`).join('; ')}`,
    },
  ]
}

/** Against the idle and unmodified gateway, whose answer nobody disturbed. */
function answerVerdicts(cells: readonly Cell[]): Verdict[] {
  return cells
    .filter(({ mode, load }) => mode === 'unmodified' && load === 'idle')
    .flatMap((idle) =>
      cells
        .filter(({ run }) => run === idle.run)
        .filter(({ rows, registry }) => rows === idle.rows && registry === idle.registry)
        .filter((cell) => cell !== idle)
        .map((cell) => {
          const [before, after] = undisturbed(idle.answer, cell.answer)
          const differences = compare(before, after)
          const fields = [...new Set(differences.map(({ field }) => field))].toSorted()
          const rows = new Set(differences.map(({ key }) => key)).size
          const left = turned(idle.answer.length - before.length)
          return {
            holds: cell.mode === 'unmodified' ? undefined : differences.length === 0,
            says:
              `${titleOf(cell)}: ` +
              (rows === 0
                ? `${before.length} rows as of the idle, unmodified gateway${left}`
                : `${rows} rows differ from the idle, unmodified gateway's in ${fields.join(', ')}${left}`),
          }
        }),
    )
}

/**
 * Both without the sessions in which a turn was taken between the two answers, and no others: how those are doing is
 * another answer at another time.
 */
function undisturbed(before: readonly Row[], after: readonly Row[]): [Row[], Row[]] {
  const written = new Map(after.map(({ key, updatedAt }) => [key, updatedAt]))
  const keys = AGENTS.map(turnsSession).filter((key) =>
    before.some((row) => row.key === key && written.has(key) && row['updatedAt'] !== written.get(key)),
  )
  const without = (rows: readonly Row[]): Row[] => rows.filter(({ key }) => !keys.includes(key))
  return [without(before), without(after)]
}

function turned(rows: number): string {
  return rows === 0 ? '' : `; ${rows} not compared, as turns were taken in them meanwhile`
}

function turnVerdicts(cells: readonly Cell[]): Verdict[] {
  return cells.flatMap((cell) => {
    if (!cell.turns) return []
    const { done, wrong, failed } = cell.turns
    return [
      {
        holds: cell.mode === 'unmodified' ? undefined : wrong.length + failed.length === 0,
        says:
          `${titleOf(cell)}: ${done} real ${done === 1 ? 'turn' : 'turns'}, ${wrong.length} not in the agent's own workspace` +
          (failed.length > 0 ? `, and ${failed.length} that the program ended itself: ${failed[0]}` : ''),
      },
    ]
  })
}

/** The load without what disturbs, which is that somebody changes the workspace: the first that has been measured. */
const UNDISTURBED: Readonly<Record<Exclude<Load, 'turns'>, readonly Load[]>> = {
  idle: ['idle'],
  still: ['still'],
  actor: ['still'],
  'own-turn': ['own-turn'],
  'after-turn': ['own-turn', 'idle'],
}

/**
 * Against the unmodified gateway under the same load with nothing to disturb it. Agents at work have no such load: what
 * they compute themselves is more when each has a workspace of its own. There it is a stand-in in the same gateway.
 */
function timeVerdicts(cells: readonly Cell[]): Verdict[] {
  return cells.flatMap((cell) => {
    if (cell.mode === 'unmodified') return []
    const judge = (times: number, of: string): Verdict => {
      return {
        holds: times <= MOST_TIMES,
        says: `${titleOf(cell)}: ${times.toPrecision(2)} × ${of} (at most ${MOST_TIMES})`,
      }
    }
    const { load: loadOfCell } = cell
    if (loadOfCell === 'turns') {
      const standIns = cell.calls.flatMap(({ standInMs = [] }) => standInMs)
      // Of all together: one call is nothing, the next waits for seconds, and a median of either says little.
      return standIns.length === 0
        ? []
        : [
            judge(
              sum(timesOf(cell)) / sum(standIns),
              `the stand-ins of undisturbed calls, ${ms(sum(standIns) / standIns.length)} ms on average`,
            ),
          ]
    }
    const unmodified = cells.filter(
      ({ rows, registry, mode }) => rows === cell.rows && registry === cell.registry && mode === 'unmodified',
    )
    const beside = UNDISTURBED[loadOfCell]
      .map((undisturbed) => unmodified.find(({ load }) => load === undisturbed))
      .find((found) => found !== undefined)
    return beside === undefined
      ? []
      : [judge(median(timesOf(cell)) / median(timesOf(beside)), `the median of ${titleOf(beside)}`)]
  })
}

function leftoverVerdicts(cells: readonly Cell[]): Verdict[] {
  const preloaded = cells.filter(({ mode }) => mode === 'preload')
  if (preloaded.length === 0) return []
  const count = (of: keyof Leftovers): number => sum(preloaded.map(({ leftovers }) => leftovers[of]))
  return [
    {
      // With no timer at all nothing has been seen.
      holds: count('read') > 0 && count('stale') === 0,
      says:
        `${count('stale')} of ${count('read')} timers that calls left behind read another workspace than the live one, ` +
        `which was no longer the call's for ${count('moved')} of them`,
    },
  ]
}

/** What differs from one start of the unmodified gateway to the next is the measure of what can be measured. */
function costVerdict({ rows, calls, rounds }: Cost): Verdict {
  const unmodified = rounds.flatMap((round) => round.unmodified).toSorted((a, b) => a - b)
  const preload = median(rounds.map((round) => round.preload))
  const [lower, upper] = [1, 3].map((quarter) => unmodified[Math.floor((unmodified.length * quarter) / 4)]!)
  return {
    holds: preload <= upper!,
    says:
      `${rows} rows, persisted, idle, side by side: ${ms(preload)} ms with the preload, ${ms(median(unmodified))} without, ` +
      `the middle half of the gateways from ${ms(lower!)} to ${ms(upper!)} ms ` +
      `(medians of ${calls} calls of each of ${rounds.length} and ${unmodified.length} gateways)`,
  }
}

function ms(value: number): string {
  return value < 100 ? value.toPrecision(3) : String(Math.round(value))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function titleOf({ rows, registry, load, mode }: Cell): string {
  return `${rows} rows, ${registry}, ${load}, ${mode}`
}
