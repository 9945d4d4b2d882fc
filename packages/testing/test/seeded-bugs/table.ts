/** The seeded bugs as the table of `docs/how-it-is-tested.md`. */
import type { SeededBug } from './bugs.js'

/** What the hunts for one bug came to. */
export interface Row {
  readonly bug: SeededBug
  /** Which searches found it. */
  readonly suites: readonly string[]
  /** For each seed, in which run; undefined where it was not found. */
  readonly runs: ReadonlyArray<number | undefined>
}

const BEGIN = '<!-- begin: written by npm run mutants:seeded -- --docs -->'
const END = '<!-- end: mutants:seeded -->'

/** The page with the table between its marks replaced. */
export function documented(
  page: string,
  rows: readonly Row[],
  seeds: readonly number[],
  runs: number,
): string {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`The page has to have "${BEGIN}" and "${END}" after it.`)
  const found = rows.filter((row) => row.runs.every((run) => run !== undefined)).length
  const table = [
    `${found} of ${rows.length} bugs are found within ${runs} runs with each of the seeds ${seeds.join(', ')}.`,
    '',
    '| bug | in | what is wrong | found by | in run |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ bug, suites, runs: each }) =>
        `| ${bug.name} | \`${bug.file}\` | ${bug.says} | ${suites.join(', ') || '–'} | ${each.map((run) => run ?? '–').join(', ')} |`,
    ),
  ].join('\n')
  return `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`
}
