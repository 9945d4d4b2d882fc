/**
 * What the contract does not ask of it: batches and notifications, handlers that call one another, what passes through, what a
 * client may send, and what is refused. The servers are real; where no socket matters there is none.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { JSONRPCServer, type JSONRPCServerMiddleware } from 'json-rpc-2.0'
import { afterEach, describe, expect, expectTypeOf, test } from 'vitest'
import { cell, detach, type Epoch, EpochError, getEpoch } from 'withepoch'
import { WebSocket, WebSocketServer } from 'ws'
import { epochPerCall } from '../src/index.js'

const locale = cell('rpc.locale', 'en')
afterEach(() => locale.set('en'))

const seen = (): string => `${locale.get()} in ${getEpoch().name}`

describe('JSON-RPC 2.0', () => {
  const batch = [
    { jsonrpc: '2.0', id: 1, method: 'set', params: 'fr' },
    { jsonrpc: '2.0', method: 'note' },
    { jsonrpc: '2.0', id: 2, method: 'get' },
  ] as const

  /** Each method notes its epoch; `set` publishes, so that who comes after it in the batch sees another world. */
  function methodsInto(epochs: Epoch[]) {
    return {
      set: async (to: string) => {
        epochs.push(getEpoch())
        const before = seen()
        locale.set(to)
        await turn()
        return before
      },
      note: () => void epochs.push(getEpoch()),
      get: async () => {
        epochs.push(getEpoch())
        await turn()
        return seen()
      },
    }
  }

  test.each([
    {
      where: 'around the record',
      serve(server: JSONRPCServer, methods: ReturnType<typeof methodsInto>) {
        for (const [name, method] of Object.entries(epochPerCall(methods))) server.addMethod(name, method)
      },
    },
    {
      where: 'as a middleware',
      serve(server: JSONRPCServer, methods: ReturnType<typeof methodsInto>) {
        const dispatch: JSONRPCServerMiddleware<void> = (next, request) => next(request)
        server.applyMiddleware(epochPerCall(dispatch, { name: (_next, request) => request.method }))
        for (const [name, method] of Object.entries(methods)) server.addMethod(name, method)
      },
    },
  ])('$where: each call of a batch has an epoch of its own, a notification too', async (side) => {
    const epochs: Epoch[] = []
    const server = new JSONRPCServer()
    side.serve(server, methodsInto(epochs))

    expect(await server.receive([...batch])).toEqual([
      { jsonrpc: '2.0', id: 1, result: 'en in set' },
      { jsonrpc: '2.0', id: 2, result: 'fr in get' },
    ])
    expect(epochs.map(({ name }) => name)).toEqual(['set', 'note', 'get'])
    expect(new Set(epochs).size).toBe(3)
    expect(epochs.map(({ phase }) => phase)).toEqual(['closed', 'closed', 'closed'])

    expect(await server.receive({ jsonrpc: '2.0', method: 'note' })).toBe(null)
    expect(epochs[3]).toMatchObject({ name: 'note', phase: 'closed' })
  })

  test('around `receive` a batch is one call: it is to be given them one by one', async () => {
    const epochs: Epoch[] = []
    const server = new JSONRPCServer()
    for (const [name, method] of Object.entries(methodsInto(epochs))) server.addMethod(name, method)
    const receive = epochPerCall((message: (typeof batch)[number]) => server.receive(message), {
      name: ({ method }) => method,
    })
    await Promise.all(batch.map((message) => receive(message)))
    expect(epochs.map(({ name }) => name)).toEqual(['set', 'note', 'get'])
  })
})

