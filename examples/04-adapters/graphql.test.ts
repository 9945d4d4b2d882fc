/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('graphql', async () => {
  expect(await output('graphql')).toBe('acme,acme,acme live: globex\n')
})
