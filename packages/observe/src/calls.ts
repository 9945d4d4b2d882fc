/**
 * Counts what calls see, read by read, so that no call has to have an end. What is known of a call hangs on its epoch,
 * weakly, and goes with it. Values are told apart by the numbers that the channels give them; none is ever held here. Who
 * listens and who prints is not known here.
 */
import type { Epoch, ReadEvent, Source, WriteEvent } from 'withepoch'
import { publish } from 'withepoch'
import type { Example, SourceReport } from './report.js'
import { type AnyFunction, Ration, type RawSite, siteOf } from './sites.js'

/** What one call has seen of one source. */
interface Seen {
  readonly row: Row
  /** The number of the value read last, or written by the call itself since. */
  last: number
  /** The numbers read, since the call last wrote the source itself; some of them, where there are very many. */
  readonly numbers: Set<number>
  /** How many values it saw in all. */
  count: number
  isTorn: boolean
  isAverted: boolean
  /** Of the last read, where it was taken. */
  site: RawSite | undefined
  described: string | undefined
}

interface Call {
  readonly name: string
  readonly beganAt: number
  /** That of the epoch's snapshot; it moves with `advance()`, after which another value is no tear. */
  version: number | undefined
  readonly seen: Map<Source<unknown>, Seen>
}

/** What is counted for one source and one name of calls. */
interface Row {
  readonly source: string
  readonly call: string
  readonly isolation: string
  calls: number
  reads: number
  torn: number
  averted: number
  late: number
  most: number
  readonly histogram: Map<number, number>
  example: Example | undefined
}

/** The last write of a source that was seen. */
interface LastWrite {
  readonly valueId: number
  readonly to: WriteEvent['to']
  readonly site: RawSite | undefined
}

/** How many names of calls are told apart for one source; names that are made of ids must not fill the memory. */
const MAX_NAMES = 200
/** A call's values are counted up to here. */
const MOST = 10

export class Calls {
  readonly #callMs: number
  readonly #reads: Ration
  readonly #writes: Ration
  readonly #calls = new WeakMap<Epoch, Call>()
  /** Those that a door has opened: they have no known end, so what is read after their epoch's is theirs still. */
  readonly #entered = new WeakSet<Epoch>()
  readonly #rows = new Map<string, Map<string, Row>>()
  readonly #lastWrites = new WeakMap<Source<unknown>, LastWrite>()
  readonly #outside = new Map<string, number>()
  #uncounted = 0

  constructor(callMs: number, stacksPerSecond: number) {
    this.#callMs = callMs
    this.#reads = new Ration(stacksPerSecond)
    this.#writes = new Ration(stacksPerSecond)
  }

  /** A door has opened `epoch` for a call. */
  enter(epoch: Epoch): void {
    this.#entered.add(epoch)
    this.#calls.set(epoch, begin(epoch))
  }

