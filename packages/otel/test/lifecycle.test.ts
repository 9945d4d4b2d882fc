/** Enabling and disabling, with an SDK and without one, and what may go wrong in it. */
import { channel } from 'node:diagnostics_channel'
import { diag, DiagLogLevel, metrics, trace } from '@opentelemetry/api'
import { type Instrumentation, registerInstrumentations } from '@opentelemetry/instrumentation'
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, test } from 'vitest'
import { bind, EpochError, memo, withEpoch } from 'withepoch'
import { EpochSpanProcessor, WithEpochInstrumentation } from '@withepoch/otel'
import { channels } from '../../core/test/channel-names.js'
import { aCell, elsewhere } from './a-cell.js'
import { after, instrument, startTelemetry } from './telemetry.js'

const listenedTo = () => channels.filter((name) => channel(name).hasSubscribers)

/** A request that does a bit of everything; returns what it read. */
function request(): string[] {
  const locale = aCell('en')
  const scan = memo(() => 'scanned', { name: 'scan' })
  const late = withEpoch({ name: 'page' }, () => {
    elsewhere(() => locale.set('fr'))
    const seen = [locale.get(), scan(), scan()]
    return bind(() => [...seen, locale.get()])
  })
  return late()
}

describe('disabled', () => {
  test('nothing is listened to: before enable, after disable, and with enabled: false', () => {
    expect(listenedTo()).toEqual([])
    const instrumentation = instrument({ enabled: false })
    expect(listenedTo()).toEqual([])
    instrumentation.enable()
    expect(listenedTo()).toEqual([
      'withepoch:epoch:open',
      'withepoch:epoch:close',
      'withepoch:epoch:overdue',
      'withepoch:source:write-conflict',
      'withepoch:source:drift',
      'withepoch:source:late-read',
      'withepoch:group:broken',
      'withepoch:memo:hit',
      'withepoch:memo:miss',
      'withepoch:derived:hit',
      'withepoch:derived:miss',
    ])
    instrumentation.setConfig({ drift: false })
    expect(listenedTo()).not.toContain('withepoch:source:drift')
    instrumentation.disable()
    expect(listenedTo()).toEqual([])
  })

  test('setConfig does not enable it, and getConfig says whether it listens', () => {
    const instrumentation = instrument({ enabled: false })
    instrumentation.setConfig({ drift: false })
    expect(listenedTo()).toEqual([])
    expect(instrumentation.getConfig()).toEqual({ enabled: false, drift: false })
    after(registerInstrumentations({ instrumentations: [instrumentation] }))
    expect(instrumentation.getConfig()).toEqual({ enabled: true, drift: false })
    instrumentation.disable()
    expect(instrumentation.getConfig()).toEqual({ enabled: false, drift: false })
  })

  test('spans and counts get nothing more, and what was counted as open is taken back', async () => {
    const { tracer, span, value, collect } = startTelemetry()
    const instrumentation = instrument()
    let settle = () => {}
    const open = withEpoch({ name: 'open' }, () => new Promise<void>((resolve) => (settle = resolve)))
    const active = () => value('withepoch.epoch.active', { 'withepoch.epoch.name': 'open' })
    expect(await active()).toBe(1)
    instrumentation.disable()
    instrumentation.disable()
    expect(await active()).toBe(0)
    tracer.startActiveSpan('request', (started) => {
      request()
      started.end()
    })
    expect(span('request').attributes).toEqual({})
    expect(span('request').events).toEqual([])

    instrumentation.enable()
    settle()
    await open
    expect(await active()).toBe(0) // it was not seen to open, so its close is not counted
    expect((await collect()).get('withepoch.epoch.active')?.dataPoints).toHaveLength(1)
    withEpoch({ name: 'open' }, () => {})
    expect(await value('withepoch.epoch.duration', { 'withepoch.epoch.name': 'open' })).toMatchObject({
      count: 1,
    })
  })
})

test('disabled, it observes nothing: what a collection finds is what it was last told', async () => {
  const { value } = startTelemetry()
  const instrumentation = instrument()
  const waiting = () => value('withepoch.retire.backlog', { 'withepoch.retire.state': 'waiting' })
  expect(await waiting()).toBe(0)
  instrumentation.disable()
  const pool = aCell('old', { retire: () => {} })
  await withEpoch(async () => {
    elsewhere(() => pool.set('new'))
    expect(await waiting()).toBe(0)
    instrumentation.enable()
    expect(await waiting()).toBe(1)
  })
})

