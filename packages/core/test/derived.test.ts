/**
 * What epochs share: `derived` computes once for each set of values that its function read, in an epoch and a context of
 * its own, and hands out nothing that the caller's own snapshot would not have given. What one epoch keeps for itself
 * is `memo.test.ts`'s business; random interleavings of all this stand in `lifecycle-interleavings.test.ts`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test as once, vi } from 'vitest'
import {
  bind,
  bindIterable,
  cell,
  configure,
  derived,
  detach,
  type Epoch,
  type EpochError,
  type EpochEvent,
  type EpochOptions,
  getEpoch,
  memo,
  publish,
  source,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { collected } from './collected.js'
import { listenTo } from './channel-listener.js'
import { test } from './epoch-test.js'
import { refusal } from './refusal.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('derived')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** An entry point: an epoch of its own, wherever it is called. */
function request<R>(handler: (epoch: Epoch) => R, options: EpochOptions = {}): R {
  return withEpoch({ name: 'request', ...options, ifNested: 'fresh' }, handler)
}

/** The world changes: no request's write. */
const change = (how: () => void): void => detach(how)

function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

async function codeOf(work: () => unknown): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    return (error as { code?: string }).code ?? error
  }
}

/** What the library keeps for the whole process. */
const carrier = (globalThis as unknown as Record<symbol, { deriving: number; guardWrites: boolean }>)[
  Symbol.for('withepoch.carrier')
]!

describe('a result', () => {
  test('is computed once for all epochs with equal values of what was read', async () => {
    const dir = cell(unique('dir'), '/a')
    const scans: string[] = []
    const metadata = derived(async () => {
      scans.push(dir.get())
      await turn()
      return { dir: dir.get() }
    })
    const first = await request(() => metadata())
    const second = await request(() => metadata())
    expect(second).toBe(first)
    change(() => dir.set('/b'))
    expect(await request(() => metadata())).toEqual({ dir: '/b' })
    change(() => dir.set('/a'))
    expect(await request(() => metadata())).toBe(first)
    expect(scans).toEqual(['/a', '/b'])
  })

  test('is the same promise, or the same value, for all who come after', async () => {
    const slow = derived(async () => ({}))
    const quick = derived(() => ({}))
    const promises = [1, 2].map(() => request(() => [slow()]))
    await promises[0]![0]
    promises.push(request(() => [slow()]))
    expect(promises[2]![0]).toBe(promises[0]![0])
    expect(request(() => quick())).toBe(request(() => quick()))
  })

  test('does not depend on what its function did not read', async () => {
    const read = cell(unique('read'), 1)
    const other = cell(unique('other'), 1)
    let computed = 0
    const double = derived(() => (computed++, read.get() * 2))
    request(() => double())
    change(() => other.set(2))
    expect([request(() => double()), computed]).toEqual([2, 1])
  })

  test('depends on what is read after an await, and only in the branch that was taken', async () => {
    const flag = cell(unique('flag'), true)
    const yes = cell(unique('yes'), 'yes')
    const no = cell(unique('no'), 'no')
    const computed: string[] = []
    const answer = derived(async () => {
      await turn()
      const chosen = flag.get() ? yes : no
      await turn()
      computed.push(chosen.get())
      return chosen.get()
    })
    const ask = () => request(() => answer())
    expect(await ask()).toBe('yes')
    change(() => no.set('never'))
    expect(await ask()).toBe('yes')
    change(() => yes.set('sure'))
    expect(await ask()).toBe('sure')
    change(() => flag.set(false))
    expect(await ask()).toBe('never')
    expect(computed).toEqual(['yes', 'sure', 'never'])
  })

  test('is that of the caller’s own view: overrides and local writes are inputs like any other', async () => {
    const locale = cell(unique('locale'), 'en')
    const computed: string[] = []
    const title = derived(async () => {
      await turn()
      computed.push(locale.get())
      return `title in ${locale.get()}`
    })
    const titles = await Promise.all([
      request(() => title()),
      request(() => title(), { values: [[locale, 'fr']] }),
      request(() => (locale.set('de'), title()), { writes: 'local' }),
      request(() => title(), { values: [[locale, 'fr']] }),
    ])
    expect(titles).toEqual(['title in en', 'title in fr', 'title in de', 'title in fr'])
    expect(computed).toEqual(['en', 'fr', 'de'])
    expect(locale.live()).toBe('en')
  })

  test('follows an epoch’s own published write', () => {
    const limit = cell(unique('limit'), 1)
    const double = derived(() => limit.get() * 2)
    const seen = request(() => {
      const before = double()
      limit.set(5)
      return [before, double()]
    })
    expect(seen).toEqual([2, 10])
  })

  test('is shared in both directions between epochs and code outside any', () => {
    const limit = cell(unique('limit'), 1)
    let computed = 0
    const double = derived(() => (computed++, limit.get() * 2))
    const outside = () => detach(() => double())
    expect([outside(), request(() => double()), computed]).toEqual([2, 2, 1])
    const seen = request(() => {
      change(() => limit.set(2))
      return [double(), outside(), outside()]
    })
    expect([seen, computed]).toEqual([[2, 4, 4], 2])
    expect([request(() => double()), computed]).toEqual([4, 2])
  })

  test('of a value that is undefined, null, NaN or -0 is shared where the values are the same', () => {
    const odd = cell<unknown>(unique('odd'), undefined)
    const computed: unknown[] = []
    const value = derived(() => (computed.push(odd.get()), odd.get()))
    for (const next of [undefined, null, NaN, 0, -0]) {
      change(() => odd.set(next))
      expect(request(() => value())).toBe(next)
      expect(request(() => value())).toBe(next)
    }
    expect(computed).toEqual([undefined, null, NaN, 0, -0])
  })

  test('of a value that is undefined is shared by code outside any epoch as well', () => {
    const odd = cell<unknown>(unique('odd'), undefined)
    let dear = 1
    const lazy = source(unique('lazy'), () => dear, { isolation: 'repeatable-read' })
    let computed = 0
    const value = derived(() => (computed++, [odd.get(), lazy.get(), lazy.get()]))
    const outside = () => detach(() => value())
    expect([outside(), outside(), computed]).toEqual([[undefined, 1, 1], [undefined, 1, 1], 1])
    dear = 2
    expect([outside(), computed]).toEqual([[undefined, 2, 2], 2])
  })

  test('that is itself undefined is a result', () => {
    let computed = 0
    const nothing = derived(() => void computed++)
    expect([request(() => nothing()), request(() => nothing()), computed]).toEqual([undefined, undefined, 1])
  })

  test('of a lazy thenable is computed once, when the derived is called', async () => {
    let queries = 0
    const query = derived(() => ({
      // oxlint-disable-next-line unicorn/no-thenable -- a query builder
      then: (resolve: (rows: string[]) => void) => (queries++, resolve(['row'])),
    }))
    expect(await request(() => query())).toEqual(['row'])
    expect(await request(() => query())).toEqual(['row'])
    expect(queries).toBe(1)
  })
})

