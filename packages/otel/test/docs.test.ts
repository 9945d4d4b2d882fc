/**
 * docs/opentelemetry.md and the docstrings say the truth: their snippets run and give what their `// =>` say, and the
 * tables list what is exported when everything happens, no more and no less.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as api from '@opentelemetry/api'
import * as contextManager from '@opentelemetry/context-async-hooks'
import * as instrumentation from '@opentelemetry/instrumentation'
import * as sdkMetrics from '@opentelemetry/sdk-metrics'
import * as sdkTrace from '@opentelemetry/sdk-trace-base'
import { afterAll, describe, expect, test } from 'vitest'
import * as core from 'withepoch'
import * as otel from '@withepoch/otel'
import { type DocstringExample, docstringExamples, runnable } from '../../core/test/docstring-examples.js'
import { root } from '../../core/src/snapshot.js'
import { doEverything } from './everything.js'
import { after, instrument, startTelemetry } from './telemetry.js'

const page = readFileSync(new URL('../../../docs/opentelemetry.md', import.meta.url), 'utf8')

/** Disabled when the test is over, which a snippet has no need to show. */
class WithEpochInstrumentation extends otel.WithEpochInstrumentation {
  constructor(config?: otel.WithEpochInstrumentationConfig) {
    super(config)
    after(() => this.disable())
  }
}

let secrets = 0
const secret = () => `secret ${++secrets}`

