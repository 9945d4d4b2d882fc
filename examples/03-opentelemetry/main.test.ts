/** Runs the example as its README says, and looks at what it prints. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The blocks of the output: a line, and the attributes below it. */
let blocks: Array<{ line: string; attributes: string[] }>

beforeAll(async () => {
  const tsx = fileURLToPath(import.meta.resolve('tsx/cli'))
  const args = [tsx, 'examples/03-opentelemetry/src/main.ts']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
  blocks = stdout.split(/^(?=\S| {2}\S)/m).map((block) => {
    const [line = '', ...attributes] = block.trim().split(/\n\s+/)
    return { line, attributes }
  })
}, 60_000)

test('the request that drifted, and the timer that read too late, are told on spans and counted', () => {
  const of = (line: string) =>
    blocks.filter((block) => block.line === line).map(({ attributes }) => attributes)

  const [orders] = of('span  GET /orders')
  expect(orders).toContain('withepoch.epoch.name = GET /orders')
  expect(orders).toContain('withepoch.epoch.drifted_reads = 40')
  expect(orders).toContain('withepoch.epoch.drifted_sources = config.region,config.password')

  const [region, password] = of('event withepoch.source.drift')
  expect(region).toContain('withepoch.source.name = config.region')
  expect(region).toContain('withepoch.source.described = eu-1')
  expect(password).toContain('withepoch.source.name = config.password')

  const [late] = of('span  withepoch.source.late_read')
  expect(late).toContain('withepoch.epoch.name = POST /report')
  expect(late).toContain('withepoch.source.described = eu-2')
  const order = blocks.map(({ line }) => line)
  expect(order.indexOf('span  withepoch.source.late_read')).toBe(order.indexOf('span  POST /report') + 1)

  expect(of('metric 20 withepoch.source.drifted_reads')).toHaveLength(2)
  expect(of('metric 1 withepoch.source.late_reads')).toHaveLength(1)
  expect(of('metric 1 withepoch.epoch.duration')).toHaveLength(2)
  expect(of('metric 0 withepoch.epoch.active')).toHaveLength(2)
  expect(JSON.stringify(blocks)).not.toMatch(/hunter/)
})

test('what the README shows is printed, but for ids and versions', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const shown = /```text\n([\s\S]*?)```/.exec(readme)?.[1]?.split('\n').map((line) => line.trim()) ?? [] // prettier-ignore
  const printed = new Set(blocks.flatMap(({ line, attributes }) => [line, ...attributes]))
  const missing = shown.filter((line) => line !== '' && line !== '…' && !printed.has(line))
  expect(missing.filter((line) => !/\.(id|version) = \d+$/.test(line))).toEqual([])
  expect(shown.length).toBeGreaterThan(15)
})
