/**
 * The Hermitage as a page: runs every script against every column, and writes what came out as the tables and scripts of
 * `docs/anomalies.md`. What is expected is not looked at here; `hermitage.test.ts` compares.
 */
import { type Anomaly, ANOMALIES, type Outcome } from './anomalies.js'
import { type Column, COLUMNS } from './columns.js'
import { run, show } from './script.js'

export interface Cell {
  readonly column: Column
  readonly outcome: Outcome
  /** What the actors saw. */
  readonly seen: string
}

/** One script against one column. */
export async function cellOf(anomaly: Anomaly, column: Column): Promise<Cell> {
  const { initial, kind = 'own', steps } = anomaly
  const result = await run(steps, structuredClone(initial), kind, column)
  const refused = steps.some(({ actor }) => result.refused(actor) !== undefined)
  const outcome = anomaly.occurs(result) ? 'occurs' : refused ? 'refused' : 'prevented'
  return { column, outcome, seen: result.inWords }
}

/** The page with the part between its marks replaced by what the scripts come to now. */
export async function documented(page: string): Promise<string> {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`The page has to have "${BEGIN}" and "${END}" after it.`)
  const rows: Array<{ anomaly: Anomaly; cells: Cell[] }> = []
  for (const anomaly of ANOMALIES) {
    const cells: Cell[] = []
    for (const column of COLUMNS) cells.push(await cellOf(anomaly, column))
    rows.push({ anomaly, cells })
  }
  const parts = [columnsTable(), outcomesTable(rows), '## The scripts', ...rows.map(section)]
  return `${page.slice(0, begin)}${BEGIN}\n\n${parts.join('\n\n')}\n\n${page.slice(end)}`
}

const BEGIN = '<!-- begin: written by npm run anomalies -- --docs -->'
const END = '<!-- end: anomalies -->'

const WORDS: Record<Outcome, string> = { occurs: '**occurs**', refused: 'refused', prevented: '–' }

function columnsTable(): string {
  return table(
    ['column', 'what it is'],
    COLUMNS.map(({ title, says }) => [title, says]),
  )
}

function outcomesTable(rows: ReadonlyArray<{ anomaly: Anomaly; cells: readonly Cell[] }>): string {
  return table(
    ['anomaly', ...COLUMNS.map(({ title }) => title)],
    rows.map(({ anomaly: { name }, cells }) => [
      `[${name}](#${anchorOf(name)})`,
      ...cells.map(({ outcome }) => WORDS[outcome]),
    ]),
  )
}

function section({ anomaly, cells }: { anomaly: Anomaly; cells: readonly Cell[] }): string {
  const { name, says, initial, steps, forYou } = anomaly
  const values = Object.entries(initial).map(([key, value]) => `${key} = ${literal(value)}`)
  const script = [
    `    ${values.join(', ')}`,
    ...steps.map(({ actor, says: what }) => `${actor}  ${what}`),
  ].join('\n')
  const groups = new Map<string, Cell[]>()
  for (const cell of cells) {
    const key = `${cell.outcome} ${cell.seen}`
    groups.set(key, [...(groups.get(key) ?? []), cell])
  }
  const seen = table(
    ['in the columns', 'what is seen', ''],
    Array.from(groups.values(), (same) => [
      same.map(({ column }) => column.title).join(', '),
      same[0]!.seen,
      WORDS[same[0]!.outcome],
    ]),
  )
  return [`### ${name}`, says, `\`\`\`text\n${script}\n\`\`\``, seen, forYou].join('\n\n')
}

function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

function literal(value: unknown): string {
  if (value instanceof Map) {
    const entries = [...(value as Map<string, { active: boolean }>)]
    return `Map { ${entries.map(([key, { active }]) => `${key}: ${active ? 'active' : 'inactive'}`).join(', ')} }`
  }
  return show(value)
}
