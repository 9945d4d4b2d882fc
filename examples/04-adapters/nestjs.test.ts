/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('nestjs', async () => {
  expect(await output('nestjs')).toBe("[ 'acme', 'acme', 'en' ] live: globex\n")
})