describe('64 concurrent callers in 5 workspaces', () => {
  const workspaces = ['/a', '/b', '/c', '/d', '/e']

  once.each([
    ['before its first await', false],
    ['after an await only', true],
  ])('cause at most 5 computations when the workspace is read %s', async (_, late) => {
    const dir = cell(unique('dir'), '/a')
    const scans: string[] = []
    const metadata = derived(async () => {
      if (late) await turn()
      const mine = dir.get()
      scans.push(mine)
      await turn()
      await turn()
      return `${mine} is ${dir.get()}`
    })
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) => {
        const mine = workspaces[index % 5]!
        dir.set(mine)
        return request(async () => {
          if (index % 3 === 0) await turn()
          return [mine, await metadata()] as const
        })
      }),
    )
    expect(answers.filter(([mine, found]) => found !== `${mine} is ${mine}`)).toEqual([])
    expect(scans.toSorted()).toEqual(workspaces)
  })
})

describe('what is read', () => {
  test('by a getter is compared by value', () => {
    let dir = '/a'
    const computed: string[] = []
    const foreign = source(unique('dir'), () => dir)
    const value = derived(() => (computed.push(foreign.get()), foreign.get()))
    request(() => value())
    dir = '/b'
    expect(request(() => value())).toBe('/b')
    dir = '/a'
    expect(request(() => value())).toBe('/a')
    expect(computed).toEqual(['/a', '/b'])
  })

  test('as a copy with a version is shared until the version moves, in epochs and outside', () => {
    const tenants = { list: ['a'], changes: 0 }
    const copied = source(unique('tenants'), () => tenants.list, {
      copy: (list) => [...list],
      version: () => tenants.changes,
    })
    let computed = 0
    const count = derived(() => (computed++, copied.get().length))
    const counts = () => [request(() => count()), detach(() => count()), request(() => count())]
    expect([counts(), computed]).toEqual([[1, 1, 1], 1])
    tenants.list.push('b')
    tenants.changes++
    expect([counts(), computed]).toEqual([[2, 2, 2], 2])
  })

  test('as a copy without a version is another one at each entry, so nothing is shared', () => {
    const list = ['a']
    const copied = source(unique('list'), () => list, { copy: (value) => [...value] })
    let computed = 0
    const count = derived(() => (computed++, copied.get().length))
    const counts = [request(() => count()), (list.push('b'), request(() => count()))]
    expect([counts, computed]).toEqual([[1, 2], 2])
  })

  test('of a repeatable-read source is pinned in the caller’s epoch too: both see one value', async () => {
    let dear = 1
    const lazy = source(unique('lazy'), () => dear, { isolation: 'repeatable-read' })
    const value = derived(async () => (await turn(), lazy.get()))
    const [leader, follower] = await Promise.all(
      [1, 2].map(() =>
        request(async () => {
          const first = await value()
          dear++
          await turn()
          return [first, lazy.get(), await value()]
        }),
      ),
    )
    expect([new Set(leader), new Set(follower)]).toEqual([new Set([leader![0]]), new Set([follower![0]])])
  })

  test('first by a derived is what the caller reads from then on: computed, found, or through another derived', () => {
    let dear = 1
    const lazy = source(unique('lazy'), () => dear, { isolation: 'repeatable-read' })
    const inner = derived(() => lazy.get())
    const outer = derived(() => inner())
    const seen = (last: number) =>
      request(() => {
        const late = source(unique('late'), () => dear)
        const ofLate = derived(() => late.get())
        const first = [outer(), ofLate()]
        dear = last
        return [...first, lazy.get(), inner(), outer(), late.get(), ofLate()]
      })
    const computed = seen(2)
    dear = 1
    const found = seen(3)
    expect([computed, found]).toEqual([Array(7).fill(1), Array(7).fill(1)])
  })

  test('of a repeatable-read source stays put in the computation when the caller’s epoch has closed', async () => {
    let dear = 1
    const lazy = source(unique('lazy'), () => dear, { isolation: 'repeatable-read' })
    const closed = gate()
    const value = derived(async () => {
      const first = lazy.get()
      await closed.opened
      return [first, lazy.get()]
    })
    let result!: Promise<number[]>
    request(() => {
      result = value()
    })
    dear = 2
    closed.open()
    expect(await result).toEqual([1, 1])
  })

  test('of a read-committed source is compared with the live value', () => {
    const kill = cell(unique('kill'), false, { isolation: 'read-committed' })
    let computed = 0
    const value = derived(() => (computed++, kill.get()))
    const seen = request(() => {
      const before = value()
      change(() => kill.set(true))
      return [before, value(), value()]
    })
    expect([seen, computed]).toEqual([[false, true, true], 2])
  })

  test('twice with two values, of a source that is never pinned, is not shared', async () => {
    const kill = cell(unique('kill'), 0, { isolation: 'read-committed' })
    let computed = 0
    const value = derived(async () => {
      computed++
      const first = kill.get()
      await turn()
      return [first, kill.get()]
    })
    const result = request(() => value())
    change(() => kill.set(1))
    expect(await result).toEqual([0, 1])
    expect([await request(() => value()), computed]).toEqual([[1, 1], 2])
  })

  test('as an error is not compared: a result made of a caught one is not kept', () => {
    let fails = true
    const flaky = source(unique('flaky'), () => {
      if (fails) throw new Error('not there yet')
      return 'there'
    })
    const value = derived(() => {
      try {
        return flaky.get()
      } catch {
        return 'fallback'
      }
    })
    const first = request(() => value())
    fails = false
    expect([first, request(() => value())]).toEqual(['fallback', 'there'])
  })

  test('by an inner derived is read by the outer one, whether the inner computes, waits or has it', async () => {
    const dir = cell(unique('dir'), '/a')
    const inner = derived(async () => (await turn(), dir.get()))
    const has = derived(async () => `has ${await inner()}`)
    const waits = derived(async () => `waits for ${await inner()}`)
    const computes = derived(async () => `computes ${await inner()}`)
    const all = () => request(() => Promise.all([computes(), waits()]))
    const first = await all()
    const had = await request(() => has())
    change(() => dir.set('/b'))
    expect([first, had]).toEqual([['computes /a', 'waits for /a'], 'has /a'])
    expect([await all(), await request(() => has())]).toEqual([['computes /b', 'waits for /b'], 'has /b'])
  })

  test('through a memo inside is noticed', () => {
    const dir = cell(unique('dir'), '/a')
    const manifest = memo(() => `manifest of ${dir.get()}`)
    const value = derived(() => [manifest(), manifest()])
    const first = request(() => value())
    change(() => dir.set('/b'))
    expect([first, request(() => value())]).toEqual([
      ['manifest of /a', 'manifest of /a'],
      ['manifest of /b', 'manifest of /b'],
    ])
  })

  once('by an inner derived of another copy of the library is read by the outer one', async () => {
    vi.resetModules()
    const copy = await import('withepoch')
    expect(copy.derived).not.toBe(derived)
    const dir = cell(unique('dir'), '/a')
    const inner = copy.derived(() => dir.get())
    const outer = derived(() => `outer of ${inner()}`)
    const first = request(() => outer())
    dir.set('/b')
    expect([first, request(() => outer())]).toEqual(['outer of /a', 'outer of /b'])
  })
})

