/**
 * `memo`: what counts as the same key, who shares a flight, what is forgotten and when. Where results are shared between
 * epochs is `derived`'s business; what a closed epoch's results retain stands in `memory.test.ts`.
 */
import { EventEmitter } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  bind,
  bindEmitter,
  bindIterable,
  cell,
  detach,
  EpochError,
  type Memo,
  memo,
  type MemoEvent,
  publish,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { deferred } from './deferred.js'
import { refusal } from './refusal.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('memo')

/** A memo that records each call it lets through and returns its number. */
function counted(options?: { key?: (...args: unknown[]) => unknown }) {
  const calls: unknown[][] = []
  const fn = memo((...args: unknown[]) => calls.push(args), options)
  return { calls, fn }
}

/** How often the function is called for these argument lists, one after the other, in one epoch. */
function callsFor(...lists: unknown[][]): number {
  const { calls, fn } = counted()
  withEpoch(() => {
    for (const list of lists) fn(...list)
  })
  return calls.length
}

const cycleMessage = (...path: string[]): string =>
  `"${path[0]}" waits for itself: ${path.join(' → ')}. None of them could ever finish; take the part that both need out ` +
  'into a memo of its own.'

/** A key by content, for functions that take objects made anew at each call. */
const byId = (...args: unknown[]): unknown => (args[0] as { id: unknown }).id

/* oxlint-disable unicorn/no-thenable -- a lazy thenable is one of the things that a memo keeps */
describe('the key', () => {
  test('is the arguments: the same ones are computed once, and the result is the very same', () => {
    const made: object[] = []
    const fn = memo((a: number, b: string) => {
      made.push({ a, b })
      return made.at(-1)
    })
    withEpoch(() => {
      expect(fn(1, 'x')).toBe(fn(1, 'x'))
      expect(fn(1, 'x')).not.toBe(fn(1, 'y'))
      expect(fn(2, 'x')).not.toBe(fn(1, 'x'))
    })
    expect(made).toEqual([
      { a: 1, b: 'x' },
      { a: 1, b: 'y' },
      { a: 2, b: 'x' },
    ])
  })

  test.each<[string, unknown[], unknown[]]>([
    ['1 and "1"', [1], ['1']],
    ['1 and 1n', [1], [1n]],
    ['0 and false', [0], [false]],
    ['null and undefined', [null], [undefined]],
    ['"null" and null', ['null'], [null]],
    ['undefined and no argument', [undefined], []],
    ['one argument and the same with undefined after it', ['a'], ['a', undefined]],
    ['a prefix and the whole', ['a'], ['a', 'b']],
    ['"a", "b:c" and "a:b", "c"', ['a', 'b:c'], ['a:b', 'c']],
    ['"a,b" and "a", "b"', ['a,b'], ['a', 'b']],
    ['"a\\0b" and "a", "b"', ['a\0b'], ['a', 'b']],
    ['the same two in another order', ['a', 'b'], ['b', 'a']],
    ['two objects with equal content', [{ id: 1 }], [{ id: 1 }]],
    ['two arrays with equal content', [[1]], [[1]]],
    ['an array and its items', [['a', 'b']], ['a', 'b']],
    ['an array and what it joins to', [['a', 'b']], ['a,b']],
    ['two functions with the same text', [() => 1], [() => 1]],
    ['two symbols with the same description', [Symbol('a')], [Symbol('a')]],
  ])('tells %s apart', (_, one, other) => {
    expect(callsFor(one, other, one, other)).toBe(2)
  })

  const object = { id: 1 }
  const symbol = Symbol('a')
  test.each<[string, unknown[], unknown[]]>([
    ['NaN', [Number.NaN], [0 / 0]],
    ['0 and -0', [0], [-0]],
    ['undefined', [undefined], [undefined]],
    ['no argument', [], []],
    ['an object by identity', [object], [object]],
    ['a symbol', [symbol], [symbol]],
    ['a registered symbol', [Symbol.for('a')], [Symbol.for('a')]],
    ['bigints by value', [10n], [10n]],
    [
      '__proto__, constructor and toString as plain strings',
      ['__proto__', 'constructor', 'toString'],
      ['__proto__', 'constructor', 'toString'],
    ],
  ])('takes for one: %s', (_, one, other) => {
    expect(callsFor(one, other)).toBe(1)
  })

  test('is not confused by an argument that was mutated in between: objects count by identity', () => {
    const list = ['a']
    const fn = memo((items: string[]) => items.join())
    withEpoch(() => {
      expect(fn(list)).toBe('a')
      list.push('b')
      expect(fn(list)).toBe('a')
      expect(fn([...list])).toBe('a,b')
    })
  })

  test('belongs to its memo: the same function and arguments under two memos are computed twice', () => {
    let calls = 0
    const scan = (dir: string) => `${dir} ${++calls}`
    const [one, other] = [memo(scan), memo(scan)]
    expect(withEpoch(() => [one('/a'), other('/a'), one('/a')])).toEqual(['/a 1', '/a 2', '/a 1'])
  })

  test('keeps a result of undefined: it is not computed again', () => {
    let calls = 0
    const fn = memo(() => void calls++)
    withEpoch(() => [fn(), fn(), fn()])
    expect(calls).toBe(1)
  })

  test('is what the key option makes of the arguments; the function gets the arguments of the first call', () => {
    const { calls, fn } = counted({ key: byId })
    withEpoch(() => [fn({ id: 1, note: 'first' }), fn({ id: 1, note: 'second' }), fn({ id: 2 })])
    expect(calls).toEqual([[{ id: 1, note: 'first' }], [{ id: 2 }]])
  })

  test('from the key option is a tuple when it is an array: its items count, not the array', () => {
    const { calls, fn } = counted({ key: (...args) => [...args].reverse() })
    withEpoch(() => {
      fn('a', 'b:c')
      fn('a', 'b:c')
      fn('a:b', 'c')
      fn('a', 1)
      fn('a', '1')
    })
    expect(calls).toHaveLength(4)
  })

  test('from the key option may be an object, undefined or an empty tuple', () => {
    const shared = {}
    for (const key of [shared, undefined, []]) {
      const { calls, fn } = counted({ key: () => key })
      withEpoch(() => [fn(1), fn(2), fn({})])
      expect(calls).toEqual([[1]])
    }
  })

  test('option that throws fails the call, with its own error, and nothing is computed', () => {
    const calls: number[] = []
    const fn = memo((n: number) => calls.push(n), {
      key: () => {
        throw new Error('no key')
      },
    })
    expect(() => withEpoch(() => fn(1))).toThrow('no key')
    expect(calls).toEqual([])
  })
})

