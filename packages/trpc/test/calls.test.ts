/** What tRPC has and the contract does not show: batches, subscriptions that live long, answers with streams in them, callers. */
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createTRPCUntypedClient, httpBatchLink } from '@trpc/client'
import { type AnyTRPCRouter, initTRPC } from '@trpc/server'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { afterEach, expect, test } from 'vitest'
import { cell, detach, getEpoch, withEpoch } from 'withepoch'
import { epochPerCall } from '../src/index.js'
import { linksTo, serveHttp } from './doors.js'

const world = cell('trpc.world', 0)
const change = (value: number): void => detach(() => world.set(value))
const seen = (): { name: string; world: number; id: number } => {
  const { name, id } = getEpoch()
  return { name, world: world.get(), id }
}

const t = initTRPC.context<{ user?: string }>().create()
const procedure = t.procedure.use(epochPerCall())

const closing: Array<() => Promise<void>> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await assertNoOpenEpochs({ withinMs: 20_000 })
  change(0)
})

async function urlOf(router: AnyTRPCRouter): Promise<string> {
  const { url, close } = await serveHttp(router)
  closing.push(close)
  return url
}

test('each call of a batch has an epoch of its own, named after the path', async () => {
  const requests: string[] = []
  let release = (): void => {}
  const released = new Promise<void>((resolve) => (release = resolve))
  const url = await urlOf(
    t.router({
      first: procedure.query(async () => {
        await released
        return seen()
      }),
      orders: t.router({
        list: procedure.query(() => {
          change(2)
          return seen()
        }),
      }),
      last: procedure.query(async () => {
        release()
        return seen()
      }),
    }),
  )
  const link = httpBatchLink({
    url,
    fetch: (to, init) => {
      requests.push(to as string)
      return fetch(to as string, init as RequestInit)
    },
  })
  const client = createTRPCUntypedClient<AnyTRPCRouter>({ links: [link] })
  change(1)
  const answers = await Promise.all([
    client.query('first'),
    client.query('orders.list'),
    client.query('last'),
  ])
  expect(requests).toHaveLength(1)
  expect(answers).toMatchObject([
    { name: 'first', world: 1 },
    { name: 'orders.list', world: 1 },
    { name: 'last', world: 2 },
  ])
  expect(new Set(answers.map((answer) => (answer as { id: number }).id)).size).toBe(3)
})

test('a subscription is one call, in one world; withEpoch for an event is a fresh one', async () => {
  const url = await urlOf(
    t.router({
      stale: procedure.subscription(async function* () {
        for (const value of [1, 2]) {
          change(value)
          await turn()
          yield seen()
        }
      }),
      fresh: procedure.subscription(async function* () {
        for (const value of [1, 2]) {
          change(value)
          await turn()
          yield withEpoch({ name: 'fresh.event', ifNested: 'fresh' }, seen)
        }
      }),
    }),
  )
  const client = createTRPCUntypedClient<AnyTRPCRouter>({ links: linksTo(url) })
  const eventsOf = async (path: string): Promise<unknown[]> => {
    const events: unknown[] = []
    for await (const event of client.subscription(path, undefined)) events.push(event)
    return events
  }
  const [first, second] = (await eventsOf('stale')) as Array<ReturnType<typeof seen>>
  expect(first).toMatchObject({ name: 'stale', world: 0 })
  expect(second).toEqual(first)
  change(0)
  const events = (await eventsOf('fresh')) as Array<ReturnType<typeof seen>>
  expect(events).toMatchObject([
    { name: 'fresh.event', world: 1 },
    { name: 'fresh.event', world: 2 },
  ])
  expect(events[0]?.id).not.toBe(events[1]?.id)
})