describe('arguments', () => {
  test('are keys: objects by identity, primitives by value, and each number of them apart', () => {
    const keys: unknown[] = []
    const value = derived((...args: unknown[]) => keys.push(args))
    const object = {}
    const calls = [[], [undefined], [1], ['1'], [1, 2], [object], [{}], [NaN]]
    for (const args of calls) request(() => value(...args))
    for (const args of [[], [undefined], [1], ['1'], [1, 2], [object], [NaN]]) request(() => value(...args))
    expect(keys).toEqual(calls)
  })

  test('are replaced by what `key` returns, an array being a tuple', () => {
    const computed: string[] = []
    const value = derived((row: { id: number; tenant: string }) => computed.push(`${row.tenant}/${row.id}`), {
      key: (row) => [row.tenant, row.id],
    })
    const single = derived((row: { id: number }) => computed.push(`single ${row.id}`), {
      key: ({ id }) => id,
    })
    for (const id of [1, 2, 1]) for (const tenant of ['a', 'b']) request(() => value({ id, tenant }))
    for (const id of [1, 2, 1]) request(() => single({ id }))
    expect(computed).toEqual(['a/1', 'b/1', 'a/2', 'b/2', 'single 1', 'single 2'])
  })
})

describe('the results kept', () => {
  const counted = (max?: number) => {
    const computed: string[] = []
    const value = derived((key: string) => (computed.push(key), key), { max })
    const ask = (keys: string): string => {
      computed.length = 0
      for (const key of keys) request(() => value(key))
      return computed.join('')
    }
    return { ask, value }
  }

  test('are at most `max`; the one not used for longest goes first', () => {
    const { ask } = counted(2)
    expect(ask('ab')).toBe('ab')
    expect(ask('a')).toBe('') // now b has not been used for longest
    expect(ask('c')).toBe('c')
    expect(ask('ac')).toBe('')
    expect(ask('b')).toBe('b')
    expect(ask('cb')).toBe('')
    expect(ask('a')).toBe('a')
  })

  test('are counted over values of the sources as well as keys', () => {
    const dir = cell(unique('dir'), 'a')
    const computed: string[] = []
    const value = derived(() => (computed.push(dir.get()), dir.get()), { max: 2 })
    for (const next of 'abacaba') {
      change(() => dir.set(next))
      expect(request(() => value())).toBe(next)
    }
    expect(computed.join('')).toBe('abcb')
  })

  once('are 100 unless said otherwise', () => {
    let computed = 0
    const value = derived((key: number) => (computed++, key))
    for (let key = 0; key < 100; key++) value(key)
    for (let key = 0; key < 100; key++) value(key)
    expect(computed).toBe(100)
    value(100)
    value(0)
    expect(computed).toBe(102)
  })

  test('do not count computations under way, and those are never given up for others', async () => {
    const gates = new Map(['a', 'b', 'c'].map((key) => [key, gate()]))
    const computed: string[] = []
    const value = derived(
      async (key: string) => {
        computed.push(key)
        await gates.get(key)?.opened
        return key
      },
      { max: 1 },
    )
    const waiting = ['a', 'b', 'c'].map((key) => request(() => value(key)))
    gates.get('b')!.open()
    await waiting[1]
    const again = ['a', 'b'].map((key) => request(() => value(key)))
    for (const { open } of gates.values()) open()
    expect(await Promise.all([...waiting, ...again])).toEqual(['a', 'b', 'c', 'a', 'b'])
    expect(computed).toEqual(['a', 'b', 'c'])
  })

  test('of one key are forgotten one by one', () => {
    const dir = cell(unique('dir'), 'a')
    const computed: string[] = []
    const value = derived((key: string) => (computed.push(key + dir.get()), dir.get()), { max: 2 })
    const ask = (next: string): string => {
      change(() => dir.set(next))
      return request(() => value('k'))
    }
    expect(['a', 'b', 'c', 'b', 'c', 'a'].map(ask)).toEqual(['a', 'b', 'c', 'b', 'c', 'a'])
    expect(computed).toEqual(['ka', 'kb', 'kc', 'ka'])
  })

  test('of one key are forgotten without those of a longer or a shorter one', () => {
    const computed: string[] = []
    const value = derived((...key: string[]) => computed.push(key.join('')), { max: 2 })
    const ask = (...keys: string[]): string => {
      computed.length = 0
      for (const key of keys) request(() => value(...key.split('')))
      return computed.join(' ')
    }
    expect(ask('a', 'ab', 'c')).toBe('a ab c') // the shorter one goes
    expect(ask('ab')).toBe('')
    expect(ask('a')).toBe('a')
    expect(ask('ab', 'a', 'd')).toBe('d') // the longer one goes
    expect(ask('a')).toBe('')
    expect(ask('ab')).toBe('ab')
  })

  test('do not count what cannot be shared', () => {
    const limit = cell(unique('limit'), 1)
    const computed: string[] = []
    const value = derived(
      (key: string) => {
        computed.push(key)
        if (key === 'live') limit.live()
      },
      { max: 1 },
    )
    for (const key of ['a', 'live', 'a']) request(() => value(key))
    expect(computed).toEqual(['a', 'live'])
  })

  test('do not count one that was forgotten while it was under way, though it is given to who waited', async () => {
    const done = gate()
    const computed: string[] = []
    const value = derived(
      async (key: string) => {
        computed.push(key)
        if (key === 'slow') await done.opened
      },
      { max: 2 },
    )
    const waiting = [1, 2].map(() => request(() => value('slow')))
    value.clear()
    await request(() => value('a'))
    done.open()
    await Promise.all(waiting)
    for (const key of ['b', 'a']) await request(() => value(key))
    expect(computed).toEqual(['slow', 'a', 'b'])
  })

  once('hold their keys no longer than themselves', async () => {
    const value = derived((tenant: object, page: number) => `${typeof tenant} ${page}`, { max: 1 })
    const keys: Array<WeakRef<object>> = []
    const ask = (key: object): void => {
      keys.push(new WeakRef(key))
      request(() => value(key, keys.length))
    }
    for (let asked = 0; asked < 3; asked++) ask({ asked })
    request(() => value({}, 0))
    await collected(keys)
    expect(keys.map((key) => key.deref())).toEqual([undefined, undefined, undefined])
    expect(value({}, 1)).toBe('object 1')
  })

  test('are forgotten by clear, for all epochs', () => {
    const { ask, value } = counted()
    ask('ab')
    value.clear()
    expect(ask('ab')).toBe('ab')
  })

  test('do not have what was under way at a clear, though those who wait get it', async () => {
    const done = gate()
    let computed = 0
    const value = derived(async () => {
      const mine = ++computed
      await done.opened
      return mine
    })
    const before = [1, 2].map(() => request(() => value()))
    value.clear()
    const after = [1, 2].map(() => request(() => value()))
    done.open()
    expect(await Promise.all([...before, ...after])).toEqual([1, 1, 2, 2])
    expect(await request(() => value())).toBe(2)
  })

  test('keep the one begun after a clear when the one begun before it fails', async () => {
    const [first, second] = [gate(), gate()]
    let computed = 0
    const value = derived(async (key: string) => {
      const mine = ++computed
      await (mine === 1 ? first : second).opened
      if (mine === 1) throw new Error('too late')
      return `${key} ${mine}`
    })
    const before = request(() => value('k'))
    value.clear()
    const after = request(() => value('k'))
    first.open()
    await expect(before).rejects.toThrow('too late')
    const joined = request(() => value('k'))
    second.open()
    expect([await after, await joined, await request(() => value('k'))]).toEqual(['k 2', 'k 2', 'k 2'])
    expect(computed).toBe(2)
  })
})