describe('concurrent callers', () => {
  test('share one flight and get the very same promise', async () => {
    const gate = deferred<string>()
    const calls: string[] = []
    const scan = memo((dir: string) => {
      calls.push(dir)
      return gate.promise.then((result) => ({ dir, result }))
    })
    const results = await withEpoch(async () => {
      const flights = [scan('/a'), scan('/a'), scan('/b')]
      await null
      flights.push(scan('/a'))
      expect(flights[1]).toBe(flights[0])
      expect(flights[3]).toBe(flights[0])
      expect(calls).toEqual(['/a', '/b'])
      gate.resolve('done')
      return Promise.all(flights)
    })
    expect(results[1]).toBe(results[0])
    expect(results[3]).toBe(results[0])
    expect(results.map((each) => each.dir)).toEqual(['/a', '/a', '/b', '/a'])
    expect(calls).toEqual(['/a', '/b'])
  })

  test('in a joined epoch share with the outer one', async () => {
    let calls = 0
    const scan = memo(async () => ++calls)
    const seen = await withEpoch(async () => [await scan(), await withEpoch(() => scan()), await scan()])
    expect([seen, calls]).toEqual([[1, 1, 1], 1])
  })

  test('get the result of a lazy thenable whose then is called once, inside the epoch', async () => {
    const value = cell(unique('lazy'), 'pinned')
    const thens: unknown[] = []
    const query = memo(
      (id: number) =>
        ({
          then(resolve: (row: string) => void) {
            thens.push(tryGetEpoch()?.name)
            setImmediate(() => resolve(`${id} ${value.get()}`))
          },
        }) as unknown as PromiseLike<string>,
    )
    const rows = await withEpoch({ name: 'queries' }, async () => {
      const flights = Promise.all([query(1), query(1)])
      detach(() => value.set('moved'))
      return [...(await flights), await query(1)]
    })
    expect(rows).toEqual(['1 pinned', '1 pinned', '1 pinned'])
    expect(thens).toEqual(['queries'])
  })
})