test('a dispatcher that awaits its frame to be sent holds the epoch until it is written', async () => {
  const epochs: Epoch[] = []
  const respond = async (_method: string, socket: WebSocket): Promise<void> => {
    epochs.push(getEpoch())
    await new Promise((resolve) => socket.send('x'.repeat(16 * 2 ** 20), resolve)) // more than the buffers take
  }
  const dispatch = epochPerCall(respond, { name: (method) => method })
  const gateway = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  gateway.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => void dispatch(data.toString(), socket))
  })
  await once(gateway, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(gateway.address() as AddressInfo).port}`)
  try {
    await once(client, 'open')
    client.pause()
    client.send('long')
    while (epochs.length === 0) await turn()
    for (let count = 0; count < 100; count++) await turn()
    expect(epochs[0]).toMatchObject({ name: 'long', phase: 'open' })
    client.resume()
    await once(client, 'message')
    while (epochs[0]!.phase !== 'closed') await turn()
  } finally {
    client.terminate()
    await new Promise((resolve) => gateway.close(resolve))
  }
})

describe('results', () => {
  test('a generator holds the epoch open until it ends, or is given up', async () => {
    const epochs: Epoch[] = []
    const handlers = epochPerCall({
      *rows() {
        epochs.push(getEpoch())
        yield seen()
        yield seen()
      },
      async *events() {
        epochs.push(getEpoch())
        yield seen()
        yield seen()
      },
    })
    const rows = handlers.rows()
    expect(rows.next().value).toBe('en in rows')
    locale.set('fr')
    expect(epochs[0]!.phase).toBe('open')
    expect([...rows]).toEqual(['en in rows'])
    expect(epochs[0]!.phase).toBe('closed')

    for await (const event of handlers.events()) {
      expect(event).toBe('fr in events')
      expect(epochs[1]!.phase).toBe('open')
      break
    }
    expect(epochs[1]!.phase).toBe('closed')
  })

  test('errors pass through as they are, and the epoch closes', async () => {
    const epochs: Epoch[] = []
    const error = new Error('as it is')
    const handlers = epochPerCall({
      throws() {
        epochs.push(getEpoch())
        throw error
      },
      async rejects() {
        epochs.push(getEpoch())
        throw error
      },
    })
    await expect(async () => handlers.throws()).rejects.toBe(error)
    await expect(handlers.rejects()).rejects.toBe(error)
    expect(epochs.map(({ phase }) => phase)).toEqual(['closed', 'closed'])
  })
})

test('a wrapped handler that is called by another has a fresh epoch; what was wrapped stays in the same', () => {
  const who = (): string => seen()
  const handlers = epochPerCall({
    who,
    outer() {
      const before = who()
      detach(() => locale.set('fr'))
      return [before, handlers.who(), who()]
    },
  })
  expect(handlers.outer()).toEqual(['en in outer', 'fr in who', 'en in outer'])
})

describe('what passes through', () => {
  test('arguments, `this`, properties, and a sync answer', () => {
    const sum = (left: number, right: number): number => left + right
    const add = Object.assign(sum, { schema: 'two numbers' })
    const handlers = epochPerCall({
      add,
      self(this: unknown) {
        return this
      },
    })
    expect(handlers.add(1, 2)).toBe(3)
    expect(handlers.add.schema).toBe('two numbers')
    expect([handlers.add.name, handlers.add.length]).toEqual(['sum', 2])
    expect(handlers.self()).toBe(handlers)
    expect(handlers.self.call('somebody')).toBe('somebody')
  })

  test('the record that was given stays as it is, and one without a prototype stays without', () => {
    const record: Record<string, () => string> = Object.assign(Object.create(null) as object, { seen })
    const handlers = epochPerCall(record)
    expect(handlers['constructor']).toBe(undefined)
    expect(handlers['seen']!()).toBe('en in seen')
    expect(record['seen']).toBe(seen)
  })

  test('options reach the epoch', () => {
    const write = (): string => {
      locale.set('nl')
      return seen()
    }
    const handlers = epochPerCall({ seen, write }, { values: [[locale, 'de']], writes: 'local' })
    expect([handlers.seen(), handlers.write(), locale.get()]).toEqual(['de in seen', 'nl in write', 'en'])
  })
})

test('a message without a name is for the dispatcher to answer, in an epoch that is anonymous', () => {
  const dispatch = (request: { method: string }): string => `${request?.method}: ${getEpoch().name}`
  const wrapped = epochPerCall(dispatch, { name: (request) => request.method })
  const messages = [{ method: 'get' }, { method: 5 }, {}, null] as Array<{ method: string }>
  expect(messages.map((message) => wrapped(message))).toEqual([
    'get: get',
    '5: anonymous',
    'undefined: anonymous',
    'undefined: anonymous',
  ])
})

test('the types are those of what was wrapped', () => {
  interface Methods {
    get(key: string): Promise<number>
    readonly list: (limit?: number) => AsyncGenerator<string>
  }
  const methods: Methods = { get: async (key) => key.length, list: async function* () {} }
  expectTypeOf(epochPerCall(methods)).toEqualTypeOf<Methods>()

  const literal = { sync: () => 1, nothing: async (_input: { id: string }) => {} }
  expectTypeOf(epochPerCall(literal)).toEqualTypeOf<typeof literal>()
  expectTypeOf(epochPerCall(literal).sync()).toEqualTypeOf<number>()

  const dispatch = (frame: { method: string }, socket: WebSocket): boolean =>
    socket.isPaused && frame.method === ''
  const wrapped = epochPerCall(dispatch, {
    name(frame, socket) {
      expectTypeOf(frame).toEqualTypeOf<{ method: string }>()
      expectTypeOf(socket).toEqualTypeOf<WebSocket>()
      return frame.method
    },
  })
  expectTypeOf(wrapped).toEqualTypeOf<typeof dispatch>()
  expect(wrapped).toBeTypeOf('function')
})

class Service {
  get(): string {
    return seen()
  }
}

test('what it does not take does not compile', () => {
  const wrong = () => [
    // @ts-expect-error a dispatcher has a name
    epochPerCall(() => 1),
    // @ts-expect-error which is a function
    epochPerCall(() => 1, { name: 'x' }),
    // @ts-expect-error all members are functions
    epochPerCall({ get: () => 1, list: undefined }),
    // @ts-expect-error and no records of functions
    epochPerCall({ sessions: { list: () => 1 } }),
    // @ts-expect-error a record has its keys for names
    epochPerCall({ get: () => 1 }, { name: () => 'x' }),
    // @ts-expect-error misspelt
    epochPerCall({ get: () => 1 }, { maxAge: 5 }),
    // @ts-expect-error the names of what comes back are the names of what was given
    epochPerCall({ get: () => 1 }).list,
  ]
  expect(wrong).toThrow(EpochError)
})

describe('refused', () => {
  const dispatch = 'epochPerCall(dispatch, options): name must be a function of what the dispatcher gets, got'
  const plain = 'epochPerCall(handlers): expected a plain object of functions, or a dispatcher, got'
  const hint = 'Wrap the functions, and add the rest to the result.'
  const get = (): number => 1

  test.each<[what: string, args: unknown[], message: string]>([
    [
      'a dispatcher without a name',
      [get],
      `${dispatch} undefined. Say { name: (request) => request.method }.`,
    ],
    [
      'a name that is a word',
      [get, { name: 'x' }],
      `${dispatch} a string. Say { name: (request) => request.method }.`,
    ],
    [
      'a member that is none',
      [{ get, list: undefined }],
      `epochPerCall(handlers): "list" must be a function, got undefined. ${hint}`,
    ],
    [
      'a record of records',
      [{ sessions: { get } }],
      `epochPerCall(handlers): "sessions" must be a function, got an object (Object). ${hint}`,
    ],
    [
      'a record with a name',
      [{ get }, { name: () => 'x' }],
      'epochPerCall(handlers, options): name is for a dispatcher. Epochs are named by the keys: leave it out.',
    ],
    ['an instance, whose methods are not its own', [new Service()], `${plain} an object (Service).`],
    ['a Map', [new Map([['get', get]])], `${plain} an object (Map).`],
    ['an array', [[get]], `${plain} an array.`],
    ['null', [null], `${plain} null.`],
    ['a word', ['sessions.list'], `${plain} a string.`],
  ])('%s', (_what, args, message) => {
    expect(refusal(() => Reflect.apply(epochPerCall, undefined, args))).toBe(`INVALID_ARGUMENT: ${message}`)
  })

  test('another option, at the first call', () => {
    const handlers = epochPerCall({ get }, { maxAge: 5 } as object)
    expect(refusal(() => handlers.get())).toMatch(
      'INVALID_ARGUMENT: withEpoch(options, handler): unknown option "maxAge"',
    )
  })
})

function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof EpochError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'not refused'
}
