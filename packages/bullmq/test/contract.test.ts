/** The adapter keeps the contract, on a real queue. */
import { describe } from 'vitest'
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'
import { redisServer } from './redis.js'

describe.skipIf(redisServer === undefined)('with a Redis', () => {
  keepsContract(doors)
})
