/** The adapter keeps the contract, on a real queue. */
import { contract } from '@withepoch/testing/contract'
import { describe, expect, test } from 'vitest'
import { doors } from './doors.js'
import { redisServer } from './redis.js'

describe.skipIf(redisServer === undefined).each(doors)('$name', (door) => {
  for (const { title, without, run } of contract(door)) {
    test.skipIf(without)(`${title}`, async () => {
      await expect(run()).resolves.toBeUndefined()
    })
  }
})
