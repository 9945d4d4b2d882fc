/** What is counted and measured, under which names, and that it adds up whatever comes in which order. */
import { metrics, ValueType } from '@opentelemetry/api'
import type { Histogram } from '@opentelemetry/sdk-metrics'
import {
  AggregationTemporality,
  createDenyListAttributesProcessor,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { describe, expect, test } from 'vitest'
import { bind, derived, drain, group, memo, withEpoch } from 'withepoch'
import { aCell, elsewhere } from './a-cell.js'
import { after, instrument, startTelemetry } from './telemetry.js'

const named = (name: string) => ({ 'withepoch.epoch.name': name })

/** An epoch that stays open until `close` is called. */
function openEpoch(name: string): { close(): Promise<void> } {
  let settle = () => {}
  const closed = withEpoch(
    { name, ifNested: 'fresh' },
    () => new Promise<void>((resolve) => (settle = resolve)),
  )
  const close = () => {
    settle()
    return closed
  }
  after(close)
  return { close }
}

describe('epochs', () => {
  test('are counted while they are open, by name', async () => {
    const { value } = startTelemetry()
    instrument()
    const open = [openEpoch('a'), openEpoch('a'), openEpoch('b')]
    expect(await value('withepoch.epoch.active', named('a'))).toBe(2)
    expect(await value('withepoch.epoch.active', named('b'))).toBe(1)
    await open[0]?.close()
    await open[2]?.close()
    expect(await value('withepoch.epoch.active', named('a'))).toBe(1)
    expect(await value('withepoch.epoch.active', named('b'))).toBe(0)
  })

  test('are measured in seconds when they close, in buckets for requests', async () => {
    const { value, collect } = startTelemetry()
    instrument()
    await withEpoch({ name: 'a' }, () => new Promise((resolve) => setTimeout(resolve, 20)))
    withEpoch({ name: 'a' }, () => {})
    const measured = (await value('withepoch.epoch.duration', named('a'))) as Histogram
    expect(measured.count).toBe(2)
    expect(measured.max).toBeGreaterThan(0.015)
    expect(measured.max).toBeLessThan(20)
    expect(measured.min).toBeLessThan(0.015)
    expect(measured.buckets.boundaries).toEqual([
      0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ])
    expect((await collect()).get('withepoch.epoch.duration')?.descriptor.unit).toBe('s')
  })

  test('show the age of the oldest, and 0 when none is open', async () => {
    const { value, collect } = startTelemetry()
    instrument()
    expect(await value('withepoch.epoch.age')).toBe(0)
    const oldest = openEpoch('a')
    await new Promise((resolve) => setTimeout(resolve, 20))
    const youngest = openEpoch('b')
    const age = (await value('withepoch.epoch.age')) as number
    expect(age).toBeGreaterThan(0.015)
    await oldest.close()
    expect(await value('withepoch.epoch.age')).toBeGreaterThan(0)
    await youngest.close()
    expect(await value('withepoch.epoch.age')).toBe(0)
    expect((await collect()).get('withepoch.epoch.age')?.descriptor.unit).toBe('s')
  })

  test('past their maxAgeMs are counted once', async () => {
    const { value } = startTelemetry()
    instrument()
    await withEpoch({ name: 'stuck', maxAgeMs: 5 }, () => new Promise((resolve) => setTimeout(resolve, 60)))
    expect(await value('withepoch.epoch.overdue', named('stuck'))).toBe(1)
  })

  test('that fail are closed and measured as well', async () => {
    const { value } = startTelemetry()
    instrument()
    const failure = new Error('failed')
    await expect(withEpoch({ name: 'a' }, () => Promise.reject(failure))).rejects.toBe(failure)
    expect(await value('withepoch.epoch.active', named('a'))).toBe(0)
    expect(await value('withepoch.epoch.duration', named('a'))).toMatchObject({ count: 1 })
  })
})

describe('reads and writes', () => {
  test('that drift, are late or conflict are counted each, by source and epoch', async () => {
    const { value } = startTelemetry()
    instrument()
    const locale = aCell('en')
    const late = withEpoch({ name: 'page' }, () => {
      elsewhere(() => locale.set('fr'))
      for (let row = 0; row < 50; row++) locale.get()
      locale.set('de')
      return bind(() => locale.get())
    })
    for (let tick = 0; tick < 7; tick++) late()
    const attributes = { ...named('page'), 'withepoch.source.name': locale.name }
    expect(await value('withepoch.source.drifted_reads', attributes)).toBe(50)
    expect(await value('withepoch.source.late_reads', attributes)).toBe(7)
    expect(await value('withepoch.source.write_conflicts', attributes)).toBe(1)
  })

  test('that do not are not', async () => {
    const { collect } = startTelemetry()
    instrument()
    const locale = aCell('en')
    withEpoch(() => {
      locale.get()
      locale.set('fr')
      locale.get()
    })
    locale.get()
    const found = await collect()
    expect(found.get('withepoch.source.drifted_reads')?.dataPoints ?? []).toEqual([])
    expect(found.get('withepoch.source.late_reads')?.dataPoints ?? []).toEqual([])
    expect(found.get('withepoch.source.write_conflicts')?.dataPoints ?? []).toEqual([])
  })
})

test('epochs that open while a group does not agree are counted by group', async () => {
  const { value } = startTelemetry()
  instrument()
  const [dir, metadata] = [aCell('/a'), aCell('/a')]
  const pair = group('test.pair', [dir, metadata], { coherent: (a, b) => a === b })
  after(() => pair.release())
  withEpoch(() => {})
  dir.set('/b')
  withEpoch(() => {})
  withEpoch(() => {})
  expect(await value('withepoch.group.broken', { 'withepoch.group.name': 'test.pair' })).toBe(2)
})

test('replaced values are shown while they wait for their last reader, and while they are retired', async () => {
  const { value } = startTelemetry()
  instrument()
  let settle = () => {}
  const pool = aCell('old', { retire: () => new Promise<void>((resolve) => (settle = resolve)) })
  const state = async () => [
    await value('withepoch.retire.backlog', { 'withepoch.retire.state': 'waiting' }),
    await value('withepoch.retire.backlog', { 'withepoch.retire.state': 'running' }),
  ]
  expect(await state()).toEqual([0, 0])
  const reader = openEpoch('reader')
  pool.set('new')
  expect(await state()).toEqual([1, 0])
  await reader.close()
  expect(await state()).toEqual([0, 1])
  settle()
  await drain()
  expect(await state()).toEqual([0, 0])
})

test('calls of memos and of derived values are counted by result, so that a hit ratio can be made of them', async () => {
  const { value } = startTelemetry()
  instrument()
  const locale = aCell('en')
  const scan = memo((dir: string) => dir, { name: 'scan' })
  const catalogue = derived(() => locale.get(), { name: 'catalogue' })
  for (let request = 0; request < 2; request++) {
    await withEpoch({ ifNested: 'fresh' }, async () => {
      for (let row = 0; row < 5; row++) await scan('/a')
      catalogue()
    })
  }
  const of = (kind: string, name: string, result: string) =>
    value(`withepoch.${kind}.calls`, {
      [`withepoch.${kind}.name`]: name,
      [`withepoch.${kind}.result`]: result,
    })
  expect(await of('memo', 'scan', 'miss')).toBe(2)
  expect(await of('memo', 'scan', 'hit')).toBe(8)
  expect(await of('derived', 'catalogue', 'miss')).toBe(1)
  expect(await of('derived', 'catalogue', 'hit')).toBe(1)
})

describe('names', () => {
  test('and units are as the conventions have them', async () => {
    const { collect } = startTelemetry()
    instrument()
    const locale = aCell('en')
    const scan = memo(() => 1, { name: 'scan' })
    withEpoch(() => {
      elsewhere(() => locale.set('fr'))
      locale.get()
      scan()
    })
    openEpoch('a')
    const found = [...(await collect()).values()]
    expect(found.length).toBeGreaterThan(4)
    for (const { descriptor, dataPoints } of found) {
      expect(descriptor.name).toMatch(/^withepoch(\.[a-z]+(_[a-z]+)*)+$/)
      expect(descriptor.name).not.toMatch(/total|count$/)
      expect(descriptor.unit).toMatch(/^(s|\{[a-z]+\})$/)
      expect(descriptor.valueType).toBe(descriptor.unit === 's' ? ValueType.DOUBLE : ValueType.INT)
      expect(descriptor.description).not.toBe('')
      const attributes = dataPoints.flatMap((point) => Object.keys(point.attributes))
      for (const key of attributes) expect(key).toMatch(/^withepoch(\.[a-z]+)+$/)
      expect(attributes).not.toContain('withepoch.epoch.id')
    }
  })

  test('of epochs that are without number can be dropped by a view, and open epochs still add up', async () => {
    const { value } = startTelemetry({
      views: [
        {
          instrumentName: 'withepoch.*',
          attributesProcessors: [createDenyListAttributesProcessor(['withepoch.epoch.name'])],
        },
      ],
    })
    instrument()
    for (let user = 0; user < 50; user++) withEpoch({ name: `GET /users/${user}` }, () => {})
    openEpoch('GET /users/50')
    expect(await value('withepoch.epoch.active')).toBe(1)
    expect(await value('withepoch.epoch.duration')).toMatchObject({ count: 50 })
  })

  test('without number do not grow the metrics past the limit of the SDK, and are not kept here', async () => {
    const { value, collect } = startTelemetry()
    instrument()
    for (let user = 0; user < 2_100; user++) withEpoch({ name: `GET /users/${user}` }, () => {})
    expect((await collect()).get('withepoch.epoch.duration')?.dataPoints.length).toBe(2_000)
    expect(await value('withepoch.epoch.active', { 'otel.metric.overflow': true })).toBe(0)
  })
})

describe('providers', () => {
  test('that are registered after the instrumentation count too', async () => {
    const instrumentation = instrument()
    withEpoch({ name: 'before' }, () => {})
    const open = openEpoch('open')
    instrumentation.setMeterProvider(metrics.getMeterProvider()) // as registerInstrumentations does
    const { value } = startTelemetry()
    withEpoch({ name: 'after' }, () => {})
    expect(await value('withepoch.epoch.duration', named('before'))).toBeUndefined()
    expect(await value('withepoch.epoch.duration', named('after'))).toMatchObject({ count: 1 })
    expect(await value('withepoch.epoch.active', named('open'))).toBe(1)
    await open.close()
    expect(await value('withepoch.epoch.active', named('open'))).toBe(0)
  })

  test('that are given are used instead of the global one', async () => {
    const { collect } = startTelemetry()
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })
    const own = new MeterProvider({ readers: [reader] })
    after(() => own.shutdown())
    const instrumentation = instrument()
    const open = openEpoch('moved')
    instrumentation.setMeterProvider(own)
    withEpoch({ name: 'a' }, () => {})
    await reader.forceFlush()
    const scope = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)[0]
    expect(scope?.scope.name).toBe('@withepoch/otel')
    const active = scope?.metrics.find(({ descriptor }) => descriptor.name === 'withepoch.epoch.active')
    expect(active?.dataPoints.map(({ attributes, value }) => [attributes, value])).toEqual([
      [named('moved'), 1],
      [named('a'), 0],
    ])
    const global = await collect()
    expect(global.get('withepoch.epoch.active')?.dataPoints.map(({ value }) => value)).toEqual([0])
    expect(global.get('withepoch.epoch.duration')?.dataPoints ?? []).toEqual([])
    await open.close()
  })

  test('with delta temporality get each read once', async () => {
    const { value } = startTelemetry({ temporality: AggregationTemporality.DELTA })
    instrument()
    const locale = aCell('en')
    const drift = () =>
      withEpoch({ name: 'page' }, () => {
        elsewhere(() => locale.update((former) => `${former}!`))
        locale.get()
      })
    const attributes = { ...named('page'), 'withepoch.source.name': locale.name }
    drift()
    drift()
    expect(await value('withepoch.source.drifted_reads', attributes)).toBe(2)
    drift()
    expect(await value('withepoch.source.drifted_reads', attributes)).toBe(1)
  })
})