describe('a computation', () => {
  test('runs in an epoch of its own, that is nobody’s child and has no request’s name', async () => {
    const seen: unknown[] = []
    const look = derived(
      async () => {
        seen.push([getEpoch().name, getEpoch().parentId])
        await turn()
        seen.push([getEpoch().name, getEpoch().parentId])
      },
      { name: 'metadata' },
    )
    await request(() => look())
    expect(seen).toEqual([
      ['derived metadata', undefined],
      ['derived metadata', undefined],
    ])
  })

  test('is named after the function, or anonymous', () => {
    const named = derived(function scan() {
      return getEpoch().name
    })
    expect([named(), derived(() => getEpoch().name)()]).toEqual(['derived scan', 'derived anonymous'])
  })

  test('sees nothing of another library’s async context, whoever asks first', async () => {
    const tracing = new AsyncLocalStorage<string>()
    const seen: Array<string | undefined> = []
    const look = derived(async () => {
      seen.push(tracing.getStore())
      await turn()
      seen.push(tracing.getStore())
      await new Promise<void>((resolve) => setImmediate(() => (seen.push(tracing.getStore()), resolve())))
    })
    const lazy = derived(() => ({
      // oxlint-disable-next-line unicorn/no-thenable -- a query builder
      then: (resolve: (value: string) => void) => (seen.push(tracing.getStore()), resolve('row')),
    }))
    const after = await tracing.run('trace of the leader', () =>
      request(async () => {
        await Promise.all([look(), lazy()])
        return tracing.getStore()
      }),
    )
    expect(seen).toEqual([undefined, undefined, undefined, undefined])
    expect(after).toBe('trace of the leader')
  })

  once('leaves nothing of the request that asked first in the result that is kept', async () => {
    const tracing = new AsyncLocalStorage<object>()
    const value = derived(async () => (await turn(), 'value'))
    const traces: Array<WeakRef<object>> = []
    const ask = async (trace: object): Promise<void> => {
      traces.push(new WeakRef(trace))
      await tracing.run(trace, () => request(async () => void (await value())))
    }
    for (let asked = 0; asked < 2; asked++) await ask({ asked })
    await collected(traces)
    expect(traces.map((trace) => trace.deref())).toEqual([undefined, undefined])
    expect(await value()).toBe('value')
  })

  test('outlives the request that asked first: who waits gets the result, of the values at the call', async () => {
    const dir = cell(unique('dir'), '/a')
    const closed = gate()
    const scan = derived(async () => {
      await closed.opened
      const { aborted } = getEpoch().signal
      return [dir.get(), getEpoch().phase, aborted]
    })
    const results: Array<Promise<unknown>> = []
    let leader!: Epoch
    request((epoch) => {
      leader = epoch
      results.push(scan())
    })
    results.push(request(() => scan()))
    request(() => void results.push(scan())) // a follower whose epoch closes too
    change(() => dir.set('/b'))
    expect(leader.phase).toBe('closed')
    closed.open()
    const shared = ['/a', 'open', false]
    expect(await Promise.all(results)).toEqual([shared, shared, shared])
  })

  test('under way is not waited for where a result is there that fits', async () => {
    const dir = cell(unique('dir'), '/a')
    const hold = gate()
    const scan = derived(
      async (key: string, held?: boolean) => {
        if (held === true) await hold.opened
        return key === 'constant' ? key : dir.get()
      },
      { key: (key: string, _held?: boolean) => key },
    )
    await request(() => scan('anything')) // it read the directory, so the next one is expected to
    change(() => dir.set('/b'))
    const slow = request(() => scan('key', true)) // it has read nothing yet, so it might fit anybody
    change(() => dir.set('/a'))
    const computed = await request(() => scan('key'))
    await request(() => scan('constant')) // and now nothing is expected
    expect([computed, await request(() => scan('key'))]).toEqual(['/a', '/a'])
    hold.open()
    expect(await slow).toBe('/b')
  })

  test('that does not fit who waits for it is done again with the values of the moment of the call', async () => {
    const dir = cell(unique('dir'), '/a')
    const done = gate()
    const computed: string[] = []
    const scan = derived(async () => {
      await done.opened
      computed.push(dir.get())
      return dir.get()
    })
    const leader = request(() => scan())
    change(() => dir.set('/b'))
    const results: Array<Promise<string>> = [detach(() => scan())]
    request(() => void results.push(scan())) // its epoch is closed when the result comes
    request((epoch) => {
      results.push(scan())
      change(() => dir.set('/c'))
      epoch.advance()
      results.push(scan())
    })
    request(
      () => {
        results.push(scan())
        dir.set('/d')
      },
      { writes: 'local' },
    )
    change(() => dir.set('/e'))
    done.open()
    expect([await leader, ...(await Promise.all(results))]).toEqual(['/a', '/b', '/b', '/b', '/c', '/c'])
    expect(computed).toEqual(['/a', '/b', '/c'])
  })

  test('under way is none of the business of who asks for a live value outside of it', async () => {
    const c = cell(unique('c'), 1)
    const { opened, open } = gate()
    const slow = derived(async () => {
      await opened
      return c.get()
    })
    const result = slow()
    expect(c.live()).toBe(1)
    open()
    expect(await result).toBe(1)
  })

  test('may not write: whose would it be?', async () => {
    const limit = cell(unique('limit'), 1)
    const found: unknown[] = []
    const write = derived(
      () => {
        for (const how of [() => limit.set(2), () => limit.update((value) => value + 1)]) {
          try {
            how()
          } catch (error) {
            const { code, message } = error as EpochError
            found.push(`${code}: ${message}`)
          }
        }
      },
      { name: 'metadata' },
    )
    request(() => write())
    const message =
      `WRITE_REJECTED: A write to "${limit.name}" in the computation of "derived metadata". A derived computation only reads, for its ` +
      'result is for everybody: write before it or after it.'
    expect([found, limit.live()]).toEqual([[message, message], 1])
  })

  test('may not write through an epoch that it opens inside itself either', () => {
    const limit = cell(unique('limit'), 1)
    let own!: number
    const write = derived(
      () =>
        withEpoch({ ifNested: 'fork' }, (fork) => {
          own = fork.id
          return refusal(() => limit.set(2))
        }),
      { name: 'metadata' },
    )
    expect(request(() => write())).toBe(
      `WRITE_REJECTED: A write to "${limit.name}" inside epoch #${own} "derived metadata", which was opened with writes: ` +
        "'reject'. Write outside the epoch (detach), or open it with writes: 'local' or 'publish'.",
    )
    expect(limit.live()).toBe(1)
  })

  once('may not write when it is over and no epoch is open any more', async () => {
    const limit = cell(unique('limit'), 1)
    const later = gate()
    let left!: Promise<unknown>
    const write = derived(() => {
      left = later.opened.then(() => limit.set(2))
    })
    carrier.guardWrites = false // as in a process in which all epochs so far have published
    write()
    later.open()
    expect([await codeOf(() => left), limit.live()]).toEqual(['WRITE_REJECTED', 1])
  })

  once('is no more under way when it has ended, one way or the other', async () => {
    const value = derived((fails: boolean) => {
      if (fails) throw new Error('down')
      return carrier.deriving
    })
    const slow = derived(async (fails: boolean) => (await turn(), value(fails)))
    const seen = [
      value(false),
      codeOf(() => value(true)),
      slow(false),
      slow(true).catch(() => 'failed'),
      carrier.deriving,
    ]
    await Promise.all(seen)
    // What is under way makes each live read look whether it belongs to it.
    expect([seen[0], seen[4], carrier.deriving]).toEqual([1, 2, 0])
  })

  test('has ended for what it left behind: that depends on nothing, and nothing depends on it', async () => {
    const read = cell(unique('read'), 1)
    const other = cell(unique('other'), 1)
    const later = gate()
    let computed = 0
    let left!: Promise<number[]>
    const value = derived(() => {
      computed++
      left = later.opened.then(() => [read.get(), other.get(), detach(() => other.get())])
      return read.get()
    })
    request(() => value())
    later.open()
    const seen = [await left]
    change(() => other.set(2))
    request(() => value())
    expect([seen, computed]).toEqual([[[1, 1, 1]], 1])
  })

  test('keeps a replaced value from being retired while it can read it, though the request is over', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'old', { retire: (old) => log.push(`${old} closed`) })
    const done = gate()
    const query = derived(async () => {
      await done.opened
      log.push(`${pool.get()} used`)
    })
    let result!: Promise<void>
    await detach(async () => {
      request(() => {
        result = query()
      })
      pool.set('new')
      log.push('replaced')
      done.open()
      await result
    })
    // The body may run inside an epoch that was open before, and so holds the value as well.
    expect(log.slice(0, 2)).toEqual(['replaced', 'old used'])
    expect(log.slice(2)).toEqual(tryGetEpoch() === undefined ? ['old closed'] : [])
  })

  test('calls its function without the caller’s frame of memo: a memo inside is the computation’s own', async () => {
    let loads = 0
    const load = memo(() => ++loads)
    const value = derived(() => [load(), load()])
    const seen = request(() => [load(), value(), load()])
    expect(seen).toEqual([1, [2, 2], 1])
  })
})

