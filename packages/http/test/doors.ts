/** Real servers with the adapter in them, for the contract: `node:http`, Connect, Express 4 and 5, Koa. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import multerOfKoa from '@koa/multer'
import Router from '@koa/router'
import type { Door, Route } from '@withepoch/testing/contract'
import busboy from 'busboy'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import Koa from 'koa'
import bodyParser from 'koa-bodyparser'
import multer from 'multer'
import { bindIterable } from 'withepoch'
import { listening } from '../../testing/test/contract/listening.js'
import { epochPerRequest } from '../src/index.js'

const NOT_KNOWN =
  'The route is not known yet where the middleware stands. It is where it stands in the route: `app.get(path, epochPerRequest(), handler)`; else say `name`.'
const NO_SOCKET =
  'A socket of HTTP/1.1 carries one request at a time, and messages of a WebSocket are no requests: `@withepoch/rpc`.'
const GOES_ON =
  'They do not tell when a handler is done. `getEpoch().waitUntil(promise)` holds the epoch open for one that goes on.'

const NAMED = 'it is named after the route'
const SOCKET = 'two calls at once over one connection, an epoch each'
const PINNED = 'and the handler that goes on without its client is pinned to its end'

/** What a route does with a request whose body, if any, has been read. */
async function answer(route: Route, input: unknown, response: ServerResponse): Promise<void> {
  if (route.kind === 'broken') route.handle()
  else if (route.kind === 'stream' || route.kind === 'events')
    await send(route.handle(input), route.kind, response)
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(await route.handle(input)))
}

async function send(chunks: AsyncIterable<string>, kind: string, response: ServerResponse): Promise<void> {
  response.setHeader('content-type', kind === 'events' ? 'text/event-stream' : 'text/plain')
  const text = kind === 'events' ? Readable.from(asEvents(chunks)) : Readable.from(chunks)
  await pipeline(text, response).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error // the client has gone
  })
}

async function* asEvents(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield `data: ${chunk}\n\n`
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  return text
}

async function uploaded(request: IncomingMessage): Promise<string> {
  let content = ''
  const parser = busboy({ headers: request.headers })
  parser.on('file', (_name, file) => void file.on('data', (data: Buffer) => (content += data.toString())))
  request.pipe(parser)
  await finished(parser)
  return content
}

async function inputOf(route: Route, request: IncomingMessage): Promise<unknown> {
  if (route.kind === 'upload') return await uploaded(request)
  if (route.method === 'GET') return undefined
  return (JSON.parse(await textOf(request)) as { input: unknown }).input
}

const matches = (route: Route, url: string): boolean =>
  new RegExp(`^${route.path.replace(/:\w+/, '[^/]+')}$`).test(url.split('?')[0]!)

const node: Door = {
  name: 'http (node:http)',
  without: { [NAMED]: 'There are no routes, only URLs. Say `name`.', [SOCKET]: NO_SOCKET },
  start: (routes) =>
    listening(
      createServer(
        epochPerRequest(async (request, response) => {
          try {
            const route = routes.find((one) => matches(one, request.url!))!
            await answer(route, await inputOf(route, request), response)
          } catch {
            response.writeHead(500).end()
          }
        }),
      ),
    ),
}

const connects: Door = {
  name: 'http (Connect)',
  without: {
    [NAMED]: 'There are no routes, only mount points. Say `name`.',
    [SOCKET]: NO_SOCKET,
    [PINNED]: GOES_ON,
  },
  start(routes) {
    const app = connect()
    app.use(epochPerRequest())
    app.use((request, response, next) => {
      const route = routes.find((one) => matches(one, request.url!))!
      inputOf(route, request)
        .then((input) => answer(route, input, response))
        .catch(next)
    })
    return listening(createServer(app))
  },
}

/** Express of either major version: what is used of it is the same. */
function expressDoor(name: string, make: typeof express): Door {
  return {
    name,
    without: { [NAMED]: NOT_KNOWN, [SOCKET]: NO_SOCKET, [PINNED]: GOES_ON },
    start(routes) {
      const app = make()
      app.set('env', 'test') // which answers errors and prints none
      app.use(epochPerRequest())
      app.use(make.json({ limit: '1mb' }))
      const upload = multer({ storage: multer.memoryStorage() })
      for (const route of routes) {
        const verb = route.method === 'GET' ? 'get' : 'post'
        const before = route.kind === 'upload' ? [upload.single('file')] : []
        if (route.kind === 'broken') app.use(route.path, () => route.handle())
        app[verb](route.path, ...before, (request, response, next) => {
          const { input } = (request.body ?? {}) as { input?: unknown }
          answer(route, request.file?.buffer.toString() ?? input, response).catch(next)
        })
      }
      return listening(createServer(app))
    },
  }
}

const koa: Door = {
  name: 'http (Koa)',
  without: { [SOCKET]: NO_SOCKET },
  start(routes) {
    const app = new Koa()
    app.silent = true
    const router = new Router()
    router.use(epochPerRequest())
    router.use(bodyParser({ jsonLimit: '1mb' }))
    const upload = multerOfKoa({ storage: multer.memoryStorage() })
    for (const route of routes) {
      const before = route.kind === 'upload' ? [upload.single('file')] : []
      router.register(route.path, [route.method], [
        ...before,
        async (context: Koa.Context) => {
          const { input } = (context.request.body ?? {}) as { input?: unknown }
          const file = (context as { file?: { buffer: Buffer } }).file
          // Koa reads a body that is a stream when all middleware is done, outside of it: so what makes it is bound.
          if (route.kind === 'broken') route.handle()
          else if (route.kind === 'stream') context.body = Readable.from(bindIterable(route.handle()))
          else if (route.kind === 'events') {
            context.type = 'text/event-stream'
            context.body = Readable.from(bindIterable(asEvents(route.handle())))
          } else context.body = await route.handle(file?.buffer.toString() ?? input)
        },
      ] as never)
    }
    app.use(router.routes())
    return listening(createServer((request, response) => void app.callback()(request, response)))
  },
}

export const doors: readonly Door[] = [
  node,
  connects,
  expressDoor('http (Express 4)', express4),
  expressDoor('http (Express 5)', express),
  koa,
]
