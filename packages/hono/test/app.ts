/** The routes of the contract as an app of Hono's, with the adapter first. It uses nothing that not every runtime has. */
import type { Route } from '@withepoch/testing/contract'
import { type Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { epochPerRequest } from '../src/index.js'

export function appOf(routes: readonly Route[]): Hono {
  const app = new Hono()
  app.use(epochPerRequest())
  app.onError((_error, c) => c.text('error', 500))
  for (const route of routes) {
    if (route.kind === 'broken') app.use(route.path, async () => route.handle())
    app.on(route.method, route.path, handlerOf(route))
  }
  return app
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

async function inputOf(route: Route, c: Context): Promise<unknown> {
  if (route.kind === 'upload') return await ((await c.req.parseBody())['file'] as File).text()
  return route.method === 'GET' ? undefined : (await c.req.json<{ input: unknown }>()).input
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
