/**
 * A recording as a trace in the Trace Event Format, which Perfetto (ui.perfetto.dev) and the performance panel of
 * Chrome's developer tools open.
 *
 * - An epoch is a pair of nestable async events (`b`, `e`). Events of one `id` must nest, so a fork that ends inside its
 *   parent shares the parent's id and is drawn below it; one that outlives it, or overlaps a sister, has its own.
 * - What happens at an instant is an `I` on a thread: one per source, one for memos, one per track of marks.
 * - How many epochs are open is a counter, `C`.
 *
 * The category of epochs and instants is `blink.user_timing`: the only one that the performance panel shows for events
 * that are not the browser's own. Format: "Trace Event Format", Google, and Perfetto's page on external formats.
 */
import { withObservedCalls } from './observed.js'
import type { Recording, TimelineEvent } from './recording.js'

export interface TraceEvent {
  readonly name: string
  readonly cat?: string
  /** b, e: an epoch begins, ends. I: an instant. C: a counter. X: a span. M: names a process or thread. */
  readonly ph: 'b' | 'e' | 'I' | 'C' | 'X' | 'M'
  /** Microseconds. */
  readonly ts: number
  readonly dur?: number
  readonly pid: number
  readonly tid: number
  readonly id?: string
  /** Scope of an instant: its thread. */
  readonly s?: 't'
  readonly args: Readonly<Record<string, unknown>>
}

export interface Trace {
  readonly traceEvents: readonly TraceEvent[]
  readonly displayTimeUnit: 'ms'
  readonly otherData: Readonly<Record<string, string>>
}

const CATEGORY = 'blink.user_timing'
const MAIN_THREAD = 1

/**
 * Makes a trace of a recording. Write it with `JSON.stringify` into a file of its own.
 *
 * @example
 * import { parseRecording, toTrace } from '@withepoch/timeline'
 * const recording = await parseRecording([
 *   '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n',
 *   '{"type":"epoch:open","t":1000,"epoch":1,"name":"page"}\n',
 *   '{"type":"epoch:close","t":3000,"epoch":1,"name":"page"}\n',
 * ])
 * const spans = toTrace(recording).traceEvents.filter(({ id }) => id !== undefined)
 * spans.map(({ ph, name, ts }) => [ph, name, ts]) // => [['b', 'page', 1000], ['e', 'page', 3000]]
 */
export function toTrace(recorded: Recording): Trace {
  const recording = withObservedCalls(recorded)
  const { header, events } = recording
  const { pid } = header
  const traceEvents: TraceEvent[] = []
  const threads = new Map<string, number>()
  const name = (ph: 'process_name' | 'thread_name', tid: number, text: string) => {
    traceEvents.push({ name: ph, ph: 'M', ts: header.t, pid, tid, cat: '__metadata', args: { name: text } })
  }
  const threadOf = (text: string) => {
    let tid = threads.get(text)
    if (tid === undefined) {
      tid = MAIN_THREAD + 1 + threads.size
      threads.set(text, tid)
      name('thread_name', tid, text)
    }
    return tid
  }
  name('process_name', MAIN_THREAD, `withEpoch, node ${header.node}`)
  name('thread_name', MAIN_THREAD, 'epochs')

  const spans = spansOf(recording)
  let open = 0
  const count = (t: number) => {
    traceEvents.push({
      name: 'open epochs',
      cat: 'withepoch',
      ph: 'C',
      ts: t,
      pid,
      tid: MAIN_THREAD,
      args: { open },
    })
  }
  count(header.t)

  const lastT = events.at(-1)?.t ?? header.t
  const bound = (ph: 'b' | 'e', span: Span, ts: number, args: Record<string, unknown>) => {
    traceEvents.push({ name: span.name, cat: CATEGORY, ph, ts, pid, tid: MAIN_THREAD, id: span.track, args })
  }
  for (const event of events) {
    switch (event.type) {
      case 'epoch:open': {
        const { epoch, parent, version, observing } = event
        open += 1
        bound('b', spans.get(epoch)!, event.t, { epoch, parent, version, observing })
        count(event.t)
        break
      }
      case 'epoch:close': {
        const span = spans.get(event.epoch)
        if (span === undefined) break // it was open before the recording started
        open -= 1
        bound('e', span, event.t, {})
        count(event.t)
        break
      }
      default: {
        const instant = instantOf(event)
        if (instant === undefined) break
        const { thread, label, durationUs, args } = instant
        const at = { name: label, cat: CATEGORY, pid, tid: threadOf(thread), args }
        if (durationUs === undefined) traceEvents.push({ ...at, ph: 'I', s: 't', ts: event.t })
        else traceEvents.push({ ...at, ph: 'X', ts: event.t - durationUs, dur: durationUs })
      }
    }
  }
  // The innermost first, as nesting asks for.
  const stillOpen = [...spans.values()].filter((span) => span.end === undefined)
  for (const span of stillOpen.toReversed()) bound('e', span, lastT, { open: true })

  return {
    traceEvents,
    displayTimeUnit: 'ms',
    otherData: {
      recordedBy: '@withepoch/timeline',
      node: header.node,
      timeOriginMs: String(header.timeOrigin),
    },
  }
}

