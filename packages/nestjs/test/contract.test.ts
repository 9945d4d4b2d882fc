/** The adapter keeps the contract, over HTTP and WebSocket, and over TCP. */
import { contract } from '@withepoch/testing/contract'
import { describe, expect, test } from 'vitest'
import { doors } from './doors.js'

describe.each(doors)('$name', (door) => {
  for (const { title, without, run } of contract(door)) {
    test.skipIf(without)(`${title}`, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }
})