test('promises, generators and streams in an answer are in its epoch, and hold it to the last of them', async () => {
  async function* rows(): AsyncGenerator<unknown, void, undefined> {
    for (const value of [1, 2]) {
      yield seen()
      change(value)
      await turn()
    }
  }
  const url = await urlOf(
    t.router({
      page: procedure.query(() => ({
        head: seen(),
        later: (async () => {
          for (let count = 0; count < 20; count++) await turn()
          return { seen: seen(), rows: rows() }
        })(),
        rows: rows(),
        stream: new ReadableStream({
          async start(controller) {
            for (let count = 0; count < 40; count++) await turn()
            controller.enqueue(seen())
            controller.close()
          },
        }),
      })),
    }),
  )
  const client = createTRPCUntypedClient<AnyTRPCRouter>({ links: linksTo(url) })
  const page = (await client.query('page', undefined, { context: { streams: true } })) as {
    head: unknown
    later: Promise<{ seen: unknown; rows: AsyncIterable<unknown> }>
    rows: AsyncIterable<unknown>
    stream: AsyncIterable<unknown>
  }
  const found: unknown[] = [(await page.later).seen]
  for (const part of [page.rows, (await page.later).rows, page.stream])
    for await (const row of part) found.push(row)
  expect(page.head).toMatchObject({ name: 'page', world: 0 })
  expect(found).toEqual(Array(6).fill(page.head))
})

test('a promise in an answer is enough to hold the epoch', async () => {
  const url = await urlOf(
    t.router({
      page: procedure.query(() => ({
        later: (async () => {
          for (let count = 0; count < 20; count++) await turn()
          return seen()
        })(),
      })),
    }),
  )
  const client = createTRPCUntypedClient<AnyTRPCRouter>({ links: linksTo(url) })
  const page = await client.query('page', undefined, { context: { streams: true } })
  expect(await (page as { later: Promise<unknown> }).later).toMatchObject({ name: 'page', world: 0 })
})

test('an answer without streams is handed on as it is', async () => {
  const answer = { list: [Promise.resolve(1)], at: new Date(0), nothing: null }
  const router = t.router({ plain: procedure.query(() => answer) })
  expect(await router.createCaller({}).plain()).toBe(answer)
})

test('a procedure that a procedure calls sees the world of now', async () => {
  const inner = t.router({ inner: procedure.query(() => seen()) })
  const outer = t.router({
    outer: procedure.query(async ({ ctx }) => {
      change(1)
      return [seen(), await inner.createCaller(ctx).inner()]
    }),
  })
  expect(await outer.createCaller({}).outer()).toMatchObject([
    { name: 'outer', world: 0 },
    { name: 'inner', world: 1 },
  ])
})

test('options are those of the epoch, and the context keeps its type', async () => {
  const router = t.router({
    named: t.procedure
      .use(({ ctx, next }) => next({ ctx: { user: ctx.user ?? 'nobody' } }))
      .use(
        epochPerCall({ name: ({ path, type }) => `${type} ${path}`, values: [[world, 7]], writes: 'reject' }),
      )
      .mutation(({ ctx }) => {
        const user: string = ctx.user
        expect(() => world.set(8)).toThrow(expect.objectContaining({ code: 'WRITE_REJECTED' }))
        return { user, ...seen() }
      }),
  })
  expect(await router.createCaller({}).named()).toMatchObject({
    user: 'nobody',
    name: 'mutation named',
    world: 7,
  })
})

test('a stream that tRPC drops, since its client takes none, leaves no epoch open', async () => {
  const rows = async function* (): AsyncGenerator<string> {
    yield 'row'
  }
  const url = await urlOf(
    t.router({ rows: procedure.query(rows), nested: procedure.query(() => ({ rows: rows() })) }),
  )
  for (const path of ['rows', 'nested?batch=1']) expect((await fetch(`${url}/${path}`)).status).toBe(415)
  await collected()
  await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
})

test('a stream that is still read is not dropped', async () => {
  const rows: AsyncIterable<string> = await t
    .router({
      rows: procedure.query(async function* () {
        for (let row = 0; row < 3; row++) {
          yield seen().name
          await collected()
        }
      }),
    })
    .createCaller({})
    .rows()
  const names: string[] = []
  for await (const name of rows) names.push(name)
  expect(names).toEqual(['rows', 'rows', 'rows'])
})

/** Whatever nobody can reach has been collected, and who asked to be told of it has been. */
async function collected(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let count = 0; count < 3; count++) {
    await turn()
    collect()
  }
  await turn()
}

test('used without being called it is refused', async () => {
  const router = t.router({ who: t.procedure.use(epochPerCall as never).query(() => 'nobody') })
  await expect(router.createCaller({}).who()).rejects.toThrow(
    'epochPerCall(call): it makes the middleware. Say t.procedure.use(epochPerCall()).',
  )
})
