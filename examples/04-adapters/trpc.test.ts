/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('trpc', async () => {
  expect(await output('trpc')).toBe("[ '10 EUR', '20 EUR', '30 EUR' ] live: USD\n")
})
