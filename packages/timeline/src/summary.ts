/**
 * A recording in numbers: one row per epoch name, one per source. It counts what the lines say and infers nothing,
 * except that an epoch without a closing line was open when the recording ended.
 */
import Table from 'cli-table3'
import { withObservedCalls } from './observed.js'
import type { Recording } from './recording.js'

/** What the epochs of one name did; for reads from outside any epoch the name is undefined. */
export interface EpochSummary {
  readonly name: string | undefined
  readonly epochs: number
  /** Still open when the recording ended. */
  readonly open: number
  /** Open past their `maxAgeMs`. */
  readonly overdue: number
  /** Of those that closed, in milliseconds. An observing one lasts until the last read of its call. */
  readonly medianMs: number | undefined
  readonly maxMs: number | undefined
  readonly reads: number
  /** Reads that got a pinned value which was no longer the live one: tears averted. */
  readonly drifted: number
  /** Reads by work whose epoch had closed. Those of an observing epoch are its own: a door does not know when a call ends. */
  readonly late: number
  /**
   * Epochs in which one source was read with two values: live reads, as in observe mode. What an epoch has written itself
   * it may see: that is no tear.
   */
  readonly torn: number
  readonly writes: number
  readonly conflicts: number
  readonly memoHits: number
  readonly memoMisses: number
  /** Hits of hits and misses, memo and derived together; undefined without any. */
  readonly memoHitRatio: number | undefined
}

export interface SourceSummary {
  readonly source: string
  readonly reads: number
  readonly drifted: number
  readonly late: number
  readonly writes: number
  /** How many different values its reads and writes were of. */
  readonly values: number
}

export interface Summary {
  /** As `stop()` counts them: what happened, without the recorder's own lines. */
  readonly events: number
  readonly spanMs: number
  /** Events that the recorder had no room for. */
  readonly dropped: number
  /** Lines that could not be read. */
  readonly unreadable: number
  readonly truncated: boolean
  /** The names with most epochs first. */
  readonly epochs: readonly EpochSummary[]
  /** The sources with most reads first. */
  readonly sources: readonly SourceSummary[]
}

type Counts = { -readonly [Key in keyof EpochSummary]: EpochSummary[Key] } & { durations: number[] }
type Open = { openedAt: number; counts: Counts }

/**
 * Counts a recording.
 *
 * @example
 * import { parseRecording, summarise } from '@withepoch/timeline'
 * const recording = await parseRecording([
 *   '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n',
 *   '{"type":"epoch:open","t":1000,"epoch":1,"name":"page"}\n',
 *   '{"type":"epoch:close","t":3000,"epoch":1,"name":"page"}\n',
 * ])
 * const [page] = summarise(recording).epochs
 * page.medianMs // => 2
 */
