/** docs/adapters.md shows what the doors declare, and says of a full run that it found nothing wrong. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allDoors, documented, measuredIn } from './page.js'

const page = readFileSync(new URL('../../../../docs/adapters.md', import.meta.url), 'utf8')

test.each([
  ['node', /^Run on 20\d\d-\d\d-\d\d with 20,000 calls .* on Node 20, 22, 24, 26:/],
  ['elsewhere', /^Run on 20\d\d-\d\d-\d\d with 20,000 calls .* on Bun [\d.]+, Deno [\d.]+, workerd [\d.]+:/],
] as const)('the table of %s is that of the doors, and was run with 20,000 calls', async (part, run) => {
  const measured = measuredIn(page, part)
  expect(measured).toMatch(run)
  expect(documented(page, part, await allDoors(part), measured)).toBe(page)
})

test('a page without the marks is refused', () => {
  expect(() => documented('# Adapters', 'node', [], '')).toThrow('has to have')
})
