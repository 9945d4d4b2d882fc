/** Two requests beside a reload of the configuration: one drifts, one leaves a timer behind that reads too late. */
import { setTimeout as pause } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import { WithEpochInstrumentation } from '@withepoch/otel'
import { cell, withEpoch } from 'withepoch'
import { showTelemetry, startTelemetry } from './telemetry.js'

startTelemetry()
const instrumentation = new WithEpochInstrumentation()
const tracer = trace.getTracer('example')
const region = cell('config.region', 'eu-1', { describe: (value) => value })
const password = cell('config.password', 'hunter2') // not described, so never shown

async function listOrders(): Promise<void> {
  for (let row = 0; row < 20; row++) {
    await pause(1) // a query
    region.get()
    password.get()
  }
}

function sendReport(): void {
  setTimeout(() => region.get(), 60) // forgotten: nobody waits for it
}

/** As an HTTP instrumentation and an adapter would do it. */
function request(name: string, handler: () => unknown): Promise<void> {
  return tracer.startActiveSpan(name, async (span) => {
    await withEpoch({ name, ifNested: 'fresh' }, handler)
    span.end()
  })
}

const answers = [request('GET /orders', listOrders), request('POST /report', sendReport)]
region.set('eu-2') // a reload
password.set('hunter3')
await Promise.all([...answers, pause(120)])
await showTelemetry()
instrumentation.disable()