describe('a failure', () => {
  test('goes to all who wait, and is then forgotten', async () => {
    let computed = 0
    const done = gate()
    const load = derived(async () => {
      const mine = ++computed
      await done.opened
      if (mine === 1) throw new Error('down')
      return mine
    })
    const waiting = [1, 2, 3].map(() => codeOf(() => request(() => load())))
    done.open()
    const errors = await Promise.all(waiting)
    expect(errors.map((error) => (error as Error).message)).toEqual(['down', 'down', 'down'])
    expect(new Set(errors).size).toBe(1)
    expect([await request(() => load()), await request(() => load()), computed]).toEqual([2, 2, 2])
  })

  test('that is thrown is not kept either', () => {
    let computed = 0
    const load = derived(() => {
      if (++computed === 1) throw new Error('down')
      return computed
    })
    expect(() => request(() => load())).toThrow('down')
    expect([request(() => load()), request(() => load())]).toEqual([2, 2])
  })

  test('is not for those who see other values', async () => {
    const dir = cell(unique('dir'), '/broken')
    const done = gate()
    const load = derived(async () => {
      await done.opened
      if (dir.get() === '/broken') throw new Error('broken')
      return dir.get()
    })
    const broken = codeOf(() => request(() => load()))
    change(() => dir.set('/whole'))
    const whole = request(() => load())
    done.open()
    expect([(await broken) as Error, await whole]).toEqual([new Error('broken'), '/whole'])
  })

  test('of an inner one that the outer catches does not keep the outer from being shared', async () => {
    let computed = 0
    const inner = derived(async () => {
      throw new Error('down')
    })
    const outer = derived(async () => {
      computed++
      return inner().catch(() => 'fallback')
    })
    expect([await request(() => outer()), await request(() => outer()), computed]).toEqual([
      'fallback',
      'fallback',
      1,
    ])
  })

  test('that nobody awaits is reported, although one who sees other values has looked at it', async () => {
    const limit = cell(unique('limit'), 1)
    const value = derived(async () => {
      await turn()
      if (limit.get() === 1) throw new Error('of the first')
      return limit.get()
    })
    let second: unknown
    const reported = await unhandledDuring(async () => {
      request(() => void value())
      second = await request(() => value(), { values: [[limit, 2]] })
    })
    expect([second, reported]).toEqual([2, [new Error('of the first')]])
  })

  test('inside publish, where a snapshot would hold half, leaves nothing behind', () => {
    const value = derived(() => 'value', { name: 'value' })
    const found = request(() => codeOf(() => publish(() => value())))
    return found.then((code) => {
      expect(code).toBe('EPOCH_IN_PUBLISH')
      expect(request(() => value())).toBe('value')
    })
  })
})

