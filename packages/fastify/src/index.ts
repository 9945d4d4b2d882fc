/**
 * Opens an epoch in an `onRequest` hook and runs the rest of the request inside; closes it when the response has emitted `close`
 * (written to its end, or its client gone) and the promise of the route's handler has settled. Outside stay hooks that are
 * registered before this, and requests that are upgraded: a WebSocket lives long, and its messages are no requests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import { bind, bindEmitter, detach, type EpochOptions, tryGetEpoch, withEpoch } from 'withepoch'

export interface RequestOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default `GET /orders/:id`, or `GET (no route)` */
  name?: ((request: FastifyRequest) => string) | undefined
}

/** Goes on with the request, inside its epoch. */
type GoOn = (done: () => void) => void

/**
 * A plugin: one epoch per request, fresh each time. Whatever handles the request sees the globals as they were when it came in.
 *
 * Register it first, for the whole application. The epoch is open until the response is written or its client has gone, and
 * until an asynchronous handler is done; `signal` of the epoch aborts then.
 *
 * **Caveat** Say `await app.register(epochPerRequest)`, or put the routes in plugins that are registered after it. A route that
 * is added before the plugin is loaded has its epoch, but a handler of it that goes on without its client is not waited for.
 *
 * @throws INVALID_ARGUMENT at the first request, when an option is not what it must be: the request is answered with it.
 * @example
 * import fastify from 'fastify'
 * const locale = cell('docs.fastify.locale', 'en')
 * const app = fastify()
 * await app.register(epochPerRequest)
 * app.get('/locale', async () => locale.get())
 * const { body } = await app.inject('/locale')
 * body // => 'en'
 */
export const epochPerRequest: FastifyPluginCallback<RequestOptions> = (app, options, loaded) => {
  const { name = routeOf, values, writes, maxAgeMs, ifOverdue } = options
  const requests = new WeakMap<FastifyRequest, GoOn>()

  app.addHook('onRequest', (request, reply, done) => {
    // So Node marks a request that it has handed to a listener of `upgrade`.
    if ((request.raw as { upgrade?: boolean }).upgrade === true) return detach(done)
    withEpoch({ values, writes, maxAgeMs, ifOverdue, name: name(request), ifNested: 'fresh' }, (epoch) => {
      epoch.waitUntil(closeOf(request.raw, reply.raw))
      // Their events come from the connection: a body for its parser, `drain` of an answer that waited behind another.
      bindEmitter(request.raw)
      bindEmitter(reply.raw)
      const inEpoch: GoOn = bind((goOn: () => void) => goOn())
      requests.set(request, inEpoch)
      done()
    })
  })

  // A plugin that restores the context of its own `onRequest` hook, as @fastify/request-context does here, may restore one
  // that is older than the epoch.
  app.addHook('preValidation', (request, _reply, done) => (requests.get(request) ?? detach)(done))

  app.addHook('onRoute', (route) => {
    const { handler } = route
    const held: typeof handler = function (...args) {
      const result: unknown = handler.apply(this, args)
      const epoch = tryGetEpoch()
      // Other thenables are not touched: `then` of a query builder runs the query, and Fastify calls it.
      if (result instanceof Promise && epoch?.phase === 'open') epoch.waitUntil(result.catch(() => {}))
      return result
    }
    route.handler = Object.defineProperty(held, 'name', { value: handler.name })
  })
  loaded()
}

// What the `fastify-plugin` package does: the hooks are the application's, not only of what is registered inside.
Object.assign(epochPerRequest, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@withepoch/fastify',
  [Symbol.for('plugin-meta')]: { name: '@withepoch/fastify', fastify: '5.x' },
})

/**
 * Settles when no more will be written to it. The client may have gone before, while a hook before this one waited. Of an answer over HTTP/2
 * only the stream always tells; and of one that waits behind others, none does.
 */
function closeOf(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { stream: closing = response } = response as { stream?: Pick<ServerResponse, 'closed' | 'once'> }
  return new Promise((resolve) => {
    if (closing.closed || request.socket.destroyed) return resolve()
    closing.once('close', resolve)
    if (response.socket === null) resolveWithSocket(request.socket, closing, resolve)
  })
}

/** Those who wait, by connection: one listener for all, as a client may send any number of requests ahead. */
const behind = new WeakMap<Socket, Set<() => void>>()

function resolveWithSocket(socket: Socket, closing: Pick<ServerResponse, 'once'>, resolve: () => void): void {
  const waiting = behind.get(socket) ?? new Set()
  if (!behind.has(socket)) socket.once('close', () => waiting.forEach((tell) => tell()))
  behind.set(socket, waiting.add(resolve))
  closing.once('close', () => waiting.delete(resolve))
}

function routeOf({ method, routeOptions }: FastifyRequest): string {
  return `${method} ${routeOptions.url ?? '(no route)'}`
}
