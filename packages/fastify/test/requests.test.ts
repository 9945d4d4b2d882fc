/** What the contract does not show: where in Fastify's life cycle the epoch is, and what is no request to it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import websocket from '@fastify/websocket'
import { assertNoOpenEpochs } from '@withepoch/testing'
import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cell, type EpochEvent, tryGetEpoch, withEpoch } from 'withepoch'
import { WebSocket } from 'ws'
import { epochPerRequest } from '../src/index.js'

const opened: string[] = []
const onOpen = (event: unknown): void => void opened.push((event as EpochEvent).epoch.name)
let app: FastifyInstance

beforeEach(() => {
  opened.length = 0
  subscribe('withepoch:epoch:open', onOpen)
  app = fastify({ forceCloseConnections: true })
})

afterEach(async () => {
  unsubscribe('withepoch:epoch:open', onOpen)
  await app.close()
  await assertNoOpenEpochs({ withinMs: 20_000 })
})

test('every hook after it, the parser, the serializer and the handler are inside', async () => {
  const seen: Array<[string, string | undefined]> = []
  const see = (where: string): void => void seen.push([where, tryGetEpoch()?.name])
  app.addHook('onRequest', async () => see('onRequest before it'))
  await app.register(epochPerRequest)
  app.addHook('onRequest', async () => see('onRequest'))
  app.addHook('preParsing', async (_request, _reply, payload) => (see('preParsing'), payload))
  app.addHook('preValidation', async () => see('preValidation'))
  app.addHook('preHandler', async () => see('preHandler'))
  app.addHook('preSerialization', async (_request, _reply, payload) => (see('preSerialization'), payload))
  app.addHook('onSend', async (_request, _reply, payload) => (see('onSend'), payload))
  const responded = new Promise<void>((resolve) => {
    app.addHook('onResponse', async () => (see('onResponse'), resolve()))
  })
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, async () => (see('parser'), 'parsed'))
  app.post('/rows/:id', async (request) => (see('handler'), { body: request.body }))

  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const response = await fetch(`${url}/rows/7`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
    body: 'a,b',
  })
  expect(await response.json()).toEqual({ body: 'parsed' })
  await responded
  expect(seen).toEqual([
    ['onRequest before it', undefined],
    ...ORDER.map((where) => [where, 'POST /rows/:id']),
  ])
})

const ORDER = [
  'onRequest',
  'preParsing',
  'parser',
  'preValidation',
  'preHandler',
  'handler',
  'preSerialization',
  'onSend',
  'onResponse',
]

test('the error handler is inside, also for a body that cannot be parsed, and so is what answers an unknown route', async () => {
  await app.register(epochPerRequest)
  app.setErrorHandler(async (_error, _request, reply) => reply.code(500).send(tryGetEpoch()?.name))
  app.setNotFoundHandler(async () => tryGetEpoch()?.name)
  app.post('/rows', async () => 'parsed')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = { 'content-type': 'application/json' }
  const broken = await fetch(`${url}/rows`, { method: 'POST', headers, body: '{ broken' })
  expect([broken.status, await broken.text()]).toEqual([500, 'POST /rows'])
  expect(await (await fetch(`${url}/nowhere/7`)).text()).toBe('GET (no route)')
})

test('a parser of bodies without a type is inside', async () => {
  await app.register(epochPerRequest)
  app.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume().on('end', () => done(null, tryGetEpoch()?.name))
  })
  app.post('/rows', async ({ body }) => body)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8')
  socket.write('POST /rows HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n')
  await turn()
  socket.end('body')
  let answer = ''
  for await (const part of socket) answer += part as string
  expect(answer).toMatch(/\r\n\r\nPOST \/rows$/)
})

test('an answer that waits behind another on its connection leaves no epoch open when that goes', async () => {
  await app.register(epochPerRequest)
  let answered = (): void => {}
  const answers = new Promise<void>((resolve) => (answered = resolve))
  app.get('/first', (_request, reply) => void reply.hijack())
  app.get('/second', async () => answered())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  for (const name of ['first', 'second']) socket.write(`GET /${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await answers
  await expect(assertNoOpenEpochs()).rejects.toThrow('still open')
  socket.destroy()
  await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
})

test('app.inject ends the epoch as a client does', async () => {
  await app.register(epochPerRequest, { prefix: '/ignored', name: ({ id }) => `request ${id}` })
  app.get('/', async () => tryGetEpoch()?.name)
  expect((await app.inject('/')).body).toBe('request req-1')
  await assertNoOpenEpochs({ withinMs: 20_000 })
})

test('it is for all plugins, and for a route that was added before it was loaded', async () => {
  void app.register(epochPerRequest)
  app.get('/before', async () => tryGetEpoch()?.name)
  void app.register(async (child) => void child.get('/rows', async () => tryGetEpoch()?.name), {
    prefix: '/api',
  })
  expect((await app.inject('/before')).body).toBe('GET /before')
  expect((await app.inject('/api/rows')).body).toBe('GET /api/rows')
})

test('a client that has gone before the epoch is opened leaves none open', async () => {
  const gone = new AbortController()
  app.addHook('onRequest', async (_request, reply) => {
    gone.abort()
    await once(reply.raw, 'close')
  })
  await app.register(epochPerRequest)
  const handled = new Promise<void>((resolve) => app.get('/', async () => resolve()))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  await expect(fetch(url, { signal: gone.signal })).rejects.toThrow('aborted')
  await handled
  await assertNoOpenEpochs({ withinMs: 20_000 })
  expect(opened).toEqual(['GET /'])
})

test('a query builder that a handler returns runs once', async () => {
  let runs = 0
  await app.register(epochPerRequest)
  app.get('/', () => ({
    // oxlint-disable-next-line unicorn/no-thenable
    then(resolve: (rows: string) => void) {
      runs++
      setImmediate(resolve, 'rows')
    },
  }))
  expect((await app.inject('/')).body).toBe('rows')
  expect(runs).toBe(1)
})

test('a WebSocket has no epoch, not even that in which the server was started; its messages may have some', async () => {
  const port = cell('test.port', 'a')
  let url = ''
  let release = (): void => {}
  const startUp = withEpoch({ name: 'start-up' }, async () => {
    await app.register(epochPerRequest)
    await app.register(websocket)
    app.get('/socket', { websocket: true }, (socket) => {
      socket.send(String(tryGetEpoch()?.name))
      socket.on('message', () =>
        withEpoch({ name: 'message', ifNested: 'fresh' }, () =>
          socket.send(`${tryGetEpoch()?.name} ${port.get()}`),
        ),
      )
    })
    url = await app.listen({ port: 0, host: '127.0.0.1' })
    await new Promise<void>((resolve) => (release = resolve))
  })
  while (url === '') await new Promise((resolve) => setImmediate(resolve))
  const socket = new WebSocket(url.replace('http', 'ws') + '/socket')
  const said: string[] = []
  socket.on('message', (data: Buffer) => void said.push(data.toString()))
  await once(socket, 'message')
  port.set('b')
  socket.send('?')
  await once(socket, 'message')
  expect(said).toEqual(['undefined', 'message b'])
  expect(opened).toEqual(['start-up', 'message'])
  socket.terminate()
  release()
  await startUp
  port.release()
})
