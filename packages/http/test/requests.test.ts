/** What the contract does not show of the adapter: names in a route, options, and a client that had gone before. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
  type Http2Server,
} from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { type Duplex, Readable } from 'node:stream'
import Router from '@koa/router'
import connectApp from 'connect'
import express from 'express'
import Koa from 'koa'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { cell, getEpoch, tryGetEpoch } from 'withepoch'
import { afterEach, expect, test } from 'vitest'
import { epochPerRequest } from '../src/index.js'

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
})

async function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createServer((request, response) => void listener(request, response)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('in a route of Express the epoch is named after it, with the path at which its router is mounted', async () => {
  const names: string[] = []
  const note = (_request: express.Request, response: express.Response): void => {
    names.push(getEpoch().name)
    response.end()
  }
  const router = express.Router().get('/:id', epochPerRequest(), note)
  const app = express().get('/orders/:id', epochPerRequest(), note).use('/carts', router)
  const url = await serve(app)
  await fetch(`${url}/orders/7`)
  await fetch(`${url}/carts/7`)
  expect(names).toEqual(['GET /orders/:id', 'GET /carts/:id'])
})

test('no id comes into the name by what a router or an application is mounted at', async () => {
  const names: string[] = []
  const note = (_request: express.Request, response: express.Response): void => {
    names.push(getEpoch().name)
    response.end()
  }
  const items = express.Router().get(['/:item', '/:item/part'], epochPerRequest(), note)
  const orders = express().use(epochPerRequest(), note)
  const url = await serve(express().use('/carts/:id', items).use('/orders', orders))
  await fetch(`${url}/carts/7/12`)
  await fetch(`${url}/orders/7`)
  const connected = await serve(
    connectApp()
      .use('/orders', epochPerRequest() as never)
      .use((request, response) => note(request as never, response as never)),
  )
  await fetch(`${connected}/orders/7`)
  expect(names).toEqual(['GET /carts/…/:item,/:item/part', 'GET /orders/…', 'GET /orders/…'])
})

test('in a router of Koa the epoch is named after the route of the method', async () => {
  const router = new Router()
  const note = (context: Koa.Context): void => void (context.body = getEpoch().name)
  router.use(epochPerRequest()).get('/orders/:id', note).post('/orders/new', note)
  const url = await serve(new Koa().use(router.routes()).callback())
  expect(await (await fetch(`${url}/orders/new`)).text()).toBe('GET /orders/:id')
  expect(await (await fetch(`${url}/orders/new`, { method: 'POST' })).text()).toBe('POST /orders/new')
})

test('elsewhere it is the method and the first part of the path, or what `name` says', async () => {
  const names: string[] = []
  const note = (_request: IncomingMessage, response: ServerResponse): void => {
    names.push(getEpoch().name)
    response.end()
  }
  const url = await serve(epochPerRequest(note))
  await fetch(`${url}/orders/7?secret=1`, { method: 'POST' })
  await fetch(url)
  const named = await serve(epochPerRequest(note, { name: ({ headers }) => `by ${String(headers['x-by'])}` }))
  await fetch(named, { headers: { 'x-by': 'name' } })
  expect(names).toEqual(['POST /orders/…', 'GET /', 'by name'])
})

test('options are those of withEpoch, and a wrong one is said at the first request', async () => {
  const locale = cell('http.requests.locale', 'en')
  const url = await serve(
    epochPerRequest((_request, response) => response.end(locale.get()), { values: [[locale, 'fr']] }),
  )
  expect(await (await fetch(url)).text()).toBe('fr')
  const call = epochPerRequest((_request, response) => response.end(), { writes: 'never' as never })
  let refused: unknown
  const wrong = await serve((request, response) => {
    try {
      call(request, response)
    } catch (error) {
      refused = error
      response.end()
    }
  })
  await fetch(wrong)
  expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('a client that had gone before the epoch was opened leaves none open', async () => {
  let enter = (): void => {}
  const opened = new Promise<void>((resolve) => {
    const inEpoch = epochPerRequest((_request, _response) => resolve())
    enter = () => inEpoch(seen!.request, seen!.response)
  })
  let seen: { request: IncomingMessage; response: ServerResponse } | undefined
  const closed = new Promise<void>((resolve) => {
    void serve((request, response) => {
      seen = { request, response }
      response.once('close', resolve)
    }).then((url) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      void until(() => seen !== undefined).then(() => socket.destroy())
    })
  })
  await closed
  enter() // middleware that waited goes on
  await opened
  await expect(assertNoOpenEpochs({ withinMs: 1000 })).resolves.toBeUndefined()
})

test('listeners of the request and the response run in the epoch, however the body comes', async () => {
  const seen: string[] = []
  const see = (event: string): void => void seen.push(`${event} in ${tryGetEpoch()?.name}`)
  const url = await serve(
    epochPerRequest((request, response) => {
      request.once('data', () => see('data'))
      request.on('end', () => {
        see('end')
        response.end()
      })
      response.on('finish', () => see('finish'))
      response.on('close', () => see('close'))
      response.flushHeaders() // so the client sends the body when this has been called
    }),
  )
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n')
  await once(socket, 'data')
  socket.end('body')
  await until(() => seen.length === 4)
  expect(seen).toEqual(['data', 'end', 'finish', 'close'].map((event) => `${event} in POST /orders`))
})

test('a piped answer that waits behind another on its connection is made in its own epoch', async () => {
  const made: Array<string | undefined> = []
  const url = await serve(
    epochPerRequest((_request, response) => {
      let parts = 0
      new Readable({
        read() {
          made.push(tryGetEpoch()?.name)
          this.push(parts++ === 20 ? null : 'x'.repeat(2 ** 16))
        },
      }).pipe(response)
    }),
  )
  const socket = connect(Number(new URL(url).port), '127.0.0.1').resume()
  socket.write(['first', 'second'].map((name) => `GET /${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(''))
  await until(() => made.length === 2 * 21)
  socket.destroy()
  const madeIn = (name: string): number => made.filter((each) => each === name).length
  expect([madeIn('GET /first'), madeIn('GET /second')]).toEqual([21, 21])
})

test('answers that wait behind another on its connection leave no epoch open when that goes', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning)
  process.on('warning', onWarning)
  const ahead = 15 // more than the listeners that Node finds too many
  let seen = 0
  const url = await serve(
    epochPerRequest((_request, response) => {
      if (++seen > 1) response.end()
    }),
  )
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(ahead))
  await until(() => seen === ahead)
  await expect(assertNoOpenEpochs()).rejects.toThrow('still open')
  socket.destroy()
  await assertNoOpenEpochs({ withinMs: 20_000 })
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

test.each(['GET', 'HEAD'])('over HTTP/2 a client that goes ends the epoch of its %s', async (method) => {
  let called = (): void => {}
  const calls = new Promise<void>((resolve) => (called = resolve))
  const server = createHttp2Server(epochPerRequest(() => called()) as never)
  const session = await sessionOf(server)
  const stream = session.request({ ':method': method, ':path': '/' })
  await calls
  stream.close(constants.NGHTTP2_CANCEL)
  await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
  session.destroy()
})

test('over HTTP/2 a client that had gone before the epoch was opened leaves none open', async () => {
  let called = (): void => {}
  const calls = new Promise<void>((resolve) => (called = resolve))
  let entered = (): void => {}
  const entries = new Promise<void>((resolve) => (entered = resolve))
  const inEpoch = epochPerRequest(() => entered())
  const server = createHttp2Server((request, response) => {
    called()
    request.on('close', () => inEpoch(request as never, response as never))
  })
  const session = await sessionOf(server)
  const stream = session.request({ ':path': '/' })
  await calls
  stream.close(constants.NGHTTP2_CANCEL)
  await entries
  await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
  session.destroy()
})

async function sessionOf(server: Http2Server): Promise<ClientHttp2Session> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  session.once('close', () => server.close())
  return session
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}

test('a WebSocket that is led through the middleware has no epoch', async () => {
  const app = express().use(epochPerRequest())
  let see = (_name: string | undefined): void => {}
  const seen = new Promise((resolve) => (see = resolve))
  app.get('/socket', () => see(tryGetEpoch()?.name))
  const url = await serve(app)
  // What express-ws does.
  let upgraded: Duplex | undefined
  servers.at(-1)!.on('upgrade', (request, duplex) => {
    upgraded = duplex
    app(request, new ServerResponse(request))
  })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  expect(await seen).toBe(undefined)
  await assertNoOpenEpochs()
  socket.destroy()
  upgraded?.destroy()
})

test('used without being called it is refused, where the client would wait for ever', async () => {
  const app = express().set('env', 'test')
  app.use(epochPerRequest as never)
  app.use(((error, _request, response, _next) =>
    response.send(`${error.code}: ${error.message}`)) as express.ErrorRequestHandler)
  expect(await (await fetch(await serve(app))).text()).toMatch(
    /^INVALID_ARGUMENT: .* Say app.use\(epochPerRequest\(\)\)/,
  )
})
