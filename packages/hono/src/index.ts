/**
 * Opens an epoch in a middleware and runs the rest of the request inside. On Node it is closed when the response has emitted `close`
 * (written to its end, or its client gone) and `next()` has settled; elsewhere when `next()` has and, of a body that may be a
 * stream, the end has been read. Such a body is read inside. Outside stays middleware that stands before this.
 *
 * It imports nothing of Node's. What a body is does not show: those of `c.json` and `c.html` are known by their type.
 */
import type { ServerResponse } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import { bind, EpochError, type EpochOptions, withEpoch } from 'withepoch'

export interface RequestOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default `GET /orders/:id`, or `GET (no route)` */
  name?: ((context: Context) => string) | undefined
}

/** The types that `c.json` and `c.html` give to what they have made in one piece. What has no type may go as plain text. */
const IN_ONE_PIECE = /^(?:application\/json|text\/html; charset=UTF-8)$/i

/**
 * A middleware: one epoch per request, fresh each time. Whatever handles the request sees the globals as they were when it came in.
 *
 * Use it first: `app.use(epochPerRequest())`. On Node the epoch is open until the response is written or its client has gone, and
 * `signal` of the epoch aborts then; elsewhere until the handler is done and a body that is a stream has been read.
 *
 * **Caveat** A pulled stream that is sent with the type of `c.json` or `c.html`, and no `Transfer-Encoding`, is not read inside: make
 * it of `bindIterable(rows())`. Any other body is sent as a stream.
 *
 * @throws INVALID_ARGUMENT at the first request, when an option is not what it must be: the request is answered with it.
 * @example
 * import { Hono } from 'hono'
 * const locale = cell('docs.hono.locale', 'en')
 * const app = new Hono()
 * app.use(epochPerRequest())
 * app.get('/locale', (c) => c.text(locale.get()))
 * await (await app.request('/locale')).text() // => 'en'
 */
export function epochPerRequest(options: RequestOptions = {}): MiddlewareHandler {
  if ('req' in options)
    throw new EpochError(
      'INVALID_ARGUMENT',
      'epochPerRequest(c): it makes the middleware. Say app.use(epochPerRequest()).',
    )
  const { name = routeOf, ...others } = options
  return async (c, next) => {
    await withEpoch({ ...others, name: name(c), ifNested: 'fresh' }, async (epoch) => {
      const written = writtenOf(c)
      if (written !== undefined) epoch.waitUntil(written)
      // Has Hono say the type of a text itself: that of Bun's own saying does not show, and is lost with the body.
      else c.header('content-type', undefined)
      await next()
      const { headers } = c.res
      const isStream =
        headers.has('transfer-encoding') || !IN_ONE_PIECE.test(headers.get('content-type') ?? '')
      // Nobody reads the body of an answer to HEAD.
      if (!isStream || c.req.method === 'HEAD' || c.res.body === null) return
      const { body, ended } = readInside(c.res.body)
      if (written === undefined) epoch.waitUntil(ended)
      c.res = new Response(body, c.res)
    })
  }
}

/** Settles when no more will be written, or the client has gone; undefined where there is no response of Node's to tell. */
function writtenOf({ env }: Context): Promise<unknown> | undefined {
  // Elsewhere the name may be that of a binding of the service's own.
  const { outgoing } = (env ?? {}) as { outgoing?: ServerResponse }
  if (typeof outgoing?.once !== 'function') return undefined
  return new Promise<void>((resolve) => {
    // Middleware before this may have taken longer than the client waited.
    if (outgoing.closed) return resolve()
    outgoing.once('close', resolve)
    // There is no socket while other answers of the connection come first.
    if (outgoing.socket === null) resolveWithConnection(outgoing, resolve)
  })
}

/** What waits behind other answers, by connection, which Node does not tell when that goes: one listener for all of them. */
const behind = new WeakMap<object, Set<() => void>>()

function resolveWithConnection(response: ServerResponse, resolve: () => void): void {
  const { socket } = response.req
  const waiting = behind.get(socket) ?? new Set()
  if (!behind.has(socket)) socket.once('close', () => waiting.forEach((tell) => tell()))
  behind.set(socket, waiting.add(resolve))
  response.once('close', () => waiting.delete(resolve))
}

/** The same chunks, as they are asked for, each made in the epoch of this call; `ended` settles when there will be no more. */
function readInside(source: ReadableStream<Uint8Array>) {
  const reader = source.getReader()
  const read = bind(() => reader.read())
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: bind((reason: unknown) => reader.cancel(reason)),
    },
    { highWaterMark: 0 },
  )
  return { body, ended: reader.closed.catch(() => {}) }
}

function routeOf(c: Context): string {
  // Of the request, not `matchedRoutes` of hono/route: that reads only requests of its own copy, and a CommonJS service has another.
  const routes = c.req.matchedRoutes
  // The first that takes no `next` answers. Those of an app with an error handler of its own are wrapped, and seem to take it.
  const found =
    routes.find(({ handler }) => handler.length < 2) ?? routes.findLast(({ method }) => method !== 'ALL')
  return `${c.req.method} ${found?.path ?? '(no route)'}`
}
