/** What a run found as tables: text for the terminal, Markdown for `docs/memory.md`. */
import { CASES, heldByStorage, huskOf, type Kind, type Result } from './cases.js'
import type { Growth } from './heap.js'
import { type HolderFound, HOLDERS } from './holders.js'
import type { StorageFound } from './one-storage.js'
import { type Line, listedLines, type Recorded } from './recorded.js'

const HEADS: Readonly<Record<Kind, string>> = {
  epochs: 'bytes per epoch, where each',
  poller: 'bytes per tick of a poller in an epoch that lives',
  holder: 'bytes per holder beyond its own (held by a plain AsyncLocalStorage)',
  storage: 'AsyncLocalStorages made by',
}

/** The tables for the terminal, one under the other. */
export function asText(results: readonly Result[], lines: readonly Line[]): string {
  const rows = Object.entries(HEADS).flatMap(([kind, head]) => [
    [],
    [head, ...lines.map(({ version }) => `Node ${version}`)],
    ...rowsOf(kind as Kind, results, lines, cellOf),
  ])
  const widths = rows.reduce<number[]>(
    (most, row) => row.map((text, column) => Math.max(most[column] ?? 0, text.length)),
    [],
  )
  const width = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0), widths[column] ?? 0)
  return rows
    .map((row) =>
      row
        .map((text, column) => (column === 0 ? text.padEnd(width(0)) : text.padStart(width(column) + 2)))
        .join(''),
    )
    .join('\n')
}

/** What a case found, in a few words. */
export function cellOf({ kind, found, reasons }: Result): string {
  const mark = reasons.length > 0 ? ' FAILED' : ''
  if (found === undefined) return `-${mark}`
  if (kind === 'storage') return `${(found as StorageFound).constructed}${mark}`
  if (kind !== 'holder') return `${bytes((found as Growth).bytes)}${mark}`
  const holder = found as HolderFound
  return `${Math.round(huskOf(holder))} (${held(holder)})${mark}`
}

const BEGIN = '<!-- begin: written by npm run memory -- --docs -->'
const END = '<!-- end -->'

/** The page with the tables between its marks replaced. */
export function documented(page: string, recorded: Recorded): string {
  const [before, rest, tooMany] = page.split(BEGIN)
  const after = rest?.split(END)
  if (before === undefined || after?.length !== 2 || tooMany !== undefined) {
    throw new Error(`docs/memory.md: expected one "${BEGIN}" and one "${END}" after it.`)
  }
  return `${before}${BEGIN}\n\n${asMarkdown(recorded)}\n\n${END}${after[1]}`
}

function asMarkdown({ date, machine, results }: Recorded): string {
  const lines = listedLines()
  const missing = CASES.length * lines.length - results.length
  const open =
    missing === 0 ? '' : ` ${missing} are still to be measured: \`npm run memory -- --docs --resume\`.`
  const passed = results.filter(({ reasons }) => reasons.length === 0).length
  const notes = Object.entries(HOLDERS).flatMap(([title, { allowed }]) =>
    allowed === undefined ? [] : [`- ${title}: at most ${thousands(allowed[0])} bytes, for ${allowed[1]}.`],
  )
  return [
    `Measured on ${date}: ${machine}. ${passed} passed, ${results.length - passed} failed.${open}`,
    '### What is left of a request, by what holds on to it',
    'Bytes per holder, beyond what the same holder costs where there is no epoch; in brackets, what a plain ' +
      '`AsyncLocalStorage` keeps with it when its store has the same values in it. Of the epochs’ values all were collected ' +
      'while the holders lived.',
    markdown('holder', 'held by', results, lines),
    notes.join('\n'),
    '### How the heap grows with the number of epochs',
    'Bytes per epoch. A million epochs of the first kind, 300,000 of each other.',
    markdown('epochs', 'a request that', results, lines),
    '### How the heap grows with a poller',
    'Bytes per tick, over 50,000 ticks that each open an epoch inside one that lives.',
    markdown('poller', 'ticks', results, lines),
    '### How many AsyncLocalStorages there are',
    'Counted where they are constructed.',
    markdown('storage', 'after the use of', results, lines),
  ].join('\n\n')
}

function markdown(kind: Kind, head: string, results: readonly Result[], lines: readonly Line[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    row([head, ...lines.map(({ version }) => `Node ${version}`)]),
    row(['---', ...lines.map(() => '---:')]),
    ...rowsOf(kind, results, lines, (result) =>
      result.reasons.length > 0 ? `**${cellOf(result)}**` : cellOf(result),
    ).map(row),
  ].join('\n')
}

function rowsOf(
  kind: Kind,
  results: readonly Result[],
  lines: readonly Line[],
  cell: (result: Result) => string,
): string[][] {
  const titles = CASES.filter(
    (each) =>
      each.kind === kind && results.some((result) => result.kind === kind && result.title === each.title),
  ).map(({ title }) => title)
  return titles.map((title) => [
    title,
    ...lines.map(({ name }) => {
      const result = results.find((each) => each.kind === kind && each.title === title && each.line === name)
      return result === undefined ? 'not measured' : cell(result)
    }),
  ])
}

function held(holder: HolderFound): string {
  const kilobytes = Math.round(heldByStorage(holder) / 1000)
  return kilobytes < 10 ? 'nothing' : `${kilobytes} kB`
}

/** Minus nothing is nothing. */
function bytes(found: number): string {
  const text = found.toFixed(2)
  return text === '-0.00' ? '0.00' : text
}

function thousands(count: number): string {
  return count.toLocaleString('en')
}
