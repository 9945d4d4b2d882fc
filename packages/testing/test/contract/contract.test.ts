/**
 * The contract notices what an adapter can do wrong: doors whose adapter is broken on purpose, on `node:http` and on `ws`,
 * each of which must fail the cases that are there for it. Beside them a door whose adapter is right passes all.
 */
import { AssertionError } from 'node:assert'
import { AsyncResource } from 'node:async_hooks'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { contract, type Door, type Route, type Title } from '@withepoch/testing/contract'
import { bind, withEpoch } from 'withepoch'
import { afterEach, describe, expect, test } from 'vitest'
import { keepsContract } from './keeps-contract.js'
import { listening } from './listening.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => Promise<void>
type Adapter = (handle: Listener) => (request: IncomingMessage, response: ServerResponse) => unknown

const nameOf = ({ method, url }: IncomingMessage): string =>
  `${method} ${url!.replace('/items/7', '/items/:id')}`
const closed = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => void response.once('close', resolve))

const right: Adapter = (handle) => (request, response) =>
  withEpoch({ name: nameOf(request), ifNested: 'fresh' }, (epoch) => {
    epoch.waitUntil(closed(response))
    return handle(request, response)
  })

/** Runs it in the context in which this file was loaded. */
const nowhere = AsyncResource.bind(<R>(run: () => R): R => run())

/** Of the epochs that are let go of when the test is over. */
const letGo: Array<() => void> = []
afterEach(() => letGo.splice(0).forEach((release) => release()))

/** What each does wrong, and which cases must fail for it; others may. */
const BROKEN: Readonly<Record<string, readonly [adapter: Adapter, fails: readonly Title[]]>> = {
  'opens no epoch': [
    (handle) => handle,
    [
      'each call has an epoch of its own, and sees the world of its entry',
      'many calls while the world changes on every turn: none torn',
    ],
  ],
  'joins the epoch that is there': [
    (handle) => (request, response) =>
      withEpoch({ name: nameOf(request) }, (epoch) => {
        epoch.waitUntil(closed(response))
        return handle(request, response)
      }),
    ['it is fresh, although the server was started inside an epoch that is open'],
  ],
  'has one epoch for a connection': [
    perConnection(),
    [
      'several calls over one connection, an epoch each',
      'each call has an epoch of its own, and sees the world of its entry',
    ],
  ],
  'opens two epochs for a call': [
    (handle) =>
      right((request, response) => withEpoch({ ifNested: 'fresh' }, () => handle(request, response))),
    ['each call has an epoch of its own, and sees the world of its entry'],
  ],
  'does not wait for the answer': [
    (handle) => (request, response) =>
      withEpoch({ name: nameOf(request), ifNested: 'fresh' }, () => handle(request, response)),
    ['open until the answer is written, closed after it'],
  ],
  'does not wait for the handler': [
    (handle) => (request, response) =>
      withEpoch({ name: nameOf(request), ifNested: 'fresh' }, (epoch) => {
        epoch.waitUntil(closed(response))
        void handle(request, response)
      }),
    ['and the handler that goes on without its client is pinned to its end'],
  ],
  'lets go too late': [
    (handle) => (request, response) =>
      withEpoch({ name: nameOf(request), ifNested: 'fresh' }, (epoch) => {
        epoch.waitUntil(new Promise<void>((resolve) => letGo.push(resolve)))
        return handle(request, response)
      }),
    ['the client goes amid a stream: the epoch closes', 'open until the answer is written, closed after it'],
  ],
  'has one name for all': [
    (handle) => (request, response) =>
      withEpoch({ name: 'request', ifNested: 'fresh' }, (epoch) => {
        epoch.waitUntil(closed(response))
        return handle(request, response)
      }),
    ['it is named after the route'],
  ],
}

function perConnection(): Adapter {
  const connections = new WeakMap<object, (fn: () => unknown) => unknown>()
  return (handle) => (request, response) => {
    const known = connections.get(request.socket)
    if (known !== undefined) return known(() => handle(request, response))
    return withEpoch({ name: nameOf(request), ifNested: 'fresh' }, (epoch) => {
      connections.set(
        request.socket,
        bind((fn: () => unknown) => fn()),
      )
      epoch.waitUntil(new Promise((resolve) => void request.socket.once('close', resolve)))
      return handle(request, response)
    })
  }
}

