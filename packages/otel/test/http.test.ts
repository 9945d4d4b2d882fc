/**
 * Over a real server, instrumented as services are: `@opentelemetry/instrumentation-http` opens a span for each request,
 * the handler an epoch in it. Requests overlap: the first waits until the second has changed what it reads.
 */
import { createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { SpanKind, trace } from '@opentelemetry/api'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { expect, test } from 'vitest'
import { type Epoch, getEpoch, tryGetEpoch, withEpoch } from 'withepoch'
import { EpochSpanProcessor, WithEpochInstrumentation } from '@withepoch/otel'
import { aCell } from './a-cell.js'
import { after, startTelemetry, type Telemetry } from './telemetry.js'

/** One for all tests: it patches the prototypes of the http module when that is next required, and only then. */
const http = new HttpInstrumentation()
createRequire(import.meta.url)('node:http')

/** An SDK with both instrumentations and the processor. */
function startInstrumented(): Telemetry {
  const telemetry = startTelemetry({ processors: [new EpochSpanProcessor()] })
  const { tracerProvider, meterProvider } = telemetry
  const ours = new WithEpochInstrumentation()
  after(() => ours.disable())
  registerInstrumentations({ tracerProvider, meterProvider, instrumentations: [http, ours] })
  return telemetry
}

async function listen(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  after(() => new Promise((resolve) => server.close(resolve)))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The server's spans by path, once they have all ended. */
async function serverSpans({ spans }: Telemetry, count: number): Promise<Map<string, ReadableSpan>> {
  for (;;) {
    const found = spans().filter(({ kind }) => kind === SpanKind.SERVER)
    if (found.length === count)
      return new Map(found.map((span) => [String(span.attributes['url.path']), span]))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('each request has its own span and its own epoch, and its drift is told on its own span', async () => {
  const telemetry = startInstrumented()
  const tenant = aCell('first')
  const epochs = new Map<string, Epoch>()
  let secondDone = () => {}
  const second = new Promise<void>((resolve) => (secondDone = resolve))
  let firstIn = () => {}
  const first = new Promise<void>((resolve) => (firstIn = resolve))

  const url = await listen((request, response) => {
    const path = request.url!
    void withEpoch({ name: `GET ${path}`, ifNested: 'fresh' }, async (epoch) => {
      epochs.set(path, epoch)
      const serverSpan = trace.getActiveSpan()
      const before = tenant.get()
      if (path === '/first') {
        firstIn()
        await second
      } else {
        tenant.set('second')
        secondDone()
      }
      await new Promise((resolve) => setImmediate(resolve))
      await telemetry.tracer.startActiveSpan(`work of ${path}`, async (work) => {
        await null
        work.end()
      })
      expect(trace.getActiveSpan()).toBe(serverSpan)
      expect(getEpoch()).toBe(epoch)
      response.end(`${before} ${tenant.get()}`)
    })
  })

  const one = fetch(`${url}/first`)
  await first
  const two = fetch(`${url}/second`)
  expect(await (await one).text()).toBe('first first')
  expect(await (await two).text()).toBe('first second')

  const spans = await serverSpans(telemetry, 2)
  for (const path of ['/first', '/second']) {
    const span = spans.get(path)!
    expect(span.attributes).toMatchObject({
      'withepoch.epoch.name': `GET ${path}`,
      'withepoch.epoch.id': epochs.get(path)?.id,
    })
    const work = telemetry.span(`work of ${path}`)
    expect(work.parentSpanContext?.spanId).toBe(span.spanContext().spanId)
    expect(work.attributes['withepoch.epoch.id']).toBe(epochs.get(path)?.id)
  }
  expect(spans.get('/first')?.events.map(({ name }) => name)).toEqual(['withepoch.source.drift'])
  expect(spans.get('/second')?.events).toEqual([])
})

test('a server that was started inside an epoch gives each request the epoch that the request opened', async () => {
  const telemetry = startInstrumented()
  const url = await withEpoch({ name: 'start-up' }, (epoch) => {
    epoch.waitUntil(new Promise<void>((resolve) => after(resolve))) // it is open all the while
    return listen((request, response) => {
      expect(tryGetEpoch()?.name).toBe('start-up')
      withEpoch({ name: `GET ${request.url}`, ifNested: 'fresh' }, () => response.end())
    })
  })
  await Promise.all(['/a', '/b'].map(async (path) => (await fetch(url + path)).text()))
  const spans = await serverSpans(telemetry, 2)
  for (const path of ['/a', '/b']) {
    expect(spans.get(path)?.attributes['withepoch.epoch.name']).toBe(`GET ${path}`)
  }
})

test('forty requests at once keep apart, and add up', async () => {
  const telemetry = startInstrumented()
  const url = await listen((request, response) => {
    void withEpoch({ name: 'GET /', ifNested: 'fresh' }, async (epoch) => {
      for (let step = 0; step < 5; step++) await new Promise((resolve) => setImmediate(resolve))
      trace.getActiveSpan()?.setAttribute('test.path', request.url!)
      trace.getActiveSpan()?.setAttribute('test.epoch', epoch.id)
      response.end()
    })
  })
  await Promise.all(Array.from({ length: 40 }, async (_, number) => (await fetch(`${url}/${number}`)).text()))
  const spans = await serverSpans(telemetry, 40)
  for (const [path, { attributes }] of spans) {
    expect(attributes['test.path']).toBe(path)
    expect(attributes['withepoch.epoch.id']).toBe(attributes['test.epoch'])
  }
  expect(new Set([...spans.values()].map(({ attributes }) => attributes['withepoch.epoch.id'])).size).toBe(40)
  const name = { 'withepoch.epoch.name': 'GET /' }
  expect(await telemetry.value('withepoch.epoch.duration', name)).toMatchObject({ count: 40 })
  expect(await telemetry.value('withepoch.epoch.active', name)).toBe(0)
})
