/**
 * How an epoch ends: for every kind of thing that a handler can return, when it closes, what closing does and in which
 * order. What a closed epoch shows to work that outlived it stands in `late-reads.test.ts`; what it retains in
 * `memory.test.ts`.
 */
import { runInNewContext } from 'node:vm'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  cell,
  derived,
  detach,
  type Epoch,
  type EpochEvent,
  getEpoch,
  memo,
  source,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { deferred } from './deferred.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('end')

/** A cell, its pinned value 'pinned', and a way to move the live value on from outside. */
function pinnedCell(label: string) {
  const value = cell(unique(label), 'pinned')
  return { value, move: () => detach(() => value.set('moved')) }
}

const closedMessage = (call: string, epoch: Epoch, phase = 'closed'): string =>
  `${call}: epoch #${epoch.id} "${epoch.name}" is ${phase}. Work that goes on after its request takes a lease with ` +
  "epoch.waitUntil(promise), runs with no epoch in detach(fn), or opens its own with withEpoch({ ifNested: 'fresh' }, fn)."

/* oxlint-disable unicorn/no-thenable -- thenables of every kind are what this file is about */
describe('a synchronous handler', () => {
  test('ends its epoch on return, and its result is returned as it is', () => {
    const result = { rows: [1] }
    let inside!: Epoch
    const returned = withEpoch((epoch) => {
      inside = epoch
      expect(epoch.phase).toBe('open')
      return result
    })
    expect(returned).toBe(result)
    expect(inside.phase).toBe('closed')
    expect(inside.version).toBe(undefined)
    expect(tryGetEpoch()).toBe(undefined)
  })

  test('ends its epoch when it throws, and the very error passes through', () => {
    const error = new Error('no rows')
    let inside!: Epoch
    let caught: unknown
    try {
      void withEpoch((epoch) => {
        inside = epoch
        throw error
      })
    } catch (thrown) {
      caught = thrown
    }
    expect(caught).toBe(error)
    expect(inside.phase).toBe('closed')
    expect(tryGetEpoch()).toBe(undefined)
  })

  test('may throw anything, undefined too', () => {
    const thrown = [undefined, null, 'text', 0].map((value) => {
      let inside!: Epoch
      try {
        void withEpoch((epoch) => {
          inside = epoch
          throw value
        })
      } catch (caught) {
        return [caught, inside.phase]
      }
      return ['nothing was thrown']
    })
    expect(thrown).toEqual([
      [undefined, 'closed'],
      [null, 'closed'],
      ['text', 'closed'],
      [0, 'closed'],
    ])
  })

  test.each([
    ['an array', [1, 2]],
    ['a Map', new Map([['a', 1]])],
    ['a linked node whose next is a function', { next: () => undefined }],
    ['an iterable that makes iterators', { [Symbol.iterator]: () => [1][Symbol.iterator]() }],
    ['an object whose then is no function', { then: 'later' }],
    ['a function', () => 1],
    ['undefined', undefined],
    ['null', null],
  ])('that returns %s ends there: it is neither a promise nor an iterator', (_, result) => {
    let inside!: Epoch
    const returned = withEpoch((epoch) => {
      inside = epoch
      return result
    })
    expect(returned).toBe(result)
    expect(inside.phase).toBe('closed')
  })
})