describe('a failure', () => {
  test('is shared by those who wait, and then forgotten: the next call tries again', async () => {
    const errors = [new Error('attempt 1'), new Error('attempt 2')]
    let calls = 0
    const load = memo(async () => {
      await null
      const error = errors[calls++]
      if (error !== undefined) throw error
      return 'loaded'
    })
    await withEpoch(async () => {
      const both = await Promise.allSettled([load(), load()])
      expect(both.map((each) => each.status === 'rejected' && each.reason === errors[0])).toEqual([
        true,
        true,
      ])
      await expect(load()).rejects.toBe(errors[1])
      expect(await load()).toBe('loaded')
      expect(await load()).toBe('loaded')
    })
    expect(calls).toBe(3)
  })

  test('is already forgotten when the first to wait learns of it', async () => {
    let calls = 0
    const load = memo(async () => {
      await null
      if (++calls === 1) throw new Error('once')
      return calls
    })
    expect(await withEpoch(() => load().catch(() => load()))).toBe(2)
  })

  test('does not forget what was computed after it under the same key', async () => {
    const first = deferred<string>()
    const flights = [first.promise, Promise.resolve('second')]
    const load = memo(() => flights.shift()!)
    await withEpoch(async () => {
      const failing = load()
      load.clear()
      const good = load()
      first.reject(new Error('too late'))
      await expect(failing).rejects.toThrow('too late')
      expect(load()).toBe(good)
      expect(await load()).toBe('second')
    })
  })

  test('thrown synchronously passes through and is not kept', () => {
    let calls = 0
    const parse = memo((text: string) => {
      if (++calls < 3) throw new Error(`attempt ${calls}`)
      return text
    })
    withEpoch(() => {
      expect(() => parse('x')).toThrow('attempt 1')
      expect(() => parse('x')).toThrow('attempt 2')
      expect(parse('x')).toBe('x')
      expect(parse('x')).toBe('x')
    })
    expect(calls).toBe(3)
  })

  test('that nobody awaits is reported as unhandled, exactly once', async () => {
    const error = new Error('unawaited')
    const reported = await unhandledDuring(() =>
      withEpoch(async () => {
        const load = memo(async () => {
          await null
          throw error
        })
        void load()
        void load()
        await turn()
      }),
    )
    expect(reported).toEqual([error])
    expect(reported[0]).toBe(error)
  })

  test('that is handled is not reported', async () => {
    const reported = await unhandledDuring(() =>
      withEpoch(async () => {
        const load = memo(async () => {
          await null
          throw new Error('handled')
        })
        await Promise.allSettled([load(), load()])
      }),
    )
    expect(reported).toEqual([])
  })

  test('of a thenable whose then throws is a rejection, and is forgotten', async () => {
    let calls = 0
    const query = memo(() => ({
      then: () => {
        throw new Error(`then threw ${++calls}`)
      },
    }))
    await withEpoch(async () => {
      await expect(query() as unknown as PromiseLike<unknown>).rejects.toThrow('then threw 1')
      await expect(query() as unknown as PromiseLike<unknown>).rejects.toThrow('then threw 2')
    })
  })
})

