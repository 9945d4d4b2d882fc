/**
 * The seeded bugs are honest: each has its place in the source as it is now, says something of its own, and is in the
 * table of the docs. Whether they are found is a command's business, for it takes minutes: `npm run mutants:seeded`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SEEDED_BUGS } from './bugs.js'
import { coreSource, occurrences } from './copy.js'

test('there are at least 20, in at least half of the files that hold state', () => {
  expect(SEEDED_BUGS.length).toBeGreaterThanOrEqual(20)
  expect(new Set(SEEDED_BUGS.map(({ file }) => file)).size).toBeGreaterThanOrEqual(9)
})

test.each(SEEDED_BUGS)('$name: its place occurs once in $file, and is changed', (bug) => {
  expect(readdirSync(coreSource)).toContain(bug.file)
  expect(occurrences(readFileSync(join(coreSource, bug.file), 'utf8'), bug)).toBe(1)
  expect(bug.replace).not.toBe(bug.find)
})

test('no two are the same, or are called or described the same', () => {
  const changes = SEEDED_BUGS.map(({ file, find, replace }) => `${file} ${find} ${replace}`)
  for (const each of [changes, SEEDED_BUGS.map(({ name }) => name), SEEDED_BUGS.map(({ says }) => says)]) {
    expect(each.filter((one, index) => each.indexOf(one) !== index)).toEqual([])
  }
})

test('docs/how-it-is-tested.md has a row for each, in order, and says that all are found', () => {
  const page = readFileSync(new URL('../../../../docs/how-it-is-tested.md', import.meta.url), 'utf8')
  const rows = Array.from(
    page.matchAll(/^\| (.*?) \| `([\w-]+\.ts)` \| (.*?) \|/gm),
    ([, name, file, says]) => ({
      name,
      file,
      says,
    }),
  )
  expect(rows).toEqual(SEEDED_BUGS.map(({ name, file, says }) => ({ name, file, says })))
  expect(page).toContain(`${SEEDED_BUGS.length} of ${SEEDED_BUGS.length} bugs are found`)
})
