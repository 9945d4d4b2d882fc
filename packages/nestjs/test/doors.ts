/**
 * Real applications with the adapter in them, for the contract: HTTP with Express and a gateway, HTTP with Fastify, and a
 * microservice over TCP.
 */
import { once } from 'node:events'
import type { Server } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import {
  Body,
  Controller,
  Get,
  Module,
  Post,
  Req,
  Sse,
  StreamableFile,
  type Type,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import {
  type ClientProxy,
  ClientProxyFactory,
  MessagePattern,
  type MicroserviceOptions,
  Payload,
  Transport,
} from '@nestjs/microservices'
import { FileInterceptor, type NestExpressApplication } from '@nestjs/platform-express'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import { WsAdapter } from '@nestjs/platform-ws'
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets'
import type { AnswerRoute, Connection, Door, Route } from '@withepoch/testing/contract'
import { from, lastValueFrom, map, type Observable } from 'rxjs'
import { WebSocket } from 'ws'
import { handOn } from '../../testing/test/contract/hand-on.js'
import { epochPerRequest } from '../src/index.js'
import { decorate } from './decorate.js'

const HOST = '127.0.0.1'

type Method = (input?: unknown) => unknown

/** A class with a method for each route, named after it, whose one parameter is what `parameter` decorates. */
function classOf(
  name: string,
  routes: readonly Route[],
  make: (route: Route) => Method,
  decorators: (route: Route) => MethodDecorator[],
  parameter: (route: Route) => ParameterDecorator,
): Type {
  const { [name]: type } = { [name]: class {} }
  for (const route of routes) {
    Object.defineProperty(type!.prototype, route.name, { value: make(route), configurable: true })
    decorate(type!, route.name, ...decorators(route))
    parameter(route)(type!.prototype as object, route.name, 0)
  }
  return type!
}

function moduleOf(controllers: Type[], providers: Type[] = []): Type {
  class Routes {}
  Module({ controllers, providers })(Routes)
  return Routes
}

/** What throws before the handler: an interceptor that comes after the adapter's. */
const broken = (route: Route): MethodDecorator[] =>
  route.kind === 'broken' ? [UseInterceptors({ intercept: () => route.handle() })] : []

async function uploaded(route: AnswerRoute, content: unknown): Promise<unknown> {
  return route.handle(await content)
}

/** How a platform hands over an upload. */
interface Upload {
  readonly interceptors: readonly MethodDecorator[]
  readonly parameter: ParameterDecorator
  contentOf(parameter: unknown): unknown
}

function controllerOf(routes: readonly Route[], upload: Upload): Type {
  const controller = classOf(
    'RoutesController',
    routes,
    (route) =>
      function (input) {
        if (route.kind === 'upload') return uploaded(route, upload.contentOf(input))
        if (route.kind === 'stream') return new StreamableFile(Readable.from(route.handle()))
        if (route.kind === 'events') return from(route.handle()).pipe(map((data) => ({ data })))
        return route.handle(input)
      },
    (route) => [
      route.kind === 'events' ? Sse(route.path) : (route.method === 'GET' ? Get : Post)(route.path),
      ...broken(route),
      ...(route.kind === 'upload' ? upload.interceptors : []),
    ],
    (route) => (route.kind === 'upload' ? upload.parameter : Body('input')),
  )
  Controller()(controller)
  return controller
}

interface Message {
  readonly id: number
  readonly input?: unknown
}

function gatewayOf(routes: readonly Route[]): Type {
  const gateway = classOf(
    'RoutesGateway',
    routes.filter(({ kind }) => kind === 'answer'),
    (route) =>
      async function (message) {
        const { id, input } = message as Message
        return { event: 'answer', data: { id, answer: await route.handle(input) } }
      },
    (route) => [SubscribeMessage(route.name)],
    () => MessageBody(),
  )
  WebSocketGateway()(gateway)
  return gateway
}

async function webSocket(port: string): Promise<Connection> {
  const socket = new WebSocket(`ws://${HOST}:${port}`)
  await once(socket, 'open')
  const waiting = new Map<number, (answer: unknown) => void>()
  socket.on('message', (message: Buffer) => {
    const { data } = JSON.parse(message.toString()) as { data: { id: number; answer: unknown } }
    waiting.get(data.id)?.(data.answer)
  })
  let calls = 0
  return {
    call(route, input) {
      const id = ++calls
      socket.send(JSON.stringify({ event: route.name, data: { id, input } }))
      return new Promise((resolve) => waiting.set(id, resolve))
    },
    async close() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

const withMulter: Upload = {
  interceptors: [UseInterceptors(FileInterceptor('file'))],
  parameter: UploadedFile(),
  contentOf: (file) => (file as { buffer: Buffer }).buffer.toString(),
}

const http: Door = {
  name: 'nestjs (Express, WebSocket)',
  async start(routes) {
    const app = await NestFactory.create<NestExpressApplication>(
      moduleOf([controllerOf(routes, withMulter)], [gatewayOf(routes)]),
      { logger: false, forceCloseConnections: true },
    )
    app.useBodyParser('json', { limit: '1mb' })
    app.useGlobalInterceptors(epochPerRequest())
    app.useWebSocketAdapter(new WsAdapter(app))
    await app.listen(0, HOST)
    const url = await app.getUrl()
    return { url, connect: () => webSocket(new URL(url).port), close: () => app.close() }
  },
}

const withMultipart: Upload = {
  interceptors: [],
  parameter: Req(),
  contentOf: async (request) => {
    const file = await (request as { file(): Promise<{ toBuffer(): Promise<Buffer> }> }).file()
    return (await file.toBuffer()).toString()
  },
}

const fastify: Door = {
  name: 'nestjs (Fastify)',
  without: {
    'two calls at once over one connection, an epoch each':
      'A socket of HTTP/1.1 carries one request at a time; a gateway is in the other door.',
  },
  async start(routes) {
    const app = await NestFactory.create<NestFastifyApplication>(
      moduleOf([controllerOf(routes, withMultipart)]),
      new FastifyAdapter({ forceCloseConnections: true }),
      { logger: false },
    )
    await app.register(multipart)
    app.useGlobalInterceptors(epochPerRequest())
    await app.listen(0, HOST)
    return { url: await app.getUrl(), close: () => app.close() }
  },
}

function listenerOf(routes: readonly Route[]): Type {
  const controller = classOf(
    'RoutesController',
    routes,
    (route) =>
      function (input) {
        return route.kind === 'stream' || route.kind === 'events'
          ? from(route.handle())
          : (route.handle as Method)(input)
      },
    (route) => [MessagePattern(route.name), ...broken(route)],
    () => Payload('input'),
  )
  Controller()(controller)
  return controller
}

async function* valuesOf<T>(values: Observable<T>): AsyncGenerator<T> {
  const stream = new PassThrough({ objectMode: true })
  values.subscribe({
    next: (value) => stream.write(value),
    error: (error) => stream.destroy(error as Error),
    complete: () => stream.end(),
  })
  yield* stream as AsyncIterable<T>
}

const tcp: Door = {
  name: 'nestjs (TCP)',
  nameOf: (route) => route.name,
  without: {
    'a multipart upload: the handler is in the epoch': 'A message has one payload, and no files.',
    'server-sent events: one world in all of them, open to the last':
      'Server-sent events are of HTTP: over TCP all that is streamed is an Observable.',
    'the client goes amid a stream: the epoch closes':
      'Nest does not stop the Observable of a client that has gone: it runs on, and its epoch is open until it ends.',
    'open until the answer is written, closed after it':
      'Nest does not tell when an answer has been written. The epoch is open until it is handed over.',
  },
  async start(routes) {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(moduleOf([listenerOf(routes)]), {
      logger: false,
      transport: Transport.TCP,
      options: { host: HOST, port: 0 },
    })
    app.useGlobalInterceptors(epochPerRequest())
    const server = handOn(app.unwrap<Server>())
    await app.listen()
    const address = server.address() as { port: number }
    const clientOf = (): ClientProxy =>
      ClientProxyFactory.create({ transport: Transport.TCP, options: { host: HOST, port: address.port } })
    const call = (client: ClientProxy, route: Route, input: unknown): Promise<unknown> =>
      lastValueFrom(client.send<unknown>(route.name, { input }))
    const client = clientOf()
    return {
      call(route, input, signal) {
        if (signal === undefined) return call(client, route, input)
        const own = clientOf()
        signal.addEventListener('abort', () => own.close())
        return call(own, route, input)
      },
      stream: (route) => valuesOf(client.send<string>(route.name, {})),
      async connect() {
        const own = clientOf()
        return { call: (route, input) => call(own, route, input), close: async () => own.close() }
      },
      async close() {
        client.close()
        await app.close()
      },
    }
  },
}

export const doors: readonly Door[] = [http, fastify, tcp]
