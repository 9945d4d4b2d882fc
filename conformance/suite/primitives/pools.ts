/**
 * Pools and queues: what waits for a place is called by whoever frees it. In each row the releaser holds the only place,
 * the own epoch waits for it, and the releaser, perhaps another tenant's request, frees it.
 */
import { queue } from 'async'
import { Mutex, Semaphore } from 'async-mutex'
import { Sema } from 'async-sema'
import Bottleneck from 'bottleneck'
import fastq from 'fastq'
import { createPool } from 'generic-pool'
import pLimit from 'p-limit'
import PQueue from 'p-queue'
import pg from 'pg'
import { Pool as TarnPool } from 'tarn'
import { deferred } from '../deferred.js'
import { postgres } from '../postgres.js'
import type { Group, Primitive, Stage } from '../primitive.js'
import { notInWorkerd } from '../workerd.js'

/** A queue with one place, as a function that takes a task. */
type Place = (task: () => Promise<void>) => unknown

/** Two rows: the body of a task that had to wait, and what follows the `await` of it. */
function tasks(name: string, module: string, make: (after: Stage['after']) => Place): Primitive[] {
  return [
    {
      name: `${name}: the body of a task that had to wait`,
      package: module,
      remedies: ['bind'],
      async run({ as, see, bind, after }) {
        const place = make(after)
        const held = await taken(as, place)
        as('own', () => place(bind(async () => see())))
        await later()
        as('resolver', held)
      },
    },
    {
      name: `\`await\` of ${name}`,
      package: module,
      async run({ as, see, after }) {
        const place = make(after)
        const held = await taken(as, place)
        const running = as('own', async () => {
          await place(async () => {})
          see()
        })
        await later()
        as('resolver', held)
        await running
      },
    },
  ]
}

/** A pool with one resource, by promises: what follows the `await` of a resource that had to be waited for. */
function acquiring(
  name: string,
  module: string,
  make: (
    after: Stage['after'],
  ) => Promise<{ acquire(): PromiseLike<unknown>; release(resource: never): void }>,
): Primitive {
  return {
    name: `\`await\` of ${name}`,
    package: module,
    async run({ as, see, after }) {
      const pool = await make(after)
      const first = await as('releaser', async () => pool.acquire())
      const running = as('own', async () => {
        const resource = await pool.acquire()
        see()
        pool.release(resource as never)
      })
      await later()
      as('releaser', () => pool.release(first as never))
      await running
    },
  }
}

export const pools: Group = {
  id: 'pools',
  primitives: [
    ...tasks('p-queue `add`', 'p-queue', () => {
      const queue = new PQueue({ concurrency: 1 })
      return (task) => queue.add(task)
    }),
    ...tasks('p-limit', 'p-limit', () => pLimit(1)),
    ...tasks('fastq `promise`', 'fastq', () => {
      const queue = fastq.promise((task: () => Promise<void>) => task(), 1)
      return (task) => queue.push(task)
    }),
    {
      name: 'fastq: the callback of a task that had to wait',
      package: 'fastq',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const dones: Array<(error: null) => void> = []
        const queue = fastq((_task: unknown, done: (error: null) => void) => void dones.push(done), 1)
        as('releaser', () => queue.push('first', () => {}))
        as('own', () => queue.push('second', bind(see)))
        as('releaser', () => dones[0]!(null))
        as('second releaser', () => dones[1]!(null))
      },
    },
    ...tasks('`async.queue`', 'async', () => {
      const tasks = queue((task: () => Promise<void>, done: (error?: Error) => void) => {
        task().then(() => done(), done)
      }, 1)
      return (task) => tasks.pushAsync(task)
    }),
    ...tasks('bottleneck `schedule`', 'bottleneck', () => {
      const limiter = new Bottleneck({ maxConcurrent: 1 })
      return (task) => limiter.schedule(task)
    }),
    ...tasks('async-mutex `runExclusive`', 'async-mutex', () => {
      const mutex = new Mutex()
      return (task) => mutex.runExclusive(task)
    }),
    acquiring('async-mutex `Semaphore.acquire`', 'async-mutex', async () => {
      const semaphore = new Semaphore(1)
      return {
        acquire: async () => (await semaphore.acquire())[1],
        release: (release: () => void) => release(),
      }
    }),
    acquiring('async-sema `acquire`', 'async-sema', async () => {
      const sema = new Sema(1)
      return { acquire: () => sema.acquire(), release: (token) => sema.release(token) }
    }),
    acquiring('generic-pool `acquire`', 'generic-pool', async (after) => {
      const pool = createPool({ create: async () => ({}), destroy: async () => {} }, { max: 1 })
      after(async () => {
        await pool.drain()
        await pool.clear()
      })
      return { acquire: () => pool.acquire(), release: (resource) => void pool.release(resource) }
    }),
    acquiring('tarn `acquire`', 'tarn', async (after) => {
      const pool = new TarnPool<object>({ create: async () => ({}), destroy() {}, min: 0, max: 1 })
      after(() => pool.destroy())
      return { acquire: () => pool.acquire().promise, release: (resource) => void pool.release(resource) }
    }),
    ...postgresRows().map((row) => ({ ...row, unsupported: notInWorkerd('no server can be made there') })),
  ],
}

