/** A real server with the adapter in it, for the contract. */
import { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import type { Door, Route } from '@withepoch/testing/contract'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { epochPerRequest } from '../src/index.js'

async function inputOf(request: FastifyRequest): Promise<unknown> {
  if (request.isMultipart()) return (await (await request.file())?.toBuffer())?.toString()
  return (request.body as { input: unknown } | undefined)?.input
}

async function* asEvents(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield `data: ${chunk}\n\n`
}

/** What a route does with a request: a stream is sent, anything else is returned. */
function handlerOf(route: Route) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (route.kind === 'stream') return reply.type('text/plain').send(Readable.from(route.handle()))
    if (route.kind === 'events')
      return reply.type('text/event-stream').send(Readable.from(asEvents(route.handle())))
    return route.handle(await inputOf(request))
  }
}

const app: Door = {
  name: 'fastify',
  without: {
    'two calls at once over one connection, an epoch each':
      'A socket of HTTP/1.1 carries one request at a time; one that is upgraded may live for days, and has no epoch. For its messages: `@withepoch/rpc`.',
  },
  async start(routes) {
    const server = fastify({ forceCloseConnections: true })
    await server.register(epochPerRequest)
    await server.register(multipart)
    for (const route of routes) {
      const handler = handlerOf(route)
      const before = route.kind === 'broken' ? { preHandler: async () => route.handle() } : {}
      server.route({ method: route.method, url: route.path, ...before, handler })
    }
    return { url: await server.listen({ port: 0, host: '127.0.0.1' }), close: () => server.close() }
  },
}

export const doors: readonly Door[] = [app]
