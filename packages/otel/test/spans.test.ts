/** What stands on spans: whose epoch, which reads, and how much of it at most. */
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base'
import { context, trace, TraceFlags } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import { bind, type Epoch, source, withEpoch } from 'withepoch'
import { EpochSpanProcessor } from '@withepoch/otel'
import { aCell, aName, elsewhere } from './a-cell.js'
import { after, complaints, instrument, startTelemetry } from './telemetry.js'

const eventsOf = (span: { events: ReadonlyArray<{ name: string; attributes?: object | undefined }> }) =>
  span.events.map(({ name, attributes }) => ({ name, ...attributes }))

describe('the span in which an epoch opens', () => {
  test('carries its name, id and version', () => {
    const { tracer, span } = startTelemetry()
    instrument()
    let seen: Epoch | undefined
    let version: number | undefined
    tracer.startActiveSpan('request', (active) => {
      withEpoch({ name: 'orders.list' }, (epoch) => {
        seen = epoch
        version = epoch.version
      })
      active.end()
    })
    expect(span('request').attributes).toEqual({
      'withepoch.epoch.name': 'orders.list',
      'withepoch.epoch.id': seen?.id,
      'withepoch.epoch.version': version,
    })
    expect(version).toBeTypeOf('number')
  })

  test('belongs to the first that opens in it, also when others open inside or after it', () => {
    const { tracer, span } = startTelemetry()
    instrument()
    tracer.startActiveSpan('request', (active) => {
      withEpoch({ name: 'first' }, () => {
        withEpoch({ name: 'inner', ifNested: 'fresh' }, () => {})
        withEpoch({ name: 'fork', ifNested: 'fork' }, () => {})
      })
      withEpoch({ name: 'second' }, () => {})
      active.end()
    })
    expect(span('request').attributes['withepoch.epoch.name']).toBe('first')
  })

  test('is the active one, not its parent', () => {
    const { tracer, span } = startTelemetry()
    instrument()
    tracer.startActiveSpan('outer', (outer) => {
      tracer.startActiveSpan('inner', (inner) => {
        withEpoch({ name: 'orders.list' }, () => {})
        inner.end()
      })
      outer.end()
    })
    expect(span('inner').attributes['withepoch.epoch.name']).toBe('orders.list')
    expect(span('outer').attributes).toEqual({})
  })

  test('takes nothing when it was ended before, and nothing is complained of', () => {
    const { tracer, span } = startTelemetry()
    const heard = complaints()
    instrument()
    tracer.startActiveSpan('request', (active) => {
      active.end()
      withEpoch({ name: 'late.start' }, () => {})
    })
    expect(span('request').attributes).toEqual({})
    expect(heard).toEqual([])
  })
})

describe('a span that starts inside an epoch', () => {
  test('carries the epoch with EpochSpanProcessor, across awaits and in children', async () => {
    const { tracer, span, spans } = startTelemetry({ processors: [new EpochSpanProcessor()] })
    await withEpoch({ name: 'orders.list' }, async (epoch) => {
      await null
      await tracer.startActiveSpan('rows', async (rows) => {
        await null
        tracer.startSpan('row').end()
        rows.end()
      })
      expect(span('row').attributes['withepoch.epoch.id']).toBe(epoch.id)
    })
    tracer.startSpan('outside').end()
    expect(spans().map(({ name, attributes }) => [name, attributes['withepoch.epoch.name']])).toEqual([
      ['row', 'orders.list'],
      ['rows', 'orders.list'],
      ['outside', undefined],
    ])
  })

  test('belongs to the epoch that opens in it, when one does', () => {
    const { tracer, span } = startTelemetry({ processors: [new EpochSpanProcessor()] })
    instrument()
    withEpoch({ name: 'start-up' }, () => {
      tracer.startActiveSpan('request', (active) => {
        withEpoch({ name: 'orders.list', ifNested: 'fresh' }, () => {})
        active.end()
      })
    })
    expect(span('request').attributes['withepoch.epoch.name']).toBe('orders.list')
  })

  test('carries it without the processor from its first drift on', async () => {
    const { tracer, span } = startTelemetry()
    instrument()
    const locale = aCell('en')
    withEpoch({ name: 'page' }, (epoch) => {
      tracer.startActiveSpan('render', (active) => {
        elsewhere(() => locale.set('fr'))
        locale.get()
        expect(active).toHaveProperty('attributes', {
          'withepoch.epoch.name': 'page',
          'withepoch.epoch.id': epoch.id,
          'withepoch.epoch.version': epoch.version,
        })
        active.end()
      })
    })
    expect(span('render').events).toHaveLength(1)
  })
})