const folder = mkdtempSync(join(tmpdir(), 'withepoch-otel-docs-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs it with `names` in scope, which stand in for its imports; returns what its `// =>` found and what they say. */
async function run({ title, module }: DocstringExample, names: object) {
  const found: unknown[] = []
  const said: unknown[] = []
  const check = (index: number, actual: unknown, value: () => unknown) => {
    found[index] = actual
    said[index] = value()
  }
  const file = join(folder, `${title.replace(/\W+/g, '-')}.ts`)
  writeFileSync(file, module.slice(module.indexOf('export default ')))
  const { default: example } = (await import(/* @vite-ignore */ file)) as {
    default: (names: object, check: unknown) => Promise<void>
  }
  after(() => {
    api.context.disable()
    api.trace.disable()
    api.metrics.disable()
    for (const source of root.sources()) source.release()
  })
  await example(names, check)
  return { found, said }
}

describe('snippets of the page', () => {
  const names = {
    ...api,
    ...contextManager,
    ...instrumentation,
    ...sdkMetrics,
    ...sdkTrace,
    ...core,
    ...otel,
    WithEpochInstrumentation,
  }
  const fences = Array.from(page.matchAll(/^```ts no-run\n([\s\S]*?)^```$/gm), ([, code]) => code!)
  const snippets = fences.map((code, index) => runnable(`snippet ${index + 1}`, code, identifiers(names)))

  test('are there', () => {
    expect(snippets.map(({ expected }) => expected.length)).toEqual([4, 0, 1])
  })

  test.each(snippets)('$title', async (snippet) => {
    const { found, said } = await run(snippet, names)
    expect(said).toHaveLength(snippet.expected.length)
    expect(found).toEqual(said)
  })
})

describe('examples of the docstrings', () => {
  const names = identifiers({ ...sdkTrace, ...core, ...otel, provider: 0, exporter: 0 })
  const examples = docstringExamples(new URL('../src/', import.meta.url), names)

  test('are there for each exported name', () => {
    expect(examples.map(({ title }) => title.split(': ')[1]!).toSorted()).toEqual(
      Object.keys(otel).toSorted(),
    )
  })

  test.each(examples)('$title', async (example) => {
    const { tracerProvider: provider, spanExporter: exporter } = startTelemetry()
    const names = { ...sdkTrace, ...core, ...otel, WithEpochInstrumentation, provider, exporter }
    const { found, said } = await run(example, names)
    expect(said).toHaveLength(1)
    expect(found).toEqual(said)
  })
})

describe('tables of the page', () => {
  test('list the metrics, with instrument, unit and attributes', async () => {
    const telemetry = startTelemetry()
    instrument()
    await doEverything(telemetry, secret)
    const found = [...(await telemetry.collect()).values()].map((metric) => {
      const { name, unit } = metric.descriptor
      const attributes = metric.dataPoints.flatMap((point) => Object.keys(point.attributes))
      return [name, instrumentOf(metric), unit, [...new Set(attributes)].toSorted()]
    })
    const listed = rowsOf('metric').map(([name, kind, unit, attributes]) => {
      return [
        codeIn(name!)[0],
        kind!.replace('Observable', ''),
        codeIn(unit!)[0],
        codeIn(attributes!).toSorted(),
      ]
    })
    expect(listed.toSorted(byFirst)).toEqual(found.toSorted(byFirst))
    expect(found).toHaveLength(11)
  })

  test('list the attributes, with type and where they stand', async () => {
    const telemetry = startTelemetry({ processors: [new otel.EpochSpanProcessor()] })
    instrument()
    await doEverything(telemetry, secret)
    const found = new Map<string, { type: string; on: Set<string> }>()
    const note = (on: string, attributes: object = {}) => {
      for (const [key, value] of Object.entries(attributes)) {
        const type = Array.isArray(value) ? 'string[]' : typeof value === 'number' ? 'int' : typeof value
        const entry = found.get(key) ?? { type, on: new Set() }
        found.set(key, entry)
        expect(entry.type).toBe(type)
        entry.on.add(on)
      }
    }
    for (const { name, attributes, events } of telemetry.spans()) {
      note(isEvent(name) ? 'events' : 'spans', attributes)
      for (const event of events) note('events', event.attributes)
    }
    for (const { dataPoints } of (await telemetry.collect()).values()) {
      for (const point of dataPoints) note('metrics', point.attributes)
    }
    const order = ['spans', 'events', 'metrics']
    const rows = Array.from(found, ([key, { type, on }]) => [
      key,
      type,
      order.filter((place) => on.has(place)).join(', '),
    ])
    const listed = rowsOf('attribute').map(([name, type, on]) => [codeIn(name!)[0], type, on])
    expect(listed.toSorted(byFirst)).toEqual(rows.toSorted(byFirst))
  })

  test('list the span events', async () => {
    const telemetry = startTelemetry()
    instrument()
    await doEverything(telemetry, secret)
    const found = telemetry.spans().flatMap(({ events }) => events.map(({ name }) => name))
    expect(
      rowsOf('span event')
        .map(([name]) => codeIn(name!)[0]!)
        .toSorted(),
    ).toEqual([...new Set(found)].toSorted())
  })
})

/** What a module written in CommonJS is imported with beside its exports is no name to be in scope. */
function identifiers(names: object): string[] {
  return Object.keys(names).filter((name) => name !== 'default' && /^\w+$/.test(name))
}

const isEvent = (name: string) => name.startsWith('withepoch.')

const byFirst = ([a]: unknown[], [b]: unknown[]) => String(a).localeCompare(String(b))

/** The cells of the rows of the table whose first column is headed `heading`. */
function rowsOf(heading: string): string[][] {
  const table = new RegExp(`^\\| ${heading} \\|.*\\n\\|[-|]+\\|\\n((?:\\|.*\\n)+)`, 'm').exec(page)?.[1] ?? ''
  return table.trim().split('\n').map((row) => row.split('|').slice(1, -1).map((cell) => cell.trim())) // prettier-ignore
}

function codeIn(cell: string): string[] {
  return Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!)
}

/** The instrument's kind, which the SDK exports but for whether it is observable. */
function instrumentOf(metric: sdkMetrics.MetricData): string {
  const { DataPointType } = sdkMetrics
  if (metric.dataPointType === DataPointType.HISTOGRAM) return 'Histogram'
  if (metric.dataPointType === DataPointType.GAUGE) return 'Gauge'
  return (metric as sdkMetrics.SumMetricData).isMonotonic ? 'Counter' : 'UpDownCounter'
}
