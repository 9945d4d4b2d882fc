/** What the contract does not show of handlers: names, single handlers, streams of all kinds, clients that go early, no doors. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import {
  Controller,
  Get,
  Param,
  Post,
  Req,
  Res,
  Sse,
  type Type,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common'
import { ExternalContextCreator } from '@nestjs/core'
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices'
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets'
import { epochPerRequest as epochOfHttp } from '@withepoch/http'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { lastValueFrom, map, Observable, Subject } from 'rxjs'
import { bind, cell, type Epoch, getEpoch, tryGetEpoch } from 'withepoch'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { epochPerRequest } from '../src/index.js'
import { decorate } from './decorate.js'
import { serve } from './served.js'

const value = cell('nestjs.handlers.value', 0)
afterEach(() => value.set(0))

function controller<C extends Type>(type: C, key: string, ...decorators: MethodDecorator[]): C {
  decorate(type, key, ...decorators)
  Controller()(type)
  return type
}

/** Something that happens once, and what is to happen then. */
function signal(): { readonly done: Promise<void>; readonly give: () => void } {
  let give = (): void => {}
  const done = new Promise<void>((resolve) => (give = resolve))
  return { done, give }
}

async function text(url: string): Promise<string> {
  return await (await fetch(url)).text()
}

/** A class of its own each time, for decorators change it. */
function namesOf(...decorators: MethodDecorator[]): Type {
  class Names {
    show(): string | undefined {
      return tryGetEpoch()?.name
    }
  }
  return controller(Names, 'show', ...decorators)
}

test.each([
  ['as a decorator of the method', [Get('names/:id'), epochPerRequest()]],
  ['as a decorator above others', [epochPerRequest(), Get('names/:id')]],
  ['with @UseInterceptors', [Get('names/:id'), UseInterceptors(epochPerRequest())]],
])('a single handler has an epoch: %s', async (_how, decorators) => {
  const { app, url } = await serve({ controllers: [namesOf(...decorators)] })
  try {
    expect(await text(`${url}/names/7`)).toBe('GET /names/:id')
  } finally {
    await app.close()
  }
})

test('it is named after the whole route, or as the option says', async () => {
  const controllers = [namesOf(Get('names/:id'))]
  for (const [options, expected] of [
    [{}, 'GET /v1/names/:id'],
    [{ name: 'all' }, 'all'],
    [{ name: (context: { getType(): string }) => `of ${context.getType()}` }, 'of http'],
  ] as const) {
    const { app, url } = await serve({ controllers }, (each) => {
      each.setGlobalPrefix('v1')
      each.useGlobalInterceptors(epochPerRequest(options))
    })
    expect(await text(`${url}/v1/names/7`)).toBe(expected)
    await app.close()
  }
})

test('messages are named after their pattern, events too', async () => {
  const heard = new Subject<string | undefined>()
  class Events {
    told(): void {
      heard.next(tryGetEpoch()?.name)
    }
  }
  const controllers = [
    namesOf(MessagePattern({ cmd: 'sum' })),
    controller(Events, 'told', EventPattern('orders.changed') as MethodDecorator),
  ]
  const { app } = await serve({ controllers }, (each) => each.useGlobalInterceptors(epochPerRequest()))
  const transport = { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } } as const
  const service = app.connectMicroservice<MicroserviceOptions>(transport, { inheritAppConfig: true })
  await app.startAllMicroservices()
  const { port } = service.unwrap<{ address(): { port: number } }>().address()
  const client = ClientProxyFactory.create({ ...transport, options: { ...transport.options, port } })
  try {
    expect(await lastValueFrom(client.send<string>({ cmd: 'sum' }, {}))).toBe('{"cmd":"sum"}')
    const told = new Promise((resolve) => heard.subscribe(resolve))
    client.emit('orders.changed', {})
    expect(await told).toBe('orders.changed')
  } finally {
    client.close()
    await app.close()
  }
})

