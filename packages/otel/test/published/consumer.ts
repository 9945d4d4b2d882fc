/**
 * What a user's strict compiler makes of the published declarations: checked against `dist`, with `skipLibCheck` off, by
 * `npm run typecheck:published`. That it fits is up to OpenTelemetry's own types.
 */
import type { Instrumentation } from '@opentelemetry/instrumentation'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base'
import {
  EpochSpanProcessor,
  WithEpochInstrumentation,
  type WithEpochInstrumentationConfig,
} from '@withepoch/otel'

const config: WithEpochInstrumentationConfig = { drift: false }
export const instrumentation: Instrumentation = new WithEpochInstrumentation(config)
export const processor: SpanProcessor = new EpochSpanProcessor()

registerInstrumentations({
  tracerProvider: new BasicTracerProvider({ spanProcessors: [processor] }),
  instrumentations: [new WithEpochInstrumentation()],
})
