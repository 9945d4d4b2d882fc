/** A real queue and a real worker with the adapter in it, for the contract: each route is a job, over a Redis of its own. */
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Door, Route, StreamRoute } from '@withepoch/testing/contract'
import { type Job, Queue, QueueEvents, Worker } from 'bullmq'
import { epochPerJob } from '../src/index.js'
import { startRedis } from './redis.js'

const QUEUE = 'contract'

/** What a job does. A stream goes out as its progress. */
async function run(route: Route, job: Job<{ input?: unknown }>, signal?: AbortSignal): Promise<unknown> {
  if (route.kind === 'broken') return route.handle()
  if (route.kind !== 'stream' && route.kind !== 'events') return await route.handle(job.data.input)
  for await (const chunk of route.handle()) {
    if (signal?.aborted) break
    await job.updateProgress(chunk)
  }
  return null
}

async function call(queue: Queue, events: QueueEvents, route: Route, input: unknown, signal?: AbortSignal) {
  const job = await queue.add(route.name, { input })
  const finished: Promise<unknown> = job.waitUntilFinished(events)
  return await (signal === undefined ? finished : Promise.race([finished, rejects(signal)]))
}

/** Who is gone waits no more; the job goes on. */
function rejects(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error)),
  )
}

async function* chunksOf(
  queue: Queue,
  worker: Worker,
  events: QueueEvents,
  route: StreamRoute,
  signal?: AbortSignal,
) {
  const jobId = randomUUID()
  const chunks = new Readable({ objectMode: true, read() {} })
  const progressed = (event: { jobId: string; data: unknown }): void => {
    if (event.jobId === jobId) chunks.push(event.data)
  }
  const completed = (event: { jobId: string }): void => {
    if (event.jobId === jobId) chunks.push(null)
  }
  events.on('progress', progressed).on('completed', completed)
  signal?.addEventListener('abort', () => worker.cancelJob(jobId))
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
    'a WebSocket: an epoch for each message, also for two at once':
      'Jobs come from Redis: no client is connected to a worker.',
    'a multipart upload: the handler is in the epoch': 'Jobs have no uploads: their data is JSON.',
    'open until the answer is written, closed after it':
      'A result is whole when the processor has settled: nothing is read while it is written to Redis.',
  },
  nameOf: ({ name }) => `${QUEUE}:${name}`,
  async start(routes) {
    const redis = await startRedis()
    const connection = { host: redis.host, port: redis.port }
    const process = epochPerJob(async (job: Job<{ input?: unknown }>, _token, signal) => {
      const route = routes.find(({ name }) => name === job.name)
      if (route === undefined) throw new Error(`There is no job ${job.name}.`)
      return await run(route, job, signal)
    })
    const worker = new Worker(QUEUE, process, { connection, concurrency: 32 })
    const events = new QueueEvents(QUEUE, { connection, autorun: false })
    events.run().catch(() => {}) // it rejects where it is closed before it has begun to read
    const queue = new Queue(QUEUE, { connection })
    queue.setMaxListeners(0) // one for each job that is waited for
    await Promise.all([worker.waitUntilReady(), events.waitUntilReady(), queue.waitUntilReady()])
    return {
      call: (route, input, signal) => call(queue, events, route, input, signal),
      stream: (route, signal) => chunksOf(queue, worker, events, route, signal),
      /** A queue of its own, which adds all its jobs over one connection to Redis. */
      async connect() {
        const own = new Queue(QUEUE, { connection })
        return { call: (route, input) => call(own, events, route, input), close: () => own.close() }
      },
      async close() {
        await Promise.all([worker.close(), events.close(), queue.close()])
        await redis.close()
      },
    }
  },
}

export const doors: readonly Door[] = [bullmq]
