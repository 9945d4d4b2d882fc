/** The example prints what it promises, and ends by itself; without a Redis it says what it needs. */
import { afterEach, expect, test } from 'vitest'
import { redisServer, startRedis } from '../../packages/bullmq/test/redis.js'
import { output } from './output.js'

const before = process.env['REDIS_URL']
afterEach(() => {
  if (before === undefined) delete process.env['REDIS_URL']
  else process.env['REDIS_URL'] = before
})

test.skipIf(redisServer === undefined)('bullmq', async () => {
  const redis = await startRedis()
  process.env['REDIS_URL'] = `redis://${redis.host}:${redis.port}`
  try {
    expect(await output('bullmq')).toBe('welcome: from team@acme.example, signed Acme - live: Globex\n')
  } finally {
    await redis.close()
  }
})

test('bullmq without a Redis', async () => {
  process.env['REDIS_URL'] = 'redis://127.0.0.1:1'
  await expect(output('bullmq')).rejects.toThrow(
    'This example needs a Redis, and there is none at redis://127.0.0.1:1',
  )
})