once('a call that is refused inside publish does not keep its key', async () => {
  const value = derived((key: object) => typeof key)
  const keys: Array<WeakRef<object>> = []
  const ask = (key: object): void => {
    keys.push(new WeakRef(key))
    expect(() => publish(() => value(key))).toThrow('inside publish()')
  }
  for (let asked = 0; asked < 3; asked++) request(() => ask({ asked }))
  await collected(keys)
  expect(keys.map((key) => key.deref())).toEqual([undefined, undefined, undefined])
})

describe('whoever asks while a computation is under way', () => {
  once('waits for it, though the last one read a source that is never pinned', async () => {
    const killed = source(unique('killed'), () => false, { isolation: 'read-committed' })
    let computed = 0
    let next = gate()
    const load = derived(async () => {
      const seen = killed.get()
      computed++
      await next.opened
      return seen
    })
    next.open()
    await request(() => load())
    load.clear()
    next = gate()
    const both = [request(() => load()), request(() => load())]
    expect(computed).toBe(2) // the first one, and one for the two
    next.open()
    expect(await Promise.all(both)).toEqual([false, false])
    expect(computed).toBe(2)
  })

  once('calls no getter that is pinned at its first read only to guess what will be read', async () => {
    let calls = 0
    const lazy = source(unique('lazy'), () => ++calls, { isolation: 'repeatable-read' })
    let computed = 0
    let next = gate()
    const load = derived(async () => {
      computed++
      await next.opened
      return lazy.get()
    })
    next.open()
    await request(() => load())
    load.clear()
    next = gate()
    const before = calls
    const leader = request(() => load())
    const follower = request(() => load())
    expect([calls, computed]).toEqual([before, 2])
    next.open()
    await Promise.all([leader, follower])
  })

  once('does not expect one to read what another had read that failed', async () => {
    const dir = cell(unique('dir'), '/a')
    let computed = 0
    const next = gate()
    const load = derived(async () => {
      const mine = ++computed
      if (mine === 1) throw new Error(`down, reading ${dir.get()}`)
      await next.opened
      return mine
    })
    await expect(request(() => load())).rejects.toThrow('down, reading /a')
    const first = request(() => load())
    dir.set('/b')
    const second = request(() => load())
    expect(computed).toBe(2)
    next.open()
    expect(await Promise.all([first, second])).toEqual([2, 2])
  })

  once('does not wait for one that will most likely fail', async () => {
    let broken = false
    const dir = source(unique('dir'), () => {
      if (broken) throw new Error('broken')
      return '/a'
    })
    let asked = 0
    let next = gate()
    const load = derived(async () => {
      asked++
      await next.opened
      return dir.get()
    })
    next.open()
    await request(() => load())
    load.clear()
    next = gate()
    broken = true
    const both = Promise.allSettled([request(() => load()), request(() => load())])
    expect(asked).toBe(3)
    next.open()
    expect((await both).map((each) => each.status)).toEqual(['rejected', 'rejected'])
  })

  once('is not given what was computed from a value, where that source throws for it', () => {
    let broken = false
    const dir = source(unique('dir'), () => {
      if (broken) throw new Error('broken')
      return '/a'
    })
    const load = derived(() => `of ${dir.get()}`)
    expect(request(() => load())).toBe('of /a')
    broken = true
    expect(() => request(() => load())).toThrow('broken')
    broken = false
    expect(request(() => load())).toBe('of /a')
  })
})

