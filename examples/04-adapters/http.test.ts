/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('http', async () => {
  expect(await output('http')).toBe("[ 'acme', 'acme', 'en' ] live: globex\n")
})
