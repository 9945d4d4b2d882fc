/**
 * A recording in columns, as the page carries it: one array per field, every string once. A hundred thousand events are
 * some 4 MB this way, and the page reads them without making an object of each. What few events have stands apart, in
 * `extra`.
 */
import { withObservedCalls } from './observed.js'
import type { Recording, TimelineEvent } from './recording.js'

/** The kinds of event, by the code that stands in `type`. */
export const TYPES = [
  'epoch:open',
  'epoch:close',
  'epoch:overdue',
  'source:read',
  'source:write',
  'source:write-conflict',
  'source:drift',
  'source:late-read',
  'source:retire',
  'group:broken',
  'group:error',
  'memo:hit',
  'memo:miss',
  'derived:hit',
  'derived:miss',
  'mark',
  'dropped',
  'stop',
] as const satisfies readonly TimelineEvent['type'][]

/** Stands where an event has no epoch, no text or no number. */
export const NONE = -1

/** The rare fields of one event, by name: what the details show of it beside its columns. */
export type Extra = Readonly<Record<string, unknown>>

export interface PageData {
  readonly title: string
  readonly pid: number
  readonly node: string
  /** Milliseconds since 1970 at time 0. */
  readonly timeOrigin: number
  /** Microseconds. */
  readonly start: number
  readonly end: number
  readonly dropped: number
  readonly unreadable: number
  readonly truncated: boolean
  readonly strings: readonly string[]
  /** Microseconds since the event before; the first since `start`. */
  readonly dt: readonly number[]
  /** Index into `TYPES`. */
  readonly type: readonly number[]
  readonly epoch: readonly number[]
  /** The epoch's name; index into `strings`, as are `subject` and `word`. */
  readonly name: readonly number[]
  /** The source, memo, group or track. */
  readonly subject: readonly number[]
  /** `from` of a read, `to` of a write, the label of a mark. */
  readonly word: readonly number[]
  readonly value: readonly number[]
  readonly live: readonly number[]
  readonly version: readonly number[]
  /** By index of the event. */
  readonly extra: readonly (readonly [number, Extra])[]
}

/** Puts a recording into columns. */
export function packRecording(recording: Recording, title: string): PageData {
  const { header, events } = withObservedCalls(recording)
  const strings: string[] = []
  const indexes = new Map<string, number>()
  const intern = (text: string | undefined) => {
    if (text === undefined) return NONE
    let index = indexes.get(text)
    if (index === undefined) {
      index = strings.push(text) - 1
      indexes.set(text, index)
    }
    return index
  }
  const columns = {
    dt: [],
    type: [],
    epoch: [],
    name: [],
    subject: [],
    word: [],
    value: [],
    live: [],
    version: [],
  } as {
    [Column in 'dt' | 'type' | 'epoch' | 'name' | 'subject' | 'word' | 'value' | 'live' | 'version']: number[]
  }
  const extra: [number, Extra][] = []
  let dropped = 0
  let before = header.t
  for (const event of events.toSorted((a, b) => a.t - b.t)) {
    if (event.type === 'dropped') dropped += event.count
    const {
      type,
      t,
      epoch,
      name,
      source,
      memo,
      group,
      track,
      from,
      to,
      label,
      valueId,
      liveValueId,
      version,
      ...rest
    } = event as Record<string, unknown> & TimelineEvent
    const index = columns.type.push(TYPES.indexOf(type)) - 1
    columns.dt.push(t - before)
    before = t
    columns.epoch.push((epoch as number | undefined) ?? NONE)
    columns.name.push(intern(name as string | undefined))
    columns.subject.push(intern((source ?? memo ?? group ?? track) as string | undefined))
    columns.word.push(intern((from ?? to ?? label) as string | undefined))
    columns.value.push((valueId as number | undefined) ?? NONE)
    columns.live.push((liveValueId as number | undefined) ?? NONE)
    columns.version.push((version as number | undefined) ?? NONE)
    if (Object.values(rest).some((value) => value !== undefined)) extra.push([index, rest])
  }
  return {
    title,
    pid: header.pid,
    node: header.node,
    timeOrigin: header.timeOrigin,
    start: Math.min(header.t, events[0]?.t ?? header.t),
    end: before,
    dropped,
    unreadable: recording.unreadable,
    truncated: recording.truncated,
    strings,
    ...columns,
    extra,
  }
}
