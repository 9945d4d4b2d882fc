/**
 * The format of a recording: JSON lines, first a header, then one event per line. Types and validation come from one
 * place, so that what is written is what can be read. A line is flat and plain: numbers, words, and names that the
 * program gave; never a value of a source, unless its `describe` made a text of it.
 *
 * Fields that a reader does not know are left aside, so a later version may add some under the same version number.
 */
import { z } from 'zod'

export const FORMAT = 'withepoch-timeline'
export const FORMAT_VERSION = 1

/** Microseconds since the header's `timeOrigin`, from the monotonic clock. */
const t = z.number().nonnegative()
/** Who read, wrote or asked: on every line that has an epoch, so that a line lost makes no other unreadable. */
const byEpoch = { epoch: z.int().optional(), name: z.string().optional() }
const ofEpoch = { epoch: z.int(), name: z.string() }
const ofSource = {
  source: z.string(),
  ...byEpoch,
  version: z.number().optional(),
  described: z.string().optional(),
}
const ofMemo = { memo: z.string(), ...byEpoch }
const ofGroup = { group: z.string(), brokenForMs: z.number(), live: z.boolean() }

const shown = z.union([z.string(), z.number(), z.boolean(), z.null()])

/** What a mark says, as an adopter gives it; `MarkEvent` is the line that it becomes. */
const markSchema = z.object({
  /** The track that it stands in, a heading of its own. */
  track: z.string(),
  /** What it is, in a word or two. */
  label: z.string(),
  /** Which lane of the track; a lane per word, in the order of the words. */
  lane: z.string().optional(),
  /** `point`, `span` (with `durationMs`, ending now) or `state` (until the next state of the track). */
  kind: z.enum(['point', 'span', 'state']).optional(),
  durationMs: z.number().nonnegative().optional(),
  /** Points of one series are joined by a line, across lanes. */
  series: z.string().optional(),
  /** More to show, where the mark is looked at. */
  fields: z.record(z.string(), shown).optional(),
})

const headerSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  pid: z.int(),
  node: z.string(),
  /** Milliseconds since 1970 at which the clock of the lines was 0. */
  timeOrigin: z.number(),
  /** When the recording started, on the clock of the lines. */
  t,
})

const eventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('epoch:open'),
    t,
    ...ofEpoch,
    parent: z.int().optional(),
    version: z.number().optional(),
    observing: z.boolean().optional(),
  }),
  z.object({ type: z.literal('epoch:close'), t, ...ofEpoch }),
  z.object({
    type: z.literal('epoch:overdue'),
    t,
    ...ofEpoch,
    ageMs: z.number(),
    maxAgeMs: z.number(),
    closed: z.boolean(),
    stack: z.string().optional(),
  }),
  z.object({
    type: z.literal('source:read'),
    t,
    ...ofSource,
    /** Equal numbers, equal values; of this source alone. */
    valueId: z.int(),
    /** The number of the live value at that moment; another than `valueId`: the read drifted. */
    liveValueId: z.int(),
    /** As in `ReadEvent`; `committed`: live by declaration, of a `read-committed` source, so that two values are no tear. */
    from: z.enum(['pinned', 'live', 'late', 'committed']),
  }),
  z.object({
    type: z.literal('source:write'),
    t,
    ...ofSource,
    valueId: z.int().optional(),
    to: z.enum(['live', 'local', 'polled']),
  }),
  z.object({ type: z.literal('source:write-conflict'), t, ...ofSource }),
  z.object({ type: z.literal('source:drift'), t, ...ofSource }),
  z.object({ type: z.literal('source:late-read'), t, ...ofSource }),
  z.object({ type: z.literal('source:retire'), t, ...ofSource }),
  z.object({ type: z.literal('group:broken'), t, ...ofGroup }),
  z.object({ type: z.literal('group:error'), t, ...ofGroup, error: z.string().optional() }),
  z.object({ type: z.literal('memo:hit'), t, ...ofMemo }),
  z.object({ type: z.literal('memo:miss'), t, ...ofMemo }),
  z.object({ type: z.literal('derived:hit'), t, ...ofMemo }),
  z.object({ type: z.literal('derived:miss'), t, ...ofMemo }),
  z.object({ type: z.literal('mark'), t, ...byEpoch, ...markSchema.shape }),
  z.object({ type: z.literal('dropped'), t, count: z.int() }),
  z.object({ type: z.literal('stop'), t, events: z.int(), dropped: z.int() }),
])

/** An event of your own, in a recording. */
export type Mark = z.infer<typeof markSchema>
export type RecordingHeader = z.infer<typeof headerSchema>
/** One line of a recording after its header. `type` is the channel without its `withepoch:`, or one of `mark`, `dropped`, `stop`. */
export type TimelineEvent = z.infer<typeof eventSchema>
export type EventOf<Type extends TimelineEvent['type']> = Extract<TimelineEvent, { type: Type }>

/** A recording that has been read. */
export interface Recording {
  readonly header: RecordingHeader
  /** In the order in which they happened. */
  readonly events: readonly TimelineEvent[]
  /** Lines that could not be read, by their number from 1; the first hundred. */
  readonly problems: readonly { readonly line: number; readonly message: string }[]
  /** How many lines could not be read. */
  readonly unreadable: number
  /** Whether the last line is cut short, as by a process that was killed. */
  readonly truncated: boolean
}

export type Checked<T> = { readonly value: T } | { readonly problem: string }

export function checkHeader(json: unknown): Checked<RecordingHeader> {
  return check(headerSchema, json)
}

export function checkEvent(json: unknown): Checked<TimelineEvent> {
  return check(eventSchema, json)
}

export function checkMark(mark: unknown): Checked<Mark> {
  return check(markSchema, mark)
}

/** The problem names fields and kinds, never what stood there. */
function check<T>(schema: z.ZodType<T>, json: unknown): Checked<T> {
  const parsed = schema.safeParse(json)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  const path = issue!.path.join('.')
  const what = issue!.code === 'invalid_union' ? 'no kind of event that is known' : issue!.message
  return { problem: `${path === '' ? '' : `${path}: `}${what}` }
}
