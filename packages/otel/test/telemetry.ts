/**
 * A real OpenTelemetry SDK, as a service would register it, that exports into memory: the global tracer and meter
 * provider and the context manager on AsyncLocalStorage. `afterEach` takes it all down again.
 */
import { isDeepStrictEqual } from 'node:util'
import { context, diag, DiagLogLevel, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import type { SpanProcessor, ReadableSpan, Sampler } from '@opentelemetry/sdk-trace-base'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { DataPoint, Histogram, MetricData, ViewOptions } from '@opentelemetry/sdk-metrics'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { afterEach } from 'vitest'
import { WithEpochInstrumentation, type WithEpochInstrumentationConfig } from '@withepoch/otel'

let cleanups: Array<() => unknown> = []

/** Runs `cleanup` when the test is over, the last one first. */
export function after(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
  cleanups = []
})

export interface TelemetryOptions {
  processors?: SpanProcessor[]
  sampler?: Sampler
  views?: ViewOptions[]
  temporality?: AggregationTemporality
}

export interface Telemetry {
  readonly tracer: ReturnType<BasicTracerProvider['getTracer']>
  readonly tracerProvider: BasicTracerProvider
  readonly meterProvider: MeterProvider
  readonly spanExporter: InMemorySpanExporter
  /** The spans that have ended, in that order. */
  readonly spans: () => ReadableSpan[]
  /** The span of that name that has ended; there must be just one. */
  readonly span: (name: string) => ReadableSpan
  /** What a collection finds now, by metric name. */
  readonly collect: () => Promise<Map<string, MetricData>>
  /** The value of one series of a metric now; undefined when there is none. */
  readonly value: (metric: string, attributes?: object) => Promise<unknown>
}

/** Registers an SDK globally. */
export function startTelemetry(options: TelemetryOptions = {}): Telemetry {
  const { processors = [], sampler, views = [], temporality = AggregationTemporality.CUMULATIVE } = options
  const spanExporter = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({
    ...(sampler === undefined ? {} : { sampler }),
    spanProcessors: [...processors, new SimpleSpanProcessor(spanExporter)],
  })
  const metricExporter = new InMemoryMetricExporter(temporality)
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 2 ** 31 - 1,
    exportTimeoutMillis: 10_000,
  })
  const meterProvider = new MeterProvider({ readers: [reader], views })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(tracerProvider)
  metrics.setGlobalMeterProvider(meterProvider)
  after(async () => {
    context.disable()
    trace.disable()
    metrics.disable()
    await tracerProvider.shutdown()
    await meterProvider.shutdown()
  })

  async function collect(): Promise<Map<string, MetricData>> {
    metricExporter.reset()
    await reader.forceFlush()
    const found = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
    return new Map(
      found.flatMap((scope) => scope.metrics).map((metric) => [metric.descriptor.name, metric] as const),
    )
  }

  return {
    tracer: tracerProvider.getTracer('test'),
    tracerProvider,
    meterProvider,
    spanExporter,
    spans: () => spanExporter.getFinishedSpans(),
    span(name) {
      const found = spanExporter.getFinishedSpans().filter((span) => span.name === name)
      if (found.length !== 1) throw new Error(`${found.length} ended spans are named "${name}"`)
      return found[0]!
    },
    collect,
    async value(metric, attributes = {}) {
      const points = (await collect()).get(metric)?.dataPoints as
        | Array<DataPoint<number | Histogram>>
        | undefined
      return points?.find((point) => sameAttributes(point.attributes, attributes))?.value
    },
  }
}

/** What OpenTelemetry complains of from here on: a write to a span that has ended, for one. */
export function complaints(): unknown[] {
  const heard: unknown[] = []
  const hear = (message: string) => void heard.push(message)
  const ignore = () => {}
  diag.setLogger(
    { error: hear, warn: hear, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  after(() => diag.disable())
  return heard
}

/** An instrumentation that is disabled when the test is over. */
export function instrument(config?: WithEpochInstrumentationConfig): WithEpochInstrumentation {
  const instrumentation = new WithEpochInstrumentation(config)
  after(() => instrumentation.disable())
  return instrumentation
}

function sameAttributes(a: object, b: object): boolean {
  const pairs = (attributes: object) =>
    Object.entries(attributes)
      .map(([key, value]) => `${key}=${value}`)
      .sort()
  return isDeepStrictEqual(pairs(a), pairs(b))
}
