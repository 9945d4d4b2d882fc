/**
 * Carrying an epoch to code that runs in somebody else's context, and running without one: `bind`, `detach`,
 * `bindEmitter`, `bindIterable`. The emitters, streams, sockets and servers are Node's own.
 */
import { EventEmitter, errorMonitor, on, once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import {
  bind,
  bindEmitter,
  bindIterable,
  cell,
  detach,
  type Epoch,
  getEpoch,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('bind')
const where = (): string => tryGetEpoch()?.name ?? 'none'
const inside = <R>(name: string, fn: (epoch: Epoch) => R): R => withEpoch({ name, ifNested: 'fresh' }, fn)

describe('bind', () => {
  test('runs the function in the epoch in which it was bound, wherever it is called', async () => {
    const value = cell(unique('value'), 'live')
    const bound = withEpoch({ name: 'binder', values: [[value, 'of binder']] }, async () => {
      const callback = bind(() => `${where()} ${value.get()}`)
      const seen = [callback(), detach(callback), inside('caller', callback), `${where()} ${value.get()}`]
      await turn()
      seen.push(await detach(async () => (await turn(), callback())))
      return seen
    })
    expect(await bound).toEqual(Array.from({ length: 5 }, () => 'binder of binder'))
  })

  test('passes this, arguments, result and error through, and leaves the context of the caller as it was', () => {
    const error = new Error('from the callback')
    const target = { factor: 2 }
    inside('binder', () => {
      const times = bind(function (this: { factor: number }, ...numbers: number[]) {
        return numbers.map((n) => n * this.factor)
      })
      const fails = bind(() => {
        throw error
      })
      inside('caller', () => {
        expect(times.call(target, 1, 2, 3)).toEqual([2, 4, 6])
        expect(fails).toThrow(error)
        expect(where()).toBe('caller')
      })
    })
  })

  test('carries the epoch into what the function starts', async () => {
    const callback = inside('binder', (epoch) => {
      epoch.waitUntil(turn().then(turn).then(turn))
      return bind(async () => {
        await turn()
        return where()
      })
    })
    expect(await callback()).toBe('binder')
  })

  test('outside any epoch binds to none', () => {
    const callback = bind(where)
    expect(inside('caller', callback)).toBe('none')
    expect(inside('caller', () => detach(() => bind(where))())).toBe('none')
  })

  test('does not hold the epoch open: called after the end, its reads are live', () => {
    const value = cell(unique('late'), 'pinned')
    let epoch!: Epoch
    const callback = inside('binder', (inner) => {
      epoch = inner
      return bind(() => [where(), value.get()])
    })
    expect(epoch.phase).toBe('closed')
    value.set('moved')
    expect(callback()).toEqual(['none', 'moved'])
    expect(inside('caller', callback)).toEqual(['none', 'moved'])
  })

  test('serves a queue that runs each task in the context of whoever frees the place', () => {
    const value = cell(unique('queue'), 'live')
    const queue: Array<() => string> = []
    const tenants = ['a', 'b'].map((tenant) => {
      let result = ''
      withEpoch({ name: tenant, values: [[value, tenant]] }, (epoch) => {
        epoch.waitUntil(turn())
        queue.push(bind(() => (result = value.get())))
      })
      return () => result
    })
    inside('releaser', () => queue.map((task) => task()))
    expect(tenants.map((result) => result())).toEqual(['a', 'b'])
  })

  test('serves an EventTarget and an AbortSignal, whose listeners run in the context of whoever dispatches', () => {
    const seen: string[] = []
    const target = new EventTarget()
    const controller = new AbortController()
    inside('listener', () => {
      target.addEventListener(
        'row',
        bind((event: Event) => seen.push(`${event.type} ${where()}`)),
        { once: true },
      )
      target.addEventListener('row', () => seen.push(`unbound ${where()}`))
      controller.signal.addEventListener(
        'abort',
        bind(() => seen.push(`abort ${where()}`)),
      )
      inside('dispatcher', () => {
        target.dispatchEvent(new Event('row'))
        controller.abort()
      })
    })
    expect(seen).toEqual(['row listener', 'unbound dispatcher', 'abort listener'])
  })

  test('refuses what is no function', () => {
    expect(() => bind('callback' as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: 'bind(fn): fn must be a function, got a string.',
      }),
    )
  })
})

describe('detach', () => {
  test('runs now, with no epoch, returns the result, and puts the epoch back', async () => {
    const value = cell(unique('detach'), 'live')
    const seen = await withEpoch({ name: 'request', values: [[value, 'mine']] }, async () => {
      const results = [detach(() => `${where()} ${value.get()}`), `${where()} ${value.get()}`]
      results.push(await detach(async () => (await turn(), `${where()} ${value.get()}`)))
      return results
    })
    expect(seen).toEqual(['none live', 'request mine', 'none live'])
  })

  test('detaches whatever the function starts, at any depth', async () => {
    const seen = await inside('request', () =>
      detach(async () => {
        const results = [where()]
        await turn()
        results.push(where())
        await new Promise<void>((resolve) =>
          setTimeout(() => {
            results.push(where())
            process.nextTick(() =>
              queueMicrotask(() => setImmediate(() => (results.push(where()), resolve()))),
            )
          }),
        )
        return results
      }),
    )
    expect(seen).toEqual(['none', 'none', 'none', 'none'])
  })

  test('makes getEpoch throw NO_EPOCH, and a withEpoch inside it nobody’s child', () => {
    inside('request', () => {
      expect(() => detach(getEpoch)).toThrow(
        expect.objectContaining({
          code: 'NO_EPOCH',
          message:
            'getEpoch(): the running code is in no epoch. Wrap the entry point in withEpoch(handler), or use ' +
            'tryGetEpoch() where none is fine.',
        }),
      )
      expect(detach(() => withEpoch((epoch) => [epoch.parentId, epoch.name]))).toEqual([
        undefined,
        'anonymous',
      ])
    })
  })

  test('writes live, whatever the writes of the epoch that was left', () => {
    for (const writes of ['local', 'reject'] as const) {
      const value = cell(unique(writes), 1)
      withEpoch({ writes }, () => detach(() => value.set(2)))
      expect(value.get()).toBe(2)
    }
  })

  test('passes an error through and puts the epoch back, and outside an epoch just calls', () => {
    inside('request', () => {
      expect(() =>
        detach(() => {
          throw new Error('x')
        }),
      ).toThrow('x')
      expect(where()).toBe('request')
    })
    expect(detach(() => 7)).toBe(7)
    expect(() => detach(7 as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: 'detach(fn): fn must be a function, got a number.',
      }),
    )
  })
})

