/** What a job has that a call has not: it is added somewhere else, it is tried again, and it may be cancelled. */
import type { Job } from 'bullmq'
import { Queue, QueueEvents, Worker } from 'bullmq'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { cell, getEpoch, tryGetEpoch, withEpoch } from 'withepoch'
import { epochPerJob, type JobProcessor } from '../src/index.js'
import { type Redis, redisServer, startRedis } from './redis.js'

const tenant = cell('bullmq.tenant', 'acme')

test.each([
  [{ name: 'welcome' }, 'object'], // a job: it was given to the worker without being called
  ['./processor.js', 'string'],
  [null, 'null'],
])('a processor that is none is refused, not each job: %o', (processor, found) => {
  expect(() => epochPerJob(processor as never)).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(`processor must be a function, got ${found}.`) as string,
    }),
  )
})

describe.skipIf(redisServer === undefined)('a job', () => {
  let redis: Redis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis?.close())

  const closing: Array<() => Promise<void>> = []
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()))
    tenant.set('acme')
  })

  let queues = 0
  async function queueOf<R>(processor: JobProcessor<Job<unknown, R>, R>) {
    const name = `jobs${++queues}`
    const connection = { host: redis.host, port: redis.port }
    const queue = new Queue(name, { connection })
    // From the first one on: it is ready before it has asked for any, and of a job that is done in between it would not hear.
    const events = new QueueEvents(name, { connection, lastEventId: '0-0' })
    const worker = new Worker<unknown, R>(name, processor, { connection, autorun: false })
    closing.push(async () => {
      await Promise.all([worker.close(), events.close(), queue.close()])
    })
    await Promise.all([events.waitUntilReady(), worker.waitUntilReady()])
    const start = (): void => void worker.run().catch(() => {})
    return { name, queue, events, worker, start }
  }

  test('that was added in an epoch sees the world of its run, in an epoch of its own', async () => {
    const { name, queue, events, start } = await queueOf(
      epochPerJob(async () => ({ epoch: getEpoch().toJSON(), tenant: tenant.get() })),
    )
    const { job, id } = await withEpoch(
      { name: 'sign-up', values: [[tenant, 'override']] },
      async (epoch) => {
        return { job: await queue.add('welcome', {}), id: epoch.id }
      },
    )
    tenant.set('globex')
    start()
    const result = (await job.waitUntilFinished(events)) as { epoch: { id: number } }
    expect(result).toMatchObject({ epoch: { name: `${name}:welcome` }, tenant: 'globex' })
    expect(result.epoch.id).not.toBe(id)
  })

  test('that is tried again has another epoch, and sees what is live then', async () => {
    const seen: Array<{ id: number; tenant: string }> = []
    const { queue, events, start } = await queueOf(
      epochPerJob(async (job) => {
        seen.push({ id: getEpoch().id, tenant: tenant.get() })
        tenant.set('globex')
        if (job.attemptsMade === 0) throw new Error('once more')
        return seen.length
      }),
    )
    start()
    const job = await queue.add('flaky', {}, { attempts: 2 })
    expect(await job.waitUntilFinished(events)).toBe(2)
    expect(seen.map((each) => each.tenant)).toEqual(['acme', 'globex'])
    expect(seen[0]?.id).not.toBe(seen[1]?.id)
  })

  test('that is cancelled is told by its signal, and its epoch is open until it has settled', async () => {
    let arrived = (): void => {}
    const arrival = new Promise<void>((resolve) => (arrived = resolve))
    const { queue, events, worker, start } = await queueOf(
      epochPerJob(async (_job, _token, signal) => {
        const cancelled = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
        arrived()
        await cancelled
        return { aborted: getEpoch().signal.aborted, phase: getEpoch().phase, tenant: tenant.get() }
      }),
    )
    start()
    const job = await queue.add('long', {})
    await arrival
    tenant.set('globex')
    expect(worker.cancelJob(job.id ?? '')).toBe(true)
    expect(await job.waitUntilFinished(events)).toEqual({ aborted: false, phase: 'open', tenant: 'acme' })
  })

  test('has no signal where its processor asks for none, as without', async () => {
    const passed: unknown[] = []
    const plain = async (job: Job): Promise<string> => job.name
    const { queue, events, start } = await queueOf(
      epochPerJob(async function (_job: Job, _token) {
        passed.push(arguments[2])
        return tryGetEpoch() !== undefined
      }),
    )
    start()
    expect(await (await queue.add('plain', {})).waitUntilFinished(events)).toBe(true)
    expect(passed).toEqual([undefined])
    expect(epochPerJob(plain)).toHaveLength(plain.length)
  })

  test('has the options of the epoch', async () => {
    const { queue, events, start } = await queueOf(
      epochPerJob(async () => [getEpoch().name, tenant.get()], {
        name: (job) => `job ${job.id}`,
        values: [[tenant, 'initech']],
      }),
    )
    start()
    const job = await queue.add('named', {}, { jobId: 'a-7' })
    expect(await job.waitUntilFinished(events)).toEqual(['job a-7', 'initech'])
  })
})