describe('an asynchronous handler', () => {
  test('keeps its epoch open, and its values pinned, until its promise resolves', async () => {
    const { value, move } = pinnedCell('resolves')
    const gate = deferred<string>()
    let inside!: Epoch
    const running = withEpoch(async (epoch) => {
      inside = epoch
      const result = await gate.promise
      return [result, value.get(), epoch.phase]
    })
    move()
    await turn()
    expect(inside.phase).toBe('open')
    gate.resolve('done')
    expect(await running).toEqual(['done', 'pinned', 'open'])
    expect(inside.phase).toBe('closed')
    expect(value.get()).toBe('moved')
  })

  test('ends its epoch when its promise rejects, and the very error passes through', async () => {
    const error = new Error('lost the connection')
    let inside!: Epoch
    const running = withEpoch(async (epoch) => {
      inside = epoch
      await null
      throw error
    })
    expect(inside.phase).toBe('open')
    await expect(running).rejects.toBe(error)
    expect(inside.phase).toBe('closed')
  })

  test('has closed its epoch before the first to wait for the result learns of it', async () => {
    const phases: string[] = []
    await withEpoch(async (epoch) => {
      await null
      return epoch
    }).then((epoch) => phases.push(epoch.phase))
    await withEpoch(async (epoch) => {
      await null
      throw epoch
    }).catch((epoch: Epoch) => phases.push(epoch.phase))
    expect(phases).toEqual(['closed', 'closed'])
  })

  test('that never settles keeps its epoch open', async () => {
    const { value, move } = pinnedCell('never')
    let inside!: Epoch
    void withEpoch((epoch) => {
      inside = epoch
      return new Promise<never>(() => {})
    })
    move()
    await turn()
    expect([inside.phase, inside.get(value)]).toEqual(['open', 'pinned'])
  })

  test('whose promise belongs to another realm ends when that settles', async () => {
    const foreign = runInNewContext(
      '({ Promise, run: async (step) => { await step(); return step() } })',
    ) as {
      Promise: PromiseConstructor
      run: <T>(step: () => T) => Promise<T>
    }
    const { value, move } = pinnedCell('realm')
    let inside!: Epoch
    const running = withEpoch((epoch) => {
      inside = epoch
      const promise = foreign.run(() => [tryGetEpoch() === epoch, value.get()])
      expect(promise instanceof Promise).toBe(false)
      return promise
    })
    move()
    expect(inside.phase).toBe('open')
    expect(running).toBeInstanceOf(Promise)
    expect(await running).toEqual([true, 'pinned'])
    expect(inside.phase).toBe('closed')

    const rejected = withEpoch((epoch) => {
      inside = epoch
      return foreign.Promise.reject(new Error('abroad'))
    })
    await expect(rejected).rejects.toThrow('abroad')
    expect(inside.phase).toBe('closed')
  })

  test('may return a subclass of Promise', async () => {
    class Query<T> extends Promise<T> {}
    let inside!: Epoch
    const running = withEpoch((epoch) => {
      inside = epoch
      return new Query<number>((resolve) => setImmediate(resolve, 7))
    })
    expect(inside.phase).toBe('open')
    expect([await running, inside.phase]).toEqual([7, 'closed'])
  })

  describe('that returns a thenable', () => {
    test('has its then called once, inside the epoch, and comes back as a promise', async () => {
      const { value, move } = pinnedCell('lazy')
      const calls: unknown[] = []
      let inside!: Epoch
      // A query builder: nothing is sent before somebody calls then.
      const query = {
        then(resolve: (rows: string[]) => void) {
          calls.push([tryGetEpoch() === inside, inside.phase])
          setImmediate(() => resolve([value.get()]))
        },
      }
      const running = withEpoch((epoch) => {
        inside = epoch
        return query as unknown as PromiseLike<string[]>
      })
      move()
      expect(running).toBeInstanceOf(Promise)
      expect(calls).toEqual([[true, 'open']])
      expect(await running).toEqual(['pinned'])
      expect(calls).toHaveLength(1)
      expect(inside.phase).toBe('closed')
    })

    test('from an async function too has its then called inside', async () => {
      const calls: unknown[] = []
      const query = {
        then(resolve: (row: number) => void) {
          calls.push(tryGetEpoch()?.name)
          resolve(1)
        },
      }
      const row = await withEpoch({ name: 'lazy' }, async () => {
        await null
        return query as unknown as PromiseLike<number>
      })
      expect([row, calls]).toEqual([1, ['lazy']])
    })

    test('may be a function, may reject, and may settle twice: the first counts', async () => {
      const error = new Error('first')
      let inside!: Epoch
      const callable = Object.assign(() => {}, {
        then(resolve: (value: number) => void, reject: (error: unknown) => void) {
          setImmediate(() => {
            reject(error)
            resolve(1)
            reject(new Error('second'))
          })
        },
      })
      const running = withEpoch((epoch) => {
        inside = epoch
        return callable as unknown as PromiseLike<number>
      })
      expect(inside.phase).toBe('open')
      await expect(running).rejects.toBe(error)
      expect(inside.phase).toBe('closed')
    })

    test('is an object or a function: a string is none, though all strings were given a then', () => {
      // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
      Object.defineProperty(String.prototype, 'then', { value: () => {}, configurable: true })
      try {
        expect(withEpoch(() => 'text')).toBe('text')
      } finally {
        Reflect.deleteProperty(String.prototype, 'then')
      }
    })

    test('whose then throws rejects with that error, and its epoch has ended', async () => {
      const error = new Error('then threw')
      let inside!: Epoch
      const running = withEpoch((epoch) => {
        inside = epoch
        return {
          then: () => {
            throw error
          },
        } as unknown as PromiseLike<number>
      })
      await expect(running).rejects.toBe(error)
      expect(inside.phase).toBe('closed')
    })

    test('whose then getter throws fails with that error, and its epoch has ended', async () => {
      const error = new Error('the getter of then threw')
      let inside!: Epoch
      const run = async () =>
        withEpoch((epoch) => {
          inside = epoch
          return Object.defineProperty({}, 'then', {
            get() {
              throw error
            },
          })
        })
      await expect(run()).rejects.toBe(error)
      expect(inside.phase).toBe('closed')
    })
  })
})