describe('bindEmitter', () => {
  test('runs each listener in the epoch in which it was added, with this and its arguments', () => {
    const emitter = bindEmitter(new EventEmitter())
    const seen: unknown[] = []
    const held: Array<() => void> = []
    for (const name of ['a', 'b']) {
      inside(name, (epoch) => {
        epoch.waitUntil(new Promise<void>((resolve) => held.push(resolve)))
        emitter.on('row', function (this: unknown, ...args: unknown[]) {
          seen.push([where(), this === emitter, ...args])
        })
      })
    }
    emitter.on('row', () => seen.push([where()]))
    expect(inside('emitting', () => emitter.emit('row', 1, 2))).toBe(true)
    expect(seen).toEqual([['a', true, 1, 2], ['b', true, 1, 2], ['none']])
    for (const release of held) release()
  })

  test('leaves listeners that were there before as they were', () => {
    const emitter = new EventEmitter()
    const seen: string[] = []
    emitter.on('row', () => seen.push(where()))
    inside('binding', () => {
      bindEmitter(emitter)
      inside('emitting', () => emitter.emit('row'))
    })
    expect(seen).toEqual(['emitting'])
  })

  test.each(['on', 'addListener', 'prependListener', 'once', 'prependOnceListener'] as const)(
    'binds %s, and off takes the listener away again as you know it',
    (method) => {
      const emitter = bindEmitter(new EventEmitter())
      const seen: string[] = []
      const listener = (): void => void seen.push(where())
      inside('listener', () => {
        expect(emitter[method]('row', listener)).toBe(emitter)
        detach(() => emitter.emit('row'))
        expect(seen).toEqual(['listener'])
        emitter[method]('row', listener)
        emitter.off('row', listener)
        emitter.removeListener('row', listener)
        emitter.emit('row')
        expect([seen.length, emitter.listenerCount('row')]).toEqual([1, 0])
      })
    },
  )

  test('keeps the order: prepended first, then as added', () => {
    const emitter = bindEmitter(new EventEmitter())
    const order: string[] = []
    emitter.on('row', () => order.push('on'))
    emitter.once('row', () => order.push('once'))
    emitter.prependListener('row', () => order.push('prepended'))
    emitter.prependOnceListener('row', () => order.push('prepended once'))
    emitter.emit('row')
    emitter.emit('row')
    expect(order).toEqual(['prepended once', 'prepended', 'on', 'once', 'prepended', 'on'])
  })

  test('calls a once listener once, even when it emits the same event', () => {
    const emitter = bindEmitter(new EventEmitter())
    const seen: unknown[] = []
    inside('listener', () => {
      emitter.once('row', function (this: unknown, depth: number) {
        seen.push([depth, where(), this === emitter])
        emitter.emit('row', depth + 1)
      })
    })
    emitter.emit('row', 0)
    emitter.emit('row', 9)
    expect(seen).toHaveLength(1)
  })

  test('shows your listeners in listeners() and newListener and removeListener events, and what runs in rawListeners()', () => {
    const emitter = bindEmitter(new EventEmitter())
    const events: unknown[] = []
    const listener = (): void => {}
    const another = (): void => {}
    emitter.on('newListener', (type, added) => events.push(['new', type, added]))
    emitter.on('removeListener', (type, removed: { listener?: unknown }) =>
      // Node itself shows what runs of a once listener that is not the last; `listener` is yours.
      events.push(['removed', type, removed.listener ?? removed]),
    )
    events.length = 0
    emitter.on('row', listener)
    emitter.once('row', another)
    expect(emitter.listeners('row')).toEqual([listener, another])
    expect(emitter.listeners('row')[0]).toBe(listener)
    expect(emitter.listeners('row')[1]).toBe(another)
    expect(emitter.rawListeners('row').map((raw) => (raw as { listener?: unknown }).listener)).toEqual([
      listener,
      another,
    ])
    // By this another copy of the library finds it.
    const original = Symbol.for('withepoch.originalListener')
    expect(Reflect.get(emitter.rawListeners('row')[0]!, original)).toBe(listener)
    expect([emitter.listenerCount('row'), emitter.eventNames()]).toEqual([
      2,
      ['newListener', 'removeListener', 'row'],
    ])
    emitter.emit('row')
    emitter.off('row', listener)
    expect(events).toEqual([
      ['new', 'row', listener],
      ['new', 'row', another],
      ['removed', 'row', another],
      ['removed', 'row', listener],
    ])
  })

  test('keeps the same listener on two events apart, and the same listener twice on one', () => {
    const emitter = bindEmitter(new EventEmitter())
    const seen: string[] = []
    const listener = (event: string): void => void seen.push(event)
    emitter.on('a', listener).on('b', listener).on('b', listener)
    emitter.off('b', listener)
    emitter.emit('a', 'a')
    emitter.emit('b', 'b')
    expect(seen).toEqual(['a', 'b'])
    emitter.off('a', listener)
    emitter.emit('a', 'a')
    emitter.emit('b', 'b')
    expect(seen).toEqual(['a', 'b', 'b'])
  })

  test('takes a listener that carries a `listener` of its own, as other wrappers do, away again', () => {
    const emitter = bindEmitter(new EventEmitter())
    const wrapper = Object.assign(() => {}, { listener: () => {} })
    emitter.on('row', wrapper)
    emitter.off('row', wrapper)
    expect(emitter.listenerCount('row')).toBe(0)
    emitter.on('row', wrapper)
    emitter.off('row', wrapper.listener)
    expect(emitter.listenerCount('row')).toBe(0)
  })

  test('lets errors be as they are: an unhandled one throws, a listener gets it in its own epoch', () => {
    const emitter = bindEmitter(new EventEmitter())
    const error = new Error('reset')
    expect(() => emitter.emit('error', error)).toThrow(error)
    const seen: unknown[] = []
    inside('listener', () => {
      emitter.on(errorMonitor, () => seen.push(`monitor ${where()}`))
      emitter.on('error', (found) => seen.push(found === error && where()))
      detach(() => emitter.emit('error', error))
    })
    expect(seen).toEqual(['monitor listener', 'listener'])
    emitter.on('row', () => {
      throw new Error('from a listener')
    })
    expect(() => emitter.emit('row')).toThrow('from a listener')
  })

  test('takes away, of several listeners on one event, the one that is given', () => {
    const emitter = bindEmitter(new EventEmitter())
    const [first, second, before, never] = [() => {}, () => {}, () => {}, () => {}]
    emitter.on('row', first).once('row', second)
    emitter.off('row', first)
    expect(emitter.listeners('row')).toEqual([second])
    emitter.on('row', first).removeListener('row', second).removeListener('row', never)
    expect(emitter.listeners('row')).toEqual([first])

    const late = new EventEmitter()
    late.on('row', before)
    bindEmitter(late).on('row', first)
    expect(late.off('row', before)).toBe(late)
    expect(late.listeners('row')).toEqual([first])
  })

  test('puts methods on the one object that look like those of the class, and can be replaced like them', () => {
    const emitter = bindEmitter(new EventEmitter())
    const methods = [
      'on',
      'addListener',
      'prependListener',
      'once',
      'prependOnceListener',
      'off',
      'removeListener',
    ]
    expect(Object.getOwnPropertyNames(emitter).filter((name) => name in EventEmitter.prototype)).toEqual(
      expect.arrayContaining(methods),
    )
    const shapes = [...methods, Symbol.for('withepoch.boundEmitter')].map((key) => {
      const { configurable, enumerable, writable } = Object.getOwnPropertyDescriptor(emitter, key)!
      return { configurable, enumerable, writable }
    })
    expect(shapes).toEqual(Array(8).fill({ configurable: true, enumerable: false, writable: true }))
  })

  test('refuses a listener that is no function with the emitter’s own error', () => {
    const emitter = bindEmitter(new EventEmitter())
    for (const method of ['on', 'once', 'prependListener', 'prependOnceListener'] as const) {
      expect(() => emitter[method]('row', 'listener' as never)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
      )
    }
    expect(emitter.listenerCount('row')).toBe(0)
  })

  test('is idempotent: bound twice, a listener is wrapped once', () => {
    const emitter = new EventEmitter()
    expect(bindEmitter(bindEmitter(emitter))).toBe(emitter)
    const listener = (): void => {}
    emitter.on('row', listener)
    expect((emitter.rawListeners('row')[0] as unknown as { listener: unknown }).listener).toBe(listener)
    expect(Object.keys(emitter).filter((key) => ['on', 'once', 'off'].includes(key))).toEqual([])
  })

  test('wraps nothing anew at the second call, not even what was replaced meanwhile', () => {
    const emitter = bindEmitter(new EventEmitter())
    const replaced = (): EventEmitter => emitter
    emitter.on = replaced
    expect(Object.getOwnPropertyDescriptor(bindEmitter(emitter), 'on')?.value).toBe(replaced)
  })

  test('serves events.once and events.on', async () => {
    const emitter = bindEmitter(new EventEmitter())
    const iterator = on(emitter, 'row')
    const first = once(emitter, 'row')
    emitter.emit('row', 1)
    expect(await first).toEqual([1])
    expect((await iterator.next()).value).toEqual([1])
    await iterator.return!()
    expect(emitter.listenerCount('row')).toBe(0)
  })

  test('binds the data and end of a stream, which come in the context of whoever writes', async () => {
    const stream = bindEmitter(new PassThrough())
    const seen: string[] = []
    await inside('reader', async () => {
      stream.on('data', (chunk) => seen.push(`${chunk} ${where()}`))
      stream.once('end', () => seen.push(`end ${where()}`))
      detach(() => {
        stream.write('a')
        setImmediate(() => stream.end('b'))
      })
      await finished(stream)
    })
    expect(seen).toEqual(['a reader', 'b reader', 'end reader'])
  })

  test('leaves pipe, for await and pause as they are on a bound stream', async () => {
    const source = bindEmitter(Readable.from(['a', 'b', 'c']))
    const target = bindEmitter(new PassThrough({ objectMode: true }))
    const rows: string[] = []
    for await (const row of source.pipe(target)) rows.push(String(row))
    expect(rows).toEqual(['a', 'b', 'c'])
  })

  test('refuses what is no emitter, and says what to do with an EventTarget', () => {
    expect(() => bindEmitter(new EventTarget() as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message:
          'bindEmitter(emitter): expected an EventEmitter, got an object (EventTarget). It is an EventTarget: pass ' +
          'bind(listener) to addEventListener instead.',
      }),
    )
    const { port1 } = new MessageChannel() // has `on` and `off` as well
    expect(() => bindEmitter(port1 as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message:
          'bindEmitter(emitter): expected an EventEmitter, got an object (MessagePort). It is an EventTarget: pass ' +
          'bind(listener) to addEventListener instead.',
      }),
    )
    port1.close()
    const lookalike = { on() {}, off() {}, removeListener() {} } // as eventemitter3 and others are
    expect(() => bindEmitter(lookalike as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message:
          'bindEmitter(emitter): expected an EventEmitter, got an object (Object). It has no rawListeners: pass ' +
          'bind(listener) to its `on` instead.',
      }),
    )
    expect(Object.keys(lookalike)).toEqual(['on', 'off', 'removeListener'])
    for (const [value, kind] of [
      [undefined, 'undefined'],
      [null, 'null'],
      [{}, 'an object (Object)'],
    ] as const) {
      expect(() => bindEmitter(value as never)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: `bindEmitter(emitter): expected an EventEmitter, got ${kind}.`,
        }),
      )
    }
  })

  test('carries the epoch to the events of a real request and response, two requests on one connection at a time', async () => {
    const tenant = cell(unique('tenant'), 'nobody')
    const seen: string[] = []
    let bothIn!: () => void
    const barrier = new Promise<void>((resolve) => (bothIn = resolve))
    let waiting = 2
    const server = createServer((req, res) => {
      const name = String(req.headers['x-tenant'])
      void withEpoch({ name, ifNested: 'fresh', values: [[tenant, name]] }, async (epoch) => {
        bindEmitter(req)
        bindEmitter(res)
        epoch.waitUntil(once(res, 'close'))
        const note = (event: string) => (): void =>
          void seen.push(`${name} ${event}: ${where()} ${tenant.get()}`)
        req.on('data', note('data'))
        const ended = new Promise<void>((resolve) => req.on('end', () => (note('end')(), resolve())))
        res.on('finish', note('finish'))
        res.once('close', note('close'))
        await ended
        if (--waiting === 0) bothIn()
        await barrier
        res.end(tenant.get())
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const ask = (name: string) =>
      new Promise<string>((resolve, reject) => {
        const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers: { 'x-tenant': name } })
        outgoing.on('error', reject)
        outgoing.on('response', (response: IncomingMessage) => {
          let body = ''
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (body += chunk))
          response.on('end', () => resolve(body))
        })
        outgoing.end('body')
      })
    expect(await Promise.all([ask('a'), ask('b')])).toEqual(['a', 'b'])
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
    expect(seen.sort()).toEqual([
      'a close: a a',
      'a data: a a',
      'a end: a a',
      'a finish: a a',
      'b close: b b',
      'b data: b b',
      'b end: b b',
      'b finish: b b',
    ])
  })
})

