/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('hono', async () => {
  expect(await output('hono')).toBe("[ 'acme', 'acme', 'en' ] live: globex\n")
})
