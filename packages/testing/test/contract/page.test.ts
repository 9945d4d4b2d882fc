/** docs/adapters.md shows what the doors declare, and says of a full run that it found nothing wrong. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allDoors, documented, measuredIn } from './page.js'

const page = readFileSync(new URL('../../../../docs/adapters.md', import.meta.url), 'utf8')

test('the table of the page is that of the doors, and was run with 20,000 calls on each line of Node', async () => {
  const measured = measuredIn(page)
  expect(measured).toMatch(/^Run on 20\d\d-\d\d-\d\d with 20,000 calls .* on Node 20, 22, 24, 26:/)
  expect(documented(page, await allDoors(), measured)).toBe(page)
})

test('a page without the marks is refused', () => {
  expect(() => documented('# Adapters', [], '')).toThrow('has to have')
})