interface Span {
  readonly name: string
  readonly start: number
  readonly end: number | undefined
  /** The id that it has in the trace; of those with one id, each nests in the one before. */
  readonly track: string
}

/** Epochs by their id, in the order in which they opened. */
function spansOf({ events }: Recording): Map<number, Span> {
  const ends = new Map<number, number>()
  for (const event of events) if (event.type === 'epoch:close') ends.set(event.epoch, event.t)
  const spans = new Map<number, Span>()
  /** Per track those that are open, innermost last. */
  const stacks = new Map<string, { epoch: number; end: number }[]>()
  for (const event of events) {
    if (event.type !== 'epoch:open') continue
    const { epoch, name, parent, t: start } = event
    const end = ends.get(epoch)
    const own = `0x${epoch.toString(16)}`
    const track = parent === undefined ? own : (spans.get(parent)?.track ?? own)
    const stack = stacks.get(track) ?? []
    // Of two that end at one moment the line that came later ends later: only what lies strictly inside is nested.
    while (stack.length > 0 && stack.at(-1)!.end < start) stack.pop()
    const top = stack.at(-1)
    const nests = top !== undefined && top.epoch === parent && (end ?? Infinity) < top.end
    const openEnded = top !== undefined && top.epoch === parent && end === undefined && top.end === Infinity
    if (track !== own && (nests || openEnded)) {
      stack.push({ epoch, end: end ?? Infinity })
      spans.set(epoch, { name, start, end, track })
    } else {
      stacks.set(own, [{ epoch, end: end ?? Infinity }])
      spans.set(epoch, { name, start, end, track: own })
    }
  }
  return spans
}

type Instant = { thread: string; label: string; durationUs?: number; args: Record<string, unknown> }

function instantOf(event: TimelineEvent): Instant | undefined {
  switch (event.type) {
    case 'source:read': {
      const { t: _, type: __, source, ...args } = event
      const what =
        event.from === 'late' ? 'late read' : event.valueId === event.liveValueId ? 'read' : 'drift'
      return { thread: `source ${source}`, label: what, args }
    }
    case 'source:write':
    case 'source:write-conflict':
    case 'source:drift':
    case 'source:late-read':
    case 'source:retire': {
      const { t: _, type, source, ...args } = event
      return { thread: `source ${source}`, label: type.slice('source:'.length).replace('-', ' '), args }
    }
    case 'memo:hit':
    case 'memo:miss':
    case 'derived:hit':
    case 'derived:miss': {
      const { t: _, type, memo, ...args } = event
      return { thread: 'memos', label: `${type.replace(':', ' ')}: ${memo}`, args }
    }
    case 'group:broken':
    case 'group:error': {
      const { t: _, type, group, ...args } = event
      return { thread: `group ${group}`, label: type.replace(':', ' '), args }
    }
    case 'epoch:overdue': {
      const { t: _, type: __, ...args } = event
      return { thread: 'overdue', label: `overdue: ${event.name}`, args }
    }
    case 'mark': {
      const { t: _, type: __, track, label, kind, durationMs, ...args } = event
      const spanned = kind === 'span' && durationMs !== undefined
      return { thread: track, label, ...(spanned ? { durationUs: durationMs * 1000 } : {}), args }
    }
    case 'dropped':
      return { thread: 'recorder', label: `${event.count} events dropped`, args: { count: event.count } }
    default:
      return undefined
  }
}
