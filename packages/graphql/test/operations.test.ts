/** What GraphQL has and the contract does not show: many resolvers, batches, subscriptions, and what Apollo makes of errors. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ApolloServer } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { createSchema } from 'graphql-yoga'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cell, detach, type EpochEvent, getEpoch, tryGetEpoch, withEpoch } from 'withepoch'
import { epochPerOperation, type OperationOptions } from '../src/index.js'
import { byYoga, clientOf, serveSockets, serveYoga } from './doors.js'

const world = cell('graphql.world', 0)
const change = (): void => detach(() => world.set(world.live() + 1))

interface Seen {
  readonly id: number
  readonly name: string
  readonly world: number
}
const seen = (): Seen => {
  const { id, name } = getEpoch()
  return { id, name, world: world.get() }
}

/** Waits, as a resolver does that asks a database, while somebody changes the world. */
async function later(): Promise<Seen> {
  await turn()
  change()
  await turn()
  return seen()
}

const sources: string[] = []
/** Events of which the second never comes; it tells what it sees, and whether it was ended. */
function ticks(): AsyncIterator<unknown> & AsyncIterable<unknown> {
  let sent = 0
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      if (sent++ === 2) await new Promise(() => {})
      change()
      sources.push(`${tryGetEpoch()?.name} ${world.get()}`)
      return { value: { tick: {} }, done: false }
    },
    async return() {
      sources.push('returned')
      return { value: undefined, done: true }
    },
  }
}

const schema = createSchema<{ user?: string }>({
  typeDefs: `
    directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
    scalar Seen
    type Order { id: Int, seen: Seen, lines: [Line] }
    type Line { seen: Seen }
    type Tick { first: Seen, second: Seen }
    type Query { orders: [Order], seen: Seen, user: String, fails: String, double(of: Int!): Int }
    type Mutation { change: Seen }
    type Subscription { tick: Tick, refused: Tick }
  `,
  resolvers: {
    Query: {
      orders: async () => {
        await turn()
        return [1, 2, 3].map((id) => ({ id, lines: [{}, {}] }))
      },
      seen: later,
      user: (_source, _args, { user }) => user,
      fails: () => {
        throw new Error('it fails')
      },
      double: (_source, { of }: { of: number }) => of * 2,
    },
    Order: { seen: later },
    Line: { seen: later },
    Mutation: {
      change: () => {
        change()
        return seen()
      },
    },
    Tick: { first: later, second: later },
    Subscription: {
      tick: {
        subscribe: async () => {
          const { name } = await later()
          sources.push(`set up in ${name}`)
          return ticks()
        },
      },
      refused: {
        subscribe: () => {
          throw new Error('no ticks for you')
        },
      },
    },
  },
})

const opened: string[] = []
const onOpen = (event: unknown): void => void opened.push((event as EpochEvent).epoch.name)
const closing: Array<() => Promise<void>> = []
beforeEach(() => {
  subscribe('withepoch:epoch:open', onOpen)
  opened.length = sources.length = 0
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  unsubscribe('withepoch:epoch:open', onOpen)
  await assertNoOpenEpochs({ withinMs: 20_000 })
})

async function yoga(options?: OperationOptions): Promise<string> {
  const { url, close } = await serveYoga({ schema, plugins: [epochPerOperation(options)], batching: true })
  closing.push(close)
  return url
}

async function apollo(options?: OperationOptions): Promise<string> {
  const server = new ApolloServer({
    gateway: epochPerOperation(schema, options),
    allowBatchedHttpRequests: true,
    stopOnTerminationSignals: false,
  })
  closing.push(() => server.stop())
  return (await startStandaloneServer(server, { listen: { port: 0, host: '127.0.0.1' } })).url
}

async function post(url: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json', connection: 'close' }
  return await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}

describe.each([
  ['Yoga', yoga],
  ['Apollo', apollo],
])('%s', (_name, start) => {
  test('an operation of many resolvers that wait has one epoch, and sees one world', async () => {
    const query = 'query List { seen orders { seen lines { seen } } }'
    const { data } = (await post(await start(), { query })) as {
      data: { seen: Seen; orders: Array<{ seen: Seen; lines: Array<{ seen: Seen }> }> }
    }
    const all = [
      data.seen,
      ...data.orders.flatMap((order) => [order.seen, ...order.lines.map((line) => line.seen)]),
    ]
    expect(all).toEqual(Array(10).fill(data.seen))
    expect(opened).toEqual(['List'])
  })

  test('each operation of a batch has an epoch of its own', async () => {
    const before = world.live()
    const answers = (await post(await start(), [
      { query: 'mutation First { change }' },
      { query: '{ seen }' },
      { query: 'query A { seen } query B { seen }', operationName: 'B' },
    ])) as Array<{ data: { change?: Seen; seen?: Seen } }>
    const all = answers.map(({ data }) => data.change ?? data.seen)
    expect(all.map((one) => one?.name)).toEqual(['First', 'query seen', 'B'])
    expect(new Set(all.map((one) => one?.id)).size).toBe(3)
    expect(all[0]?.world).toBe(before)
  })

  test('options are those of the epoch', async () => {
    const url = await start({
      name: ({ operation, name }) => `graphql ${operation} ${name?.value}`,
      values: [[world, -1]],
    })
    expect(await post(url, { query: 'query Q { seen }' })).toMatchObject({
      data: { seen: { name: 'graphql query Q', world: -1 } },
    })
  })

  test('what is no operation is an error, as ever', async () => {
    const answer = await post(await start(), { query: 'query A { seen } query B { seen }' })
    expect(answer).toHaveProperty('errors')
  })
})

