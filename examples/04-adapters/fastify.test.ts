/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('fastify', async () => {
  expect(await output('fastify')).toBe("[ 'acme', 'acme', 'en' ] live: globex\n")
})
