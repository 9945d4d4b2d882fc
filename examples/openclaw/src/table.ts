/** The cells as a table for a terminal and for a page. */
import Table from 'cli-table3'
import pc from 'picocolors'
import type { Cell } from './conditions.js'
import { median } from './quantile.js'
import { timesOf } from './times.js'

const HEADINGS = [
  'rows',
  'registry',
  'load',
  'mode',
  'calls',
  'scans, max',
  'median',
  'hits, max',
  'ms, max',
  'median',
]

export function forTerminal(cells: readonly Cell[], colour: boolean): string {
  const { red, green, bold } = pc.createColors(colour)
  const table = new Table({
    head: HEADINGS.map((heading) => bold(heading)),
    colAligns: HEADINGS.map((_, column) => (column === 0 || column > 3 ? 'right' : 'left')),
    style: { head: [], border: [] },
  })
  for (const cell of cells) {
    const line = lineOf(cell)
    const most = Number(line[5])
    line[5] = most > 1 ? red(line[5]!) : green(line[5]!)
    table.push(line)
  }
  return table.toString()
}

/** One cell, for whoever watches them come in. */
export function lineFor(cell: Cell): string {
  const [rows, registry, load, mode, calls, most, , hits, ms, medianMs] = lineOf(cell)
  return `${rows} rows, ${registry}, ${load}, ${mode}: ${calls} calls, at most ${most} scans and ${hits} hits, ${medianMs} ms, at most ${ms} ms`
}

export function forPage(cells: readonly Cell[]): string {
  const lines = [HEADINGS, HEADINGS.map((_, column) => (column === 0 || column > 3 ? '--:' : '---'))]
  for (const cell of cells) lines.push(lineOf(cell))
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n')
}

function lineOf({ rows, registry, load, mode, calls, cutShort }: Cell): string[] {
  const scans = calls.map((call) => call.scans)
  const ms = timesOf({ calls })
  return [
    String(rows),
    registry,
    load,
    mode,
    `${ms.length}${cutShort ? ' (time was up)' : ''}`,
    count(Math.max(...scans)),
    count(median(scans)),
    count(Math.max(...calls.map((call) => call.hits))),
    count(Math.max(...ms)),
    count(median(ms)),
  ]
}

function count(value: number): string {
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : String(Math.round(value))
}
