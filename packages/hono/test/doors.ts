/**
 * Real servers with the adapter in them, for the contract: Hono on @hono/node-server, as it is and with nothing of Node's in `c.env`,
 * so that the adapter has but the request and the response, as on other runtimes.
 */
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import type { Door, Route, Served } from '@withepoch/testing/contract'
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { epochPerRequest } from '../src/index.js'

async function inputOf(route: Route, c: Context): Promise<unknown> {
  if (route.kind === 'upload') return await ((await c.req.parseBody())['file'] as File).text()
  return route.method === 'GET' ? undefined : (await c.req.json<{ input: unknown }>()).input
}

function handlerOf(route: Route) {
  return async (c: Context): Promise<Response> => {
    if (route.kind === 'broken') return route.handle()
    // Pulled by the server, outside of the handler.
    if (route.kind === 'stream') return new Response(streamOf(encoded(route.handle())))
    if (route.kind === 'events')
      return streamSSE(c, async (stream) => {
        for await (const data of route.handle()) await stream.writeSSE({ data })
      })
    return c.json(await route.handle(await inputOf(route, c)))
  }
}

/** As `ReadableStream.from`, which not all the libraries' types know. */
function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    cancel: async () => void (await chunks.return(undefined)),
  })
}

async function* encoded(chunks: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield new TextEncoder().encode(chunk)
}

const NO_SOCKET = {
  'a WebSocket: an epoch for each message, also for two at once':
    'The request is over once it is upgraded, and its messages are no requests: `@withepoch/rpc`.',
}

function door(name: string, without: Door['without'], fetchOf: (app: Hono) => Hono['fetch']): Door {
  return {
    name,
    without: { ...NO_SOCKET, ...without },
    start(routes) {
      const app = new Hono()
      app.use(epochPerRequest())
      app.onError((_error, c) => c.text('error', 500))
      for (const route of routes) {
        if (route.kind === 'broken') app.use(route.path, async () => route.handle())
        app.on(route.method, route.path, handlerOf(route))
      }
      return served(fetchOf(app))
    },
  }
}

/** Serves on a port of its own. */
export function served(fetch: Hono['fetch']): Promise<Served & { readonly url: string }> {
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve({
        url: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((done, fail) => {
            server.close((error) => (error === undefined ? done() : fail(error)))
            ;(server as Server).closeAllConnections()
          }),
      }),
    )
  })
}

export const doors: readonly Door[] = [
  door('hono (@hono/node-server)', {}, (app) => app.fetch),
  door(
    'hono (fetch)',
    {
      'open until the answer is written, closed after it':
        'When an answer in one piece has been written does not show in its Response; what it is made of was read when the handler was done.',
    },
    (app) => (request) => app.fetch(request),
  ),
]