describe('a rejection', () => {
  test('that nobody handles is reported exactly once, as it is', async () => {
    const error = new Error('unawaited')
    const reported = await unhandledDuring(() => {
      void withEpoch(async () => {
        await null
        throw error
      })
    })
    expect(reported).toEqual([error])
    expect(reported[0]).toBe(error)
  })

  test('that is handled is not reported, through any kind of nesting', async () => {
    const caught: unknown[] = []
    const reported = await unhandledDuring(async () => {
      for (const ifNested of ['reuse', 'fork', 'fresh'] as const) {
        await withEpoch(async () => {
          await withEpoch({ ifNested }, async () => {
            await null
            throw new Error(ifNested)
          })
        }).catch((error: Error) => caught.push(error.message))
      }
    })
    expect(caught).toEqual(['reuse', 'fork', 'fresh'])
    expect(reported).toEqual([])
  })

  test('of a nested handler that nobody handles is reported exactly once', async () => {
    const error = new Error('inner')
    const reported = await unhandledDuring(() =>
      withEpoch(async () => {
        void withEpoch(async () => {
          await null
          throw error
        })
      }),
    )
    expect(reported).toEqual([error])
  })
})

describe('a generator', () => {
  test('keeps its epoch open until it finishes, each step having run inside', () => {
    const { value, move } = pinnedCell('generator')
    let inside!: Epoch
    const rows = withEpoch(function* (epoch): Generator<unknown, string, string> {
      inside = epoch
      const sent = yield [tryGetEpoch() === epoch, value.get()]
      yield [tryGetEpoch() === epoch, value.get(), sent]
      return value.get()
    })
    const first = rows.next('ignored by the first step')
    move()
    expect(first).toEqual({ done: false, value: [true, 'pinned'] })
    expect([tryGetEpoch(), inside.phase]).toEqual([undefined, 'open'])
    expect(rows.next('sent')).toEqual({ done: false, value: [true, 'pinned', 'sent'] })
    expect(rows.next('')).toEqual({ done: true, value: 'pinned' })
    expect(inside.phase).toBe('closed')
    expect(rows.next('')).toEqual({ done: true, value: undefined })
  })

  test('pulled from inside another epoch still sees its own', () => {
    const value = cell(unique('other'), 'live')
    const rows = withEpoch({ name: 'rows', values: [[value, 'of rows']] }, function* (): Generator<string> {
      yield `${getEpoch().name} ${value.get()}`
    })
    const seen = withEpoch({ name: 'puller', values: [[value, 'of puller']] }, () => [
      ...rows,
      `${getEpoch().name} ${value.get()}`,
    ])
    expect(seen).toEqual(['rows of rows', 'puller of puller'])
  })

  test('ends its epoch when a loop breaks out of it, its finally having run inside', () => {
    const { value, move } = pinnedCell('break')
    const seen: string[] = []
    let inside!: Epoch
    const rows = withEpoch(function* (epoch): Generator<string> {
      inside = epoch
      try {
        yield value.get()
        yield 'never'
      } finally {
        seen.push(`finally ${value.get()}`)
      }
    })
    for (const row of rows) {
      seen.push(row)
      move()
      break
    }
    expect(seen).toEqual(['pinned', 'finally pinned'])
    expect(inside.phase).toBe('closed')
  })

  test('that yields while it is being returned goes on until it is done', () => {
    const rows = withEpoch(function* (epoch): Generator<unknown, string | void> {
      try {
        yield epoch
      } finally {
        yield 'cleaning up'
      }
    })
    const epoch = rows.next().value as Epoch
    expect(rows.return('result')).toEqual({ done: false, value: 'cleaning up' })
    expect(epoch.phase).toBe('open')
    expect(rows.next()).toEqual({ done: true, value: 'result' })
    expect(epoch.phase).toBe('closed')
  })

  test('ends its epoch when its body throws', () => {
    const error = new Error('row 2')
    const rows = withEpoch(function* (epoch): Generator<Epoch> {
      yield epoch
      throw error
    })
    const epoch = rows.next().value as Epoch
    expect(() => rows.next()).toThrow(error)
    expect(epoch.phase).toBe('closed')
  })

  test('ends its epoch when what is thrown into it comes out again, and goes on when it is caught', () => {
    const rows = withEpoch(function* (epoch): Generator<unknown> {
      try {
        yield epoch
      } catch (error) {
        yield `caught ${String(error)} in ${tryGetEpoch() === epoch}`
      }
      yield 'unreached'
    })
    const epoch = rows.next().value as Epoch
    expect(rows.throw('a').value).toBe('caught a in true')
    expect(epoch.phase).toBe('open')
    expect(() => rows.throw(new Error('b'))).toThrow('b')
    expect(epoch.phase).toBe('closed')
  })

  test('that is never started keeps its epoch until return, which runs nothing of it', () => {
    const ran: string[] = []
    let inside!: Epoch
    const rows = withEpoch((epoch) => {
      inside = epoch
      return (function* () {
        ran.push('started')
        yield 1
      })()
    })
    expect(inside.phase).toBe('open')
    expect(rows.return()).toEqual({ done: true, value: undefined })
    expect([ran, inside.phase]).toEqual([[], 'closed'])
  })

  test('of another realm is bound as well', () => {
    const { value, move } = pinnedCell('foreign generator')
    const make = runInNewContext('(function* (step) { yield step(); yield step() })') as (
      step: () => string,
    ) => Generator<string>
    const rows = withEpoch(() => make(() => value.get()))
    expect(rows.next().value).toBe('pinned')
    move()
    expect(rows.next().value).toBe('pinned')
  })

  test('stays iterable: spread, destructuring and Array.from take it', () => {
    const numbers = () =>
      withEpoch(function* (): Generator<number> {
        yield 1
        yield 2
      })
    const [first] = numbers()
    expect([[...numbers()], Array.from(numbers()), first]).toEqual([[1, 2], [1, 2], 1])
  })
})

