/**
 * `npm run test:runtimes`: the core on every runtime. First the core's own tests on each line of Node, then the
 * conformance suite in every column, each cell against the golden file. Installs what it needs, and says how far it is.
 *
 * Ends with `N passed, N failed`, and with status 1 if a test failed, a cell differs from the golden file, or a remedy
 * does not do what it is for.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSuite } from './build.js'
import { allColumns, type Column, folders, isSupportedPlatform, ownColumns } from './columns.js'
import { dueTo, faultsOf, type Golden, goldenAsText, reasonIn, unsupported } from './golden.js'
import { install } from './install.js'
import { pageOf } from './page.js'
import { type Ended, run } from './process.js'
import { type Catalogue, notInWorkerd, readCatalogue } from './catalogue.js'

const USAGE = `npm run test:runtimes -- [options]

  --only node-24,bun   these columns only, and not the core's own tests
  --conformance        the conformance suite only
  --update             takes what the columns show as golden, and writes docs/compatibility.md
  --page               runs nothing: writes docs/compatibility.md from the golden file
`

const repository = fileURLToPath(new URL('../../', import.meta.url))
const goldenFile = fileURLToPath(new URL('../golden.json', import.meta.url))
const pageFile = join(repository, 'docs/compatibility.md')

/** A column takes about 15 seconds on an idle machine. */
const COLUMN_TIMEOUT_MS = 240_000
/** The core's own tests take about a minute and a half there. */
const LINES_TIMEOUT_MS = 900_000

/** What a column showed: by group, row and way. */
type Seen = Record<string, Record<string, Record<string, string>>>

interface Played {
  readonly column: Column
  readonly seen: Seen
  readonly seconds: number
  /** What went wrong apart from the cells: its end, its output. */
  readonly trouble?: string
}

interface Counts {
  passed: number
  failed: number
}

