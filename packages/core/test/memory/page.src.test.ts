/** docs/memory.md shows what full runs of `npm run memory` found last, and all of it was as promised. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { CASES } from './cases.js'
import { listedLines, readRecorded } from './recorded.js'
import { documented } from './tables.js'

const page = readFileSync(new URL('../../../../docs/memory.md', import.meta.url), 'utf8')
const recorded = readRecorded()

test('the tables of the page are those of the recorded run', () => {
  expect(documented(page, recorded)).toBe(page)
})

test('every case is recorded once on every line, and nothing failed', () => {
  const keys = recorded.results.map(({ line, kind, title }) => `${line}, ${kind} ${title}`)
  const known = listedLines().flatMap(({ name }) =>
    CASES.map(({ kind, title }) => `${name}, ${kind} ${title}`),
  )
  expect(keys.toSorted()).toEqual(known.toSorted())
  expect(recorded.results.filter(({ reasons }) => reasons.length > 0)).toEqual([])
})

test('a page without the marks, or with them twice, is refused', () => {
  expect(() => documented('# Memory', recorded)).toThrow('expected one')
  expect(() => documented(`${page}\n${page}`, recorded)).toThrow('expected one')
})
