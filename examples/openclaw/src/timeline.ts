/**
 * The gateway's own diagnostics timeline, one JSON object per line: which spans began and ended, and inside which
 * other span. From it the scans of a call are counted, by the program and not by us. Knows no file.
 */

/** What is read of an `openclaw.diagnostics.v1` record. */
export interface TimelineEvent {
  readonly type: string
  readonly name: string
  readonly spanId?: string
  readonly parentSpanId?: string
  readonly durationMs?: number
  readonly attributes?: Readonly<Record<string, unknown>>
}

/** The span that the gateway opens around each call of `sessions.list`. */
const CALL = 'gateway.sessions.list'

/** `loadPluginMetadataSnapshot`. One span for a scan of all manifests, and one for a copy of the remembered result. */
const SCAN = 'plugins.metadata.scan'

export interface Scans {
  /** Inside the call's own span. */
  readonly scans: number
  /** Results that the program's memo had; they are no scans. */
  readonly hits: number
  /** Everybody's scans while the call was under way, the call's own among them. */
  readonly around: number
}

export function parseTimeline(text: string): TimelineEvent[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TimelineEvent)
}

/** One entry per call of `sessions.list` that the events hold, in the order in which the calls began. */
export function scansByCall(events: readonly TimelineEvent[]): Scans[] {
  const parents = new Map<string, string>()
  const calls = new Map<string, { scans: number; hits: number; around: number }>()
  const open = new Set<string>()
  for (const { type, name, spanId = '', parentSpanId, attributes } of events) {
    if (type !== 'span.start') {
      if (name === CALL) open.delete(spanId)
      continue
    }
    if (parentSpanId !== undefined) parents.set(spanId, parentSpanId)
    if (name === CALL) {
      calls.set(spanId, { scans: 0, hits: 0, around: 0 })
      open.add(spanId)
    }
    if (name !== SCAN) continue
    const own = calls.get(callAround(spanId, parents, calls) ?? '')
    if (attributes?.['cacheHit'] === true) {
      if (own) own.hits++
      continue
    }
    if (own) own.scans++
    for (const id of open) calls.get(id)!.around++
  }
  return [...calls.values()]
}

function callAround(
  spanId: string,
  parents: ReadonlyMap<string, string>,
  calls: ReadonlyMap<string, unknown>,
): string | undefined {
  for (let id: string | undefined = spanId; id !== undefined; id = parents.get(id)) {
    if (calls.has(id)) return id
  }
  return undefined
}
