/** Real servers with the adapter in them, for the contract: tRPC's standalone HTTP server, and its WebSockets. */
import { Agent, createServer, request } from 'node:http'
import { Readable } from 'node:stream'
import {
  createTRPCUntypedClient,
  createWSClient,
  httpBatchStreamLink,
  httpLink,
  httpSubscriptionLink,
  splitLink,
  type TRPCLink,
  type TRPCRequestOptions,
  type TRPCUntypedClient,
  wsLink,
} from '@trpc/client'
import { type AnyTRPCRouter, initTRPC } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import type { Connection, Door, Route, Served, StreamRoute } from '@withepoch/testing/contract'
import { EventSource } from 'eventsource'
import { WebSocket, WebSocketServer } from 'ws'
import { handOn } from '../../testing/test/contract/hand-on.js'
import { type Listening, listening } from '../../testing/test/contract/listening.js'
import { epochPerCall } from '../src/index.js'

type Client = TRPCUntypedClient<AnyTRPCRouter>

/** What a call is sent as: over a WebSocket, all that is streamed is a subscription. */
type Kind = 'query' | 'mutation' | 'subscription'
const overHttp = (route: Route): Kind => {
  if (route.kind === 'events') return 'subscription'
  return route.method === 'GET' ? 'query' : 'mutation'
}
const overSocket = (route: Route): Kind => (route.kind === 'stream' ? 'subscription' : overHttp(route))

const t = initTRPC.create()

function routerOf(routes: readonly Route[], kindOf: (route: Route) => Kind): AnyTRPCRouter {
  const base = t.procedure.use(epochPerCall())
  const procedures = routes.map((route) => {
    const procedure = base.use(({ next }) => (route.kind === 'broken' ? route.handle() : next()))
    const anyInput = procedure.input((input: unknown) => input)
    if (route.kind === 'broken') return procedure.query(() => {})
    if (route.kind === 'stream' || route.kind === 'events') {
      const handle = ({ input }: { input: unknown }) => route.handle(input)
      return kindOf(route) === 'query' ? anyInput.query(handle) : anyInput.subscription(handle)
    }
    const handle = async ({ input }: { input: unknown }): Promise<unknown> => {
      const file = input instanceof FormData ? input.get('file') : null
      return await route.handle(file instanceof Blob ? await file.text() : input)
    }
    return kindOf(route) === 'query' ? anyInput.query(handle) : anyInput.mutation(handle)
  })
  return t.router(Object.fromEntries(routes.map(({ name }, index) => [name, procedures[index]!])))
}

/** Calls a route as its kind asks, over whichever link. */
function callOf(client: Client, kindOf: (route: Route) => Kind) {
  return (route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown> => {
    const sent = route.kind === 'upload' ? formOf(String(input)) : input
    return client[kindOf(route) === 'query' ? 'query' : 'mutation'](
      route.name,
      sent,
      signal ? { signal } : {},
    )
  }
}

function formOf(content: string): FormData {
  const form = new FormData()
  form.set('file', new Blob([content]), 'file.txt')
  return form
}

function streamOf(client: Client, kindOf: (route: Route) => Kind) {
  return async function* (route: StreamRoute, signal?: AbortSignal): AsyncGenerator<string, void, undefined> {
    const options: TRPCRequestOptions = { context: { streams: true }, ...(signal ? { signal } : {}) }
    yield* (
      kindOf(route) === 'query'
        ? await client.query(route.name, undefined, options)
        : client.subscription(route.name, undefined, options)
    ) as AsyncIterable<string>
  }
}

/** `fetch` by one socket that is kept alive. */
function fetchOver(agent: Agent) {
  return (url: URL | Request | string, init: { method?: string; headers?: unknown; body?: unknown } = {}) =>
    new Promise<Response>((resolve, reject) => {
      const { method = 'GET', headers, body } = init
      const sent = request(url instanceof Request ? url.url : url, {
        agent,
        method,
        headers: headers as Record<string, string>,
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        resolve(new Response(Readable.toWeb(response) as ReadableStream, { status: response.statusCode! }))
      })
      sent.end(body)
    })
}

/** The links of a client that calls over HTTP, each kind of call by the one that is for it. */
export function linksTo(url: string): TRPCLink<AnyTRPCRouter>[] {
  return [
    splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({ url, EventSource }),
      false: splitLink({
        condition: ({ context }) => context['streams'] === true,
        true: httpBatchStreamLink({ url }),
        false: httpLink({ url }),
      }),
    }),
  ]
}

export function serveHttp(router: AnyTRPCRouter): Promise<Listening> {
  return listening(createServer(createHTTPHandler({ router })))
}

const standalone: Door = {
  name: 'trpc (standalone HTTP)',
  nameOf: ({ name }) => name,
  without: {
    'two calls at once over one connection, an epoch each':
      'A socket of HTTP/1.1 carries one request at a time; the WebSocket is the other door.',
    'open until the answer is written, closed after it':
      'Middleware of a procedure does not see the response. The answer is data by then; what is streamed is held to its end.',
  },
  async start(routes): Promise<Served> {
    const { url, close } = await serveHttp(routerOf(routes, overHttp))
    const client: Client = createTRPCUntypedClient({ links: linksTo(url) })
    return {
      call: callOf(client, overHttp),
      stream: streamOf(client, overHttp),
      connect: async (): Promise<Connection> => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        const single: Client = createTRPCUntypedClient({
          links: [httpLink({ url, fetch: fetchOver(agent) })],
        })
        return { call: callOf(single, overHttp), close: async () => agent.destroy() }
      },
      close,
    }
  },
}

const sockets: Door = {
  name: 'trpc (WebSocket)',
  nameOf: ({ name }) => name,
  without: {
    'a multipart upload: the handler is in the epoch': 'A WebSocket carries JSON, and no forms.',
    'server-sent events: one world in all of them, open to the last':
      'Server-sent events are of HTTP: over a WebSocket all that is streamed is a subscription.',
    'open until the answer is written, closed after it':
      'Middleware of a procedure does not see the socket. The answer is data by then; what is streamed is held to its end.',
  },
  async start(routes): Promise<Served> {
    const server = handOn(createServer())
    const wss = new WebSocketServer({ server })
    applyWSSHandler({ wss, router: routerOf(routes, overSocket) })
    const { url, close } = await listening(server)
    const open = (): { client: Client; close: () => Promise<void> } => {
      const socket = createWSClient({
        url: url.replace('http:', 'ws:'),
        WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
      })
      return {
        client: createTRPCUntypedClient({ links: [wsLink({ client: socket })] }),
        close: () => socket.close(),
      }
    }
    const { client, close: closeClient } = open()
    return {
      call: callOf(client, overSocket),
      stream: streamOf(client, overSocket),
      connect: async () => {
        const own = open()
        return { call: callOf(own.client, overSocket), close: own.close }
      },
      close: async () => {
        await closeClient()
        wss.close()
        await close()
      },
    }
  },
}

export const doors: readonly Door[] = [standalone, sockets]
