/**
 * What `withepoch:source:read` says: each read once, with whom it belongs to, where the value came from, and numbers that
 * tell values apart without showing them. With nobody listening, reads are as they were.
 */
import { channel, hasSubscribers } from 'node:diagnostics_channel'
import { describe, expect, test, vi } from 'vitest'
import {
  adopt,
  bind,
  cell,
  derived,
  detach,
  type Epoch,
  group,
  memo,
  publish,
  type ReadEvent,
  source,
  type SourceEvent,
  withEpoch,
  type WriteEvent,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('read-events')

/** What is said of reads from here to the end of the test, each noted when it comes. */
function listen<N>(note: (event: ReadEvent) => N): N[] {
  const notes: N[] = []
  listenTo('withepoch:source:read', (message) => void notes.push(note(message as ReadEvent)))
  return notes
}
const numbers = ({ valueId, liveValueId }: ReadEvent): number[] => [valueId, liveValueId]
const origins = ({ from, epoch }: ReadEvent): unknown[] => [from, epoch?.name]

/** The numbers that live reads of these values have, one write before each. */
function numbersOf(values: unknown[], options = {}): number[] {
  const c = cell<unknown>(unique('c'), undefined, options)
  const seen = listen(({ valueId }) => valueId)
  for (const value of values) {
    c.set(value)
    c.get()
  }
  return seen
}

describe('a read', () => {
  test('is told once, with its source, epoch, version and numbers, and no value', () => {
    const c = cell(unique('c'), 'secret')
    const events: unknown[] = []
    let version: number | undefined
    let inside: Epoch | undefined
    listenTo('withepoch:source:read', (event) => void events.push({ ...(event as ReadEvent) }))
    withEpoch({ name: 'request' }, (epoch) => {
      c.get()
      inside = epoch
      version = epoch.version
    })
    expect(events).toEqual([
      { source: c, epoch: inside, version, described: undefined, valueId: 1, liveValueId: 1, from: 'pinned' },
    ])
    expect(Object.keys(events[0] as object).toSorted()).toEqual(
      ['source', 'epoch', 'version', 'described', 'valueId', 'liveValueId', 'from'].toSorted(),
    )
  })

  test('is told for the source, for the handle, and in a memo; not for live()', () => {
    const c = cell(unique('c'), 1)
    const read = memo(() => c.get())
    const seen = listen(origins)
    withEpoch({ name: 'request' }, (epoch) => {
      c.get()
      epoch.get(c)
      read()
      read()
      c.live()
    })
    expect(seen).toEqual([
      ['pinned', 'request'],
      ['pinned', 'request'],
      ['pinned', 'request'],
    ])
  })

  test('of an adopted property by code that knows nothing of it is told', () => {
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    const seen = listen(({ source: read, from }) => [read.name, from])
    void settings.locale
    withEpoch(() => settings.locale)
    locale.release()
    expect(seen).toEqual([
      [locale.name, 'live'],
      [locale.name, 'pinned'],
    ])
  })

  test('says what its source makes of the value', () => {
    const c = cell(unique('c'), 'ab', { describe: (value) => `${value.length} letters` })
    const seen = listen(({ described }) => described)
    withEpoch(() => c.get())
    expect(seen).toEqual(['2 letters'])
  })

  test('that nobody hears of is not described', () => {
    const watched = channel('withepoch:source:read').hasSubscribers
    const described = vi.fn<() => string>(() => 'described')
    const c = cell(unique('c'), 1, { describe: described })
    withEpoch(() => detach(() => c.get()))
    expect(described).toHaveBeenCalledTimes(watched ? 1 : 0)
  })

  test('that is live asks the getter once', () => {
    let calls = 0
    const s = source(unique('s'), () => ++calls)
    const seen = listen(numbers)
    expect([s.get(), calls]).toEqual([1, 1])
    s.release()
    expect(seen).toEqual([[1, 1]])
  })

  test('that threw has nothing to copy or describe', () => {
    const copy = vi.fn<(value: number[]) => number[]>((value) => [...value])
    const described = vi.fn<() => string>(() => 'described')
    const s = source(
      unique('s'),
      (): number[] => {
        throw new Error('down')
      },
      { copy, describe: described },
    )
    const seen = listen((event) => [event.described, ...numbers(event)])
    expect(() => s.get()).toThrow('down')
    s.release()
    expect([seen, copy.mock.calls, described.mock.calls]).toEqual([[[undefined, 0, 0]], [], []])
  })

  test.each(['while another epoch is open', 'while none is'])('outside any epoch is told, %s', (when) => {
    const c = cell(unique('c'), 1)
    const seen = listen((event) => [...origins(event), ...numbers(event)])
    if (when.endsWith('open')) withEpoch(() => detach(() => c.get()))
    else c.get()
    expect(seen).toEqual([['live', undefined, 1, 1]])
  })

  test('of a read-committed source is live, before and after the end of its epoch', () => {
    const c = cell(unique('c'), 1, { isolation: 'read-committed' })
    const seen = listen((event) => [...origins(event), ...numbers(event)])
    const later = withEpoch({ name: 'request' }, () => {
      c.get()
      detach(() => c.set(2))
      return bind(() => c.get())
    })
    later()
    expect(seen).toEqual([
      ['live', 'request', 1, 1],
      ['live', 'request', 2, 2],
    ])
  })

  test('after the end of its epoch is late, and gets the number of the live value', () => {
    const c = cell(unique('c'), 1)
    const seen = listen((event) => [...origins(event), ...numbers(event)])
    const later = withEpoch({ name: 'request' }, () => bind(() => c.get()))
    c.set(2)
    expect(later()).toBe(2)
    expect(seen).toEqual([['late', 'request', 1, 1]])
  })

  test('that strict mode refuses is not told: there was none', () => {
    strict()
    const c = cell(unique('c'), 1)
    const seen = listen(origins)
    const later = withEpoch(() => bind(() => c.get()))
    expect(later).toThrow('is closed')
    expect(seen).toEqual([])
  })

  test('by a getter that is sampled is not told, whoever asked for the sample', () => {
    const inner = cell(unique('inner'), 1)
    const outer = source(unique('outer'), () => inner.get())
    const seen = listen(({ source: read }) => read.name)
    outer.get()
    withEpoch(() => outer.get())
    expect(seen).toEqual([outer.name, outer.name])
  })

  test('by a listener, or by describe, is not told', () => {
    const c: { get(): number } = cell(unique('c'), 1, { describe: (): string => String(c.get()) })
    let told = 0
    listenTo('withepoch:source:read', () => {
      told++
      c.get()
    })
    withEpoch(() => c.get())
    expect(told).toBe(1)
    c.get()
    expect(told).toBe(2)
  })

  test('in a derived computation is told with the epoch that it runs in; a hit reads nothing', () => {
    const c = cell(unique('c'), 1)
    const double = derived(() => c.get() * 2, { name: 'double' })
    const seen = listen(origins)
    withEpoch({ name: 'request' }, () => double())
    withEpoch({ name: 'request' }, () => double())
    double()
    expect(seen).toEqual([['pinned', 'derived double']])
  })
})

describe('the numbers', () => {
  test('are equal for equal values, and given in the order of first hearing', () => {
    const list = [1]
    expect(numbersOf(['a', 'b', 'a', list, [1], list, 1, '1'])).toEqual([1, 2, 1, 3, 4, 3, 5, 6])
  })

  test('tell values apart as Object.is does', () => {
    expect(numbersOf([0, -0, Number.NaN, Number.NaN, undefined, null, 0n, -0])).toEqual([
      1, 2, 3, 3, 4, 5, 6, 2,
    ])
  })

  test('are each source’s own', () => {
    const [a, b] = [cell(unique('a'), 'x'), cell(unique('b'), 'y')]
    const seen = listen(({ source: read, valueId }) => [read.name, valueId])
    a.get()
    b.get()
    expect(seen).toEqual([
      [a.name, 1],
      [b.name, 1],
    ])
  })

  test('of a pinned read say whether it drifted, and of what it got', () => {
    const c = cell(unique('c'), 'a')
    const seen = listen(numbers)
    withEpoch(() => {
      c.get()
      detach(() => c.set('b'))
      c.get()
      detach(() => c.set('a'))
      c.get()
    })
    expect(seen).toEqual([
      [1, 1],
      [1, 2],
      [1, 1],
    ])
  })

  test('differ exactly at the reads that drift', () => {
    const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
    let foreign = 1
    const f = source(unique('f'), () => foreign)
    let drifts = 0
    listenTo('withepoch:source:drift', () => void drifts++)
    const differing = listen(({ valueId, liveValueId }) => valueId !== liveValueId)
    withEpoch({ values: [[a, 5]] }, () => {
      const read = (): unknown => [a.get(), b.get(), f.get()]
      read()
      detach(() => a.set(2))
      read()
      detach(() => b.set(2))
      foreign = 2
      read()
    })
    expect(differing.filter((each) => each)).toHaveLength(drifts)
    expect(drifts).toBe(2)
    f.release()
  })

  test('of a local value do not differ: it was meant to', () => {
    const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
    const seen = listen(numbers)
    withEpoch({ values: [[a, 10]], writes: 'local' }, () => {
      a.get()
      b.set(10)
      b.get()
    })
    expect(seen).toEqual([
      [1, 1],
      [1, 1],
    ])
  })

  test('of what a group hands out in the place of the live value differ', () => {
    const [dir, meta] = [cell(unique('dir'), '/a'), cell(unique('meta'), '/a')]
    const pair = group(unique('pair'), [dir, meta], { coherent: (d, m) => d === m })
    const seen = listen((event) => [event.source.name, ...numbers(event)])
    dir.get() // so that its first value is number 1 whoever else listens
    seen.length = 0
    dir.set('/b')
    withEpoch(() => [dir.get(), meta.get()])
    pair.release()
    expect(seen).toEqual([
      [dir.name, 1, 2],
      [meta.name, 1, 1],
    ])
  })

  test('are one for all copies of one original at one version, and for the original', () => {
    const list = [1]
    let version = 0
    const s = source(unique('s'), () => list, { copy: (value) => [...value], version: () => version })
    const seen = listen(numbers)
    s.get()
    withEpoch(() => s.get())
    withEpoch(() => {
      version++
      s.get()
    })
    s.get()
    s.release()
    expect(seen).toEqual([
      [1, 1],
      [1, 1],
      [1, 2],
      [2, 2],
    ])
  })

  test('without a version, a change in place is no other value, and a replaced original is', () => {
    let list = [1]
    const s = source(unique('s'), () => list, { copy: (value) => [...value] })
    const seen = listen(numbers)
    withEpoch(() => {
      s.get()
      list.push(2)
      s.get()
      list = [3]
      s.get()
    })
    s.release()
    expect(seen).toEqual([
      [1, 1],
      [1, 1],
      [1, 2],
    ])
  })

  test('of a value that is copied to a primitive are those of the primitive', () => {
    const state = { name: 'a' }
    const s = source<unknown>(unique('s'), () => state, { copy: (value) => (value as typeof state).name })
    const seen = listen(numbers)
    withEpoch(() => {
      s.get()
      state.name = 'b'
      s.get()
    })
    s.release()
    expect(seen).toEqual([
      [1, 1],
      [1, 2],
    ])
  })

  test('do not make a copy at each read', () => {
    const list = [1]
    let copies = 0
    const s = source(unique('s'), () => list, { copy: (value) => (copies++, [...value]) })
    listen(numbers)
    withEpoch(() => {
      for (let times = 0; times < 10; times++) s.get()
    })
    expect(copies).toBe(1)
    for (let times = 0; times < 10; times++) s.get()
    expect(copies).toBe(1)
    s.release()
  })

  test('cost one more call of the getter for each pinned read, unless somebody listens to drift as well', () => {
    let calls = 0
    const s = source(unique('s'), () => (calls++, 1))
    listen(numbers)
    withEpoch(() => [s.get(), s.get(), s.get()])
    s.release()
    expect(calls).toBe(1 + 3 * (hasSubscribers('withepoch:source:drift') ? 2 : 1))
  })

  test('are 0 where there is no value: what the getter threw is read, or it throws now', () => {
    let broken = true
    const s = source(unique('s'), () => {
      if (broken) throw new Error('down')
      return 1
    })
    const seen = listen((event) => [event.from, ...numbers(event)])
    withEpoch(() => {
      expect(() => s.get()).toThrow('down')
      broken = false
      expect(() => s.get()).toThrow('down')
    })
    withEpoch(() => {
      s.get()
      broken = true
      s.get()
    })
    expect(() => s.get()).toThrow('down')
    s.release()
    expect(seen).toEqual([
      ['pinned', 0, 0],
      ['pinned', 0, 1],
      ['pinned', 1, 1],
      ['pinned', 1, 0],
      ['live', 0, 0],
    ])
  })

  test('a copy that throws spoils the number, not the read', () => {
    const s = source(unique('s'), () => [1], {
      copy: () => {
        throw new Error('cannot be copied')
      },
    })
    const seen = listen(numbers)
    expect(s.get()).toEqual([1])
    s.release()
    expect(seen).toEqual([[0, 0]])
  })

  test('of the last primitives are remembered, in bounded memory; of objects all', () => {
    const [first, second] = [{}, () => {}]
    const many = Array.from({ length: 3_000 }, (_, index) => index)
    const seen = numbersOf([first, second, 'x', ...many, first, second, 'x', 2_999])
    expect(seen.slice(0, 4)).toEqual([1, 2, 3, 4])
    expect(seen.slice(-4, -2)).toEqual([1, 2])
    expect(seen.at(-2)).toBe(3_004) // 3,000 others came between: it is new again, and nobody else's
    expect(seen.at(-1)).toBe(3_003)
  })

  test('of the 512 primitives asked for last are remembered in any case', () => {
    const others = Array.from({ length: 511 }, (_, index) => index)
    expect(numbersOf([...others, 'x', ...others, 'x'])).toEqual([
      ...others.map((other) => other + 1),
      512,
      ...others.map((other) => other + 1),
      512,
    ])
    const more = Array.from({ length: 512 }, (_, index) => index)
    const seen = numbersOf(['x', ...more, 'x', ...more.map((other) => -1 - other), 'x'])
    expect([seen[0], seen[513], seen.at(-1)]).toEqual([1, 1, 1])
  })

  test('of the copies of a primitive are remembered with it, and no other copy is made for them', () => {
    let original: unknown = -0
    let copies = 0
    const s = source(unique('s'), () => original, { copy: (value) => (copies++, { value }) })
    const seen = listen(({ valueId }) => valueId)
    const read = (value: unknown): number[] => {
      original = value
      s.get()
      return [seen.at(-1)!, copies]
    }
    expect([-0, 0, -0, 0].map(read)).toEqual([
      [1, 1],
      [2, 2],
      [1, 2],
      [2, 2],
    ])
    for (let other = 1; other <= 511; other++) read(other)
    expect([-0, 0].map(read)).toEqual([
      [1, 513],
      [2, 513],
    ])
    for (let other = 1_001; other <= 2_024; other++) read(other)
    expect(read(0)).toEqual([1_538, 1_538]) // too many came between
    s.release()
  })
})

describe('the number of a write', () => {
  const listenToWrites = (): unknown[] => {
    const writes: unknown[] = []
    listenTo('withepoch:source:write', (message) => {
      const { to, valueId } = message as WriteEvent
      writes.push([to, valueId])
    })
    return writes
  }

  test('is the one that reads of that value have', () => {
    const c = cell(unique('c'), 'a')
    const writes = listenToWrites()
    const reads = listen(({ valueId }) => valueId)
    c.get()
    c.set('b')
    c.get()
    withEpoch({ writes: 'local' }, () => {
      c.set('c')
      c.get()
    })
    publish(() => {
      c.set('d')
      c.set('a')
    })
    expect(reads).toEqual([1, 2, 3])
    expect(writes).toEqual([
      ['live', 2],
      ['local', 3],
      ['live', 4],
      ['live', 1],
    ])
  })

  test('is there for a foreign global that was found changed, and 0 when its getter throws', () => {
    let value: string | undefined = 'a'
    const s = source(unique('s'), () => {
      if (value === undefined) throw new Error('down')
      return value
    })
    withEpoch(() => {})
    const writes = listenToWrites()
    const reads = listen(numbers)
    withEpoch(() => s.get())
    value = 'b'
    withEpoch(() => s.get())
    value = undefined
    withEpoch(() => {})
    s.release()
    expect(reads).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(writes).toEqual([
      ['polled', 2],
      ['polled', 0],
    ])
  })

  test('of a copied cell is that of its copies', () => {
    const c = cell(unique('c'), [1], { copy: (value) => [...value] })
    const writes = listenToWrites()
    const reads = listen(numbers)
    c.set([2])
    withEpoch(() => c.get())
    expect([writes, reads]).toEqual([[['live', 1]], [[1, 1]]])
  })

  test('where a setter stores another value than it was given, is that of what is live then', () => {
    let stored = 'en'
    const settings = {
      get locale(): string {
        return stored
      },
      set locale(next: string) {
        stored = next.toLowerCase()
      },
    }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    const writes = listenToWrites()
    const reads = listen(({ valueId }) => valueId)
    void settings.locale
    settings.locale = 'FR'
    void settings.locale
    locale.release()
    expect([writes, reads]).toEqual([[['live', 2]], [1, 2]])
  })
})

test('what listens to reads changes no read: values, errors, drift and late reads are as without', () => {
  const run = (): unknown[] => {
    const c = cell<number | undefined>(unique('c'), 1)
    const lazy = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
    const told: unknown[] = []
    listenTo('withepoch:source:drift', (message) => {
      if ((message as SourceEvent).source === lazy) told.push('drift')
    })
    const late = withEpoch({ values: [[c, undefined]] }, () => {
      told.push(c.get(), lazy.get())
      detach(() => lazy.set(2))
      told.push(lazy.get())
      return bind(() => lazy.get())
    })
    told.push(late())
    return told
  }
  const before = run()
  listen(numbers)
  const after: unknown[] = run()
  expect(after).toEqual(before)
  expect(before).toEqual([undefined, 1, 'drift', 1, 2])
})

test('an epoch is not observing unless it was opened so', () => {
  expect(withEpoch((epoch) => epoch.observing)).toBe(false)
})