  closed(epoch: Epoch): void {
    if (!this.#entered.has(epoch)) this.#calls.delete(epoch)
  }

  read(event: ReadEvent): void {
    const { source, epoch, from } = event
    if (epoch === undefined) {
      this.#outside.set(source.name, (this.#outside.get(source.name) ?? 0) + 1)
      return
    }
    const row = this.#rowOf(source, epoch.name)
    const call = this.#callOf(epoch, from)
    if (row === undefined || call === 'past') this.#uncounted++
    else if (call === 'late') row.late++
    else this.#count(event, row, this.#seenOf(call, row, event))
  }

  /** What a call writes itself it may see: no tear. */
  write(event: WriteEvent): void {
    const { source, epoch, to, valueId } = event
    const seen = epoch && this.#calls.get(epoch)?.seen.get(source)
    if (seen !== undefined) {
      seen.last = valueId
      seen.numbers.clear()
      seen.numbers.add(valueId)
    }
    if (to === 'local') return
    const rows = this.#rows.get(source.name)
    const isWanted = to === 'live' && (rows === undefined || anyWantsSites(rows))
    const { set, update } = source as Partial<Record<'set' | 'update', AnyFunction>>
    const site = isWanted ? this.#writes.take([set, update, publish]) : undefined
    this.#lastWrites.set(source, { valueId, to, site })
  }

  rows(): SourceReport[] {
    return Array.from(this.#rows.values(), (byCall) => Array.from(byCall.values(), reportOf)).flat()
  }

  get outside(): Record<string, number> {
    return Object.fromEntries(this.#outside)
  }

  get uncounted(): number {
    return this.#uncounted
  }

  #callOf(epoch: Epoch, from: ReadEvent['from']): Call | 'late' | 'past' {
    const known = this.#calls.get(epoch)
    if (this.#entered.has(epoch)) {
      if (known !== undefined && performance.now() - known.beganAt <= this.#callMs) return known
      this.#calls.delete(epoch)
      return 'past'
    }
    if (known !== undefined) return known
    if (from === 'late' || epoch.phase === 'closed') return 'late'
    const call = begin(epoch)
    this.#calls.set(epoch, call)
    return call
  }

  #rowOf({ name, isolation }: Source<unknown>, call: string): Row | undefined {
    let byCall = this.#rows.get(name)
    if (byCall === undefined) this.#rows.set(name, (byCall = new Map<string, Row>()))
    let row = byCall.get(call)
    if (row === undefined && byCall.size < MAX_NAMES) {
      const counts = { calls: 0, reads: 0, torn: 0, averted: 0, late: 0, most: 0 }
      row = { source: name, call, isolation, ...counts, histogram: new Map(), example: undefined }
      byCall.set(call, row)
    }
    return row
  }

  #seenOf(call: Call, row: Row, { source, epoch, valueId, described }: ReadEvent): Seen {
    const version = epoch?.version
    if (version !== undefined && version !== call.version) {
      call.version = version
      for (const seen of call.seen.values()) seen.last = -1
    }
    let seen = call.seen.get(source)
    if (seen === undefined) {
      seen = {
        row,
        last: valueId,
        numbers: new Set([valueId]),
        count: 1,
        isTorn: false,
        isAverted: false,
        site: undefined,
        described,
      }
      call.seen.set(source, seen)
      row.calls++
      recount(row, 1)
    }
    return seen
  }

  #count(event: ReadEvent, row: Row, seen: Seen): void {
    const { source, epoch, valueId, liveValueId, described, from } = event
    row.reads++
    // Of what is pinned another number is no other value: after many others it was given a new one.
    const hasChanged = seen.last !== -1 && valueId !== seen.last && from !== 'pinned'
    const site = wantsSites(row)
      ? // oxlint-disable-next-line typescript/unbound-method -- named to find them on the stack, not called
        this.#reads.take([source.get, epoch?.get])
      : undefined
    if (hasChanged && seen.count < MOST && !seen.numbers.has(valueId)) recount(row, ++seen.count)
    if (seen.numbers.size < MOST) seen.numbers.add(valueId)
    if (source.isolation !== 'read-committed') {
      if (hasChanged) {
        if (!seen.isTorn) row.torn++
        seen.isTorn = true
      }
      if (valueId !== liveValueId) {
        if (!seen.isAverted) row.averted++
        seen.isAverted = true
      }
      if ((hasChanged || valueId !== liveValueId) && wantsSites(row)) {
        this.#improve(row, event, seen, site)
      }
    }
    seen.last = valueId
    seen.site = site
    seen.described = described
  }

  /** Keeps this one as the row's example if it says more than the one there is. */
  #improve(
    row: Row,
    { source, liveValueId, described }: ReadEvent,
    before: Seen,
    now: RawSite | undefined,
  ): void {
    const write = this.#lastWrites.get(source)
    const isItsWrite = write?.valueId === liveValueId
    const noticed = !isItsWrite ? 'unseen' : write.to === 'polled' ? 'polled' : 'write'
    const writeSite = isItsWrite ? write.site : undefined
    if (weight(before.site, writeSite, now) <= weightOf(row.example)) return
    const sites = Object.entries({ firstRead: before.site, write: writeSite, secondRead: now })
    row.example = {
      ...Object.fromEntries(sites.flatMap(([name, raw]) => (raw === undefined ? [] : [[name, siteOf(raw)]]))),
      ...(before.described === undefined ? {} : { firstValue: before.described }),
      noticed,
      ...(described === undefined ? {} : { secondValue: described }),
    }
  }
}

function begin({ name, version }: Epoch): Call {
  return { name, beganAt: performance.now(), version, seen: new Map() }
}

/** One more value in one call: it moves up by one in the histogram. */
function recount(row: Row, values: number): void {
  const { histogram } = row
  if (values > 1) histogram.set(values - 1, histogram.get(values - 1)! - 1)
  histogram.set(values, (histogram.get(values) ?? 0) + 1)
  row.most = Math.max(row.most, values)
}

/** How good an example is: the place of the write says most, then that of the second read. */
function weight(firstRead: unknown, write: unknown, secondRead: unknown): number {
  return (
    1 + (write === undefined ? 0 : 4) + (secondRead === undefined ? 0 : 2) + (firstRead === undefined ? 0 : 1)
  )
}

function weightOf(example: Example | undefined): number {
  return example === undefined ? 0 : weight(example.firstRead, example.write, example.secondRead)
}

/** Whether stacks may still make its example better. Of a write that nobody tells of there will never be one. */
function wantsSites({ example }: Row): boolean {
  const best =
    example === undefined || example.noticed === 'write' ? weight(1, 1, 1) : weight(1, undefined, 1)
  return weightOf(example) < best
}

function anyWantsSites(rows: ReadonlyMap<string, Row>): boolean {
  for (const row of rows.values()) if (wantsSites(row)) return true
  return false
}

function reportOf({ histogram, most, example, ...counts }: Row): SourceReport {
  const calls = Array.from(
    histogram,
    ([values, times]) => [values < MOST ? String(values) : `${MOST}+`, times] as const,
  )
  return {
    ...counts,
    values: { most, calls: Object.fromEntries(calls.filter(([, times]) => times > 0)) },
    ...(example === undefined ? {} : { example }),
  }
}