const scratch = mkdtempSync(join(tmpdir(), 'withepoch-conformance-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

const options = parseOptions()
if (options.page) writePage(readGolden()!)
else await main()

async function main(): Promise<void> {
  const counts: Counts = { passed: 0, failed: 0 }
  await install([folders.nodes, folders.others])
  if (!options.conformance && options.only === undefined) add(counts, await runLines())
  const columns = chosenColumns()
  process.stdout.write(`\nconformance of context, in ${columns.length} columns\n`)
  await buildSuite()
  const catalogue = await readCatalogue()
  const played = await playAll(columns)
  const shown = goldenFrom(catalogue, played)
  const golden = options.update ? shown : readGolden()
  add(counts, report(played, shown, golden))
  if (options.update) {
    writeFileSync(goldenFile, goldenAsText(shown))
    writePage(shown)
    process.stdout.write('golden.json and docs/compatibility.md are written: look at what changed\n')
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`)
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
}

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        conformance: { type: 'boolean', default: false },
        update: { type: 'boolean', default: false },
        page: { type: 'boolean', default: false },
      },
    })
    if (values.update && values.only !== undefined) throw new Error('--update needs all columns')
    if (values.update && !isSupportedPlatform) throw new Error('--update needs Linux on x64')
    return values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

/** The core's own tests on each line of Node. */
async function runLines(): Promise<Counts> {
  if (!isSupportedPlatform) return { passed: 0, failed: 0 }
  process.stdout.write('\nthe core’s own tests, on each line of Node\n')
  const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs')
  const { status, output, timedOut } = await run(
    process.execPath,
    [tsx, join(repository, 'packages/core/test/nodes/lines.ts')],
    { cwd: repository, timeoutMs: LINES_TIMEOUT_MS, shown: true },
  )
  const [, passed, failed] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? []
  if (passed === undefined || timedOut) {
    process.stdout.write(`they did not end as they should: status ${status}\n`)
    return { passed: 0, failed: 1 }
  }
  return { passed: Number(passed), failed: Math.max(Number(failed), status === 0 ? 0 : 1) }
}

function chosenColumns(): Column[] {
  const all = isSupportedPlatform ? allColumns() : ownColumns()
  if (all.length === 0) process.stdout.write(`LEFT OUT: ${process.version} is on no line that has a column\n`)
  const wanted = options.only?.split(',')
  const unknown = wanted?.filter((id) => !all.some((column) => column.id === id)) ?? []
  if (unknown.length > 0) {
    process.stderr.write(
      `no such column: ${unknown.join(', ')}; there are ${all.map(({ id }) => id).join(', ')}\n`,
    )
    process.exit(2)
  }
  return all.filter(({ id }) => wanted?.includes(id) ?? true)
}

/** As many columns at a time as there are cores: no cell depends on how long anything takes. */
async function playAll(columns: readonly Column[]): Promise<Played[]> {
  const waiting = [...columns]
  const played: Played[] = []
  const work = async (): Promise<void> => {
    for (let column = waiting.shift(); column !== undefined; column = waiting.shift()) {
      const one = await play(column)
      played.push(one)
      const end = one.trouble === undefined ? '' : ', NOT AS IT SHOULD'
      process.stdout.write(`[${played.length}/${columns.length}] ${column.title}: ${one.seconds} s${end}\n`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, work))
  return columns.map((column) => played.find((one) => one.column === column)!)
}

async function play(column: Column): Promise<Played> {
  const started = Date.now()
  const file = join(scratch, `${column.id}.json`)
  const ended = await run(column.program, column.args, {
    cwd: folders.others,
    env: { ...column.env, REPORT: file, NO_COLOR: '1' },
    timeoutMs: COLUMN_TIMEOUT_MS,
  })
  const seconds = Math.round((Date.now() - started) / 1000)
  const seen = seenBy(column, file, ended)
  const failure = troubleOf(ended)
  return { column, seen, seconds, ...(failure === undefined ? {} : { trouble: failure }) }
}

function seenBy({ id }: Column, file: string, { output }: Ended): Seen {
  try {
    if (id !== 'workerd') return JSON.parse(readFileSync(file, 'utf8')) as Seen
    return JSON.parse(/^report: (.*)$/m.exec(output)?.[1] ?? '{}') as Seen
  } catch {
    return {}
  }
}

function troubleOf({ status, output, timedOut }: Ended): string | undefined {
  if (timedOut)
    return `took more than ${COLUMN_TIMEOUT_MS / 1000} s. It said at last:\n${output.slice(-2_000)}`
  if (status === 0) return undefined
  const lines = output.split('\n')
  const failing = lines.flatMap((line, index) =>
    /^\s*not ok |^\(fail\)| FAILED/.test(line) ? lines.slice(Math.max(0, index - 4), index + 8) : [],
  )
  return `ended with ${status}:\n${(failing.length > 0 ? failing : lines.slice(-40)).join('\n').slice(0, 6_000)}`
}

/** All that was shown, in the form of the golden file. */
function goldenFrom(catalogue: Catalogue, played: readonly Played[]): Golden {
  return {
    columns: Object.fromEntries(played.map(({ column }) => [column.id, column.title])),
    groups: catalogue.map(({ id, rows }) => ({
      id,
      rows: rows.map(({ ways, ...row }) => ({
        ...row,
        ways: Object.fromEntries(
          ways.map((way) => [
            way,
            Object.fromEntries(
              played.map(({ column, seen }) => [column.id, cellOf(column, id, seen[id]?.[row.name]?.[way])]),
            ),
          ]),
        ),
      })),
    })),
  }
}

function cellOf(column: Column, group: string, seen: string | undefined): string {
  if (seen !== undefined) return seen
  const reason = column.id === 'workerd' ? notInWorkerd[group] : undefined
  return reason === undefined ? 'failed: it was not played' : unsupported(reason)
}

/** Compares, prints what differs and the table, and counts. */
function report(played: readonly Played[], shown: Golden, golden: Golden | undefined): Counts {
  const counts: Counts = { passed: 0, failed: 0 }
  const lines: string[] = []
  const table = [['column', 'cells', 'intuitive', 'remedied', 'unsupported', 'failed']]
  for (const { column, trouble } of played) {
    const row = { cells: 0, intuitive: 0, remedied: 0, unsupported: 0, failed: 0 }
    for (const { id, rows } of shown.groups) {
      for (const { name, ways, intuitive = 'own' } of rows) {
        const expected = golden?.groups
          .find((group) => group.id === id)
          ?.rows.find((each) => each.name === name)
        for (const [way, cells] of Object.entries(ways)) {
          const actual = cells[column.id]!
          const due = dueTo(way)
          row.cells++
          if (reasonIn(actual) !== undefined) row.unsupported++
          else if (way === 'plain') row.intuitive += Number(actual === intuitive)
          else row.remedied += Number(actual === due)
          const wanted = expected?.ways[way]?.[column.id] ?? 'nothing'
          const helps = due === undefined || reasonIn(actual) !== undefined || actual === due
          if (actual === wanted && helps && !actual.startsWith('failed: ')) continue
          row.failed++
          lines.push(`${column.title} | ${id} | ${name} | ${way}: golden says ${wanted}, it shows ${actual}`)
        }
      }
    }
    if (trouble !== undefined) lines.push(`${column.title} ${trouble}`)
    counts.passed += row.cells - row.failed
    counts.failed += row.failed + (trouble !== undefined && row.failed === 0 ? 1 : 0)
    table.push([column.title, ...Object.values(row).map(String)])
  }
  const faults = [
    ...faultsOf(shown),
    ...(golden === undefined ? ['there is no golden file'] : gone(shown, golden)),
  ]
  counts.failed += faults.length
  for (const line of [...lines, ...faults]) process.stdout.write(`\n${line}\n`)
  process.stdout.write(`\n${aligned(table)}\n\n`)
  return counts
}

/** What the golden file has and the suite has no more. */
function gone(shown: Golden, golden: Golden): string[] {
  const named = ({ groups }: Golden): string[] =>
    groups.flatMap(({ id, rows }) =>
      rows.flatMap(({ name, ways }) => Object.keys(ways).map((way) => `${id} | ${name} | ${way}`)),
    )
  const present = new Set(named(shown))
  return named(golden)
    .filter((cell) => !present.has(cell))
    .map((cell) => `${cell}: golden has it, the suite has not`)
}

function aligned(rows: ReadonlyArray<readonly string[]>): string {
  const widths = rows[0]!.map((_, index) => Math.max(...rows.map((row) => row[index]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[index]! + 2)))
        .join(''),
    )
    .join('\n')
}

function readGolden(): Golden | undefined {
  try {
    return JSON.parse(readFileSync(goldenFile, 'utf8')) as Golden
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function writePage(golden: Golden): void {
  writeFileSync(pageFile, pageOf(golden))
}

function add(counts: Counts, { passed, failed }: Counts): void {
  counts.passed += passed
  counts.failed += failed
}
