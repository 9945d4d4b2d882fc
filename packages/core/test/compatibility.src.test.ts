/**
 * docs/compatibility.md is made from the golden file of the conformance suite, which `npm run test:runtimes` compares with
 * every runtime. Here, without a runtime: the page is the one that the file makes, and the file has no cell without a word.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { faultsOf, type Golden, reasonIn } from '../../../conformance/src/golden.js'
import { pageOf } from '../../../conformance/src/page.js'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const golden = JSON.parse(read('conformance/golden.json')) as Golden
const rows = golden.groups.flatMap((group) => group.rows)

test('docs/compatibility.md is what `npm run test:runtimes -- --page` makes of the golden file', () => {
  expect(read('docs/compatibility.md')).toBe(pageOf(golden))
})

test('every row has a cell for every column, and every cell that cannot be played has a reason', () => {
  const columns = Object.keys(golden.columns)
  expect(columns.length).toBe(9)
  expect(rows.length).toBeGreaterThan(200)
  for (const { name, ways } of rows) {
    for (const [way, cells] of Object.entries(ways)) {
      expect(Object.keys(cells), `${name}, ${way}`).toEqual(columns)
      for (const cell of Object.values(cells)) {
        expect(cell, `${name}, ${way}`).not.toMatch(/^failed|^$/)
        expect(reasonIn(cell), `${name}, ${way}`).not.toBe('')
      }
    }
  }
})

test('what is not intuitive somewhere has a remedy, and each remedy helps in every column that can play it', () => {
  expect(faultsOf(golden)).toEqual([])
})
