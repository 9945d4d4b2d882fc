/** An OpenTelemetry SDK that keeps what it is told, and prints it. A service would have `NodeSDK` and an exporter here. */
import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

const spans = new InMemorySpanExporter()
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const meterProvider = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: metricExporter })],
})

export function startTelemetry(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }))
  metrics.setGlobalMeterProvider(meterProvider)
}

/** Prints each span with its events, a span that follows from another under it, and the values of the metrics. */
export async function showTelemetry(): Promise<void> {
  const all = spans.getFinishedSpans()
  for (const span of all.filter(({ parentSpanContext }) => parentSpanContext === undefined)) {
    show('span ', span)
    for (const event of span.events) show('  event', event)
    for (const child of all) {
      if (child.parentSpanContext?.spanId === span.spanContext().spanId) show('  span ', child)
    }
  }
  await meterProvider.shutdown()
  for (const { metrics: found } of metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)) {
    for (const { descriptor, dataPoints } of found) {
      for (const { attributes, value } of dataPoints) {
        const number = typeof value === 'number' ? value : value.count
        show(`metric ${number}`, { name: descriptor.name, attributes })
      }
    }
  }
}

function show(
  what: string,
  { name, attributes = {} }: { name: string; attributes?: object | undefined },
): void {
  const pairs = Object.entries(attributes).map(([key, value]) => `\n      ${key} = ${String(value)}`)
  console.log(`${what} ${name}${pairs.join('')}`)
}