test('enabled twice, it counts once', async () => {
  const { value } = startTelemetry()
  const instrumentation = instrument()
  instrumentation.enable()
  instrumentation.enable()
  withEpoch({ name: 'page' }, () => {})
  expect(await value('withepoch.epoch.duration', { 'withepoch.epoch.name': 'page' })).toMatchObject({
    count: 1,
  })
  expect(await value('withepoch.epoch.active', { 'withepoch.epoch.name': 'page' })).toBe(0)
  instrumentation.disable()
  expect(listenedTo()).toEqual([])
})

describe('registerInstrumentations', () => {
  test('takes it, gives it the providers, and takes it away again', async () => {
    const { tracerProvider, meterProvider, span, value } = startTelemetry()
    metrics.disable() // so that only what is handed over can work
    trace.disable()
    const unregister = registerInstrumentations({
      tracerProvider,
      meterProvider,
      instrumentations: [new WithEpochInstrumentation({ enabled: false })],
    })
    after(unregister)
    tracerProvider.getTracer('test').startActiveSpan('request', (started) => {
      withEpoch({ name: 'page' }, () => {})
      started.end()
      request()
    })
    expect(span('request').attributes['withepoch.epoch.name']).toBe('page')
    expect(span('withepoch.source.late_read').instrumentationScope).toMatchObject({ name: '@withepoch/otel' })
    expect(await value('withepoch.epoch.active', { 'withepoch.epoch.name': 'page' })).toBe(0)
    unregister()
    expect(listenedTo()).toEqual([])
  })

  test('and the SDK know its types', () => {
    const instrumentation: Instrumentation = instrument({ enabled: false })
    const processor: SpanProcessor = new EpochSpanProcessor()
    expect(instrumentation.instrumentationName).toBe('@withepoch/otel')
    expect(processor).toBeInstanceOf(EpochSpanProcessor)
  })

  test('the processor can be flushed and shut down', async () => {
    const processor = new EpochSpanProcessor()
    await expect(processor.forceFlush()).resolves.toBeUndefined()
    await expect(processor.shutdown()).resolves.toBeUndefined()
  })
})

test('with no SDK, all goes on as without the instrumentation', () => {
  const without = request()
  instrument()
  expect(request()).toEqual(without)
  expect(without).toEqual(['en', 'scanned', 'scanned', 'fr'])
  expect(trace.getActiveSpan()).toBeUndefined()
})

test('what an SDK throws goes to the diagnostics logger and not to the code that read', () => {
  const fails = (): never => {
    throw new Error('the SDK failed')
  }
  const { tracer } = startTelemetry()
  instrument().setTracerProvider({ getTracer: () => ({ startSpan: fails, startActiveSpan: fails }) })
  const errors: unknown[][] = []
  const quiet = () => {}
  diag.setLogger(
    { error: (...args) => errors.push(args), warn: quiet, info: quiet, debug: quiet, verbose: quiet },
    DiagLogLevel.ERROR,
  )
  after(() => diag.disable())
  const seen = tracer.startActiveSpan('request', (span) => {
    span.end()
    return request()
  })
  expect(seen).toEqual(['en', 'scanned', 'scanned', 'fr'])
  expect(errors.map(([message]) => message)).toEqual([
    '@withepoch/otel: on withepoch:source:drift',
    '@withepoch/otel: on withepoch:source:late-read',
  ])
})

describe('a configuration', () => {
  test.each([
    [{ drfit: false }, 'got drfit: boolean'],
    [{ drift: 'no' }, 'got drift: string'],
    [{ enabled: 1 }, 'got enabled: number'],
  ])('%j is refused, and nothing is listened to', (config, found) => {
    const attempt = () => new WithEpochInstrumentation(config as object)
    expect(attempt).toThrow(EpochError)
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(attempt).toThrow(found)
    expect(listenedTo()).toEqual([])
  })

  test('that is refused by setConfig leaves the former one', () => {
    const instrumentation = instrument({ drift: false })
    expect(() => instrumentation.setConfig({ drift: null as never })).toThrow('got drift: object')
    expect(instrumentation.getConfig()).toEqual({ enabled: true, drift: false })
    expect(listenedTo()).not.toContain('withepoch:source:drift')
  })
})
