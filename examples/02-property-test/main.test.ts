import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import {
  assertIsolation,
  isolationProperty,
  IsolationError,
  replay,
  type Schedule,
  strict,
} from '@withepoch/testing'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { currency, list, torn } from './src/price-list.js'
import { world } from './src/world.js'

vi.setConfig({ testTimeout: 300_000 })

test('the price list sees one world, under every random change', async () => {
  await expect(assertIsolation({ ...world, handler: list })).resolves.toBeUndefined()
})

test('the same as a property of fast-check, with its own options', async () => {
  const details = await fc.check(isolationProperty({ ...world, handler: list }), { numRuns: 20 })
  expect(details).toMatchObject({ failed: false, numRuns: 20 })
})

test('without the epoch the kit finds a list of two worlds, and a table that is loaded twice', async () => {
  const error = await assertIsolation({ ...world, handler: torn }, { seed: 1 }).catch(
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(IsolationError)
  const equals = () => true // each row is right by itself; what is loaded for it is another matter
  const rescans = await assertIsolation({ ...world, handler: torn, equals }, { seed: 1 }).catch(
    (reason: unknown) => reason,
  )
  expect((rescans as IsolationError).violations[0]).toMatchObject({ kind: 'loaded-twice' })
})

/** As the search printed it, when the list was not yet in an epoch. */
const reported: Schedule = {
  drive: 'simulated',
  world: { currency: 'EUR', taxTable: 'standard' },
  calls: [2],
  moves: [{ after: 0, microtasks: 0, set: 'currency', to: 'USD' }],
  choices: [],
}

test('a failure that was found is a regression test: it fails the old list and passes the new one', async () => {
  await expect(replay({ ...world, handler: torn }, reported)).rejects.toThrow(
    "torn: the call answers ['1.19 EUR', '2.38 USD'], but alone in the world of its entry it answers ['1.19 EUR', '2.38 EUR']",
  )
  await replay({ ...world, handler: list }, reported)
})

test('failures can be kept in a file, and are tried first', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'property-test-'))
  const failuresFile = path.join(folder, 'price-list.json')
  try {
    const search = { ...world, handler: torn }
    await expect(assertIsolation(search, { failuresFile })).rejects.toThrow('Found after')
    await expect(assertIsolation(search, { failuresFile })).rejects.toThrow('Stored failure 1 of 1')
    await assertIsolation({ ...world, handler: list }, { failuresFile })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test(
  'it reads nothing late and leaves no epoch open',
  strict(async () => {
    expect(await list(1)).toEqual([`1.19 ${currency.get()}`])
  }),
)

test('node:test runs the same', async () => {
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _context, ...env } = process.env
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--test', '--test-reporter=tap', 'examples/02-property-test/src/price-list.node.ts'],
    { cwd: path.resolve(import.meta.dirname, '../..'), env },
  )
  expect(stdout).toMatch(/^# pass 3$/m)
  expect(stdout).toMatch(/^# fail 0$/m)
})