describe('an async generator', () => {
  test('keeps its epoch open through for await, each step having run inside', async () => {
    const { value, move } = pinnedCell('async generator')
    const seen: unknown[] = []
    let inside!: Epoch
    const rows = withEpoch(async function* (epoch): AsyncGenerator<unknown> {
      inside = epoch
      yield value.get()
      await null
      yield [tryGetEpoch() === epoch, value.get()]
    })
    for await (const row of rows) {
      seen.push(row, tryGetEpoch(), inside.phase)
      move()
    }
    expect(seen).toEqual(['pinned', undefined, 'open', [true, 'pinned'], undefined, 'open'])
    expect(inside.phase).toBe('closed')
  })

  test('ends its epoch when a loop breaks out of it, its finally having run inside', async () => {
    const { value, move } = pinnedCell('async break')
    const seen: string[] = []
    let inside!: Epoch
    const rows = withEpoch(async function* (epoch): AsyncGenerator<string> {
      inside = epoch
      try {
        yield value.get()
      } finally {
        await null
        seen.push(`finally ${value.get()} ${epoch.phase}`)
      }
    })
    for await (const row of rows) {
      seen.push(row)
      move()
      break
    }
    expect(seen).toEqual(['pinned', 'finally pinned open'])
    expect(inside.phase).toBe('closed')
  })

  test('ends its epoch when its body rejects or what is thrown into it comes out', async () => {
    const epochs: Epoch[] = []
    const make = () =>
      withEpoch(async function* (epoch): AsyncGenerator<number> {
        epochs.push(epoch)
        yield 1
        throw new Error('row 2')
      })
    const failing = make()
    await failing.next()
    await expect(failing.next()).rejects.toThrow('row 2')
    const thrownInto = make()
    await thrownInto.next()
    await expect(thrownInto.throw(new Error('from the consumer'))).rejects.toThrow('from the consumer')
    expect(epochs.map((epoch) => epoch.phase)).toEqual(['closed', 'closed'])
  })

  test('that is never started keeps its epoch until return', async () => {
    const ran: string[] = []
    let inside!: Epoch
    const rows = withEpoch((epoch) => {
      inside = epoch
      return (async function* () {
        ran.push('started')
        yield 1
      })()
    })
    await turn()
    expect(inside.phase).toBe('open')
    expect(await rows.return(undefined)).toEqual({ done: true, value: undefined })
    expect([ran, inside.phase]).toEqual([[], 'closed'])
  })

  test('answers concurrent next() calls in order, all inside, and ends once', async () => {
    const { value, move } = pinnedCell('concurrent')
    const gate = deferred<void>()
    const closes: string[] = []
    const rows = withEpoch(async function* (epoch): AsyncGenerator<string> {
      epoch.onClose(() => closes.push('closed'))
      yield `1 ${value.get()}`
      await gate.promise
      yield `2 ${value.get()}`
    })
    const pulls = [rows.next(), rows.next(), rows.next(), rows.next()]
    await pulls[0]
    move()
    expect(closes).toEqual([])
    gate.resolve()
    expect(await Promise.all(pulls)).toEqual([
      { done: false, value: '1 pinned' },
      { done: false, value: '2 pinned' },
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    expect(closes).toEqual(['closed'])
  })
})

describe('an async handler that resolves to an iterator', () => {
  test('keeps its epoch open until the iterator finishes', async () => {
    const { value, move } = pinnedCell('resolved iterator')
    let inside!: Epoch
    const rows = await withEpoch(async (epoch) => {
      inside = epoch
      await null
      return (function* () {
        yield value.get()
        yield value.get()
      })()
    })
    move()
    expect(inside.phase).toBe('open')
    expect([...rows]).toEqual(['pinned', 'pinned'])
    expect(inside.phase).toBe('closed')
  })

  test('keeps it open for an async iterator too', async () => {
    const { value, move } = pinnedCell('resolved async iterator')
    let inside!: Epoch
    const rows = await withEpoch(async (epoch) => {
      inside = epoch
      return (async function* () {
        yield value.get()
      })()
    })
    move()
    const seen: string[] = []
    for await (const row of rows) seen.push(row)
    expect([seen, inside.phase]).toEqual([['pinned'], 'closed'])
  })

  test('ends its epoch even when looking at the result throws', async () => {
    const hostile = Object.defineProperty({}, 'next', {
      get() {
        throw new Error('hands off')
      },
    })
    const epochs: Epoch[] = []
    await withEpoch(async (epoch) => {
      epochs.push(epoch)
      return hostile
    }).catch(() => {})
    expect(epochs.map((epoch) => epoch.phase)).toEqual(['closed'])
  })
})

describe('a result that throws when it is looked at', () => {
  // What an assertion library returns from expect(…).toBe(…): a proxy that refuses names it does not know.
  const refusing = new Proxy(
    {},
    {
      get(_, name) {
        if (name === 'next') throw new Error('Invalid property: next')
        return undefined
      },
    },
  )

  test('is returned as it is: it is no iterator', async () => {
    expect(withEpoch(() => refusing) === refusing).toBe(true)
    expect((await withEpoch(async () => [refusing]))[0] === refusing).toBe(true)
    expect((await withEpoch(async () => refusing)) === refusing).toBe(true)
  })

  test('is a result like any other though it refuses every name: to withEpoch, memo, derived and a getter', () => {
    const strange = new Proxy(
      {},
      {
        get(_, name) {
          if (typeof name === 'string') throw new Error(`unknown name ${name}`)
          return undefined
        },
      },
    )
    const getter = source(unique('strange'), () => strange)
    const found = withEpoch(() => [memo(() => strange)(), derived(() => strange)(), getter.get()])
    expect([withEpoch(() => strange), ...found].map((each) => each === strange)).toEqual(Array(4).fill(true))
  })

  test('is one though it refuses every symbol too', () => {
    const mute = new Proxy(
      {},
      {
        get(_, name) {
          throw new Error(`unknown name ${String(name)}`)
        },
      },
    )
    let inside!: Epoch
    const found = withEpoch((epoch) => {
      inside = epoch
      return mute
    })
    expect([found === mute, inside.phase]).toEqual([true, 'closed'])
  })
})

describe('what joined an epoch', () => {
  test('as a promise holds it open until it settles, however the outer handler ended', async () => {
    for (const outcome of ['resolve', 'reject'] as const) {
      const { value, move } = pinnedCell('joined')
      const gate = deferred<void>()
      let outer!: Epoch
      let inner!: Promise<unknown>
      withEpoch((epoch) => {
        outer = epoch
        inner = withEpoch(async (joined) => {
          await gate.promise
          return joined === epoch ? value.get() : 'not joined'
        }).catch((error: Error) => error.message)
      })
      move()
      await turn()
      expect(outer.phase).toBe('open')
      if (outcome === 'resolve') gate.resolve()
      else gate.reject(new Error('failed'))
      expect(await inner).toBe(outcome === 'resolve' ? 'pinned' : 'failed')
      expect(outer.phase).toBe('closed')
    }
  })

  test('as a generator holds it open until it finishes', () => {
    const { value, move } = pinnedCell('joined generator')
    let outer!: Epoch
    const rows = withEpoch((epoch) => {
      outer = epoch
      const inner = withEpoch(function* (): Generator<string> {
        yield value.get()
      })
      return { inner }
    }).inner
    move()
    expect(outer.phase).toBe('open')
    expect([...rows]).toEqual(['pinned'])
    expect(outer.phase).toBe('closed')
  })

  test('and returned or threw synchronously leaves it open', () => {
    withEpoch((outer) => {
      withEpoch(() => 1)
      expect(outer.phase).toBe('open')
      expect(() =>
        withEpoch(() => {
          throw new Error('inner')
        }),
      ).toThrow('inner')
      expect(outer.phase).toBe('open')
      expect(tryGetEpoch()).toBe(outer)
    })
  })
})

describe('waitUntil', () => {
  test('keeps the epoch open, and its values pinned, until the last promise settles', async () => {
    const { value, move } = pinnedCell('waitUntil')
    const first = deferred<void>()
    const second = deferred<void>()
    const seen: string[] = []
    let inside!: Epoch
    const result = withEpoch((epoch) => {
      inside = epoch
      epoch.waitUntil(first.promise.then(() => seen.push(value.get())))
      epoch.waitUntil(second.promise.then(() => seen.push(value.get())))
      return 'returned at once'
    })
    move()
    expect([result, inside.phase]).toEqual(['returned at once', 'open'])
    second.resolve()
    await turn()
    expect([seen, inside.phase]).toEqual([['pinned'], 'open'])
    first.resolve()
    await turn()
    expect([seen, inside.phase]).toEqual([['pinned', 'pinned'], 'closed'])
  })

  test('waits for work that such work adds', async () => {
    const more = deferred<void>()
    let inside!: Epoch
    withEpoch((epoch) => {
      inside = epoch
      epoch.waitUntil(
        (async () => {
          await null
          epoch.waitUntil(more.promise)
        })(),
      )
    })
    await turn()
    expect(inside.phase).toBe('open')
    more.resolve()
    await turn()
    expect(inside.phase).toBe('closed')
  })

  test('has a lazy thenable do its work inside, once', async () => {
    const calls: unknown[] = []
    let inside!: Epoch
    withEpoch((epoch) => {
      inside = epoch
    })
    const audit = {
      then(resolve: () => void) {
        calls.push(tryGetEpoch()?.name)
        setImmediate(resolve)
      },
    }
    withEpoch({ name: 'audited' }, (epoch) => {
      inside = epoch
      detach(() => epoch.waitUntil(audit as unknown as PromiseLike<void>))
    })
    expect([calls, inside.phase]).toEqual([['audited'], 'open'])
    await turn()
    await turn()
    expect([calls, inside.phase]).toEqual([['audited'], 'closed'])
  })

  test('ends its lease when the promise rejects, and the rejection is reported exactly once', async () => {
    const error = new Error('audit failed')
    let inside!: Epoch
    const reported = await unhandledDuring(() =>
      withEpoch((epoch) => {
        inside = epoch
        epoch.waitUntil(Promise.reject(error))
      }),
    )
    expect(reported).toEqual([error])
    expect(inside.phase).toBe('closed')
  })

  test('reports nothing of a promise that was caught on its way in', async () => {
    const logged: unknown[] = []
    const reported = await unhandledDuring(() =>
      withEpoch((epoch) => {
        epoch.waitUntil(
          Promise.reject(new Error('audit failed')).catch((error: Error) => logged.push(error.message)),
        )
      }),
    )
    expect([logged, reported]).toEqual([['audit failed'], []])
  })

  test('reports a rejection even where another branch of the promise is handled; the handled one is to be passed', async () => {
    const handled: unknown[] = []
    const reported = await unhandledDuring(() =>
      withEpoch((epoch) => {
        const work = Promise.reject(new Error('audit failed'))
        work.catch((error: Error) => handled.push(error.message))
        epoch.waitUntil(work)
      }),
    )
    expect([handled, reported.map((error) => (error as Error).message)]).toEqual([
      ['audit failed'],
      ['audit failed'],
    ])
    expect(
      await unhandledDuring(() =>
        withEpoch((epoch) => epoch.waitUntil(Promise.reject(new Error('audit failed')).catch(() => {}))),
      ),
    ).toEqual([])
  })

  test('ends its lease when the promise has a then of its own that throws; that is reported', async () => {
    const error = new Error('then threw')
    const hostile = Object.assign(Promise.resolve(1), {
      then: () => {
        throw error
      },
    })
    const epochs: Epoch[] = []
    const reported = await unhandledDuring(() => {
      withEpoch((epoch) => {
        epochs.push(epoch)
        epoch.waitUntil(hostile)
      })
      withEpoch((epoch) => {
        epochs.push(epoch)
        void withEpoch(() => hostile).catch(() => {}) // joins
      })
    })
    expect([epochs.map(({ phase }) => phase), reported]).toEqual([['closed', 'closed'], [error]])
  })

  test('refuses what is no promise', () => {
    withEpoch((epoch) => {
      for (const [value, kind] of [
        [undefined, 'undefined'],
        [{ secret: 1 }, 'an object (Object)'],
        [() => {}, 'a function'],
      ] as const) {
        expect(() => epoch.waitUntil(value as never)).toThrow(
          expect.objectContaining({
            code: 'INVALID_ARGUMENT',
            message: `epoch.waitUntil(promise): expected a promise, got ${kind}.`,
          }),
        )
      }
    })
  })
})

describe('onClose', () => {
  test('runs its hooks last registered first, inside the epoch, with its values still pinned', async () => {
    const { value, move } = pinnedCell('hooks')
    const seen: unknown[] = []
    const inside = await withEpoch(async (epoch) => {
      for (const hook of ['first', 'second', 'third']) {
        epoch.onClose(() => seen.push([hook, tryGetEpoch() === epoch, value.get(), epoch.phase]))
      }
      await null
      move()
      return epoch
    })
    expect(seen).toEqual([
      ['third', true, 'pinned', 'closing'],
      ['second', true, 'pinned', 'closing'],
      ['first', true, 'pinned', 'closing'],
    ])
    expect(inside.phase).toBe('closed')
  })

  test('has run before a synchronous withEpoch returns, and after a handler that threw', () => {
    const seen: string[] = []
    withEpoch((epoch) => {
      epoch.onClose(() => seen.push('returned'))
    })
    expect(seen).toEqual(['returned'])
    expect(() =>
      withEpoch((epoch) => {
        epoch.onClose(() => seen.push('threw'))
        throw new Error('x')
      }),
    ).toThrow('x')
    expect(seen).toEqual(['returned', 'threw'])
  })

  test('awaits a hook that returns a promise before the next one runs; the epoch is closing until the last is done', async () => {
    const { value, move } = pinnedCell('async hooks')
    const gate = deferred<void>()
    const seen: unknown[] = []
    let inside!: Epoch
    withEpoch((epoch) => {
      inside = epoch
      epoch.onClose(() => seen.push(`registered first, ${value.get()}`))
      epoch.onClose(async () => {
        seen.push('registered last begins')
        await gate.promise
        seen.push(`registered last ends, ${value.get()}, ${tryGetEpoch() === epoch}`)
      })
    })
    move()
    await turn()
    expect([seen, inside.phase]).toEqual([['registered last begins'], 'closing'])
    gate.resolve()
    await turn()
    expect(seen).toEqual([
      'registered last begins',
      'registered last ends, pinned, true',
      'registered first, pinned',
    ])
    expect(inside.phase).toBe('closed')
  })

  test('runs the other hooks when one throws or rejects, reports each error once, and closes', async () => {
    const seen: string[] = []
    let inside!: Epoch
    let result: unknown
    const reported = await unhandledDuring(() => {
      result = withEpoch((epoch) => {
        inside = epoch
        epoch.onClose(() => seen.push('first'))
        epoch.onClose(async () => {
          await null
          throw new Error('rejected')
        })
        epoch.onClose(() => seen.push('third'))
        epoch.onClose(() => {
          throw new Error('thrown')
        })
        return 'the result is unharmed'
      })
    })
    expect(result).toBe('the result is unharmed')
    expect(seen).toEqual(['third', 'first'])
    expect(reported.map((error) => (error as Error).message)).toEqual(['thrown', 'rejected'])
    expect(inside.phase).toBe('closed')
  })

  test('runs each hook once, after every lease has been released', async () => {
    const gate = deferred<void>()
    const seen: string[] = []
    withEpoch((epoch) => {
      epoch.onClose(() => seen.push('hook'))
      epoch.waitUntil(gate.promise)
    })
    await turn()
    expect(seen).toEqual([])
    gate.resolve()
    await turn()
    expect(seen).toEqual(['hook'])
  })

  test('opens an epoch of its own for a nested withEpoch in a hook: a closing epoch is not joined', () => {
    const { value, move } = pinnedCell('nested in a hook')
    const seen: unknown[] = []
    withEpoch((epoch) => {
      epoch.onClose(() => {
        withEpoch((nested) => seen.push(nested === epoch, nested.parentId === epoch.id, value.get()))
        seen.push(value.get())
      })
      move()
    })
    expect(seen).toEqual([false, true, 'moved', 'pinned'])
  })

  test('refuses what is no function', () => {
    withEpoch((epoch) => {
      expect(() => epoch.onClose('later' as never)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: 'epoch.onClose(fn): fn must be a function, got a string.',
        }),
      )
    })
  })
})

