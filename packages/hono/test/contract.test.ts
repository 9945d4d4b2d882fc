/** The adapter keeps the contract, on Hono. */
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
