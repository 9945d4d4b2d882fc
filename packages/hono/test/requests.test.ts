/** What the contract does not show: names, what becomes of a response, and ends that nobody reads to. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { type AddressInfo, connect } from 'node:net'
import { serve, upgradeWebSocket } from '@hono/node-server'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import { cell, detach, tryGetEpoch, withEpoch } from 'withepoch'
import { WebSocket, WebSocketServer } from 'ws'
import { epochPerRequest } from '../src/index.js'
import { served } from './doors.js'

const PATIENCE = { withinMs: 20_000 }
const limit = cell('test.limit', 1)

afterEach(() => assertNoOpenEpochs(PATIENCE))

/** A stream that is pulled, and reads at each pull; nothing is made ahead. */
function rows(count: number): ReadableStream<Uint8Array> {
  let made = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (made++ === count) return controller.close()
        controller.enqueue(new TextEncoder().encode(`${tryGetEpoch()?.name} ${limit.get()};`))
        detach(() => limit.set(limit.live() + 1))
      },
    },
    { highWaterMark: 0 },
  )
}

test.each([
  ['/items/7', 'GET /items/:id'],
  ['/api/items/7', 'GET /api/items/:id'],
  ['/strict/items/7', 'GET /strict/items/:id'],
  ['/files/a/b', 'GET /files/*'],
  ['/nowhere', 'GET (no route)'],
])('%s is named %s', async (path, name) => {
  const answer = () => Response.json(tryGetEpoch()?.name ?? 'none')
  const items = new Hono().get('/items/:id', answer)
  const strict = new Hono().onError(answer).get('/items/:id', answer)
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/items/*', async (_c, next) => next())
  app.get('/items/:id', async (_c, next) => next(), answer)
  app.route('/api', items)
  app.route('/strict', strict)
  app.get('/items/*', answer)
  app.all('/files/*', answer)
  app.notFound(answer)
  expect(await (await app.request(path)).json()).toBe(name)
})

test('a service in CommonJS, which has a copy of Hono to itself', async () => {
  const { Hono: Copy } = createRequire(import.meta.url)('hono') as { Hono: typeof Hono }
  expect(Copy).not.toBe(Hono)
  const app = new Copy()
  app.use(epochPerRequest())
  app.get('/items/:id', (c) => c.json(tryGetEpoch()?.name))
  expect(await (await app.request('/items/7')).json()).toBe('GET /items/:id')
})

test('a name of your own, and the options of an epoch', async () => {
  const app = new Hono()
  app.use(epochPerRequest({ name: (c) => `call of ${c.req.path}`, values: [[limit, 0]] }))
  app.get('/a', (c) => c.json([tryGetEpoch()?.name, limit.get()]))
  expect(await (await app.request('/a')).json()).toEqual(['call of /a', 0])
})

test('status, headers, cookies and chunks are kept, and a short answer has its length', async () => {
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/text', (c) => {
    c.header('set-cookie', 'a=1', { append: true })
    c.header('set-cookie', 'b=2', { append: true })
    return c.text('created', 201, { 'x-kind': 'text' })
  })
  app.get('/none', (c) => c.body(null, 204))
  const server = await served(app.fetch)
  const response = await fetch(`${server.url}/text`)
  expect([response.status, await response.text()]).toEqual([201, 'created'])
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(response.headers.get('x-kind')).toBe('text')
  expect(response.headers.get('content-length')).toBe('7')
  expect((await fetch(`${server.url}/none`)).status).toBe(204)
  expect((await fetch(`${server.url}/text`, { method: 'HEAD' })).status).toBe(201)
  await server.close()
})

test('without Node, a stream is read inside, and holds the epoch until it is read to its end', async () => {
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/rows', () => new Response(rows(3)))
  const first = limit.live()
  const response = await app.request('/rows')
  await expect(assertNoOpenEpochs()).rejects.toThrow('GET /rows')
  expect(limit.live()).toBe(first) // none is made before it is asked for
  expect(await response.text()).toBe(`GET /rows ${first};`.repeat(3))
  await assertNoOpenEpochs(PATIENCE)
})

test('without Node, a stream that is cancelled, or that fails, ends the epoch', async () => {
  const app = new Hono()
  const reasons: unknown[] = []
  app.use(epochPerRequest())
  app.get(
    '/rows',
    () =>
      new Response(
        new ReadableStream({ cancel: (reason) => void reasons.push(reason, tryGetEpoch()?.name) }),
      ),
  )
  app.get(
    '/fails',
    () => new Response(new ReadableStream({ pull: () => Promise.reject(new Error('no row')) })),
  )
  await (await app.request('/rows')).body?.cancel('enough')
  expect(reasons).toEqual(['enough', 'GET /rows'])
  await assertNoOpenEpochs(PATIENCE)
  await expect((await app.request('/fails')).text()).rejects.toThrow('no row')
})

test('a stream of JSON that says it is one is read inside', async () => {
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/', (c) =>
    c.body(rows(1), 200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }),
  )
  expect(await (await app.request('/')).text()).toBe(`GET / ${limit.live() - 1};`)
})

test('on Node, nothing waits for a stream that middleware throws away', async () => {
  const app = new Hono()
  app.use(async (c, next) => {
    await next()
    c.res = new Response('not modified')
  })
  app.use(epochPerRequest())
  app.get('/', () => new Response(rows(1)))
  const server = await served(app.fetch)
  expect(await (await fetch(server.url)).text()).toBe('not modified')
  await assertNoOpenEpochs(PATIENCE)
  await server.close()
})

test('without Node, nothing waits for what nobody reads: JSON, an empty answer, an answer to HEAD', async () => {
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/json', (c) => c.json({}))
  app.get('/none', (c) => c.body(null, 204))
  app.get('/rows', () => new Response(rows(3)))
  expect((await app.request('/json', {}, { outgoing: 'a binding of the service' })).status).toBe(200)
  await app.request('/none')
  await app.request('/rows', { method: 'HEAD' })
  await expect(assertNoOpenEpochs(PATIENCE)).resolves.toBeUndefined()
})

test('a client that has gone before the epoch is opened leaves none open', async () => {
  const gone = new AbortController()
  const app = new Hono()
  app.use(async (c, next) => {
    gone.abort()
    await once((c.env as { outgoing: ServerResponse }).outgoing, 'close')
    await next()
  })
  app.use(epochPerRequest())
  const handled = new Promise<string | undefined>((resolve) =>
    app.get('/', (c) => (resolve(tryGetEpoch()?.name), c.json({}))),
  )
  const server = await served(app.fetch)
  await expect(fetch(server.url, { signal: gone.signal })).rejects.toThrow('aborted')
  expect(await handled).toBe('GET /')
  await assertNoOpenEpochs(PATIENCE)
  await server.close()
})

test('a WebSocket: the request has an epoch, and its events have none but those that they open', async () => {
  const app = new Hono()
  const seen: unknown[] = []
  const see = (where: string): void => void seen.push([where, tryGetEpoch()?.name])
  app.use(epochPerRequest())
  app.get(
    '/socket',
    upgradeWebSocket(() => {
      see('request')
      return {
        onOpen: () => see('open'),
        onMessage(_event, socket) {
          see('message')
          withEpoch({ name: 'message', ifNested: 'fresh' }, () => see('inside'))
          socket.send('seen')
        },
      }
    }),
  )
  const sockets = new WebSocketServer({ noServer: true })
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', websocket: { server: sockets } })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`)
  await once(socket, 'open')
  socket.send('?')
  await once(socket, 'message')
  expect(seen).toEqual([
    ['request', 'GET /socket'],
    ['open', undefined],
    ['message', undefined],
    ['inside', 'message'],
  ])
  await assertNoOpenEpochs(PATIENCE)
  socket.terminate()
  server.close()
})

test('used without being called it is refused', async () => {
  const app = new Hono()
  app.use(epochPerRequest as never)
  app.onError((error, c) => c.text(`${(error as { code?: string }).code}: ${error.message}`))
  expect(await (await app.request('/')).text()).toBe(
    'INVALID_ARGUMENT: epochPerRequest(c): it makes the middleware. Say app.use(epochPerRequest()).',
  )
})

test('an answer that waits behind another on its connection leaves no epoch open when that goes', async () => {
  const gone = new AbortController()
  let answered = (): void => {}
  const answers = new Promise<void>((resolve) => (answered = resolve))
  const app = new Hono()
  app.use(epochPerRequest())
  app.get('/first', async (c) => {
    await once(gone.signal, 'abort')
    return c.text('first')
  })
  app.get('/second', (c) => (answered(), c.text('second')))
  const server = await served(app.fetch)
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  for (const name of ['first', 'second']) socket.write(`GET /${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await answers
  socket.destroy()
  await server.close() // it waits for the connection
  gone.abort()
  await expect(assertNoOpenEpochs(PATIENCE)).resolves.toBeUndefined()
})