describe('signal', () => {
  test('is one signal, which aborts at the close, after the hooks and before the values are dropped', () => {
    const { value, move } = pinnedCell('signal')
    const seen: unknown[] = []
    let signal!: AbortSignal
    withEpoch((epoch) => {
      signal = epoch.signal
      expect(epoch.signal).toBe(signal)
      expect(signal.aborted).toBe(false)
      signal.addEventListener('abort', () => seen.push(['abort', epoch.get(value), epoch.phase]))
      epoch.onClose(() => seen.push(['hook', signal.aborted]))
      move()
    })
    expect(seen).toEqual([
      ['hook', false],
      ['abort', 'pinned', 'closing'],
    ])
    expect(signal.aborted).toBe(true)
  })

  test('aborts with an EPOCH_CLOSED error that names the epoch, and of a closed epoch is aborted already', () => {
    let early!: AbortSignal
    const epoch = withEpoch({ name: 'orders.list' }, (inside) => {
      early = inside.signal
      return inside
    })
    expect(early.reason).toMatchObject({
      code: 'EPOCH_CLOSED',
      message: closedMessage('epoch.signal', epoch, 'closing'),
    })
    expect(epoch.signal.aborted).toBe(true)
    expect(epoch.signal.reason).toMatchObject({
      code: 'EPOCH_CLOSED',
      message: closedMessage('epoch.signal', epoch),
    })
  })

  test('is aborted when it is first asked for by a listener that hears of the close', () => {
    let inside: Epoch | undefined
    const signals: AbortSignal[] = []
    listenTo('withepoch:epoch:close', (message) => {
      const { epoch } = message as EpochEvent
      if (epoch === inside) signals.push(epoch.signal)
    })
    withEpoch((epoch) => void (inside = epoch))
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  test('aborts after a handler that threw, and when it was first asked for in a hook', () => {
    const signals: AbortSignal[] = []
    expect(() =>
      withEpoch((epoch) => {
        epoch.onClose(() => signals.push(epoch.signal))
        signals.push(epoch.signal)
        throw new Error('x')
      }),
    ).toThrow('x')
    withEpoch((epoch) => {
      epoch.onClose(() => {
        expect(epoch.signal.aborted).toBe(false)
        signals.push(epoch.signal)
      })
    })
    expect(signals.map((signal) => signal.aborted)).toEqual([true, true, true])
  })
})

describe('a closed epoch', () => {
  test.each<[string, (epoch: Epoch) => unknown]>([
    ['epoch.waitUntil()', (epoch) => epoch.waitUntil(Promise.resolve())],
    ['epoch.onClose()', (epoch) => epoch.onClose(() => {})],
    ['epoch.advance()', (epoch) => epoch.advance()],
    ['epoch.isStale()', (epoch) => epoch.isStale()],
    ['epoch.validate()', (epoch) => epoch.validate()],
  ])('answers %s with EPOCH_CLOSED', (call, use) => {
    const epoch = withEpoch({ name: 'jobs.run' }, (inside) => inside)
    expect(() => use(epoch)).toThrow(
      expect.objectContaining({ code: 'EPOCH_CLOSED', message: closedMessage(call, epoch) }),
    )
  })

  test('is not found by getEpoch, which says which one it was', async () => {
    let late!: Promise<unknown>
    const epoch = withEpoch({ name: 'jobs.run' }, (inside) => {
      late = turn().then(() => [tryGetEpoch(), getEpoch()])
      return inside
    })
    await expect(late).rejects.toMatchObject({
      code: 'NO_EPOCH',
      message:
        `getEpoch(): epoch #${epoch.id} "jobs.run", which this code was started in, has closed. Wrap the entry ` +
        'point in withEpoch(handler), or use tryGetEpoch() where none is fine.',
    })
  })

  test('is not joined by work that outlived it: that opens one of its own', async () => {
    const { value, move } = pinnedCell('reopened')
    let late!: Promise<unknown>
    const epoch = withEpoch((inside) => {
      late = turn().then(() => withEpoch((own) => [own === inside, own.parentId, own.get(value)]))
      return inside
    })
    move()
    expect(await late).toEqual([false, epoch.id, 'moved'])
  })
})

describe('a closing epoch', () => {
  test.each<[string, (epoch: Epoch) => unknown]>([
    ['epoch.waitUntil()', (epoch) => epoch.waitUntil(Promise.resolve())],
    ['epoch.onClose()', (epoch) => epoch.onClose(() => {})],
    ['epoch.advance()', (epoch) => epoch.advance()],
  ])('answers %s with EPOCH_CLOSED', (call, use) => {
    let message: unknown
    const epoch = withEpoch({ name: 'jobs.run' }, (inside) => {
      inside.onClose(() => {
        try {
          use(inside)
        } catch (error) {
          message = [(error as { code: string }).code, (error as Error).message]
        }
      })
      return inside
    })
    expect(message).toEqual(['EPOCH_CLOSED', closedMessage(call, epoch, 'closing')])
  })

  test('still answers isStale, validate and getEpoch', () => {
    const { value, move } = pinnedCell('closing')
    const seen: unknown[] = []
    withEpoch((epoch) => {
      epoch.onClose(() => {
        seen.push(getEpoch() === epoch, epoch.isStale())
        epoch.validate()
        move()
        seen.push(epoch.isStale())
        try {
          epoch.validate(value)
        } catch (error) {
          seen.push((error as { code: string }).code)
        }
      })
    })
    expect(seen).toEqual([true, false, true, 'EPOCH_STALE'])
  })
})
