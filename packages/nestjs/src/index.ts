/**
 * Opens an epoch when Nest subscribes to what the interceptor returned: after middleware and guards, before pipes and the handler.
 * Closes it when that Observable has ended or was unsubscribed, and over HTTP when the response has emitted `close`. As decorator
 * of a method that Nest calls without interceptors, a tick say: from the call until what it returned has settled.
 * Outside stay middleware, guards, exception filters, and a gateway's `handleConnection` and `handleDisconnect`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type ExecutionContext, type NestInterceptor, StreamableFile, UseInterceptors } from '@nestjs/common'
import { Observable } from 'rxjs'
import {
  bind,
  bindEmitter,
  bindIterable,
  type Epoch,
  EpochError,
  type EpochOptions,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'

export interface RequestOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default `GET /orders/:id`, the pattern of the message, or else `OrdersController.list` */
  name?: string | ((context: ExecutionContext) => string) | undefined
}

/**
 * One epoch per HTTP request, gateway message, microservice message or tick, fresh each time.
 *
 * Use it as interceptor, `app.useGlobalInterceptors(epochPerRequest())`, for all controllers and gateways. Use it as decorator,
 * `@epochPerRequest()`, on methods that Nest calls without interceptors (`@Cron`, `@Interval`, `@Timeout`, `@OnEvent`), and on
 * single handlers.
 *
 * **Caveat** Middleware and guards run before interceptors, so outside.
 *
 * @throws INVALID_ARGUMENT as decorator of anything but a method; at the first call, when an option is not what it must be.
 * @example
 * const locale = cell('docs.nestjs.locale', 'en')
 * class Reports {
 *   async nightly() { return [locale.get(), getEpoch().name] }
 * }
 * const nightly = Object.getOwnPropertyDescriptor(Reports.prototype, 'nightly')
 * epochPerRequest()(Reports.prototype, 'nightly', nightly) // what `@Cron('0 3 * * *') @epochPerRequest()` does
 * await nightly.value() // => ['en', 'Reports.nightly']
 */
export function epochPerRequest(options: RequestOptions = {}): NestInterceptor & MethodDecorator {
  const { name = nameOf, ...others } = options
  const intercepted = new WeakSet<Epoch>()
  const interceptor: NestInterceptor = {
    intercept(context, next) {
      const type = context.getType<string>()
      // A GraphQL resolver is no door: an operation has many.
      if (type !== 'http' && type !== 'ws' && type !== 'rpc') return next.handle()
      return new Observable((subscriber) => {
        const named = typeof name === 'string' ? name : name(context)
        return withEpoch({ ...others, name: named, ifNested: 'fresh' }, (epoch) => {
          intercepted.add(epoch)
          epoch.waitUntil(new Promise<void>((resolve) => subscriber.add(resolve)))
          if (type === 'http') {
            const http = context.switchToHttp()
            const request = raw<IncomingMessage>(http.getRequest())
            const response = raw<ServerResponse>(http.getResponse())
            epoch.waitUntil(closeOf(request, response))
            // Their events come from the connection: `data` of a body, `drain` of an answer that waited behind another.
            bindEmitter(request)
            bindEmitter(response)
          }
          const handled = next.handle().subscribe({
            next: bind((value) => subscriber.next(type === 'http' ? bound(value) : value)),
            error: (error) => subscriber.error(error),
            complete: () => subscriber.complete(),
          })
          return bind(() => handled.unsubscribe())
        })
      })
    },
  }
  function decorate(target: object, key: string | symbol, descriptor?: PropertyDescriptor): unknown {
    if (new.target !== undefined) return interceptor // what Nest does with a function that is given as an interceptor
    if (typeof descriptor?.value !== 'function') {
      throw new EpochError(
        'INVALID_ARGUMENT',
        '@epochPerRequest(): it decorates methods, with experimentalDecorators. Say @UseInterceptors(epochPerRequest()) on a class.',
      )
    }
    const method = descriptor.value as (...args: unknown[]) => unknown
    const called = typeof name === 'string' ? name : `${target.constructor.name}.${String(key)}`
    function inEpoch(this: unknown, ...args: unknown[]): unknown {
      const epoch = tryGetEpoch()
      // Where the interceptor was before, this holds its epoch until the method is done, also without its client.
      const isInside = epoch !== undefined && intercepted.has(epoch)
      const entry: EpochOptions = isInside ? {} : { ...others, name: called, ifNested: 'fresh' }
      return withEpoch(entry, () => Reflect.apply(method, this, args))
    }
    // Nest looks up metadata by the function, and on its prototypes, and by its name.
    Object.defineProperty(Object.setPrototypeOf(inEpoch, method), 'name', { value: method.name })
    return UseInterceptors(interceptor)(target, key, Object.assign(descriptor, { value: inEpoch }))
  }
  return Object.assign(decorate, interceptor) as never
}

/** Node's own, of what Fastify makes of it. */
function raw<Message>(message: Message & { raw?: Message }): Message {
  return message.raw ?? message
}

/**
 * Settles when no more will be written to it. The client may have gone before, while guards ran. Of an answer over HTTP/2
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

/** Nest reads a stream when the interceptors are done, outside; so each step of it is bound. */
function bound(value: unknown): unknown {
  const stream = value instanceof StreamableFile ? value.getStream() : value
  if (stream instanceof Readable) stream._read = bind(stream._read.bind(stream))
  else if (
    typeof stream === 'object' &&
    stream !== null &&
    Symbol.asyncIterator in stream &&
    'next' in stream
  )
    return bindIterable(stream as AsyncGenerator)
  return value
}

/** What Express and Fastify know of the route, and a transport's context of the pattern. */
interface Known {
  readonly method?: string
  readonly route?: { readonly path: string }
  readonly routeOptions?: { readonly url?: string }
  getPattern?(): string
}

function nameOf(context: ExecutionContext): string {
  const type = context.getType()
  if (type === 'ws') return context.switchToWs().getPattern()
  const known: Known | undefined =
    type === 'http' ? context.switchToHttp().getRequest() : context.switchToRpc().getContext()
  const path = known?.route?.path ?? known?.routeOptions?.url
  if (path !== undefined) return `${known?.method} ${path}`
  return known?.getPattern?.() ?? `${context.getClass().name}.${context.getHandler().name}`
}
