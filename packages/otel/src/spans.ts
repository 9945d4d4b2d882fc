/**
 * What of an epoch stands on spans: its attributes on the span in which it opened, its reads that drifted, were late or
 * conflicted as span events. A loop over rows must not fill a span, so of each kind there is one event per source and
 * epoch, and a count when the epoch closes. This file knows no channel and no metric.
 */
import { type Attributes, type Span, trace, type Tracer, TraceFlags } from '@opentelemetry/api'
import type { Epoch, SourceEvent } from 'withepoch'

/** What one epoch has told so far. */
interface Told {
  /** The span that carries the epoch's attributes, while the epoch is open. */
  span?: Span | undefined
  /** How often, by event name and source. */
  readonly counts: Map<string, Map<string, number>>
}

const DRIFT = 'withepoch.source.drift'

export class EpochSpans {
  /** Spans that belong to an epoch already. */
  readonly #taken = new WeakSet<Span>()
  /** By the epoch, weakly: a late read comes when it has long been closed. */
  readonly #told = new WeakMap<Epoch, Told>()
  tracer: Tracer

  constructor(tracer: Tracer) {
    this.tracer = tracer
  }

  opened(epoch: Epoch): void {
    const span = trace.getActiveSpan()
    if (span?.isRecording() === true) this.#take(span, epoch)
  }

  closed(epoch: Epoch): void {
    const told = this.#told.get(epoch)
    const drifted = told?.counts.get(DRIFT)
    if (drifted !== undefined && told?.span?.isRecording() === true) {
      told.span.setAttributes({
        'withepoch.epoch.drifted_reads': [...drifted.values()].reduce((sum, count) => sum + count, 0),
        'withepoch.epoch.drifted_sources': [...drifted.keys()],
      })
    }
    if (told !== undefined) told.span = undefined
  }

  happened(name: string, event: SourceEvent): void {
    const span = trace.getActiveSpan()
    const { epoch, source } = event
    if (span === undefined || epoch === undefined || !isSampled(span)) return
    if (span.isRecording() && epoch.version !== undefined) this.#take(span, epoch)
    const { counts } = this.#toldOf(epoch)
    const bySource = counts.get(name) ?? new Map<string, number>()
    counts.set(name, bySource)
    const count = (bySource.get(source.name) ?? 0) + 1
    bySource.set(source.name, count)
    if (count === 1) this.#tell(span, name, eventAttributes(event, epoch))
  }

  /** The first epoch that opens in a span gives it its attributes: a request's own comes before those it starts. */
  #take(span: Span, epoch: Epoch): void {
    if (this.#taken.has(span)) return
    this.#taken.add(span)
    span.setAttributes(epochAttributes(epoch))
    this.#toldOf(epoch).span ??= span
  }

  /** Work that outlived its request has a span that was ended and takes no events: a span of its own, in the same trace. */
  #tell(span: Span, name: string, attributes: Attributes): void {
    if (span.isRecording()) span.addEvent(name, attributes)
    else this.tracer.startSpan(name, { attributes }).end()
  }

  #toldOf(epoch: Epoch): Told {
    let told = this.#told.get(epoch)
    if (told === undefined) this.#told.set(epoch, (told = { counts: new Map() }))
    return told
  }
}

/** Whether the trace is to be kept, also when the span has ended. */
function isSampled(span: Span): boolean {
  return span.isRecording() || (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0
}

export function epochAttributes({ id, name, version }: Epoch): Attributes {
  const attributes: Attributes = { 'withepoch.epoch.id': id, 'withepoch.epoch.name': name }
  if (version !== undefined) attributes['withepoch.epoch.version'] = version
  return attributes
}

function eventAttributes({ source, version, described }: SourceEvent, epoch: Epoch): Attributes {
  const attributes = epochAttributes(epoch)
  attributes['withepoch.source.name'] = source.name
  attributes['withepoch.live.version'] = version
  if (described !== undefined) attributes['withepoch.source.described'] = described
  return attributes
}