describe('drift', () => {
  test('is one event per source and epoch, and counted at the end', async () => {
    const { tracer, span } = startTelemetry()
    instrument()
    const [locale, theme, other] = [aCell('en'), aCell('light'), aCell(1)]
    let epoch: Epoch | undefined
    let [version, live]: Array<number | undefined> = []
    await tracer.startActiveSpan('request', async (active) => {
      await withEpoch({ name: 'page' }, async (own) => {
        epoch = own
        version = own.version
        elsewhere(() => {
          locale.set('fr')
          theme.set('dark')
        })
        live = withEpoch({ ifNested: 'fresh' }, (fresh) => fresh.version)
        for (let row = 0; row < 1_000; row++) {
          await null
          locale.get()
          other.get()
        }
        theme.get()
      })
      active.end()
    })
    const common = {
      name: 'withepoch.source.drift',
      'withepoch.epoch.name': 'page',
      'withepoch.epoch.id': epoch?.id,
      'withepoch.epoch.version': version,
      'withepoch.live.version': live,
    }
    expect(eventsOf(span('request'))).toEqual([
      { ...common, 'withepoch.source.name': locale.name },
      { ...common, 'withepoch.source.name': theme.name },
    ])
    expect(span('request').attributes).toMatchObject({
      'withepoch.epoch.name': 'page',
      'withepoch.epoch.drifted_reads': 1_001,
      'withepoch.epoch.drifted_sources': [locale.name, theme.name],
    })
    expect(live).toBeGreaterThan(version!)
  })

  test('of two epochs in one span is told of both, and counted for the one that has the span', () => {
    const { tracer, span } = startTelemetry()
    instrument()
    const locale = aCell('en')
    tracer.startActiveSpan('batch', (active) => {
      for (const name of ['one', 'two']) {
        withEpoch({ name }, () => {
          elsewhere(() => locale.update((former) => `${former}!`))
          locale.get()
          locale.get()
        })
      }
      active.end()
    })
    expect(span('batch').events.map(({ attributes }) => attributes?.['withepoch.epoch.name'])).toEqual([
      'one',
      'two',
    ])
    expect(span('batch').attributes).toMatchObject({
      'withepoch.epoch.name': 'one',
      'withepoch.epoch.drifted_reads': 2,
    })
  })

  test('stands on the span that is active at the read, the count on that of the epoch', () => {
    const { tracer, span } = startTelemetry()
    instrument()
    const locale = aCell('en')
    tracer.startActiveSpan('request', (request) => {
      withEpoch({ name: 'page' }, () => {
        elsewhere(() => locale.set('fr'))
        tracer.startActiveSpan('row', (row) => {
          locale.get()
          row.end()
        })
      })
      request.end()
    })
    expect(eventsOf(span('row')).map(({ name }) => name)).toEqual(['withepoch.source.drift'])
    expect(span('request').events).toEqual([])
    expect(span('request').attributes['withepoch.epoch.drifted_reads']).toBe(1)
  })

  test('after the span has ended, the epoch still being open, is a span of its own in the same trace', async () => {
    const { tracer, span, spans } = startTelemetry()
    const heard = complaints()
    instrument()
    const locale = aCell('en')
    await tracer.startActiveSpan('request', async (request) => {
      await withEpoch({ name: 'page' }, async () => {
        request.end() // the answer is out, and work goes on
        elsewhere(() => locale.set('fr'))
        await null
        locale.get()
        locale.get()
      })
    })
    expect(spans().map(({ name }) => name)).toEqual(['request', 'withepoch.source.drift'])
    const own = span('withepoch.source.drift')
    expect(own.parentSpanContext?.spanId).toBe(span('request').spanContext().spanId)
    expect(own.spanContext().traceId).toBe(span('request').spanContext().traceId)
    expect(own.attributes).toMatchObject({
      'withepoch.source.name': locale.name,
      'withepoch.epoch.name': 'page',
    })
    expect(span('request').attributes).not.toHaveProperty('withepoch.epoch.drifted_reads')
    expect(heard).toEqual([])
  })

  test('is not watched for with drift: false, and nothing is compared', () => {
    const { tracer, span } = startTelemetry()
    const instrumentation = instrument({ drift: false })
    let calls = 0
    let live = 'en'
    const locale = source(aName(), () => {
      calls++
      return live
    })
    after(() => locale.release())
    const read = () =>
      tracer.startActiveSpan('request', (active) => {
        withEpoch(() => {
          live += '!'
          calls = 0
          locale.get()
        })
        active.end()
      })
    read()
    expect(calls).toBe(0)
    expect(span('request').events).toEqual([])

    instrumentation.setConfig({ drift: true })
    read()
    expect(calls).toBe(1)
  })
})