describe('a circle', () => {
  const nameOf = (message: unknown): string => {
    const { id, name } = (message as EpochEvent).epoch
    return `${id} ${name}`
  }
  const circle = (path: string): string =>
    `"${path.slice(0, path.indexOf(' '))}" waits for itself: ${path}. None of them could ever finish; take the part that ` +
    'both need out into a memo of its own.'
  const messageOf = async (work: () => unknown): Promise<unknown> => {
    try {
      return await work()
    } catch (error) {
      const { code, message } = error as { code?: string; message: string }
      return code === 'MEMO_CYCLE' ? message : error
    }
  }

  test('is an error with its path: of one that asks for itself, at once or after an await', async () => {
    const now: () => unknown = derived(() => now(), { name: 'now' })
    const later: () => Promise<unknown> = derived(async () => (await turn(), later()), { name: 'later' })
    const found = [await messageOf(() => request(() => now())), await messageOf(() => request(() => later()))]
    expect(found).toEqual([circle('now → now'), circle('later → later')])
  })

  test('is found where a synchronous computation asks for itself from a context of another’s', () => {
    const elsewhere = AsyncLocalStorage.snapshot()
    const now: () => unknown = derived(() => elsewhere(() => now()), { name: 'now' })
    expect(refusal(() => request(() => now()))).toBe(`MEMO_CYCLE: ${circle('now → now')}`)
  })

  test('is found when it is closed through others, and through a memo', async () => {
    const a: () => Promise<unknown> = derived(async () => (await turn(), b()), { name: 'a' })
    const b: () => Promise<unknown> = derived(async () => (await turn(), c()), { name: 'b' })
    const c: () => Promise<unknown> = memo(async () => (await turn(), a()), { name: 'c' })
    expect(await messageOf(() => request(() => a()))).toBe(circle('a → b → c → a'))
    expect(await messageOf(() => request(() => b()))).toBe(circle('b → c → a → b'))
    expect(await messageOf(() => detach(() => a()))).toBe(circle('a → b → c → a'))
  })

  test('is found although the computation cannot be shared: it would be done again without end', async () => {
    const limit = cell(unique('limit'), 1)
    let computed = 0
    const again: () => Promise<unknown> = derived(
      async () => {
        limit.live()
        await turn()
        return ++computed < 20 ? again() : 'stopped by the test'
      },
      { name: 'again' },
    )
    expect(await messageOf(() => request(() => again()))).toBe(circle('again → again'))
    expect(computed).toBe(1)
  })

  test('is found between two epochs that ask from both ends', async () => {
    const a: () => Promise<unknown> = derived(async () => (await turn(), b()), { name: 'a' })
    const b: () => Promise<unknown> = derived(async () => (await turn(), a()), { name: 'b' })
    const found = await Promise.all([
      messageOf(() => request(() => a())),
      messageOf(() => request(() => b())),
    ])
    expect(found).toEqual([circle('a → b → a'), circle('a → b → a')])
  })

  once('is found when a wait ends and the next one would close it; nothing stays open', async () => {
    const open = new Set<string>()
    listenTo('withepoch:epoch:open', (message) => void open.add(nameOf(message)))
    listenTo('withepoch:epoch:close', (message) => void open.delete(nameOf(message)))
    const value = cell(unique('value'), 1)
    const [read, land] = [gate(), gate()]
    let calls = 0
    const inner: () => Promise<unknown> = derived(
      async () => {
        if (++calls === 1) await read.opened
        if (value.get() === 2) return outer()
        await land.opened
        return 'of 1'
      },
      { name: 'inner' },
    )
    const outer: () => Promise<unknown> = derived(async () => inner(), { name: 'outer' })

    const ofOne = request(() => inner())
    change(() => value.set(2))
    const waits = messageOf(() => request(() => outer()))
    read.open()
    await turn()
    const closes = messageOf(() => request(() => inner()))
    land.open()
    const path = circle('inner → outer → inner')
    expect(await Promise.all([ofOne, waits, closes])).toEqual(['of 1', path, path])
    expect([...open]).toEqual([])
  })

  test('is none where the computation is over, and something that it left behind asks again', async () => {
    const limit = cell(unique('limit'), 1)
    const later = gate()
    let left: Promise<unknown> | undefined
    const load: () => number = derived(() => {
      left ??= later.opened.then(() => load())
      return limit.get()
    })
    expect(request(() => load())).toBe(1)
    change(() => limit.set(2))
    later.open()
    expect(await left).toBe(2)
  })

  test('is none where what is left behind asks for what waited for it, and waits no more', async () => {
    const later = gate()
    const end = gate()
    let left: Promise<unknown> | undefined
    const inner = derived(() => {
      left ??= later.opened.then(() => outer())
      return 'inner'
    })
    const outer: () => Promise<string> = derived(async () => {
      const value = inner()
      later.open()
      await end.opened
      return `outer of ${value}`
    })
    const asked = request(() => outer())
    await turn()
    end.open()
    expect(await Promise.all([asked, left])).toEqual(['outer of inner', 'outer of inner'])
  })

  test('is none where the arguments differ, nor where one is asked for twice', async () => {
    const sum: (n: number) => Promise<number> = derived(async (n: number) =>
      n === 0 ? 0 : n + (await sum(n - 1)),
    )
    const both = derived(async () => Promise.all([sum(3), sum(3), sum(2)]))
    expect(await request(() => both())).toEqual([6, 6, 3])
  })
})

describe('not shared, but computed for each caller, is what', () => {
  const limit = cell(unique('limit'), 1)
  const inner = derived(() => limit.live())
  const slow = derived(async () => (await turn(), limit.get()))
  const slowMemo = memo(async () => (await turn(), limit.get()))

  once.each<[what: string, use: () => unknown]>([
    ['read a source with live()', () => limit.live()],
    ['called detach', () => detach(() => 1)],
    ['opened a fresh epoch', () => withEpoch({ ifNested: 'fresh' }, () => 1)],
    ['opened a fork', () => withEpoch({ ifNested: 'fork' }, () => limit.get())],
    ['opened an epoch with overrides', () => withEpoch({ values: [[limit, 2]] }, () => limit.get())],
    ['advanced', () => getEpoch().advance()],
    ['asked isStale', () => getEpoch().isStale()],
    ['called validate', () => getEpoch().validate(limit)],
    ['called another derived that is not shared', () => inner()],
    ['left another derived unawaited', () => ({ later: slow() })],
    ['left a memo unawaited', () => ({ later: slowMemo() })],
  ])('%s', async (_, use) => {
    let computed = 0
    const now = derived(() => (use(), ++computed))
    const later = derived(async () => (await turn(), use(), ++computed))
    slow.clear()
    expect([request(() => now()), request(() => now())]).toEqual([1, 2])
    await turn()
    slow.clear()
    expect([await request(() => later()), (slow.clear(), await request(() => later()))]).toEqual([3, 4])
    await turn()
  })

  once('moved to the newest values, or asked for them', async () => {
    const moves = cell(unique('moves'), 1)
    const moved = gate()
    const look = derived(async () => {
      await moved.opened
      const epoch = getEpoch()
      const seen = [epoch.isStale(), refusal(() => epoch.validate(moves)).slice(0, 12), moves.get()]
      epoch.advance()
      return [...seen, epoch.isStale(), refusal(() => epoch.validate(moves)), moves.get()]
    })
    const asked = request(() => look())
    moves.set(2)
    moved.open()
    expect(await asked).toEqual([true, 'EPOCH_STALE:', 1, false, 'not refused', 2])
  })

  once.each<[what: string, use: () => unknown]>([
    ['joined its own epoch', () => withEpoch(() => limit.get())],
    [
      'read through the handle, a bound function or a memo',
      () => [getEpoch().get(limit), bind(() => limit.get())()],
    ],
    [
      'took its signal, waited until or had a hook called',
      () => {
        const epoch = getEpoch()
        epoch.onClose(() => {})
        epoch.waitUntil(Promise.resolve())
        return epoch.signal.aborted
      },
    ],
  ])('but shared is what %s', async (_, use) => {
    let computed = 0
    const value = derived(async () => (await turn(), use(), ++computed))
    expect([await request(() => value()), await request(() => value())]).toEqual([1, 1])
  })

  once('and a handle is read outside any epoch while something is computed', async () => {
    const open = gate()
    const value = derived(async () => (await open.opened, limit.get()))
    const other = gate()
    let handle!: Epoch
    const done = request((epoch) => ((handle = epoch), other.opened), { values: [[limit, 7]] })
    const computing = value()
    const read = handle.get(limit)
    open.open()
    other.open()
    expect([read, await computing]).toEqual([7, limit.get()])
    await done
  })

  /** What a derived gives that reads through one other open epoch, through another, and then live, twice. */
  async function throughOthers(make: (read: () => number, epoch?: Epoch) => () => number): Promise<number[]> {
    let reader!: () => number
    const value = derived(() => reader())
    const open = gate()
    const others = [10, 20].map((override) => {
      let read!: () => number
      const done = request((epoch) => ((read = make(() => limit.get(), epoch)), open.opened), {
        values: [[limit, override]],
      })
      return { read, done }
    })
    const seen = others.map(({ read }) => ((reader = read), request(() => value())))
    reader = make(() => limit.get())
    for (const now of [1, 2]) {
      limit.set(now)
      seen.push(request(() => value()))
    }
    limit.set(1)
    open.open()
    await Promise.all(others.map(({ done }) => done))
    return seen
  }

  once('reads in another epoch, or in none, through a function bound to it', async () => {
    expect(await throughOthers((read) => bind(read))).toEqual([10, 20, 1, 2])
  })

  once('reads in another epoch through its handle', async () => {
    const seen = await throughOthers((read, epoch) => (epoch === undefined ? read : () => epoch.get(limit)))
    expect(seen).toEqual([10, 20, 1, 2])
  })

  once('reads in another epoch, or in none, through an iterator bound to it', async () => {
    function* rows(read: () => number): Generator<number, never> {
      for (;;) yield read()
    }
    const seen = await throughOthers((read) => {
      const iterator = bindIterable(rows(read))
      return () => iterator.next().value
    })
    expect(seen).toEqual([10, 20, 1, 2])
  })

  once(
    'is asked for with values that all differ: one is waited for, and then the others compute at once',
    async () => {
      const tenant = cell(unique('tenant'), 0)
      let [running, most] = [0, 0]
      const value = derived(async () => {
        most = Math.max(most, ++running)
        await turn()
        const mine = tenant.get()
        await turn()
        running--
        return mine
      })
      const tenants = Array.from({ length: 20 }, (_, index) => index)
      const seen = await Promise.all(
        tenants.map((index) => request(() => value(), { values: [[tenant, index]] })),
      )
      expect([seen, most >= 19]).toEqual([tenants, true])
    },
  )

  test('turned out so while others waited: they then compute side by side, not in a row', async () => {
    const log: string[] = []
    const value = derived(async () => {
      log.push('begins')
      await turn()
      limit.live()
      await turn()
      log.push('ends')
    })
    await Promise.all(Array.from({ length: 4 }, () => request(() => value())))
    expect(log).toEqual(['begins', 'ends', 'begins', 'begins', 'begins', 'ends', 'ends', 'ends'])
  })
})

