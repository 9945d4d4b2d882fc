/**
 * Two contexts on two AsyncLocalStorages: OpenTelemetry's and the epoch. Neither may lose or change the other, whichever
 * is entered first and however the code gets on: awaits, timers, emitters, generators, bound and detached functions.
 */
import { EventEmitter } from 'node:events'
import { context, createContextKey, propagation, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api'
import { describe, expect, test } from 'vitest'
import {
  bind,
  bindEmitter,
  bindIterable,
  cell,
  derived,
  detach,
  memo,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { EpochSpanProcessor } from '@withepoch/otel'
import { aCell, aName, elsewhere } from './a-cell.js'
import { after, instrument, startTelemetry, type Telemetry } from './telemetry.js'

const KEY = createContextKey('test')

/** Where the running code is, by both. */
const here = () => ({
  span: (trace.getActiveSpan() as { name?: string } | undefined)?.name,
  baggage: propagation.getActiveBaggage()?.getEntry('tenant')?.value,
  key: context.active().getValue(KEY),
  epoch: tryGetEpoch()?.name,
})

const tick = () => new Promise((resolve) => setImmediate(resolve))

/** Runs `fn` in a span, with baggage and a value beside it. */
function inSpan<R>({ tracer }: Telemetry, name: string, fn: (span: Span) => R): R {
  const baggage = propagation.createBaggage({ tenant: { value: name } })
  const outer = propagation.setBaggage(context.active().setValue(KEY, name), baggage)
  return tracer.startActiveSpan(name, {}, outer, fn)
}

const both = { span: 's', baggage: 's', key: 's', epoch: 'e' }

function start(): Telemetry {
  const telemetry = startTelemetry({ processors: [new EpochSpanProcessor()] })
  instrument()
  return telemetry
}

/** Code inside both, by each way of getting there. */
const entered: Array<[string, (telemetry: Telemetry, fn: () => unknown) => unknown]> = [
  [
    'an epoch inside a span',
    (telemetry, fn) => inSpan(telemetry, 's', () => withEpoch({ name: 'e' }, () => fn())),
  ],
  [
    'a span inside an epoch',
    (telemetry, fn) => withEpoch({ name: 'e' }, () => inSpan(telemetry, 's', () => fn())),
  ],
]

describe.each(entered)('%s', (_title, enter) => {
  test('is there across awaits, timers, microtasks and next ticks, and gone outside', async () => {
    const telemetry = start()
    const seen = await enter(telemetry, async () => {
      const found = [here()]
      await null
      found.push(here())
      await tick()
      found.push(here())
      await new Promise<void>((resolve) => setTimeout(() => resolve(void found.push(here())), 1))
      await new Promise<void>((resolve) => process.nextTick(() => resolve(void found.push(here()))))
      await new Promise<void>((resolve) => queueMicrotask(() => resolve(void found.push(here()))))
      await Promise.all([1, 2, 3].map(async () => (await tick(), found.push(here()))))
      return found
    })
    expect(seen).toEqual(Array.from({ length: 9 }, () => both))
    expect(here()).toEqual({ span: undefined, baggage: undefined, key: undefined, epoch: undefined })
  })

  test('stays itself beside another that runs at the same time', async () => {
    const telemetry = start()
    const mixed = await Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        inSpan(telemetry, `s${number}`, () =>
          withEpoch({ name: `e${number}`, ifNested: 'fresh' }, async () => {
            const wrong: unknown[] = []
            for (let step = 0; step < 10; step++) {
              await (step % 2 === 0 ? tick() : null)
              const { span, epoch, baggage } = here()
              if (span !== `s${number}` || epoch !== `e${number}` || baggage !== `s${number}`)
                wrong.push(here())
            }
            return wrong
          }),
        ),
      ),
    )
    expect(mixed.flat()).toEqual([])
  })

  test('is restored after an error of either', async () => {
    const telemetry = start()
    const seen = await enter(telemetry, async () => {
      await expect(
        inSpan(telemetry, 'inner', () =>
          withEpoch({ name: 'inner', ifNested: 'fresh' }, () => Promise.reject(new Error('x'))),
        ),
      ).rejects.toThrow('x')
      expect(() =>
        context.with(ROOT_CONTEXT, () =>
          withEpoch({ ifNested: 'fresh' }, () => {
            throw new Error('y')
          }),
        ),
      ).toThrow('y')
      return here()
    })
    expect(seen).toEqual(both)
  })

  test('memoised functions run in both', async () => {
    const telemetry = start()
    const where = memo(async () => (await tick(), here()))
    expect(await enter(telemetry, () => where())).toEqual(both)
  })
})

describe('detach', () => {
  test('leaves the epoch and keeps the span: what it starts belongs to the trace, and drift to nobody', async () => {
    const telemetry = start()
    const locale = aCell('en')
    const seen = await inSpan(telemetry, 's', (span) =>
      withEpoch({ name: 'e' }, async () => {
        const found = await detach(async () => {
          await tick()
          locale.set('fr')
          locale.get()
          telemetry.tracer.startSpan('detached').end()
          return here()
        })
        span.end()
        return found
      }),
    )
    expect(seen).toEqual({ ...both, epoch: undefined })
    expect(telemetry.span('s').events).toEqual([])
    expect(telemetry.span('detached').attributes).toEqual({})
    expect(telemetry.span('detached').parentSpanContext?.spanId).toBe(
      telemetry.span('s').spanContext().spanId,
    )
  })

  test('with ROOT_CONTEXT leaves both', () => {
    const telemetry = start()
    const seen = inSpan(telemetry, 's', () =>
      withEpoch({ name: 'e' }, () => detach(() => context.with(ROOT_CONTEXT, here))),
    )
    expect(seen).toEqual({ span: undefined, baggage: undefined, key: undefined, epoch: undefined })
  })
})

