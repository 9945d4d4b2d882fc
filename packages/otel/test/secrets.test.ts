/** No value of a source leaves the process, unless its source says how it may be shown. */
import { diag, DiagLogLevel } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { EpochSpanProcessor } from '@withepoch/otel'
import { doEverything } from './everything.js'
import { after, instrument, startTelemetry } from './telemetry.js'

test('what is exported and logged holds no planted secret, and holds what is described', async () => {
  const telemetry = startTelemetry({ processors: [new EpochSpanProcessor()] })
  const logged: unknown[] = []
  const log = (...args: unknown[]) => void logged.push(args)
  diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log }, DiagLogLevel.ALL)
  after(() => diag.disable())
  instrument()
  let planted = 0
  const { sources, secrets } = await doEverything(telemetry, () => `planted-secret-${++planted}`)

  const spans = telemetry
    .spans()
    .map(({ name, attributes, events, links, status, resource, instrumentationScope: scope }) => {
      return { name, attributes, events, links, status, resource: resource.attributes, scope }
    })
  const metrics = [...(await telemetry.collect()).values()]
  const exported = JSON.stringify([spans, metrics, logged])

  // All of it did happen, and is in what is searched.
  for (const word of [
    'withepoch.source.drift"',
    'withepoch.source.late_read"',
    'withepoch.source.write_conflict"',
    'withepoch.epoch.overdue',
    'withepoch.group.broken',
    'withepoch.memo.calls',
    'withepoch.derived.calls',
    'withepoch.retire.backlog',
    '"name":"withepoch.source.late_read","attributes"', // the span of its own
    ...sources.map(({ name }) => name),
  ]) {
    expect(exported).toContain(word)
  }
  expect(secrets).toBeGreaterThan(20)
  expect(planted).toBe(secrets)

  expect(exported).not.toContain('planted-secret')
  expect(exported).toContain('shown-value')
  expect(exported).toContain('(describe threw)')
  expect(JSON.stringify(metrics)).not.toContain('shown-') // a described value may be any number of values
})