describe('the channels', () => {
  once('tell of one hit or one miss per call, with the epoch that asked, and of nothing else', async () => {
    const dir = cell(unique('dir'), '/a')
    const value = derived(async () => (await turn(), dir.get()), { name: unique('named') })
    const unnamed = derived(function scan() {})
    const events: string[] = []
    const listen = (message: unknown, channel: string | symbol): void => {
      const { memo: name, epoch } = message as { memo: string; epoch?: Epoch }
      events.push(`${String(channel)} ${name.replace(/\.\d+$/, '')} ${epoch?.name}`)
    }
    const channels = ['withepoch:derived:hit', 'withepoch:derived:miss']
    for (const channel of channels) subscribe(channel, listen)
    try {
      const one = request(() => value(), { name: 'one' })
      const two = request(() => value(), { name: 'two' })
      dir.set('/b')
      const three = request(() => value(), { name: 'three' })
      await Promise.all([one, two, three])
      await value()
      unnamed()
    } finally {
      for (const channel of channels) unsubscribe(channel, listen)
    }
    expect(events).toEqual([
      'withepoch:derived:miss derived.named one',
      'withepoch:derived:hit derived.named two',
      'withepoch:derived:miss derived.named three',
      'withepoch:derived:hit derived.named undefined',
      'withepoch:derived:miss scan undefined',
    ])
  })
})

describe('bad input', () => {
  once.each<[call: () => unknown, message: string]>([
    [() => derived(1 as never), 'derived(fn, options): fn must be a function, got a number.'],
    [() => derived(() => 1, null as never), 'derived(fn, options): options must be an object, got null.'],
    [
      () => derived(() => 1, { ttl: 5 } as never),
      'derived(fn, options): unknown option "ttl". Known: key, max, name.',
    ],
    [
      () => derived(() => 1, { key: 'id' as never }),
      'derived(fn, options): key must be a function, got a string.',
    ],
    [() => derived(() => 1, { max: 0 }), 'derived(fn, options): max must be a number, 1 or more, got 0.'],
    [() => derived(() => 1, { max: NaN }), 'derived(fn, options): max must be a number, 1 or more, got NaN.'],
    [
      () => derived(() => 1, { max: '9' as never }),
      'derived(fn, options): max must be a number, 1 or more, got a string.',
    ],
  ])('%s is refused', (call, message) => {
    let found: unknown
    try {
      call()
    } catch (error) {
      found = [(error as { code?: string }).code, (error as Error).message]
    }
    expect(found).toEqual(['INVALID_ARGUMENT', message])
  })

  once('what `key` throws reaches the caller, and nothing is computed', () => {
    let computed = 0
    const value = derived(() => computed++, {
      key: () => {
        throw new Error('no key')
      },
    })
    expect(() => request(() => value())).toThrow('no key')
    expect(computed).toBe(0)
  })
})

once(
  'called in an epoch that has closed computes from the live values, and is an error in strict mode',
  () => {
    const limit = cell(unique('limit'), 1)
    const doubled = derived(() => limit.get() * 2, { name: 'doubled' })
    const late = withEpoch(() => bind(() => doubled()))
    limit.set(2)
    expect(late()).toBe(4)
    onTestFinished(configure({ strict: true }))
    expect([withEpoch(() => doubled()), doubled()]).toEqual([4, 4])
    expect(() => late()).toThrow(
      expect.objectContaining({
        code: 'EPOCH_CLOSED',
        message: expect.stringContaining('A late call of derived "doubled"'),
      }),
    )
    expect(detach(() => doubled())).toBe(4) // in no epoch is not late
  },
)
