/**
 * The Hermitage of in-process globals: every anomaly does in every column what its data say, and the page that shows it
 * says what a run says. The scripts are in `anomalies.ts`, the columns in `columns.ts`.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ANOMALIES, expectedOf } from './anomalies.js'
import { COLUMN_IDS, COLUMNS } from './columns.js'
import { cellOf, documented } from './page.js'

describe.each(ANOMALIES)('$name', (anomaly) => {
  test.each(COLUMNS)('in the column: $title', async (column) => {
    const { outcome, seen } = await cellOf(anomaly, column)
    expect([outcome, seen]).toEqual([expectedOf(anomaly, column), expect.any(String)])
  })
})

test('every script can go wrong: each occurs in some column, but for the two that nothing is to go wrong in', () => {
  const harmless = ANOMALIES.filter(({ expected }) => expected.occurs.length === 0).map(({ name }) => name)
  expect(harmless).toEqual(['P4 by update', 'real time'])
})

test('write skew occurs in epochs, and validate is what stops both kinds', () => {
  for (const name of ['G2-item write skew', 'G2 predicate write skew']) {
    const { expected } = ANOMALIES.find((each) => each.name === name)!
    const inEpochs = COLUMN_IDS.slice(COLUMN_IDS.indexOf('reference'), COLUMN_IDS.indexOf('validate'))
    expect(expected.occurs).toEqual(expect.arrayContaining([...inEpochs]))
    expect(expected.refused).toEqual(['validate'])
  }
})

test('names are unique, and each column is of the list', () => {
  expect(new Set(ANOMALIES.map(({ name }) => name)).size).toBe(ANOMALIES.length)
  expect(COLUMNS.map(({ id }) => id)).toEqual([...COLUMN_IDS])
})

test('docs/anomalies.md says what a run says; `npm run anomalies -- --docs` writes it', async () => {
  const page = readFileSync(new URL('../../../../docs/anomalies.md', import.meta.url), 'utf8')
  expect(page).toBe(await documented(page))
})
