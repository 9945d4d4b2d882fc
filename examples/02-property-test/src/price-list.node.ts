/** The same in Node's own runner: `npm run test:node`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertIsolation, IsolationError, strict } from '@withepoch/testing'
import { currency, list, torn } from './price-list.js'
import { world } from './world.js'

void test('the price list sees one world', () => assertIsolation({ ...world, handler: list }, { seed: 1 }))

void test('without the epoch it does not', async () => {
  await assert.rejects(assertIsolation({ ...world, handler: torn }, { seed: 1 }), IsolationError)
})

void test(
  'it reads nothing late',
  strict(async () => {
    assert.deepEqual(await list(1), [`1.19 ${currency.get()}`])
  }),
)