export function summarise(recorded: Recording): Summary {
  const recording = withObservedCalls(recorded)
  const byName = new Map<string | undefined, Counts>()
  const bySource = new Map<
    string,
    { reads: number; drifted: number; late: number; writes: number; values: Set<number> }
  >()
  const open = new Map<number, Open>()
  /** Per epoch and source the one value read so far, or `torn`. */
  const readValues = new Map<number, Map<string, number>>()
  const torn = new Set<number>()
  let dropped = 0

  const countsOf = (name: string | undefined) => {
    let counts = byName.get(name)
    if (counts === undefined) byName.set(name, (counts = noCounts(name)))
    return counts
  }
  const sourceOf = (source: string) => {
    let counts = bySource.get(source)
    if (counts === undefined) {
      bySource.set(source, (counts = { reads: 0, drifted: 0, late: 0, writes: 0, values: new Set() }))
    }
    return counts
  }

  for (const event of recording.events) {
    switch (event.type) {
      case 'epoch:open': {
        const counts = countsOf(event.name)
        counts.epochs += 1
        open.set(event.epoch, { openedAt: event.t, counts })
        break
      }
      case 'epoch:close': {
        const opened = open.get(event.epoch)
        open.delete(event.epoch)
        readValues.delete(event.epoch)
        if (opened !== undefined) opened.counts.durations.push((event.t - opened.openedAt) / 1000)
        else countsOf(event.name).epochs += 1
        break
      }
      case 'epoch:overdue':
        countsOf(event.name).overdue += 1
        break
      case 'source:read': {
        const counts = countsOf(event.name)
        const source = sourceOf(event.source)
        const drifted = event.from === 'pinned' && event.valueId !== event.liveValueId ? 1 : 0
        const late = event.from === 'late' ? 1 : 0
        counts.reads += 1
        counts.drifted += drifted
        counts.late += late
        source.reads += 1
        source.drifted += drifted
        source.late += late
        source.values.add(event.valueId)
        if (event.epoch === undefined || late > 0) break
        const seen = readValues.get(event.epoch) ?? new Map<string, number>()
        readValues.set(event.epoch, seen)
        const before = seen.get(event.source)
        if (before === undefined) seen.set(event.source, event.valueId)
        else if (event.from === 'live' && before !== event.valueId && !torn.has(event.epoch)) {
          torn.add(event.epoch)
          counts.torn += 1
        }
        break
      }
      case 'source:drift':
        countsOf(event.name).drifted += 1
        sourceOf(event.source).drifted += 1
        break
      case 'source:late-read':
        countsOf(event.name).late += 1
        sourceOf(event.source).late += 1
        break
      case 'source:write':
        countsOf(event.name).writes += 1
        sourceOf(event.source).writes += 1
        if (event.valueId === undefined) break
        sourceOf(event.source).values.add(event.valueId)
        if (event.epoch !== undefined) readValues.get(event.epoch)?.set(event.source, event.valueId)
        break
      case 'source:write-conflict':
        countsOf(event.name).conflicts += 1
        break
      case 'memo:hit':
      case 'derived:hit':
        countsOf(event.name).memoHits += 1
        break
      case 'memo:miss':
      case 'derived:miss':
        countsOf(event.name).memoMisses += 1
        break
      case 'dropped':
        dropped += event.count
        break
    }
  }
  for (const { counts } of open.values()) counts.open += 1

  const last = recording.events.at(-1)
  return {
    events: recording.events.filter(({ type }) => type !== 'stop' && type !== 'dropped').length,
    spanMs: ((last?.t ?? recording.header.t) - recording.header.t) / 1000,
    dropped,
    unreadable: recording.unreadable,
    truncated: recording.truncated,
    epochs: [...byName.values()]
      .map(({ durations, ...counts }): EpochSummary => {
        const sorted = durations.toSorted((a, b) => a - b)
        const asked = counts.memoHits + counts.memoMisses
        return {
          ...counts,
          medianMs: sorted[Math.ceil(sorted.length / 2) - 1],
          maxMs: sorted.at(-1),
          memoHitRatio: asked === 0 ? undefined : counts.memoHits / asked,
        }
      })
      .toSorted((a, b) => b.epochs - a.epochs || b.reads - a.reads),
    sources: [...bySource]
      .map(([source, { values, ...counts }]): SourceSummary => ({ source, ...counts, values: values.size }))
      .toSorted((a, b) => b.reads - a.reads || b.writes - a.writes),
  }
}

function noCounts(name: string | undefined): Counts {
  return {
    name,
    epochs: 0,
    open: 0,
    overdue: 0,
    medianMs: undefined,
    maxMs: undefined,
    reads: 0,
    drifted: 0,
    late: 0,
    torn: 0,
    writes: 0,
    conflicts: 0,
    memoHits: 0,
    memoMisses: 0,
    memoHitRatio: undefined,
    durations: [],
  }
}

/**
 * The summary as two tables of text, without colour.
 *
 * @example
 * import { parseRecording, renderSummary, summarise } from '@withepoch/timeline'
 * const recording = await parseRecording([
 *   '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n',
 *   '{"type":"epoch:open","t":1000,"epoch":1,"name":"page"}\n',
 * ])
 * renderSummary(summarise(recording)).includes('page') // => true
 */
export function renderSummary(summary: Summary): string {
  const epochs = new Table({
    head: [
      'epoch',
      'epochs',
      'open',
      'overdue',
      'ms (median)',
      'ms (max)',
      'reads',
      'drifted',
      'late',
      'torn',
      'writes',
      'conflicts',
      'memo hits',
    ],
    colAligns: ['left', ...Array.from({ length: 12 }, () => 'right' as const)],
    style: PLAIN,
  })
  for (const row of summary.epochs) {
    epochs.push([
      row.name === undefined ? '(no epoch)' : printable(row.name),
      row.epochs,
      row.open,
      row.overdue,
      fixed(row.medianMs),
      fixed(row.maxMs),
      row.reads,
      row.drifted,
      row.late,
      row.torn,
      row.writes,
      row.conflicts,
      row.memoHitRatio === undefined
        ? '–'
        : `${row.memoHits} of ${row.memoHits + row.memoMisses} (${Math.floor(row.memoHitRatio * 100)} %)`,
    ])
  }
  const sources = new Table({
    head: ['source', 'reads', 'drifted', 'late', 'writes', 'values'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: PLAIN,
  })
  for (const row of summary.sources) {
    sources.push([printable(row.source), row.reads, row.drifted, row.late, row.writes, row.values])
  }
  return [
    ...(summary.epochs.length > 0 ? [epochs.toString()] : []),
    ...(summary.sources.length > 0 ? [sources.toString()] : []),
  ].join('\n\n')
}

const PLAIN = { head: [], border: [], compact: true }

function fixed(ms: number | undefined): string {
  return ms === undefined ? '–' : ms.toFixed(1)
}

/** A name from a file may hold what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '\u{FFFD}')
}