test('guards run outside and pipes inside; both inside where the middleware of @withepoch/http stands before Nest', async () => {
  const guarded: Array<string | undefined> = []
  const guard = { canActivate: () => guarded.push(tryGetEpoch()?.name) > 0 }
  const pipe = { transform: (value: unknown) => [guarded.push(tryGetEpoch()?.name), value] }
  const names = namesOf(Get('names/:id'), UseGuards(guard))
  Param('id', pipe)(names.prototype as object, 'show', 0)
  const controllers = [names]
  const inner = await serve({ controllers }, (app) => app.useGlobalInterceptors(epochPerRequest()))
  const outer = await serve({ controllers }, (app) => app.use(epochOfHttp()))
  try {
    expect(await text(`${inner.url}/names/7`)).toBe('GET /names/:id')
    expect(await text(`${outer.url}/names/7`)).toBe('GET /names/…')
    expect(guarded).toEqual([undefined, 'GET /names/:id', 'GET /names/…', 'GET /names/…'])
  } finally {
    await inner.app.close()
    await outer.app.close()
  }
})

test('a client that goes while a guard runs: the epoch closes with the handler', async () => {
  const guarding = signal()
  const gone = signal()
  const handled = signal()
  let epoch: Epoch | undefined
  class Slow {
    show(): string {
      epoch = getEpoch()
      handled.give()
      return 'nobody reads this'
    }
  }
  const guard = {
    async canActivate(context: { getArgByIndex<T>(index: number): T }): Promise<boolean> {
      const response = context.getArgByIndex<NodeJS.EventEmitter>(1)
      guarding.give()
      await once(response, 'close')
      gone.give()
      return true
    },
  }
  const slow = controller(Slow, 'show', Get('slow'), UseGuards(guard))
  const { app, url } = await serve({ controllers: [slow] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const client = new AbortController()
    const answer = fetch(`${url}/slow`, { signal: client.signal }).catch(() => 'gone')
    await guarding.done
    client.abort()
    expect(await answer).toBe('gone')
    await gone.done
    await handled.done
    while (epoch?.phase !== 'closed') await turn()
  } finally {
    await app.close()
  }
})

test('a generator that a handler returns is read in its epoch', async () => {
  class Rows {
    async *rows(): AsyncGenerator<string> {
      for (let row = 0; row < 3; row++) {
        yield `${value.get()} `
        await turn()
      }
    }
  }
  const { app, url } = await serve({ controllers: [controller(Rows, 'rows', Get('rows'))] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const response = await fetch(`${url}/rows`)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let all = ''
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      all += read.value
      value.set(value.live() + 1)
    }
    expect(all).toBe('0 0 0 ')
  } finally {
    await app.close()
  }
})

test('a handler that reads the body by its events is inside to its end', async () => {
  class Bodies {
    take(request: IncomingMessage): Promise<string | undefined> {
      return new Promise((resolve) => request.resume().on('end', () => resolve(tryGetEpoch()?.name)))
    }
  }
  const bodies = controller(Bodies, 'take', Post('bodies'))
  Req()(Bodies.prototype, 'take', 0)
  const { app, url } = await serve({ controllers: [bodies] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const body = Readable.from(
      (async function* () {
        yield 'first'
        await turn()
        yield 'last'
      })(),
    )
    const init = { method: 'POST', headers: { 'content-type': 'text/csv' }, body, duplex: 'half' }
    expect(await (await fetch(`${url}/bodies`, init as unknown as RequestInit)).text()).toBe('POST /bodies')
  } finally {
    await app.close()
  }
})

test('an answer that waits behind another on its connection leaves no epoch open when that goes', async () => {
  const both = signal()
  class Answers {
    first = true
    show(response: ServerResponse): void {
      if (this.first) this.first = false
      else response.end(both.give())
    }
  }
  const answers = controller(Answers, 'show', Get('answers'))
  Res()(Answers.prototype, 'show', 0)
  const { app, url } = await serve({ controllers: [answers] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write('GET /answers HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(2))
    await both.done
    socket.destroy()
    await expect(assertNoOpenEpochs({ withinMs: 20_000 })).resolves.toBeUndefined()
  } finally {
    await app.close()
  }
})

test('an Observable that others feed reads in the epoch with a bound function, and is torn down in it', async () => {
  const feed = new Subject<void>()
  const reads: number[] = []
  const subscribed = signal()
  const tornDown = signal()
  class Feed {
    events(): Observable<{ data: string }> {
      return new Observable<void>((subscriber) => {
        const subscription = feed.subscribe(subscriber)
        subscribed.give()
        return () => {
          subscription.unsubscribe()
          reads.push(value.get())
          tornDown.give()
        }
      }).pipe(map(bind(() => ({ data: String(value.get()) }))))
    }
  }
  const { app, url } = await serve({ controllers: [controller(Feed, 'events', Sse('feed'))] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const client = new AbortController()
    const responding = fetch(`${url}/feed`, { signal: client.signal })
    await subscribed.done
    value.set(1)
    feed.next()
    const reader = (await responding).body!.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('data')) seen += (await reader.read()).value
    expect(seen).toContain('data: 0\n')
    client.abort()
    await expect(reader.read()).rejects.toThrow('aborted')
    await tornDown.done
    expect(reads).toEqual([0])
  } finally {
    await app.close()
  }
})

test('as a decorator it pins a handler of a gateway that goes on without its client', async () => {
  const arrived = signal()
  const goOn = signal()
  const over = signal()
  const reads: unknown[] = []
  class Gateway {
    closes = signal()
    handleDisconnect(): void {
      this.closes.give()
    }
    async work(): Promise<void> {
      const epoch = getEpoch()
      reads.push(value.get(), epoch.name)
      arrived.give()
      await goOn.done
      reads.push(value.get(), epoch.phase)
      over.give()
    }
  }
  decorate(Gateway, 'work', SubscribeMessage('work'), epochPerRequest())
  WebSocketGateway()(Gateway)
  const { app, url } = await serve({ providers: [Gateway] })
  try {
    const socket = new WebSocket(url.replace('http', 'ws'))
    await once(socket, 'open')
    socket.send(JSON.stringify({ event: 'work' }))
    await arrived.done
    value.set(1)
    socket.terminate()
    await app.get(Gateway).closes.done
    for (let count = 0; count < 10; count++) await turn()
    goOn.give()
    await over.done
    expect(reads).toEqual([0, 'work', 0, 'open'])
  } finally {
    await app.close()
  }
})

test('what is no request, no message and no tick is no door: a resolver of GraphQL', async () => {
  class Resolver {
    show(): string {
      return tryGetEpoch()?.name ?? 'in none'
    }
  }
  const { app } = await serve({}, (each) => each.useGlobalInterceptors(epochPerRequest()))
  const resolver = new Resolver()
  const show = Object.getOwnPropertyDescriptor(Resolver.prototype, 'show')?.value as () => string
  const none = [undefined, undefined, undefined, undefined, undefined] as const
  const call = (type: string): unknown =>
    app.get(ExternalContextCreator).create(resolver, show, 'show', ...none, type)()
  expect(await call('graphql')).toBe('in none')
  expect(await call('rpc')).toBe('Resolver.show')
  await app.close()
})

test.each<[string, unknown[]]>([
  ['a class, which it would replace', [class Orders {}]],
  ['a field', [{}, 'field', undefined]],
  ['an accessor', [{}, 'field', { get: () => 1 }]],
  ['a decorator of the standard', [() => 1, { kind: 'method', name: 'show' }]],
])('as decorator of what is no method it is refused: %s', (_what, args) => {
  expect(() => Reflect.apply(epochPerRequest() as unknown as () => void, undefined, args)).toThrow(
    '@epochPerRequest(): it decorates methods',
  )
})