describe('a late read', () => {
  test('is an event on the span that is active, once per source and epoch, and gives the span no epoch', async () => {
    const { tracer, span } = startTelemetry()
    instrument()
    const locale = aCell('en')
    const late = withEpoch({ name: 'page' }, () => bind(() => locale.get()))
    tracer.startActiveSpan('poller', (active) => {
      for (let tick = 0; tick < 100; tick++) late()
      active.end()
    })
    expect(eventsOf(span('poller'))).toEqual([
      expect.objectContaining({
        name: 'withepoch.source.late_read',
        'withepoch.source.name': locale.name,
        'withepoch.epoch.name': 'page',
      }),
    ])
    expect(eventsOf(span('poller'))[0]).not.toHaveProperty('withepoch.epoch.version')
    expect(span('poller').attributes).toEqual({})
  })

  test('by a timer that outlived its request is a span of its own in the trace of the request', async () => {
    const { tracer, span, spans } = startTelemetry()
    instrument()
    const locale = aCell('en')
    const read = new Promise<void>((resolve) => {
      tracer.startActiveSpan('request', (request) => {
        withEpoch({ name: 'page' }, () => {
          let ticks = 0
          const poller = setInterval(() => {
            locale.get()
            if (++ticks < 3) return
            clearInterval(poller)
            resolve()
          }, 1)
        })
        request.end()
      })
    })
    await read
    expect(spans().map(({ name }) => name)).toEqual(['request', 'withepoch.source.late_read'])
    expect(span('withepoch.source.late_read').parentSpanContext?.spanId).toBe(
      span('request').spanContext().spanId,
    )
  })

  test('with no span about starts no trace', () => {
    const { spans } = startTelemetry()
    instrument()
    const locale = aCell('en')
    withEpoch(() => bind(() => locale.get()))()
    expect(spans()).toEqual([])
  })
})

test('a write conflict is an event, and the conflicting value is not in it', () => {
  const { tracer, span } = startTelemetry()
  instrument()
  const quota = aCell(1)
  tracer.startActiveSpan('request', (active) => {
    withEpoch({ name: 'grant' }, () => {
      elsewhere(() => quota.set(2))
      quota.set(77)
    })
    active.end()
  })
  expect(eventsOf(span('request'))).toEqual([
    expect.objectContaining({ name: 'withepoch.source.write_conflict', 'withepoch.source.name': quota.name }),
  ])
  expect(JSON.stringify(eventsOf(span('request')))).not.toContain('77')
})

test('a source that says how its values are described is described, another is not', () => {
  const { tracer, span } = startTelemetry()
  instrument()
  const shown = aCell('en', { describe: (value) => `language ${value}` })
  const hidden = aCell('hidden-value')
  tracer.startActiveSpan('request', (active) => {
    withEpoch(() => {
      elsewhere(() => {
        shown.set('fr')
        hidden.set('other-hidden-value')
      })
      shown.get()
      hidden.get()
    })
    active.end()
  })
  const [first, second] = eventsOf(span('request')) as Array<Record<string, unknown>>
  expect(first?.['withepoch.source.described']).toBe('language en')
  expect(second).not.toHaveProperty('withepoch.source.described')
})

test('a trace that is not sampled gets nothing, not even after its span has ended', () => {
  const { tracer, spans } = startTelemetry({
    sampler: new AlwaysOffSampler(),
    processors: [new EpochSpanProcessor()],
  })
  instrument()
  const locale = aCell('en')
  tracer.startActiveSpan('request', (active) => {
    const late = withEpoch(() => {
      elsewhere(() => locale.set('fr'))
      locale.get()
      return bind(() => locale.get())
    })
    active.end()
    late()
  })
  expect(spans()).toEqual([])
})

test('under a span of another process, which takes no events, they are spans in its trace', () => {
  const { span, spans } = startTelemetry()
  instrument()
  const locale = aCell('en')
  const remote = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    traceFlags: TraceFlags.SAMPLED,
    isRemote: true,
  }
  context.with(trace.setSpanContext(context.active(), remote), () => {
    withEpoch({ name: 'page' }, () => {
      elsewhere(() => locale.set('fr'))
      locale.get()
    })
  })
  expect(spans()).toHaveLength(1)
  expect(span('withepoch.source.drift').parentSpanContext).toMatchObject({
    traceId: remote.traceId,
    spanId: remote.spanId,
  })
})