function doorOf(name: string, adapter: Adapter): Door {
  return {
    name,
    without: {
      'two calls at once over one connection, an epoch each': 'Its sockets carry one request at a time.',
    },
    async start(routes) {
      const server = createServer(
        adapter(async (request, response) => {
          try {
            const route = routes.find(({ path }) => path === request.url!.replace('/items/7', '/items/:id'))!
            if (route.kind === 'broken') route.handle()
            else if (route.kind === 'stream' || route.kind === 'events') {
              const chunks = Readable.from(route.handle())
              await pipeline(chunks, response).catch(() => {})
            } else response.end(JSON.stringify(await route.handle(await inputOf(request))))
          } catch {
            response.writeHead(500).end()
          }
        }),
      )
      return await listening(server)
    },
  }
}

async function inputOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  if (request.headers['content-type']?.startsWith('multipart') === true) {
    return text.split('\r\n\r\n')[1]!.split('\r\n--')[0]
  }
  return text === '' ? undefined : (JSON.parse(text) as { input: unknown }).input
}

describe('an adapter that is', () => {
  keepsContract([doorOf('right', right)], { calls: 200 })
})

describe('an adapter that', () => {
  for (const [what, [adapter, fails]] of Object.entries(BROKEN)) {
    const cases = contract(doorOf(what, adapter), { calls: 200, patienceMs: 1000 })
    for (const title of fails) {
      test(`${what} fails: ${title}`, async () => {
        await expect(cases.find((one) => one.title === title)!.run()).rejects.toBeInstanceOf(AssertionError)
      })
    }
  }
})

describe('a door that', () => {
  const played = (door: Door, title: Title): Promise<void> =>
    contract(door, { patienceMs: 1000 })
      .find((one) => one.title === title)!
      .run()

  /** As `right`, for a suite that does not speak HTTP itself: each call by `fetch`. */
  const called: Door = {
    ...doorOf('right', right),
    async start(routes) {
      const running = await doorOf('right', right).start(routes)
      const call = async ({ path }: Route): Promise<unknown> =>
        (await fetch(`${running.url}${path}`, { headers: { connection: 'close' } })).json()
      return {
        call,
        connect: async () => ({ call, close: async () => {} }),
        close: () => running.close(),
      }
    },
  }

  test.each<Title>([
    'several calls over one connection, an epoch each',
    'two calls at once over one connection, an epoch each',
  ])('connects anew for each call fails: %s', async (title) => {
    await expect(played(called, title)).rejects.toThrow('connections that the server took for the calls')
  })

  test('keeps the context of its start from its handlers has nothing to inherit', async () => {
    const door = doorOf('right', (handle) => {
      const outside = right(handle)
      return (request, response) => nowhere(() => outside(request, response))
    })
    const title = 'it is fresh, although the server was started inside an epoch that is open'
    await expect(played(door, title)).rejects.toThrow('there is nothing to inherit')
  })
})

describe('bad input', () => {
  const door = doorOf('right', right)
  test.each([
    [() => contract(undefined as never), 'door must be an object, got undefined.'],
    [() => contract({ ...door, name: '' }), 'door.name must be a word, got a string.'],
    [() => contract({ ...door, start: 1 as never }), 'door.start must be a function, got a number.'],
    [() => contract(door, { call: 1 } as never), 'unknown option "call". Known: calls, patienceMs.'],
    [() => contract(door, { calls: 0 }), 'calls must be a whole number, 1 or more, got 0.'],
    [
      () => contract({ ...door, without: { nothing: 'why' } as never }),
      'door.without names "nothing", which is no case.',
    ],
    [
      () => contract({ ...door, without: { 'it is named after the route': '' } }),
      'door.without["it is named after the route"] must say why.',
    ],
  ])('%#', (call, message) => {
    expect(call).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: `contract(door, options): ${message}` }),
    )
  })
})
