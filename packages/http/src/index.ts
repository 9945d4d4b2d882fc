/**
 * Opens an epoch when the server calls the listener, or Connect, Express or Koa the middleware; closes it when the response has
 * emitted `close` (written to its end, or its client gone) and what the listener, or Koa's `next()`, returned has settled.
 * Outside stay the server's own `connection` and `upgrade` events, and middleware that stands before this.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { bindEmitter, detach, EpochError, type EpochOptions, withEpoch } from 'withepoch'

export interface RequestOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default `GET /orders/:id` where the route is known already, else `GET /orders/…` */
  name?: ((request: IncomingMessage) => string) | undefined
}

/** What a request's epoch is put around: a listener of `node:http`. It may be asynchronous. */
export type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

/** What Koa's context has that is looked at. */
export interface KoaContext {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

export interface EpochMiddleware {
  /** For `node:http` (then without `next`), Connect and Express. */
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** For Koa. */
  (context: KoaContext, next: () => Promise<unknown>): Promise<void>
}

/** What Connect and Express put on a request. */
interface Mounted {
  readonly originalUrl?: string
}

type Path = string | RegExp | ReadonlyArray<string | RegExp>

/** What Express puts on a request, and @koa/router on a context, once the route is known. */
interface Routed {
  readonly baseUrl?: string
  readonly route?: { readonly path?: Path }
  readonly matched?: ReadonlyArray<{ readonly path: Path; readonly methods: readonly string[] }>
}

/**
 * One epoch per HTTP request, fresh each time: whatever handles the request sees the globals as they were when it came in.
 *
 * Use it as the first middleware of Connect, Express or Koa, or around a listener of `node:http`. The epoch is open until the
 * response is written or its client has gone, and `signal` of the epoch aborts then.
 *
 * **Caveat** Connect and Express do not tell when a handler is done: one that goes on after the response has closed reads live
 * values, and the process is told of late reads. Give it a lease: `getEpoch().waitUntil(promise)`.
 *
 * @param listener for `node:http`: what is run inside. Middleware has none.
 * @throws INVALID_ARGUMENT when it is used as middleware itself; at the first request, when an option is not what it must be.
 * @example
 * import { createServer } from 'node:http'
 * const locale = cell('docs.http.locale', 'en')
 * const server = createServer(epochPerRequest((_request, response) => response.end(locale.get())))
 * typeof server.listen // => 'function'
 */
export function epochPerRequest(options?: RequestOptions): EpochMiddleware
export function epochPerRequest(listener: Listener, options?: RequestOptions): Listener
export function epochPerRequest(first?: Listener | RequestOptions, second?: RequestOptions): unknown {
  const listener = typeof first === 'function' ? first : undefined
  const { name = routeOf, ...others } = (typeof first === 'function' ? second : first) ?? {}
  if (listener === undefined && second !== undefined) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      'epochPerRequest(request, response): it makes the middleware. Say app.use(epochPerRequest()), or createServer(epochPerRequest(listener)).',
    )
  }
  return function inEpoch(
    ...[one, two, three]: [IncomingMessage | KoaContext, unknown, (() => void)?]
  ): unknown {
    const [request, response] =
      'req' in one && typeof two === 'function'
        ? [one.req, one.res]
        : [one as IncomingMessage, two as ServerResponse]
    const run = (): unknown =>
      listener === undefined ? (three ?? (two as () => unknown))() : listener(request, response)
    // So Node marks a request that it has handed to a listener of `upgrade`, as express-ws does with its WebSockets.
    if ((request as { upgrade?: boolean }).upgrade === true) return detach(run)
    const routed = one as Routed
    return withEpoch({ ...others, name: name(request, routed), ifNested: 'fresh' }, (epoch) => {
      epoch.waitUntil(closeOf(request, response))
      // Their events come from the connection: `data` of a body, `drain` of an answer that waited behind another.
      bindEmitter(request)
      bindEmitter(response)
      return run()
    })
  }
}

/**
 * Settles when no more will be written to it. The client may have gone before, while middleware waited. Of an answer over HTTP/2
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

function routeOf(request: IncomingMessage, { route, baseUrl = '', matched }: Routed = {}): string {
  const { method, url = '' } = request
  const path = matched?.findLast(({ methods }) => methods.includes(method!))?.path ?? route?.path
  if (path !== undefined) return `${method} ${headOf(baseUrl)}${String(path)}`
  // Where a router or an application is mounted, `url` is only the rest.
  return `${method} ${headOf((request as Mounted).originalUrl ?? url) || '/'}`
}

/** The first part of a path: what follows is often an id. So it is in what is mounted at `/carts/:id`, whose base is `/carts/7`. */
function headOf(path: string): string {
  const [, first = '', rest] = /^(\/[^/?#]*)(\/[^/?#])?/.exec(path) ?? []
  return rest === undefined ? first : `${first}/…`
}
