/**
 * What was seen, as plain data and as a text: which source tore in which calls, how often, and for an example where. It
 * holds names, numbers and places, and of values only what their source describes. How it is counted stands in
 * `calls.ts`.
 */
import { relative } from 'node:path'
import { shownFrame, type Site } from './sites.js'

/** One torn read, or one that would have torn had the epoch not pinned the value: where it was, and why. */
export interface Example {
  /** Where the call read the source before. Absent when it was not taken: stacks are rationed. */
  readonly firstRead?: Site
  /** What the source makes of the value that was read then; only with `describe`. */
  readonly firstValue?: string
  /** Where the value that was live at the second read had been written. Absent when it was not taken, or not seen. */
  readonly write?: Site
  /**
   * How the change was noticed. `write`: a cell, or an adopted property, was assigned. `polled`: a foreign global was found
   * changed when a call began. `unseen`: it changed between the two reads, and nobody saw it. Adopt the property, and
   * the write is seen.
   */
  readonly noticed: 'write' | 'polled' | 'unseen'
  /** Where the call read it again. */
  readonly secondRead?: Site
  /** What the source makes of the value that was read then; only with `describe`. */
  readonly secondValue?: string
}

/** What was seen of one source in the calls of one name. */
export interface SourceReport {
  /** The name of the source. */
  readonly source: string
  /** The name of the calls: of their epochs, or what their door calls them. */
  readonly call: string
  /** `read-committed`: it is live by declaration, so what it shows is never called torn. */
  readonly isolation: string
  /** How many calls read it. */
  readonly calls: number
  /** How often they did, in all. */
  readonly reads: number
  /** How many calls saw two values of it, or more, that they had not written themselves. */
  readonly torn: number
  /** How many calls read a pinned value while another was live: what would have torn. */
  readonly averted: number
  /** Reads by work that outlived its epoch. They belong to no call. */
  readonly late: number
  /** How many values a call saw: the most, and how many calls saw how many. From ten on they are counted as `'10+'`. */
  readonly values: { readonly most: number; readonly calls: Readonly<Record<string, number>> }
  /** The best example there is of a torn read, or of one that was averted. */
  readonly example?: Example
}

/** What an observation has seen so far. */
export interface Report {
  /** `live`: epochs opened meanwhile pin nothing. `pinned`: they pin, as ever. */
  readonly mode: 'live' | 'pinned'
  /** Milliseconds since it began. */
  readonly forMs: number
  /** By source and name of calls; the most torn first, then the most averted. */
  readonly sources: readonly SourceReport[]
  /** Reads in no call: how many, by source. Many of them mean that a door is missing. */
  readonly outside: Readonly<Record<string, number>>
  /** Reads that were not counted: their call had begun too long before, or there were too many names of calls. */
  readonly uncounted: number
  /** The sum over `sources` of `calls`, `torn` and `averted`. */
  readonly total: { readonly calls: number; readonly torn: number; readonly averted: number }
}

const COLUMNS = ['source', 'call', 'calls', 'reads', 'torn', 'values', 'averted', 'late'] as const

/** The report for people. Paths are shown from the working folder. */
export function textOf(report: Report): string {
  const { mode, forMs, sources, outside, uncounted, total } = report
  const what =
    mode === 'live' ? 'reads are live, nothing is pinned' : 'epochs pin, and live values are compared'
  const lines = [`withepoch observed for ${(forMs / 1000).toFixed(1)} s: ${what}`, '']
  if (sources.length > 0) lines.push(...tableOf(sources), '')
  for (const each of sources) {
    if (each.example !== undefined) lines.push(...exampleOf(each, each.example), '')
  }
  const reads = Object.entries(outside)
  if (reads.length > 0) {
    lines.push(`Reads in no call: ${reads.map(([name, count]) => `${name} ${count}`).join(', ')}.`)
  }
  if (uncounted > 0) lines.push(`Reads not counted: ${uncounted}, of calls that began too long before.`)
  if (sources.length === 0) {
    lines.push(
      'No call has read a source. Declare or adopt the globals, and say where calls enter: withEpoch, or a door.',
    )
  }
  lines.push(
    `${count(total.calls, 'call')} that read a source: ${total.torn} torn, ${total.averted} averted` +
      (total.torn > 0 ? `, in ${count(tornSources(sources), 'source')}` : ''),
  )
  return lines.map(printable).join('\n')
}

/** A name may come with a request, and hold what a terminal would obey, or what would look like a line of ours. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}]/gu, '\u{FFFD}')
}

function tornSources(sources: readonly SourceReport[]): number {
  return new Set(sources.filter(({ torn }) => torn > 0).map(({ source }) => source)).size
}

function tableOf(sources: readonly SourceReport[]): string[] {
  const rows = sources.map(({ values, isolation, ...each }) => ({
    ...each,
    source: isolation === 'read-committed' ? `${each.source} (live by declaration)` : each.source,
    values: values.most <= 1 ? '1' : `up to ${values.most}`,
  }))
  const cells = [COLUMNS, ...rows.map((row) => COLUMNS.map((column) => String(row[column])))]
  const widths = COLUMNS.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)))
  return cells.map((row) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  )
}

function exampleOf({ source, call, torn }: SourceReport, example: Example): string[] {
  const { firstRead, firstValue, write, noticed, secondRead, secondValue } = example
  const wrote =
    write === undefined
      ? {
          write: 'written where the ration of stacks did not reach',
          polled: 'found changed when a call began; adopt the property to see who writes it',
          unseen: 'changed between the two reads, unseen; adopt the property to see who writes it',
        }[noticed]
      : 'written'
  return [
    `${source} ${torn > 0 ? 'tore' : 'would have torn'} in ${call}, for example:`,
    ...place('read', firstRead, firstValue),
    ...place(wrote, write),
    ...place(torn > 0 ? 'read again' : 'read while another value was live', secondRead, secondValue),
  ]
}

function place(what: string, site: Site | undefined, value?: string): string[] {
  const described = value === undefined ? '' : `: ${value}`
  if (site === undefined) return [`  ${what}${described}`]
  return [
    `  ${what}${described}`,
    ...site.map((frame) => `    at ${shownFrame({ ...frame, file: fromHere(frame.file) })}`),
  ]
}

function fromHere(file: string): string {
  try {
    const path = relative(process.cwd(), file)
    return path.startsWith('..') ? file : path
  } catch {
    return file // the working folder is gone
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
