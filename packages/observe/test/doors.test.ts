/**
 * Doors change nothing but what is counted: results, errors, `this` and promises go through untouched, calls are told apart
 * under load, nothing stays open, and taken out they leave things as they were.
 */
import { AsyncResource } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { createServer, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  cell,
  detach,
  type EpochError,
  type EpochEvent,
  holders,
  publish,
  source,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { type Door, httpRequests, observe, type Observation, onEvent, onMethod } from '@withepoch/observe'

let count = 0
const unique = (word: string): string => `doors.${word}.${++count}`

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function watch(doors: Door[], options = {}): Observation {
  const observation = observe({ doors, ...options })
  cleanups.push(() => observation.stop())
  return observation
}

const counts = (observation: Observation): unknown[] =>
  observation
    .report()
    .sources.toSorted((a, b) => a.call.localeCompare(b.call))
    .map(({ call, calls, torn, late }) => [call, calls, torn, late])

describe('a method', () => {
  test('is called as it was: with its this and arguments, and what it returns comes back itself', () => {
    const promise = Promise.resolve(1)
    const service = {
      prefix: 'row ',
      // oxlint-disable-next-line unicorn/no-thenable -- a lazy query builder is one
      lazy: { then: vi.fn<() => void>() },
      give<T>(this: { prefix: string }, value: T): [string, T] {
        return [this.prefix, value]
      },
      later: () => promise,
      query() {
        return this.lazy
      },
    }
    watch([
      onMethod(service, 'give', 'give'),
      onMethod(service, 'later', 'later'),
      onMethod(service, 'query', 'query'),
    ])
    expect(service.give(2)).toEqual(['row ', 2])
    expect(service.later()).toBe(promise)
    expect(service.query()).toBe(service.lazy)
    expect(service.lazy.then).not.toHaveBeenCalled()
    expect([service.give.name, service.give.length]).toEqual(['give', 1])
  })

  test('throws and rejects as it did, and a rejection that nobody handles is heard of', async () => {
    const error = new Error('mine')
    const service = {
      throws() {
        throw error
      },
      rejects: () => Promise.reject(error),
    }
    watch([onMethod(service, 'throws', 'throws'), onMethod(service, 'rejects', 'rejects')])
    expect(() => service.throws()).toThrow(error)
    await expect(service.rejects()).rejects.toBe(error)
    const heard = new Promise<unknown>((resolve) => {
      const others = process.listeners('unhandledRejection')
      process.removeAllListeners('unhandledRejection')
      process.once('unhandledRejection', (reason) => {
        for (const other of others) process.on('unhandledRejection', other)
        resolve(reason)
      })
    })
    void service.rejects()
    expect(await heard).toBe(error)
  })

  test('is one call per call, told apart across awaits, by a name made of the arguments', async () => {
    const c = cell(unique('c'), 1)
    const turns = [nextTurn, nextTurn]
    const server = {
      async receive({ method }: { method: string }) {
        c.get()
        for (const turn of turns) await turn()
        if (method === 'write') c.set(c.get() + 1)
        await nextTurn()
        return c.get()
      },
    }
    const observation = watch([onMethod(server, 'receive', ({ method }) => method)])
    await Promise.all([
      server.receive({ method: 'list' }),
      server.receive({ method: 'list' }),
      server.receive({ method: 'write' }),
    ])
    await server.receive({ method: 'list' })
    expect(counts(observation)).toEqual([
      ['list', 3, 2, 0],
      ['write', 1, 0, 0],
    ])
  })

  test('holds nothing open, not even while the call goes on', async () => {
    const c = cell(unique('c'), 1)
    const server = {
      async run() {
        c.get()
        await nextTurn()
        const { open } = holders()
        return [c.get(), open.length]
      },
    }
    const observation = watch([onMethod(server, 'run', 'run')])
    expect(await server.run()).toEqual([1, 0])
    expect(counts(observation)).toEqual([['run', 1, 0, 0]])
  })

  test('on a prototype counts for all objects, and for subclasses that call it', async () => {
    const c = cell(unique('c'), 1)
    class Server {
      handle(): number {
        return c.get()
      }
    }
    class Special extends Server {
      override handle(): number {
        return super.handle() + 1
      }
    }
    const observation = watch([onMethod(Server.prototype, 'handle', 'handle')])
    expect([new Server().handle(), new Special().handle()]).toEqual([1, 2])
    expect(counts(observation)).toEqual([['handle', 2, 0, 0]])
  })

  test('for which the name is undefined, or throws, is none', () => {
    const c = cell(unique('c'), 1)
    const server = { run: (_kind: string): number => c.get() }
    const name = (kind: string): string | undefined => {
      if (kind === 'bad') throw new Error('no name')
      return kind === 'ping' ? undefined : kind
    }
    const observation = watch([onMethod(server, 'run', name)])
    expect(['list', 'ping', 'bad'].map((kind) => server.run(kind))).toEqual([1, 1, 1])
    expect(counts(observation)).toEqual([['list', 1, 0, 0]])
    expect(observation.report().outside[c.name]).toBe(2)
  })

  test('inside another is a call of its own, and so is an epoch inside it', () => {
    const c = cell(unique('c'), 1)
    const server = {
      outer: (): number => c.get() + server.inner(),
      inner: (): number => c.get() + withEpoch({ name: 'epoch' }, () => c.get()),
    }
    const observation = watch([onMethod(server, 'outer', 'outer'), onMethod(server, 'inner', 'inner')])
    server.outer()
    expect(counts(observation)).toEqual([
      ['epoch', 1, 0, 0],
      ['inner', 1, 0, 0],
      ['outer', 1, 0, 0],
    ])
  })

  test('called where no epoch can be opened runs without', () => {
    const ran = vi.fn<() => string>(() => 'ran')
    const throwing = { run: ran }
    watch([onMethod(throwing, 'run', 'run')])
    expect(publish(() => throwing.run())).toBe('ran')
    const s = source(unique('s'), () => throwing.run())
    cleanups.push(() => s.release())
    expect(s.get()).toBe('ran')
    expect(ran).toHaveBeenCalledTimes(2)
  })

  test('finds no epoch but its own: the door gives it none to join, to hook into, or to be refused by', async () => {
    const order: string[] = []
    const server = {
      async run(): Promise<string> {
        order.push(tryGetEpoch()?.name ?? 'no epoch')
        await withEpoch({ ifNested: 'throw', name: 'own' }, async (epoch) => {
          epoch.onClose(() => order.push('own closes'))
          await nextTurn()
          order.push(epoch.name)
        })
        return 'done'
      },
    }
    const run = async (): Promise<string[]> => {
      expect(await server.run()).toBe('done')
      return order.splice(0)
    }
    const unobserved = await run()
    watch([onMethod(server, 'run', 'run')])
    expect(await run()).toEqual(unobserved)
    expect(unobserved).toEqual(['no epoch', 'own', 'own closes'])
  })

  test('is put back by stop, and where somebody has wrapped it since, passes through', () => {
    const own = { run: () => 1 }
    const original = Object.getOwnPropertyDescriptor(own, 'run')
    const heir = Object.create(own) as typeof own
    const wrapped = { run: () => 'wrapped' }
    const doors = [onMethod(own, 'run', 'a'), onMethod(heir, 'run', 'b'), onMethod(wrapped, 'run', 'c')]
    const observation = watch(doors)
    const standIn = wrapped.run
    wrapped.run = () => standIn()
    observation.stop()
    expect(Object.getOwnPropertyDescriptor(own, 'run')).toEqual(original)
    expect(Object.keys(heir)).toEqual([])
    expect(wrapped.run()).toBe('wrapped')
    const again = watch(doors.slice(0, 1))
    withEpoch({ name: 'x' }, () => own.run())
    again.stop()
    expect(own.run()).toBe(1)
  })

  test('counts for callMs, and then no more', () => {
    const c = cell(unique('c'), 1)
    const now = vi.spyOn(performance, 'now').mockReturnValue(1_000)
    let later!: () => number
    const server = {
      run() {
        c.get()
        later = bindHere(() => c.get())
      },
    }
    const observation = watch([onMethod(server, 'run', 'run')], { callMs: 100 })
    server.run()
    c.set(2)
    now.mockReturnValue(1_100)
    later()
    now.mockReturnValue(1_101)
    later()
    now.mockReturnValue(1_000)
    later()
    expect(observation.report().sources[0]).toMatchObject({ calls: 1, reads: 2, torn: 1, late: 0 })
    expect(observation.report().uncounted).toBe(2)
  })

  test.each([
    [
      () => onMethod({} as { run(): void }, 'run', 'run'),
      'onMethod(object, run, name): expected a method, found undefined',
    ],
    [
      () => onMethod(Object.freeze({ run() {} }), 'run', 'run'),
      'cannot be replaced, the object is sealed or frozen',
    ],
    [() => onMethod({ run() {} }, 'run', 3 as never), 'name must be a string or a function, got a number.'],
    [() => onMethod(null as never, 'run' as never, 'run'), 'expected an object, got null.'],
    [
      () => onEvent({}, 'message', 'message'),
      'onEvent(emitter, message, name): expected a method, found undefined',
    ],
  ])('that cannot be stood in for is refused (%#)', (make, message) => {
    let error: unknown
    try {
      make()
    } catch (thrown) {
      error = thrown
    }
    expect((error as EpochError).code).toBe('INVALID_ARGUMENT')
    expect((error as EpochError).message).toContain(message)
  })
})

describe('an event', () => {
  test('is a call, for all listeners together; other events are none', () => {
    const c = cell(unique('c'), 1)
    const emitter = new EventEmitter()
    const observation = watch([onEvent(emitter, 'job', (kind: string) => `job ${kind}`)])
    emitter.on('job', () => {
      c.get()
      detach(() => c.set(2))
    })
    emitter.on('job', () => c.get())
    emitter.on('other', () => c.get())
    expect([emitter.emit('job', 'scan'), emitter.emit('nothing')]).toEqual([true, false])
    emitter.emit('other')
    expect(counts(observation)).toEqual([['job scan', 1, 1, 0]])
    expect(observation.report().outside[c.name]).toBe(1)
  })

  test('of a WebSocket carries on through what its listener awaits', async () => {
    const c = cell(unique('c'), 1)
    const observation = watch([onEvent(WebSocket.prototype, 'message', 'message')])
    let open!: () => void
    const gate = new Promise<void>((resolve) => (open = resolve))
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
    server.on('connection', (socket) => {
      socket.on('message', () => {
        void (async () => {
          const before = c.get()
          await gate
          socket.send(String(c.get() - before))
        })()
      })
    })
    await once(server, 'listening')
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    cleanups.push(() => client.terminate())
    await once(client, 'open')
    const answer = once(client, 'message')
    client.send('list')
    await vi.waitFor(() => expect(observation.report().sources).toHaveLength(1))
    c.set(2)
    open()
    expect(String((await answer)[0])).toBe('1')
    expect(counts(observation)).toEqual([['message', 1, 1, 0]])
    observation.stop()
    expect(Object.hasOwn(WebSocket.prototype, 'emit')).toBe(false)
  })
})

describe('requests', () => {
  test('of every HTTP server are calls, named by method and the first part of the path', async () => {
    const c = cell(unique('c'), 1)
    const observation = watch([httpRequests()])
    const held: Array<() => void> = []
    const server = createServer((request, response) => {
      void (async () => {
        c.get()
        if (request.url === '/orders/1?token=s3cr3t') await new Promise<void>((resolve) => held.push(resolve))
        response.end(String(c.get()))
      })()
    })
    cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const slow = fetch(`${url}/orders/1?token=s3cr3t`)
    await vi.waitFor(() => expect(held).toHaveLength(1))
    c.set(2)
    await (await fetch(`${url}/`)).text()
    await (await fetch(`${url}/orders`, { method: 'POST' })).text()
    held[0]!()
    expect(await (await slow).text()).toBe('2')
    expect(counts(observation)).toEqual([
      ['GET /', 1, 0, 0],
      ['GET /orders/…', 1, 1, 0],
      ['POST /orders', 1, 0, 0],
    ])
    expect(JSON.stringify(observation.report()) + String(observation)).not.toContain('s3cr3t')
    observation.stop()
    expect(Object.hasOwn(Server.prototype, 'emit')).toBe(false)
  })
})

test('what a door has opened is not kept: a call that is over is collected, and its counts stay', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const c = cell(unique('c'), { value: 1 })
  const epochs: Array<WeakRef<object>> = []
  const server = {
    async run() {
      c.get()
      await nextTurn()
      c.get()
    },
  }
  const observation = watch([onMethod(server, 'run', 'run')])
  const opened = (message: unknown): void => void epochs.push(new WeakRef((message as EpochEvent).epoch))
  subscribe('withepoch:epoch:open', opened)
  cleanups.push(() => unsubscribe('withepoch:epoch:open', opened))
  for (let times = 0; times < 50; times++) await server.run()
  expect(epochs).toHaveLength(50)
  await vi.waitFor(() => {
    gc()
    expect(epochs.filter((epoch) => epoch.deref() !== undefined).length).toBeLessThan(5)
  })
  expect(observation.report().sources[0]).toMatchObject({ calls: 50, reads: 100 })
})

/** Carries the async context, as a timer would. */
function bindHere<R>(fn: () => R): () => R {
  return AsyncResource.bind(fn) as () => R
}
