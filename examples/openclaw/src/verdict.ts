/**
 * What has to hold with the preload, each as one sentence with its answer. What the unmodified program does is said for
 * the comparison, and so are milliseconds, which another program on the machine changes; neither is judged.
 */
import { compare } from './comparison.js'
import type { Cell, Row } from './conditions.js'
import { AGENTS } from './home.js'
import { median } from './quantile.js'
import { turnsSession } from './turns.js'

export interface Verdict {
  /** Nothing: it is said, and not judged. */
  readonly holds: boolean | undefined
  readonly says: string
}

export function verdictsOf(cells: readonly Cell[]): Verdict[] {
  return [...scanVerdicts(cells), ...answerVerdicts(cells), ...turnVerdicts(cells), ...times(cells)]
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

/**
 * With the actor, against the same work for the event loop without a change; otherwise against idle. While turns are taken,
 * any call waits for them, so to idle is added what a call that does nothing took.
 */
function times(cells: readonly Cell[]): Verdict[] {
  return cells.flatMap((cell) => {
    const beside = cells.find(
      ({ rows, registry, mode, load }) =>
        rows === cell.rows &&
        registry === cell.registry &&
        mode === 'unmodified' &&
        load === (cell.load === 'actor' ? 'still' : 'idle'),
    )
    if (cell.mode === 'unmodified' || beside === undefined) return []
    const isWaiting = cell.load === 'turns'
    const waitMs = isWaiting ? median(cell.calls.map((call) => call.waitMs)) : 0
    const times = medianMs(cell) / (medianMs(beside) + waitMs)
    const against = `the median of ${titleOf(beside)}${isWaiting ? ', and of the wait of any call meanwhile' : ''}`
    return [{ holds: undefined, says: `${titleOf(cell)}: ${times.toPrecision(2)} × ${against}` }]
  })
}

function medianMs({ calls }: Cell): number {
  return median(calls.map(({ ms }) => ms))
}

function titleOf({ rows, registry, load, mode }: Cell): string {
  return `${rows} rows, ${registry}, ${load}, ${mode}`
}