describe('bindIterable', () => {
  test('runs a generator’s steps in the epoch in which it was bound, wherever it is pulled from', () => {
    const value = cell(unique('rows'), 'live')
    const rows = withEpoch({ name: 'binder', values: [[value, 'bound']] }, (epoch) => {
      epoch.waitUntil(turn())
      const generator = (function* () {
        yield `${where()} ${value.get()}`
        yield `${where()} ${value.get()}`
      })()
      return { bound: bindIterable(generator) }
    }).bound
    const seen = inside('puller', () => [
      rows.next().value,
      detach(() => rows.next().value),
      rows.next().done,
    ])
    expect(seen).toEqual(['binder bound', 'binder bound', true])
  })

  test('takes an iterable that makes iterators: each loop gets one of its own, made inside', () => {
    const made: string[] = []
    const cursor = {
      *[Symbol.iterator]() {
        made.push(where())
        yield where()
      },
    }
    inside('binder', () => {
      const rows = bindIterable(cursor)
      const seen = inside('puller', () => [...rows, ...rows])
      expect(seen).toEqual(['binder', 'binder'])
    })
    expect(made).toEqual(['binder', 'binder'])
  })

  test('takes arrays, sets, maps and strings', () => {
    expect([...bindIterable([1, 2])]).toEqual([1, 2])
    expect([...bindIterable(new Set(['a']))]).toEqual(['a'])
    expect([...bindIterable(new Map([['a', 1]]))]).toEqual([['a', 1]])
    expect([...(bindIterable('ab' as never) as Iterable<string>)]).toEqual(['a', 'b'])
  })

  test('runs an async generator’s steps in its epoch when it is pulled from elsewhere', async () => {
    const value = cell(unique('async rows'), 'live')
    const gate = turn()
    const { bound } = withEpoch({ name: 'binder', values: [[value, 'bound']] }, (epoch) => {
      epoch.waitUntil(gate.then(turn).then(turn).then(turn))
      const generator = (async function* () {
        yield `${where()} ${value.get()}`
        await gate
        yield `${where()} ${value.get()}`
      })()
      return { bound: bindIterable(generator) }
    })
    const seen: string[] = []
    await inside('puller', async () => {
      for await (const row of bound) seen.push(row, where())
    })
    expect(seen).toEqual(['binder bound', 'puller', 'binder bound', 'puller'])
  })

  test('takes a Readable made of a generator, whose body runs in the context of its reader', async () => {
    await inside('binder', async () => {
      const rows = bindIterable(Readable.from(bindIterable(rowsOf(2))) as AsyncIterable<string>)
      const seen: string[] = []
      await inside('puller', async () => {
        for await (const row of rows) seen.push(row)
      })
      expect(seen).toEqual(['1 binder', '2 binder'])
    })

    async function* rowsOf(count: number): AsyncGenerator<string> {
      for (let row = 1; row <= count; row++) yield `${row} ${where()}`
    }
  })

  test('runs finally inside when a loop breaks, or when return or throw is called', async () => {
    const seen: string[] = []
    function* rows() {
      try {
        yield 1
        yield 2
      } catch (error) {
        seen.push(`${String(error)} ${where()}`)
      } finally {
        seen.push(`finally ${where()}`)
      }
    }
    inside('binder', () => {
      const [broken, returned, thrownInto] = [rows(), rows(), rows()].map((each) => bindIterable(each))
      inside('puller', () => {
        for (const row of broken!) if (row === 1) break
        returned!.next()
        expect(returned!.return(7 as never)).toEqual({ done: true, value: 7 })
        thrownInto!.next()
        expect(thrownInto!.throw('stop')).toEqual({ done: true, value: undefined })
      })
    })
    expect(seen).toEqual(['finally binder', 'finally binder', 'stop binder', 'finally binder'])
  })

  test('runs the finally of an async generator inside when a loop breaks out of it', async () => {
    const seen: string[] = []
    await inside('binder', async () => {
      const rows = bindIterable(
        (async function* () {
          try {
            yield 1
          } finally {
            await null
            seen.push(where())
          }
        })(),
      )
      await inside('puller', async () => {
        for await (const row of rows) if (row === 1) break
      })
    })
    expect(seen).toEqual(['binder'])
  })

  test('passes values sent by next in, and the returned one out', () => {
    const rows = bindIterable(
      (function* (): Generator<number, string, number> {
        const sent = yield 1
        return `got ${sent}`
      })(),
    )
    expect([rows.next(0), rows.next(5), rows.next(0)]).toEqual([
      { done: false, value: 1 },
      { done: true, value: 'got 5' },
      { done: true, value: undefined },
    ])
  })

  test('gives an iterator without return or throw none of its own to speak of: a loop may still break', () => {
    const pulled: number[] = []
    const counter = {
      next: () => ({ done: false, value: pulled.push(pulled.length) }),
      [Symbol.iterator]() {
        return this
      },
    }
    const bound = bindIterable(counter as unknown as IterableIterator<number>)
    for (const n of bound) if (n === 3) break
    expect(pulled).toHaveLength(3)
    expect('throw' in bound).toBe(false)
  })

  test('ends one without a return of its own as a generator would be', async () => {
    const endless = { next: () => ({ done: false, value: 1 }) }
    const asked: unknown[][] = []
    const bound = bindIterable({
      ...endless,
      [Symbol.iterator](...given: unknown[]) {
        asked.push(given)
        return this
      },
    } as unknown as IterableIterator<number, number>)
    expect(asked).toEqual([[]])
    expect(bound.return!(7)).toEqual({ done: true, value: 7 })

    const asynchronous = bindIterable({
      next: async () => endless.next(),
      [Symbol.asyncIterator]() {
        return this
      },
    } as unknown as AsyncIterableIterator<number, number>)
    const returned = asynchronous.return!(8)
    expect(returned).toBeInstanceOf(Promise)
    expect(await returned).toEqual({ done: true, value: 8 })
    expect('throw' in asynchronous).toBe(false)
  })

  test('takes only an object with a next for an iterator', () => {
    const callable = Object.assign(() => {}, {
      next: () => ({ done: true, value: undefined }),
      [Symbol.iterator]() {
        return this
      },
    })
    expect(withEpoch(() => callable)).toBe(callable)
    expect('next' in bindIterable(callable as unknown as Iterable<never>)).toBe(false)
    const own = {
      [Symbol.iterator]() {
        return this
      },
    }
    expect(withEpoch(() => own)).toBe(own)
    const silent = { next: () => {}, [Symbol.iterator]: 'no function' }
    expect(withEpoch(() => silent)).toBe(silent)
    expect(withEpoch(() => null)).toBe(null)
    const cursor = { next: () => {}, *[Symbol.iterator]() {} }
    expect(withEpoch(() => cursor)).toBe(cursor)
    const shy = new Proxy(
      {},
      {
        get() {
          throw new Error('no such name')
        },
      },
    )
    expect(withEpoch(() => shy) === shy).toBe(true)
  })

  test('gives back its hold on the epoch once, however often it is ended', async () => {
    const value = cell(unique('held'), 'pinned')
    const held = turn()
    let epoch!: Epoch
    const rows = withEpoch({ name: 'binder' }, function* (inner) {
      epoch = inner
      inner.waitUntil(held)
      inner.waitUntil(held.then(turn))
      yield value.get()
    })
    expect([...rows]).toEqual(['pinned'])
    expect([rows.next(), rows.return(undefined), rows.next()].map(({ done }) => done)).toEqual([
      true,
      true,
      true,
    ])
    expect(epoch.phase).toBe('open')
    await held
    expect(epoch.phase).toBe('open')
    await turn()
    await turn()
    expect(epoch.phase).toBe('closed')
  })

  test('keeps the kind: sync stays sync, async stays async, and the helpers of this Node’s iterators are there', async () => {
    const plain = (function* () {
      yield 1
      yield 2
    })()
    const bound = bindIterable(plain)
    expect(Symbol.asyncIterator in bound).toBe(false)
    expect(bound[Symbol.iterator]()).toBe(bound)
    // Iterator helpers came with Node 22; a bound iterator has them wherever a generator has.
    for (const helper of ['map', 'filter', 'take', 'drop', 'toArray'])
      expect(helper in bound).toBe(helper in plain)

    const asynchronous = bindIterable((async function* () {})())
    expect(Symbol.iterator in asynchronous).toBe(false)
    expect(asynchronous[Symbol.asyncIterator]()).toBe(asynchronous)
    expect(asynchronous.next()).toBeInstanceOf(Promise)
    await asynchronous.return(undefined)
  })

  test('does not hold the epoch open, and outside an epoch binds to none', () => {
    let epoch!: Epoch
    const { late } = inside('binder', (inner) => {
      epoch = inner
      return { late: bindIterable([1].values()) }
    })
    expect(epoch.phase).toBe('closed')
    expect([...late]).toEqual([1])
    const outside = bindIterable(
      (function* () {
        yield where()
      })(),
    )
    expect(inside('puller', () => [...outside])).toEqual(['none'])
  })

  test('refuses what is not iterable', () => {
    for (const [value, kind] of [
      [undefined, 'undefined'],
      [7, 'a number'],
      [{}, 'an object (Object)'],
    ] as const) {
      expect(() => bindIterable(value as never)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: `bindIterable(iterable): expected an iterable, got ${kind}.`,
        }),
      )
    }
  })
})