test('a streamed result that Yoga drops, since its client does not accept it, leaves no epoch open', async () => {
  const headers = { 'content-type': 'application/json', accept: 'application/json', connection: 'close' }
  const body = JSON.stringify({ query: 'query Dropped { orders @stream { id } }' })
  expect((await fetch(await yoga(), { method: 'POST', headers, body })).status).toBe(406)
  expect(opened).toEqual(['Dropped'])
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let count = 0; count < 3; count++) {
    await turn()
    collect()
  }
  await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
})

const functionsOf = () => {
  const { execute, subscribe: subscribed } = epochPerOperation()
  return { execute, subscribe: subscribed }
}

type Tick = { first: Seen; second: Seen }
const TICKS = 'subscription Ticks { tick { first second } }'

/** Events of a subscription, until `gone` aborts; `query` is not that of one, else. */
type Subscribe = (query: string, gone: AbortSignal) => AsyncIterable<{ data?: { tick: Tick } | null }>

async function overEvents(): Promise<Subscribe> {
  const url = await yoga()
  return async function* (query, signal) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query }),
      signal,
    })
    let rest = ''
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split('\n')
      rest = lines.pop()!
      for (const line of lines.filter((each) => each.startsWith('data: {')))
        yield JSON.parse(line.slice('data: '.length)) as { data: { tick: Tick } }
    }
  }
}

async function overSockets(options: Parameters<typeof serveSockets>[0]): Promise<Subscribe> {
  const { url, close } = await serveSockets(options)
  closing.push(close)
  return async function* (query, signal) {
    const client = clientOf(url)
    signal.addEventListener('abort', () => client.terminate())
    yield* client.iterate<{ tick: Tick }>({ query })
  }
}

describe.each([
  ['Yoga, server-sent events', overEvents],
  ['Yoga, graphql-ws', () => overSockets(byYoga({ schema, plugins: [epochPerOperation()] }))],
  ['graphql-ws', () => overSockets({ schema, ...functionsOf() })],
])('a subscription of %s', (_name, start) => {
  test('each event is executed in a fresh epoch; the source is in none, and ends with its client', async () => {
    let release = (): void => {}
    const startUp = new Promise<void>((resolve) => (release = resolve))
    const run = await new Promise<Subscribe>((resolve, reject) => {
      // What a server hands on to its requests, and here to the source, if it was started inside an epoch.
      void withEpoch({ name: 'start-up' }, async () => {
        start().then(resolve, reject)
        await startUp
      })
    })
    opened.length = 0
    const gone = new AbortController()
    const events: Tick[] = []
    for await (const { data } of run(TICKS, gone.signal)) {
      events.push(data!.tick)
      if (events.length === 2) break
    }
    gone.abort()
    await vi.waitFor(() => expect(sources.at(-1)).toBe('returned'), { timeout: 20_000 })
    release()

    const [one, two] = events
    expect(one?.second).toEqual(one?.first)
    expect(two?.second).toEqual(two?.first)
    expect(two?.first.id).not.toBe(one?.first.id)
    expect(opened).toEqual(['Ticks', 'Ticks', 'Ticks']) // set up, and two events
    expect(sources).toEqual([
      'set up in Ticks',
      `undefined ${one?.first.world}`,
      `undefined ${two?.first.world}`,
      'returned',
    ])
  })

  test('that is refused is answered with its error', async () => {
    const run = await start()
    const answers: unknown[] = []
    try {
      const signal = AbortSignal.timeout(20_000)
      for await (const answer of run('subscription { refused { first } }', signal)) answers.push(answer)
    } catch (error) {
      answers.push({ errors: error }) // graphql-ws has a message for errors alone
    }
    expect(answers).toEqual([{ errors: [expect.objectContaining({ message: expect.any(String) })] }])
    expect(opened).toEqual(['subscription refused'])
  })
})

test('Apollo answers through the gateway what it answers with the schema', async () => {
  const plain = new ApolloServer({ schema, stopOnTerminationSignals: false })
  const withGateway = new ApolloServer({
    gateway: epochPerOperation(schema),
    stopOnTerminationSignals: false,
  })
  closing.push(
    () => plain.stop(),
    () => withGateway.stop(),
  )
  const operations: Array<{ query: string; variables?: Record<string, unknown>; operationName?: string }> = [
    { query: '{ user double(of: 2) }' },
    { query: 'query Of($of: Int!) { double(of: $of) }', variables: { of: 21 } },
    { query: 'query Of($of: Int!) { double(of: $of) }', variables: { of: 'x' } },
    { query: 'query A { user } query B { double(of: 3) }', operationName: 'B' },
    { query: '{ user fails }' },
    { query: '{ nothing }' },
    { query: '{ __schema { queryType { name } } }' },
  ]
  for (const operation of operations) {
    const answer = async (server: ApolloServer<{ user?: string }>): Promise<unknown> => {
      const { body, http } = await server.executeOperation(operation, { contextValue: { user: 'ann' } })
      const text = JSON.stringify(body).replaceAll(/"stacktrace":\[.*?\]/g, '')
      return [text, http.status]
    }
    expect(await answer(withGateway)).toEqual(await answer(plain))
  }
})