describe('what carries one context', () => {
  test('bind carries the epoch and not the span; context.bind the span and not the epoch; together both', async () => {
    const telemetry = start()
    const [epochOnly, spanOnly, carried] = inSpan(telemetry, 's', () =>
      withEpoch({ name: 'e' }, (epoch) => {
        epoch.waitUntil(tick().then(tick))
        return [bind(here), context.bind(context.active(), here), context.bind(context.active(), bind(here))]
      }),
    ) as Array<typeof here>
    expect(epochOnly?.()).toEqual({ span: undefined, baggage: undefined, key: undefined, epoch: 'e' })
    expect(spanOnly?.()).toEqual({ ...both, epoch: undefined })
    expect(carried?.()).toEqual(both)
    await tick()
  })

  test('a listener of bindEmitter runs in the epoch that it was added in and the span of who emits', () => {
    const telemetry = start()
    const emitter = bindEmitter(new EventEmitter())
    const seen: unknown[] = []
    inSpan(telemetry, 's', () =>
      withEpoch({ name: 'e' }, (epoch) => {
        epoch.waitUntil(tick())
        emitter.on('row', () => seen.push(here()))
      }),
    )
    inSpan(telemetry, 'emits', () => emitter.emit('row'))
    expect(seen).toEqual([{ span: 'emits', baggage: 'emits', key: 'emits', epoch: 'e' }])
  })

  test('an iterator of an epoch runs in it, and in the span of who pulls', () => {
    const telemetry = start()
    const rows = inSpan(telemetry, 's', () =>
      withEpoch({ name: 'e' }, function* () {
        yield here()
        yield here()
      }),
    )
    expect(inSpan(telemetry, 'pulls', () => [...rows])).toEqual([
      { span: 'pulls', baggage: 'pulls', key: 'pulls', epoch: 'e' },
      { span: 'pulls', baggage: 'pulls', key: 'pulls', epoch: 'e' },
    ])
    const bound = withEpoch({ name: 'e' }, (epoch) => {
      epoch.waitUntil(tick())
      return { rows: bindIterable((function* () { yield here() })()) } // prettier-ignore
    })
    expect(inSpan(telemetry, 'pulls', () => [...bound.rows])[0]).toMatchObject({ span: 'pulls', epoch: 'e' })
  })
})

describe('what is shared runs in no context of a request', () => {
  test('a derived value is computed in no span: its spans begin a trace of their own', async () => {
    const telemetry = start()
    const locale = aCell('en')
    const catalogue = derived(
      async () => {
        const span = telemetry.tracer.startSpan('compute')
        await tick()
        span.end()
        return [locale.get(), here()]
      },
      { name: 'catalogue' },
    )
    const result = await inSpan(telemetry, 's', async (span) => {
      const value = await withEpoch({ name: 'e' }, () => catalogue())
      expect(here().span).toBe('s')
      span.end()
      return value
    })
    expect(result).toEqual([
      'en',
      { span: undefined, baggage: undefined, key: undefined, epoch: 'derived catalogue' },
    ])
    expect(telemetry.span('compute').parentSpanContext).toBeUndefined()
    expect(telemetry.span('compute').attributes['withepoch.epoch.name']).toBe('derived catalogue')
    expect(telemetry.span('s').attributes['withepoch.epoch.name']).toBe('e')
  })

  test('one that carries a span in its arguments can link to it', async () => {
    const telemetry = start()
    const locale = aCell('en')
    const catalogue = derived(
      (asked: Span | undefined) => {
        const links = asked ? [{ context: asked.spanContext() }] : []
        telemetry.tracer.startSpan('compute', { links }).end()
        return locale.get()
      },
      { name: 'catalogue', key: () => [] },
    )
    inSpan(telemetry, 's', (span) => {
      withEpoch(() => catalogue(trace.getActiveSpan()))
      span.end()
    })
    expect(telemetry.span('compute').links.map((link) => link.context.spanId)).toEqual([
      telemetry.span('s').spanContext().spanId,
    ])
  })

  test('retire is called in no span, whoever was the last reader', async () => {
    const telemetry = start()
    const seen: unknown[] = []
    const pool = cell(aName(), 'old', { retire: () => void seen.push(here()) })
    after(() => pool.release())
    await inSpan(telemetry, 's', () =>
      withEpoch({ name: 'e' }, async () => {
        elsewhere(() => pool.set('new'))
        await tick()
      }),
    )
    expect(seen).toEqual([{ span: undefined, baggage: undefined, key: undefined, epoch: undefined }])
  })
})

test('what happens at the end of an epoch is counted on its own span, whichever is active then', async () => {
  const telemetry = start()
  const locale = aCell('en')
  let settle = () => {}
  const [request, closed] = inSpan(telemetry, 's', (span) => [
    span,
    withEpoch({ name: 'e' }, async () => {
      elsewhere(() => locale.set('fr'))
      locale.get()
      await new Promise<void>((resolve) => (settle = resolve))
    }),
  ])
  await inSpan(telemetry, 'other', async (other) => {
    settle()
    await closed
    other.end()
  })
  request.end()
  expect(telemetry.span('s').attributes['withepoch.epoch.drifted_reads']).toBe(1)
  expect(telemetry.span('other').attributes).toEqual({})
})
