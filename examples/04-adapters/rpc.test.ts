/** The example prints what it promises, and ends by itself. */
import { expect, test } from 'vitest'
import { output } from './output.js'

test('rpc', async () => {
  expect(await output('rpc')).toBe(
    '{"jsonrpc":"2.0","id":1,"result":["acme","acme","tenant.get"]} live: globex\n',
  )
})
