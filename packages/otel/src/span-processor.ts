/**
 * Spans that start inside an epoch. The instrumentation sees the span that is active when an epoch opens; of a span that
 * starts later it hears nothing, for only a span processor is told of a start. It keeps nothing and exports nothing.
 */
import type { Span } from '@opentelemetry/api'
import { tryGetEpoch } from 'withepoch'
import { epochAttributes } from './spans.js'

/**
 * Puts name, id and version of the epoch on each span that starts inside it.
 *
 * Use it beside {@link WithEpochInstrumentation} where epochs open before spans start, and to find every span of an epoch,
 * not only the one that it was opened in. It is a `SpanProcessor` of the OpenTelemetry SDK; give it to the tracer provider
 * before the processor that exports.
 *
 * **Caveat** A span in which an epoch opens belongs to that one afterwards: to the first, if there are several.
 *
 * @example
 * const tracerProvider = new BasicTracerProvider({
 *   spanProcessors: [new EpochSpanProcessor(), new SimpleSpanProcessor(exporter)],
 * })
 * withEpoch({ name: 'orders.list' }, () => tracerProvider.getTracer('example').startSpan('query').end())
 * exporter.getFinishedSpans()[0].attributes['withepoch.epoch.name'] // => 'orders.list'
 */
export class EpochSpanProcessor {
  onStart(span: Span): void {
    const epoch = tryGetEpoch()
    if (epoch !== undefined) span.setAttributes(epochAttributes(epoch))
  }

  onEnd(): void {}

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
