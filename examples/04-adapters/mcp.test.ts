/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('mcp', async () => {
  expect(await output('mcp')).toBe(
    "[ { type: 'text', text: 'hello bob' } ]\n" +
      "[ { type: 'text', text: 'asked by ada, answered to ada' } ] live: bob\n",
  )
})