/** `pg` and its pool, against a server on loopback. */
function postgresRows(): Primitive[] {
  return [
    {
      name: 'pg `pool.connect(callback)` that had to wait',
      package: 'pg',
      remedies: ['bind'],
      async run({ as, see, bind, after }) {
        const pool = await pgPool(after)
        const first = await as('releaser', () => pool.connect())
        as('own', () =>
          pool.connect(
            bind((_error: unknown, _client: unknown, release: () => void) => {
              see()
              release()
            }),
          ),
        )
        as('releaser', () => first.release())
      },
    },
    {
      name: 'pg `pool.query(text, callback)` that had to wait',
      package: 'pg',
      remedies: ['bind'],
      async run({ as, see, bind, after }) {
        const pool = await pgPool(after)
        const first = await as('releaser', () => pool.connect())
        as('own', () => pool.query('select', bind(see)))
        as('releaser', () => first.release())
      },
    },
    {
      name: 'pg `client.query(text, callback)` on a client that another made',
      package: 'pg',
      remedies: ['bind'],
      async run({ as, see, bind, after }) {
        const client = new pg.Client(await postgres(after))
        after(() => client.end())
        await as('creator', () => client.connect())
        as('own', () => client.query('select', bind(see)))
      },
    },
    acquiring('pg `pool.connect()`', 'pg', async (after) => {
      const pool = await pgPool(after)
      return { acquire: () => pool.connect(), release: (client: pg.PoolClient) => client.release() }
    }),
    {
      name: '`await` of pg `pool.query`',
      package: 'pg',
      async run({ as, see, after }) {
        const pool = await pgPool(after)
        const first = await as('releaser', () => pool.connect())
        const running = as('own', async () => {
          await pool.query('select')
          see()
        })
        await later()
        as('releaser', () => first.release())
        await running
      },
    },
  ]
}

async function pgPool(after: Stage['after']): Promise<pg.Pool> {
  const pool = new pg.Pool({ ...(await postgres(after)), max: 1 })
  after(() => pool.end())
  return pool
}

/** Has the releaser take the only place, and returns what gives it up. */
async function taken(as: Stage['as'], place: Place): Promise<() => void> {
  const [started, held] = [deferred(), deferred()]
  void as('releaser', () =>
    place(() => {
      started.resolve()
      return held.promise
    }),
  )
  await started.promise
  return held.resolve
}

/** Until the second task waits: queues take them in by promises, or by timers of no delay. */
async function later(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setTimeout(resolve, 1))
}
