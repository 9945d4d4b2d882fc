/**
 * Three contexts in one service: @fastify/request-context, OpenTelemetry's and the epoch. Requests overlap: the first waits until
 * the second has changed what it reads. Each sees its own of all three, whichever plugin is registered first.
 */
import { createRequire } from 'node:module'
import { fastifyRequestContext, requestContext } from '@fastify/request-context'
import { context, createContextKey, SpanKind, trace } from '@opentelemetry/api'
import { registerInstrumentations } from '@opentelemetry/instrumentation'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { EpochSpanProcessor, WithEpochInstrumentation } from '@withepoch/otel'
import { type FastifyInstance, fastify } from 'fastify'
import { expect, test } from 'vitest'
import { cell, tryGetEpoch } from 'withepoch'
import { after, startTelemetry } from '../../otel/test/telemetry.js'
import { epochPerRequest } from '../src/index.js'

declare module '@fastify/request-context' {
  interface RequestContextData {
    caller: string
  }
}

/** It patches the prototypes of the http module when that is next required, and only then. */
const http = new HttpInstrumentation()
createRequire(import.meta.url)('node:http')

const KEY = createContextKey('test.caller')

const withContext = (app: FastifyInstance) =>
  app.register(fastifyRequestContext, { defaultStoreValues: (request) => ({ caller: request.url }) })
const orders = {
  'the epoch first': async (app: FastifyInstance) => {
    await app.register(epochPerRequest)
    await withContext(app)
  },
  'the epoch last': async (app: FastifyInstance) => {
    await withContext(app)
    await app.register(epochPerRequest)
  },
}

test.each(Object.entries(orders))(
  '%s: none loses its context, each sees its own',
  async (_title, register) => {
    const telemetry = startTelemetry({ processors: [new EpochSpanProcessor()] })
    const ours = new WithEpochInstrumentation()
    after(() => ours.disable())
    const { tracerProvider, meterProvider } = telemetry
    registerInstrumentations({ tracerProvider, meterProvider, instrumentations: [http, ours] })
    const tenant = cell('test.tenant', 'acme')
    after(() => tenant.release())
    const app = fastify()
    after(() => app.close())

    const spans = new Map<string, string | undefined>()
    const seen = new Map<string, unknown[]>([
      ['/first', []],
      ['/second', []],
    ])
    const see = (url: string): void =>
      void seen.get(url)?.push({
        caller: requestContext.get('caller'),
        key: context.active().getValue(KEY),
        isOwnSpan: trace.getActiveSpan()?.spanContext().spanId === spans.get(url),
        epoch: tryGetEpoch()?.name,
        tenant: tenant.get(),
      })

    // What stands outermost, as a gateway would: the span of the request, and a value of the context beside it.
    app.addHook('onRequest', (request, _reply, done) => {
      spans.set(request.url, trace.getActiveSpan()?.spanContext().spanId)
      context.with(context.active().setValue(KEY, request.url), done)
    })
    await register(app)
    app.addHook('preHandler', async ({ url }) => see(url))
    app.addHook('onSend', async ({ url }, _reply, payload) => (see(url), payload))
    let firstIn = (): void => {}
    const first = new Promise<void>((resolve) => (firstIn = resolve))
    let secondDone = (): void => {}
    const second = new Promise<void>((resolve) => (secondDone = resolve))
    for (const url of ['/first', '/second']) {
      app.post(url, async () => {
        see(url)
        if (url === '/first') {
          firstIn()
          await second
        } else {
          tenant.set('globex')
          await null
          secondDone()
        }
        see(url)
        await telemetry.tracer.startActiveSpan(`work of ${url}`, async (work) => {
          await new Promise((resolve) => setImmediate(resolve))
          work.end()
        })
        see(url)
        return 'done'
      })
    }

    const base = await app.listen({ port: 0, host: '127.0.0.1' })
    const post = async (url: string): Promise<string> => {
      const headers = { 'content-type': 'application/json' }
      return (await fetch(base + url, { method: 'POST', headers, body: '{}' })).text()
    }
    const one = post('/first')
    await first
    expect(await Promise.all([one, post('/second')])).toEqual(['done', 'done'])

    for (const url of ['/first', '/second']) {
      const own = { caller: url, key: url, isOwnSpan: true, epoch: `POST ${url}` }
      const now = url === '/first' ? 'acme' : 'globex'
      const tenants = ['acme', 'acme', now, now, now]
      expect(seen.get(url)).toEqual(tenants.map((value) => ({ ...own, tenant: value })))
      expect(telemetry.span(`work of ${url}`).parentSpanContext?.spanId).toBe(spans.get(url))
      expect(telemetry.span(`work of ${url}`).attributes['withepoch.epoch.name']).toBe(`POST ${url}`)
    }
    const served = telemetry.spans().filter(({ kind }) => kind === SpanKind.SERVER)
    expect(new Set(served.map(({ attributes }) => attributes['withepoch.epoch.name']))).toEqual(
      new Set(['POST /first', 'POST /second']),
    )
  },
)
