/** A real queue and a real worker with the adapter in it, for the contract: each route is a job, over a Redis of its own. */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Door, Route, StreamRoute } from '@withepoch/testing/contract'
import { type Job, Queue, QueueEvents, Worker } from 'bullmq'
import { epochPerJob } from '../src/index.js'
import { startRedis } from './redis.js'

const QUEUE = 'contract'
const NO_CLIENT =
  'Jobs come from Redis: a worker has no client, neither one that is connected nor one that could go.'

/** What a job does. A stream goes out as its progress. */
async function run(route: Route, job: Job<{ input?: unknown }>): Promise<unknown> {
  if (route.kind === 'broken') return route.handle()
  if (route.kind !== 'stream' && route.kind !== 'events') return await route.handle(job.data.input)
  for await (const chunk of route.handle()) await job.updateProgress(chunk)
  return null
}

async function* chunksOf(queue: Queue, events: QueueEvents, route: StreamRoute) {
  const jobId = randomUUID()
  const chunks = new Readable({ objectMode: true, read() {} })
  const progressed = (event: { jobId: string; data: unknown }): void => {
    if (event.jobId === jobId) chunks.push(event.data)
  }
  const completed = (event: { jobId: string }): void => {
    if (event.jobId === jobId) chunks.push(null)
  }
  events.on('progress', progressed).on('completed', completed)
  try {
    await queue.add(route.name, {}, { jobId })
    yield* chunks as AsyncIterable<string>
  } finally {
    events.off('progress', progressed).off('completed', completed)
  }
}

const bullmq: Door = {
  name: 'bullmq',
  without: {
    'several calls over one connection, an epoch each': NO_CLIENT,
    'two calls at once over one connection, an epoch each': NO_CLIENT,
    'server-sent events: one world in all of them, open to the last':
      'Server-sent events are of HTTP. What a job streams is its progress.',
    'the client goes amid a stream: the epoch closes': NO_CLIENT,
    'the client goes before the answer: the epoch closes once the handler is done': NO_CLIENT,
    'and the handler that goes on without its client is pinned to its end': NO_CLIENT,
    'a multipart upload: the handler is in the epoch': 'Jobs have no uploads: their data is JSON.',
    'open until the answer is written, closed after it':
      'A result is whole when the processor has settled: nothing is read while it is written to Redis.',
  },
  nameOf: ({ name }) => `${QUEUE}:${name}`,
  async start(routes) {
    const redis = await startRedis()
    const connection = { host: redis.host, port: redis.port }
    const process = epochPerJob(async (job: Job<{ input?: unknown }>) => {
      const route = routes.find(({ name }) => name === job.name)
      if (route === undefined) throw new Error(`There is no job ${job.name}.`)
      return await run(route, job)
    })
    const worker = new Worker(QUEUE, process, { connection, concurrency: 32 })
    // From the first one on: it is ready before it has asked for any, and of a job that is done in between it would not hear.
    const events = new QueueEvents(QUEUE, { connection, autorun: false, lastEventId: '0-0' })
    events.run().catch(() => {}) // it rejects where it is closed before it has begun to read
    const queue = new Queue(QUEUE, { connection })
    queue.setMaxListeners(0) // one for each job that is waited for
    await Promise.all([worker.waitUntilReady(), events.waitUntilReady(), queue.waitUntilReady()])
    return {
      async call(route, input) {
        const job = await queue.add(route.name, { input })
        return (await job.waitUntilFinished(events)) as unknown
      },
      stream: (route) => chunksOf(queue, events, route),
      async close() {
        await Promise.all([worker.close(), events.close(), queue.close()])
        await redis.close()
      },
    }
  },
}

export const doors: readonly Door[] = [bullmq]