describe('a cycle', () => {
  type Load = (n: number) => unknown
  const ring = (labels: string[], wrap: (fn: Load) => Load): Array<Memo<[number], unknown>> => {
    const memos: Array<Memo<[number], unknown>> = []
    for (const [index, name] of labels.entries()) {
      memos.push(
        memo(
          wrap((n) => memos[(index + 1) % labels.length]!(n)),
          { name },
        ),
      )
    }
    return memos
  }
  const synchronous = (fn: Load): Load => fn
  const asynchronous =
    (fn: Load): Load =>
    async (n) => {
      await null
      return fn(n)
    }

  test.each([
    ['a function that asks for itself', ['a']],
    ['two', ['a', 'b']],
    ['three', ['a', 'b', 'c']],
  ])('of %s is an error with its path, synchronously and asynchronously', async (_, labels) => {
    const path = [...labels, labels[0]!]
    for (const wrap of [synchronous, asynchronous]) {
      const [first] = ring(labels, wrap)
      const run = withEpoch(async () => first!(1))
      await expect(run).rejects.toBeInstanceOf(EpochError)
      await expect(run).rejects.toMatchObject({ code: 'MEMO_CYCLE', message: cycleMessage(...path) })
    }
  })

  /** What comes of a memo that asks for itself through what `carry` made in it, called from no epoch. */
  async function askedAgain(carry: (again: () => unknown) => () => unknown): Promise<unknown> {
    const load: Memo<[], Promise<unknown>> = memo(
      async () => {
        const again = carry(() => load())
        await null
        return detach(again)
      },
      { name: 'load' },
    )
    const outcome = withEpoch(() => load()).catch((error: unknown) => (error as Error).message)
    return Promise.race([outcome, turn().then(() => 'waits')])
  }
  function* rows(again: () => unknown): Generator<unknown, void> {
    yield again()
  }

  test.each<[what: string, carry: (again: () => unknown) => () => unknown]>([
    ['a function bound', (again) => bind(again)],
    [
      'a listener added',
      (again) => {
        const emitter = bindEmitter(new EventEmitter())
        let found: unknown
        emitter.on('row', () => (found = again()))
        return () => (emitter.emit('row'), found)
      },
    ],
    [
      'an iterator bound',
      (again) => {
        const iterator = bindIterable(rows(again))
        return () => iterator.next().value
      },
    ],
  ])('is found through %s in the computation, wherever it is called from', async (_, carry) => {
    expect(await askedAgain(carry)).toBe(cycleMessage('load', 'load'))
  })

  test('is found through an iterator that withEpoch gave out in the computation', async () => {
    const found = await askedAgain((again) => {
      const iterator = withEpoch(() => rows(again))
      return () => iterator.next().value
    })
    expect(found).toBe(cycleMessage('load', 'load'))
  })

  test('is looked for in a chain of 20,000 that wait for each other', async () => {
    const length = 20_000
    const gate = deferred<number>()
    const chain: Memo<[number], Promise<number>> = memo(async (n: number) => {
      await null
      return n === 0 ? gate.promise : (await chain(n - 1)) + 1
    })
    const joins = memo(() => chain(length))
    const seen = await withEpoch(async () => {
      const first = chain(length)
      for (let step = 0; step < 2 * length; step++) await null
      const second = joins()
      gate.resolve(0)
      return Promise.all([first, second])
    })
    expect(seen).toEqual([length, length])
  })

  test('is looked for along each way once, where many ways lead to the same flight', async () => {
    const depth = 60
    const gate = deferred<number>()
    const node: Memo<[number, string], Promise<number>> = memo(async (level: number) => {
      await null
      if (level === 0) return gate.promise
      const [left] = await Promise.all([node(level - 1, 'left'), node(level - 1, 'right')])
      return left + 1
    })
    const joins = memo(() => node(depth, 'left'))
    const seen = await withEpoch(async () => {
      const first = node(depth, 'left')
      for (let step = 0; step < 4 * depth; step++) await null
      const second = joins()
      gate.resolve(0)
      return Promise.all([first, second])
    })
    expect(seen).toEqual([depth, depth])
  })

  test('is found where a synchronous computation asks for itself from outside of it', () => {
    const outcome = withEpoch(() => {
      const outside = bind(() => load())
      const load: Memo<[], unknown> = memo(() => outside(), { name: 'load' })
      return refusal(load)
    })
    expect(outcome).toBe(`MEMO_CYCLE: ${cycleMessage('load', 'load')}`)
  })

  test('that closes between two flights under way is found where it would have hung', async () => {
    const go = deferred<void>()
    const a: Memo<[], Promise<unknown>> = memo(async () => (await go.promise, b()), { name: 'a' })
    const b: Memo<[], Promise<unknown>> = memo(async () => (await go.promise, a()), { name: 'b' })
    const outcomes = await withEpoch(() => {
      const both = Promise.allSettled([a(), b()])
      go.resolve()
      return both
    })
    expect(outcomes.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual([
      cycleMessage('a', 'b', 'a'),
      cycleMessage('a', 'b', 'a'),
    ])
  })

  test('names only its own steps, not the way to it', async () => {
    const [inner] = ring(['x', 'y'], asynchronous)
    const door = memo(async () => inner!(1), { name: 'door' })
    await expect(withEpoch(() => door())).rejects.toMatchObject({ message: cycleMessage('x', 'y', 'x') })
  })

  test('is found by a generator that joined its epoch in the computation, step by step', async () => {
    const load: Memo<[], Promise<unknown>> = memo(
      async () => {
        const rows = withEpoch(function* () {
          yield refusal(load)
        })
        await null
        return rows.next().value
      },
      { name: 'load' },
    )
    expect(await withEpoch(() => load())).toBe(`MEMO_CYCLE: ${cycleMessage('load', 'load')}`)
  })

  test('is over once reported: the same key may be asked for again', async () => {
    let recurse = true
    const load: Memo<[], Promise<string>> = memo(
      async () => {
        await null
        return recurse ? load() : 'loaded'
      },
      { name: 'load' },
    )
    await withEpoch(async () => {
      await expect(load()).rejects.toMatchObject({ code: 'MEMO_CYCLE' })
      recurse = false
      expect(await load()).toBe('loaded')
    })
  })

  test('is told by the function name when there is no name option, and anonymous without either', () => {
    const named: Memo<[], unknown> = memo(function scan(): unknown {
      return named()
    })
    const nameless: Memo<[], unknown> = memo(
      (
        () => () =>
          nameless()
      )() as () => unknown,
    )
    expect(() => withEpoch(() => named())).toThrow(cycleMessage('scan', 'scan'))
    expect(() => withEpoch(() => nameless())).toThrow(cycleMessage('anonymous', 'anonymous'))
  })

  test('is not a recursion with other arguments, nor two waiting for a third', async () => {
    const factorial: Memo<[number], Promise<number>> = memo(async (n) =>
      n < 2 ? 1 : n * (await factorial(n - 1)),
    )
    const shared = memo(async () => (await turn(), 10))
    const left = memo(async () => (await shared()) + 1)
    const right = memo(async () => (await shared()) + (await left()))
    expect(await withEpoch(() => factorial(6))).toBe(720)
    expect(await withEpoch(() => Promise.all([left(), right(), shared()]))).toEqual([11, 21, 10])
  })

  test('is not two flights that waited for each other in turn, the first having ended', async () => {
    const a: Memo<[], Promise<string>> = memo(async () => 'a')
    const b = memo(async () => `b after ${await a()}`)
    const c = memo(async () => `c after ${await b()}, ${await a()}`)
    expect(await withEpoch(() => c())).toBe('c after b after a, a')
  })

  test('is not found through work that a finished computation left running', async () => {
    const gate = deferred<void>()
    let left!: Promise<string>
    const a = memo(async () => {
      left = turn().then(() => b())
    })
    const c = memo(async () => {
      await a()
      await gate.promise
      return 'c'
    })
    const b = memo(async () => `b after ${await c()}`)
    const seen = await withEpoch(async () => {
      const flight = c()
      await turn()
      await turn()
      gate.resolve()
      return [await flight, await left]
    })
    expect(seen).toEqual(['c', 'b after c'])
  })

  test('is not what detached work asks for: that belongs to no computation', async () => {
    let depth = 0
    const load: Memo<[], Promise<string>> = memo(async () => {
      if (depth++ > 0) return 'called through'
      return detach(() => load())
    })
    expect(await withEpoch(() => load())).toBe('called through')
  })
})

describe('what an epoch computed', () => {
  test('is never seen by another epoch, concurrent or later', async () => {
    const tenant = cell(unique('tenant'), 'a')
    const load = memo(async () => ({ of: tenant.get() }))
    const open = (name: string) =>
      withEpoch({ ifNested: 'fresh', values: [[tenant, name]] }, async () => {
        const first = await load()
        await turn()
        expect(await load()).toBe(first)
        return first
      })
    const [x, y] = await Promise.all([open('x'), open('y')])
    const z = await open('x')
    expect([x, y, z]).toEqual([{ of: 'x' }, { of: 'y' }, { of: 'x' }])
    expect(z).not.toBe(x)
  })

  test('is not seen by its forks, nor theirs by it or by each other', async () => {
    const { calls, fn } = counted()
    await withEpoch(async () => {
      expect(fn('k')).toBe(1)
      expect(withEpoch({ ifNested: 'fork' }, () => [fn('k'), fn('k')])).toEqual([2, 2])
      expect(withEpoch({ ifNested: 'fork' }, () => fn('k'))).toBe(3)
      expect(withEpoch({ ifNested: 'fresh' }, () => fn('k'))).toBe(4)
      expect(fn('k')).toBe(1)
    })
    expect(calls).toHaveLength(4)
  })

  test('is dropped by a write inside, published or local, and by a published group of writes', () => {
    for (const writes of ['publish', 'local'] as const) {
      const config = cell(unique(writes), 1)
      const seen = withEpoch({ writes }, () => {
        const double = memo(() => config.get() * 2)
        const results = [double()]
        config.set(5)
        results.push(double())
        config.update((n) => n + 1)
        results.push(double())
        publish(() => config.set(7))
        results.push(double())
        return results
      })
      expect(seen).toEqual([2, 10, 12, 14])
    }
  })

  test.each(['repeatable-read', 'read-committed'] as const)(
    'is dropped by a write of a %s cell',
    (isolation) => {
      const config = cell(unique(isolation), 1, { isolation })
      const double = memo(() => config.get() * 2)
      expect(withEpoch(() => [double(), config.set(5), double()])).toEqual([2, undefined, 10])
    },
  )

  test.each(['snapshot', 'repeatable-read', 'read-committed'] as const)(
    'is dropped when a publish of a %s cell throws: its value never was',
    (isolation) => {
      const config = cell(unique(isolation), 1, { isolation })
      const double = memo(() => config.get() * 2)
      const failure = new Error('undone')
      const seen = withEpoch(() => {
        const results = [double()]
        expect(() =>
          publish(() => {
            config.set(5)
            results.push(double())
            throw failure
          }),
        ).toThrow(failure)
        return [...results, double()]
      })
      expect(seen).toEqual([2, 10, 2])
    },
  )

  test('is dropped by a write even when a computation is under way: its result is for those who wait only', async () => {
    const config = cell(unique('under way'), 'old')
    const gate = deferred<void>()
    let calls = 0
    const load = memo(async () => {
      calls++
      const seen = config.get()
      await gate.promise
      return seen
    })
    const results = await withEpoch(async () => {
      const before = load()
      config.set('new')
      const after = load()
      gate.resolve()
      return [await before, await after, await load()]
    })
    expect([results, calls]).toEqual([['old', 'new', 'new'], 2])
  })

  test('is dropped by advance()', () => {
    const config = cell(unique('advance'), 1)
    const seen = withEpoch((epoch) => {
      const double = memo(() => config.get() * 2)
      const results = [double()]
      detach(() => config.set(5))
      results.push(double())
      epoch.advance()
      return [...results, double()]
    })
    expect(seen).toEqual([2, 2, 10])
  })

  test('is kept when the write happens outside, or in another epoch', () => {
    const config = cell(unique('elsewhere'), 1)
    const { calls, fn } = counted()
    withEpoch(() => {
      fn(config.get())
      detach(() => config.set(2))
      withEpoch({ ifNested: 'fresh' }, () => config.set(3))
      fn(config.get())
    })
    expect(calls).toEqual([[1]])
  })

  test('is dropped at the close: late callers are called through', async () => {
    const { calls, fn } = counted()
    let late!: Promise<number[]>
    withEpoch(() => {
      fn('k')
      late = turn().then(() => [fn('k'), fn('k')])
    })
    expect(await late).toEqual([2, 3])
    expect(calls).toHaveLength(3)
  })

  test('still serves onClose hooks: the epoch is closing, not closed', () => {
    const { calls, fn } = counted()
    withEpoch((epoch) => {
      fn('k')
      epoch.onClose(() => fn('k'))
    })
    expect(calls).toHaveLength(1)
  })

  test('serves bound callbacks and leases', async () => {
    const { calls, fn } = counted()
    await withEpoch(async (epoch) => {
      fn('k')
      const callback = bind(() => fn('k'))
      detach(callback)
      epoch.waitUntil(turn().then(() => fn('k')))
    })
    await turn()
    await turn()
    expect(calls).toHaveLength(1)
  })
})

describe('outside an epoch', () => {
  test('each call goes through, with its arguments and its result', async () => {
    const { calls, fn } = counted()
    expect([fn('k'), fn('k'), detach(() => fn('k'))]).toEqual([1, 2, 3])
    expect(withEpoch(() => detach(() => [fn('k'), fn('k')]))).toEqual([4, 5])
    expect(calls).toHaveLength(5)
    const later = memo(async (n: number) => n + 1)
    expect(later(1)).not.toBe(later(1))
    expect(await later(1)).toBe(2)
  })

  test('the key option is not asked, and clear() is of no effect', () => {
    const keys: unknown[] = []
    const { fn } = counted({ key: (...args) => keys.push(args) })
    fn('k')
    ;(fn as Memo<unknown[], unknown>).clear()
    expect(keys).toEqual([])
  })
})

describe('clear', () => {
  test('has nothing to forget in an epoch that has closed', () => {
    const { fn } = counted()
    const late = withEpoch(() => bind(() => fn.clear()))
    expect(late()).toBe(undefined)
  })

  test('forgets what this epoch computed with this memo, and nothing else', () => {
    const [one, other] = [counted(), counted()]
    withEpoch(() => {
      one.fn('k')
      one.fn('l')
      other.fn('k')
      withEpoch({ ifNested: 'fork' }, () => {
        one.fn('k')
        one.fn.clear()
        one.fn('k')
      })
      one.fn('k')
      expect([one.calls.length, other.calls.length]).toEqual([4, 1])
      one.fn.clear()
      one.fn('k')
      one.fn('l')
      other.fn('k')
    })
    expect([one.calls.length, other.calls.length]).toEqual([6, 1])
  })
})

describe('the computation', () => {
  test('runs in the epoch, reads its pinned values and joins it', async () => {
    const config = cell(unique('inside'), 'pinned')
    const load = memo(async () => {
      const first = tryGetEpoch()
      await turn()
      return withEpoch((epoch) => [epoch === first, first?.name, config.get()])
    })
    const seen = await withEpoch({ name: 'door' }, async () => {
      const flight = load()
      detach(() => config.set('moved'))
      return flight
    })
    expect(seen).toEqual([true, 'door', 'pinned'])
  })

  test('that writes is seen by its epoch', () => {
    const config = cell(unique('writes'), 1)
    const bump = memo(() => config.set(config.get() + 1))
    expect(withEpoch({ writes: 'local' }, () => [bump(), config.get(), config.live()])).toEqual([
      undefined,
      2,
      1,
    ])
  })
})

describe('diagnostics', () => {
  test('tell of each miss and each hit, with the epoch and the name, and never of a call outside', () => {
    const events: string[] = []
    for (const kind of ['hit', 'miss']) {
      listenTo(`withepoch:memo:${kind}`, (message) => {
        const { epoch, memo: name } = message as MemoEvent
        events.push(`${kind} ${name} in ${epoch?.name}`)
      })
    }
    const scan = memo((dir: string) => dir, { name: 'scan' })
    scan('/a')
    withEpoch({ name: 'list' }, () => [scan('/a'), scan('/a'), scan('/b')])
    expect(events).toEqual(['miss scan in list', 'hit scan in list', 'miss scan in list'])
  })
})

describe('a wrong argument', () => {
  test.each<[() => unknown, string]>([
    [() => memo('scan' as never), 'memo(fn, options): fn must be a function, got a string.'],
    [
      () => memo(() => 1, { key: 'dir' as never }),
      'memo(fn, options): key must be a function, got a string.',
    ],
    [
      () => memo(() => 1, { keys: () => 1 } as never),
      'memo(fn, options): unknown option "keys". Known: key, name.',
    ],
    [() => memo(() => 1, null as never), 'memo(fn, options): options must be an object, got null.'],
  ])('is refused when the memo is made (%#)', (make, message) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message }))
  })
})
