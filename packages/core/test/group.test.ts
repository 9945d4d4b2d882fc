/**
 * `group`: values that belong together, written in two steps by writers that are not ours. What an epoch gets while
 * they do not agree, when the group looks, what it says, and how it ends. Whatever the order of steps is the business
 * of `group-interleavings.test.ts`; a group over an adopted path stands with the paths.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, expect, test as once, vi } from 'vitest'
import {
  adopt,
  type Cell,
  cell,
  detach,
  drain,
  group,
  type GroupEvent,
  type GroupOptions,
  publish,
  source,
  type Source,
  withEpoch,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { test } from './epoch-test.js'
import { hold } from './held-epoch.js'
import { refusal } from './refusal.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('group')

/** A group holds its members for good, and each entry asks it: those of one test are none of the next one's business. */
const made: Array<{ release(): void }> = []
afterEach(() => {
  for (const each of made.splice(0)) each.release()
  vi.useRealTimers()
})
const declare: typeof group = (name, sources, options) => {
  const declared = group(name, sources, options)
  made.push(declared)
  return declared
}
const equal = (a: unknown, b: unknown) => a === b

/** Two cells that agree while they are equal. */
function pairOfCells(options: Partial<GroupOptions<readonly [number, number]>> = {}) {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const pair = declare(unique('pair'), [a, b], { coherent: equal, ...options })
  return { a, b, pair, read: () => withEpoch({ ifNested: 'fresh' }, () => [a.get(), b.get()]) }
}

/** Two globals of somebody else's. */
function pairOfForeign(options: Partial<GroupOptions<readonly [number, number]>> = {}) {
  const world = { a: 1, b: 1 }
  const [a, b] = [source(unique('a'), () => world.a), source(unique('b'), () => world.b)]
  const pair = declare(unique('pair'), [a, b], { coherent: equal, ...options })
  return { world, a, b, pair, read: () => withEpoch({ ifNested: 'fresh' }, () => [a.get(), b.get()]) }
}

/** What the channels of one group say while `fn` runs; times are not looked at. */
async function events(name: string, fn: () => unknown): Promise<unknown[]> {
  const told: unknown[] = []
  const listener = (message: unknown, channel: string | symbol) => {
    const { group: from, live, error } = message as GroupEvent
    if (from !== name) return
    told.push(error === undefined ? [channel, live] : [channel, live, (error as Error).message])
  }
  const channels = ['withepoch:group:broken', 'withepoch:group:error']
  for (const each of channels) subscribe(each, listener)
  try {
    await fn()
  } finally {
    for (const each of channels) unsubscribe(each, listener)
  }
  return told
}

async function warnings(fn: () => unknown): Promise<string[]> {
  const heard: string[] = []
  const listener = (warning: Error & { code?: string }) =>
    void heard.push(`${warning.name} ${warning.code}: ${warning.message}`)
  await new Promise(setImmediate) // they come late: those of an earlier test have to be through
  process.on('warning', listener)
  try {
    await fn()
    await new Promise(setImmediate)
  } finally {
    process.off('warning', listener)
  }
  return heard
}

// --- what an epoch gets ---

test('while one of two cells is ahead, an epoch gets the last pair that agreed', () => {
  const { a, b, read } = pairOfCells()
  const seen = [read()]
  a.set(2)
  seen.push(read())
  b.set(2)
  seen.push(read())
  b.set(3)
  seen.push(read())
  a.set(3)
  seen.push(read())
  expect(seen).toEqual([
    [1, 1],
    [1, 1],
    [2, 2],
    [2, 2],
    [3, 3],
  ])
})

test('the writer may await between its two steps, for as long as it likes', async () => {
  const { world, read } = pairOfForeign()
  let resume!: () => void
  const gate = new Promise<void>((resolve) => (resume = resolve))
  const write = async () => {
    world.a = 2
    await gate
    world.b = 2
  }
  const writing = write()
  const during = [read()]
  await null
  during.push(read())
  resume()
  await writing
  expect([during, read()]).toEqual([
    [
      [1, 1],
      [1, 1],
    ],
    [2, 2],
  ])
})

once('a pair that was there between two foreign writes is what an entry in between has looked at', () => {
  const { world, read } = pairOfForeign()
  Object.assign(world, { a: 2, b: 2 })
  const looked = read()
  Object.assign(world, { a: 3, b: 3 }) // nobody looks
  world.a = 4
  expect([looked, read()]).toEqual([
    [2, 2],
    [2, 2],
  ])
})

once('a write of an owned or an adopted member looks at all of them', () => {
  const world = { a: 1, b: 1, c: 1 }
  const a = source(unique('a'), () => world.a)
  const b = adopt(world, 'b', { name: unique('b') })
  const c = cell(unique('c'), 1)
  declare(unique('three'), [a, b, c], { coherent: (x, y, z) => x === y && y === z })
  const read = () => withEpoch(() => [a.get(), world.b, c.get()])
  world.a = 2
  c.set(2)
  world.b = 2 // they agree now, and this write has looked
  world.a = 3
  const first = read()
  world.b = 3
  c.set(3) // and this one
  world.a = 4
  expect([first, read()]).toEqual([
    [2, 2, 2],
    [3, 3, 3],
  ])
  b.release()
})

once('a publish is looked at when it is whole', () => {
  const coherent = vi.fn<(a: number, b: number) => boolean>(equal)
  const { a, b, pair, read } = pairOfCells({ coherent })
  const told: number[][] = []
  coherent.mockImplementation((x, y) => {
    told.push([x, y])
    return x === y
  })
  publish(() => {
    a.set(2)
    b.set(2)
  })
  expect([told, pair.brokenEntries, read()]).toEqual([[[2, 2]], 0, [2, 2]])
})

const failure = new Error('undone')
const undone = (writes: () => void) =>
  expect(() =>
    publish(() => {
      writes()
      throw failure
    }),
  ).toThrow(failure)

once('a publish that throws has never been: neither its values nor its middle are handed out', () => {
  const { a, b, read } = pairOfCells({ coherent: (x, y) => Math.abs(x - y) <= 1 })
  undone(() => {
    a.set(2) // would agree
    b.set(2) // would agree
  })
  a.set(9)
  const half = read()
  b.set(9)
  expect([half, read()]).toEqual([
    [1, 1],
    [9, 9],
  ])
})

once('a group that is declared inside a publish that throws has not believed its values', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  undone(() => {
    a.set(2)
    b.set(2)
    declare(unique('pair'), [a, b], { coherent: equal })
  })
  a.set(3)
  expect(withEpoch(() => [a.get(), b.get()])).toEqual([3, 1]) // they have not agreed since
})

once('nor has one whose member is first read there', () => {
  withEpoch(() => {
    const { a, b, read } = pairOfCells()
    let first: number | undefined
    undone(() => {
      detach(() => {
        a.set(2)
        b.set(2)
      })
      first = b.get()
    })
    detach(() => a.set(7))
    expect([first, [a.get(), b.get()], read()]).toEqual([1, [1, 1], [1, 1]])
  })
})

once('an epoch that is open keeps its pair, advances to the newest one, and passes it to its forks', () => {
  const { a, b } = pairOfCells()
  withEpoch((epoch) => {
    const read = () => [a.get(), b.get()]
    detach(() => a.set(2))
    const seen = [read()]
    epoch.advance()
    seen.push(read())
    detach(() => b.set(2))
    seen.push(read())
    epoch.advance()
    seen.push(read(), withEpoch({ ifNested: 'fork' }, read))
    expect(seen).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [2, 2],
      [2, 2],
    ])
  })
})

once('before the values have first agreed, epochs get them as they are', async () => {
  const world = { a: 1, b: 2 }
  const [a, b] = [source(unique('a'), () => world.a), source(unique('b'), () => world.b)]
  const name = unique('pair')
  const pair = declare(name, [a, b], { coherent: equal })
  const read = () => withEpoch(() => [a.get(), b.get()])
  const told = await events(name, () => {
    expect(read()).toEqual([1, 2])
    world.a = 3
    expect(read()).toEqual([3, 2])
    world.b = 3
    expect(read()).toEqual([3, 3])
  })
  expect([told, pair.brokenEntries]).toEqual([
    [
      ['withepoch:group:broken', true],
      ['withepoch:group:broken', true],
    ],
    2,
  ])
})

once('before they have first agreed, members that are read late are live too', () => {
  withEpoch(() => {
    const world = { a: 1, b: 2 }
    const [a, b] = [source(unique('a'), () => world.a), source(unique('b'), () => world.b)]
    declare(unique('pair'), [a, b], { coherent: equal })
    world.b = 3
    expect([a.get(), b.get()]).toEqual([1, 3])
  })
})

once('before they have first agreed, maxLagMs is of no effect: there is nothing to let go of', () => {
  vi.useFakeTimers()
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 2)]
  declare(unique('pair'), [a, b], { coherent: equal, maxLagMs: 50 })
  const read = () => withEpoch((epoch) => [epoch.version, a.get(), b.get()])
  const first = read()
  vi.advanceTimersByTime(51)
  expect([first.slice(1), read()]).toEqual([[1, 2], first])
})

once('an entry that finds no member changed does not ask again', () => {
  const coherent = vi.fn<(a: number, b: number) => boolean>(equal)
  const { world, read } = pairOfForeign({ coherent })
  read()
  world.a = 2
  expect([read(), read()]).toEqual([
    [1, 1],
    [1, 1],
  ])
  world.b = 2
  read()
  expect(coherent.mock.calls).toEqual([
    [1, 1],
    [2, 1],
    [2, 2],
  ])
})

once('undefined is a value that may agree like any other', () => {
  const [a, b] = [
    cell<number | undefined>(unique('a'), undefined),
    cell<number | undefined>(unique('b'), undefined),
  ]
  const coherent = vi.fn<(x: unknown, y: unknown) => boolean>(equal)
  declare(unique('pair'), [a, b], { coherent })
  a.set(1)
  expect([withEpoch(() => [a.get(), b.get()]), coherent.mock.calls[0]]).toEqual([
    [undefined, undefined],
    [undefined, undefined],
  ])
})

once('members that are mutated in place are handed out as the copies that agreed', () => {
  const world = { list: ['a'], size: 1, version: 0 }
  const list = source(unique('list'), () => world.list, {
    copy: (value) => [...value],
    version: () => world.version,
  })
  const size = source(unique('size'), () => world.size)
  declare(unique('pair'), [list, size], { coherent: (l, s) => l.length === s })
  const read = () => withEpoch(() => [list.get(), size.get()])
  world.list.push('b')
  world.version++
  const half = read()
  world.size = 2
  expect([half, read()]).toEqual([
    [['a'], 1],
    [['a', 'b'], 2],
  ])
})

once('two groups are held each at its own state, and what is in none is live', () => {
  const [first, second] = [pairOfCells(), pairOfCells()]
  const free = cell(unique('free'), 1)
  first.a.set(2)
  free.set(2)
  second.a.set(5)
  second.b.set(5)
  const seen = withEpoch(() => [first.a, first.b, second.a, second.b, free].map((each) => each.get()))
  expect(seen).toEqual([1, 1, 5, 5, 2])
})

once('a group that agrees again without a write, and is released then, is not handed out any more', () => {
  let limit = 1
  const coherent = (x: number) => x <= limit
  const [first, second] = [pairOfCells(), pairOfCells({ coherent })]
  first.a.set(2)
  second.a.set(5)
  const seen = [second.read()] // both are held
  limit = 5
  publish(() => {}) // looks
  second.pair.release()
  seen.push(second.read(), first.read())
  expect(seen).toEqual([
    [1, 1],
    [5, 1],
    [1, 1],
  ])
})

once('a group that is held at another state without a write in between is handed out at that', () => {
  let limit = 1
  const { a, read } = pairOfCells({ coherent: (x) => x <= limit })
  a.set(5)
  const seen = [read()]
  for (limit of [5, 1]) publish(() => {}) // looks
  seen.push(read())
  expect(seen).toEqual([
    [1, 1],
    [5, 1],
  ])
})

once('what is in no group goes on being captured anew while a group is held', () => {
  const { a, read } = pairOfCells()
  const free = cell(unique('free'), 1)
  const both = () => withEpoch(() => [read(), free.get()])
  a.set(2)
  const seen = [both()]
  free.set(2)
  seen.push(both())
  expect(seen).toEqual([
    [[1, 1], 1],
    [[1, 1], 2],
  ])
})

once('a late first read that finds the members agreeing is what later epochs are held at', async () => {
  const held = hold()
  const { world, a, read } = pairOfForeign() // not yet there when that epoch was opened
  const other = pairOfCells()
  other.a.set(2) // held as well, all the while
  world.a = 2
  const before = read()
  Object.assign(world, { a: 3, b: 3 })
  const late = held.inside(() => a.get())
  Object.assign(world, { a: 2, b: 1 }) // as the last entry had found them
  expect([before, late, read()]).toEqual([[1, 1], 3, [3, 3]])
  await held.end()
})

once('what a getter threw stays captured while a group is held', () => {
  const { a, read } = pairOfCells()
  let broken = true
  const flaky = source(unique('flaky'), () => {
    if (broken) throw new Error('down')
    return 'up'
  })
  a.set(2)
  withEpoch(() => {
    broken = false
    expect(() => flaky.get()).toThrow('down')
    expect(read()).toEqual([1, 1])
  })
  flaky.release()
})

once('a member’s override and a request’s own write are its own: the group holds the rest', () => {
  const { a, b } = pairOfCells()
  a.set(2)
  const seen = withEpoch({ values: [[b, 7]], writes: 'local' }, () => {
    const overridden = [a.get(), b.get()]
    a.set(8)
    return [overridden, [a.get(), b.get()]]
  })
  expect([seen, withEpoch(() => [a.get(), b.get()])]).toEqual([
    [
      [1, 7],
      [8, 7],
    ],
    [1, 1],
  ])
})

once('a request that publishes its own first half reads it, and no other request does', () => {
  const { a, b, read } = pairOfCells()
  withEpoch(() => {
    a.set(2)
    expect([[a.get(), b.get()], read()]).toEqual([
      [2, 1],
      [1, 1],
    ])
    b.set(2)
    expect([[a.get(), b.get()], read()]).toEqual([
      [2, 2],
      [2, 2],
    ])
  })
})

once('an epoch that captured a pair which is no longer live says so: stale, and fenced', () => {
  const { a, b } = pairOfCells()
  a.set(2)
  withEpoch({ name: 'pay' }, (epoch) => {
    expect([epoch.isStale(), refusal(() => epoch.validate(b))]).toEqual([true, 'not refused'])
    expect(refusal(() => epoch.validate(a, b))).toBe(
      `EPOCH_STALE: epoch.validate() of epoch #${epoch.id} "pay": "${a.name}" changed since the epoch captured it. Retry the ` +
        'work in a new epoch, or epoch.advance() and decide again.',
    )
  })
})

once('epochs that got the same pair share one version of it, and a new pair is a new one', () => {
  const { a, b } = pairOfCells()
  const version = () => withEpoch((epoch) => epoch.version!)
  a.set(2)
  const [first, second] = [version(), version()]
  b.set(2)
  expect([second - first, version() > second]).toEqual([0, true])
})

// --- members that come late ---

once(
  'members that are declared while an epoch is open are captured together, at its first read of either',
  () => {
    withEpoch(() => {
      const world = { a: 1, b: 1 }
      const [a, b] = [source(unique('a'), () => world.a), source(unique('b'), () => world.b)]
      declare(unique('pair'), [a, b], { coherent: equal })
      world.a = 2
      const first = a.get()
      Object.assign(world, { a: 3, b: 3 })
      expect([first, b.get(), a.get()]).toEqual([1, 1, 1])
    })
  },
)

once('a group that is declared while an epoch is open does not change what that epoch has captured', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 2)]
  withEpoch(() => {
    declare(unique('pair'), [a, b], { coherent: equal })
    detach(() => a.set(2))
    expect([[a.get(), b.get()], withEpoch({ ifNested: 'fresh' }, () => [a.get(), b.get()])]).toEqual([
      [1, 2],
      [2, 2],
    ])
  })
})

once(
  'members that were not there when an epoch was opened are pinned in it as a pair, at the first read of one',
  () => {
    const names = [unique('a'), unique('b')]
    for (const name of names) cell(name, 0).release()
    const held = hold()
    const [a, b] = names.map((name) => cell(name, 1)) as [Cell<number>, Cell<number>]
    declare(unique('pair'), [a, b], { coherent: equal })
    a.set(2) // half-way
    const first = held.inside(() => a.get())
    b.set(2)
    expect([first, held.inside(() => [a.get(), b.get()])]).toEqual([1, [1, 1]])
    return held.end()
  },
)

once('a member that an epoch has captured stays as it is when another is read late', () => {
  const a = cell(unique('a'), 1)
  withEpoch(() => {
    const b = cell(unique('b'), 1)
    declare(unique('pair'), [a, b], { coherent: equal })
    detach(() => [a.set(2), b.set(2), a.set(3)]) // agreed at 2, and half-way again
    expect([b.get(), a.get(), b.get()]).toEqual([2, 1, 2])
  })
})

once('a member that gives way to one of another isolation takes the group with it', () => {
  const name = unique('a')
  const [a, b] = [cell(name, 1), cell(unique('b'), 1)]
  declare(unique('pair'), [a, b], { coherent: equal })
  b.set(2)
  const next = cell(name, 1, { ifRegistered: 'replace', isolation: 'repeatable-read' })
  expect(withEpoch(() => [next.get(), b.get()])).toEqual([1, 2])
})

once('a member whose module is loaded again is asked through its new getter', () => {
  const name = unique('reloaded')
  const module = (dir: number) => source(name, () => dir, { ifRegistered: 'replace' })
  const b = cell(unique('b'), 1)
  declare(unique('pair'), [module(1), b], { coherent: equal })
  const reloaded = module(2)
  b.set(2)
  b.set(1) // would agree with what the first module says
  expect(withEpoch(() => [reloaded.get(), b.get()])).toEqual([2, 2])
})

once('the release of a member releases the group: it does not hold the others for ever', () => {
  const a = source(unique('a'), () => 1)
  const b = cell(unique('b'), 1)
  const pair = declare(unique('pair'), [a, b], { coherent: equal })
  a.release()
  b.set(2)
  expect([withEpoch(() => b.get()), pair.brokenEntries]).toEqual([2, 0])
})

// --- counted and reported ---

once('entries that found it broken are counted and told of, and no others', async () => {
  const { a, b, pair, read } = pairOfCells()
  const told = await events(pair.name, () => {
    read()
    a.set(2)
    read()
    withEpoch((epoch) => epoch.advance())
    b.set(2)
    read()
  })
  expect([told, pair.brokenEntries]).toEqual([Array(3).fill(['withepoch:group:broken', false]), 3])
})

once('a reader inside an open epoch is no entry', () => {
  const { a, b, pair } = pairOfCells()
  withEpoch(() => {
    detach(() => a.set(2))
    withEpoch(() => [a.get(), b.get()])
    withEpoch({ ifNested: 'fork' }, () => [a.get(), b.get()])
  })
  expect(pair.brokenEntries).toBe(0)
})

once('how long it has been broken is told in milliseconds', async () => {
  vi.useFakeTimers()
  const { a, pair, read } = pairOfCells()
  const ages: number[] = []
  const listener = (message: unknown) => {
    const { group: name, brokenForMs } = message as GroupEvent
    if (name === pair.name) ages.push(brokenForMs)
  }
  subscribe('withepoch:group:broken', listener)
  try {
    a.set(2)
    read()
    vi.advanceTimersByTime(40)
    a.set(3) // broken still, not anew
    read()
  } finally {
    unsubscribe('withepoch:group:broken', listener)
  }
  expect(ages).toEqual([0, 40])
})

once('an error is told of with how long the values have not agreed, in milliseconds', () => {
  vi.useFakeTimers()
  const { a, pair } = pairOfCells({
    coherent: (x, y) => {
      if (x === 3) throw new Error('not three')
      return x === y
    },
  })
  const ages: number[] = []
  listenTo('withepoch:group:error', (message) => {
    const { group: name, brokenForMs } = message as GroupEvent
    if (name === pair.name) ages.push(brokenForMs)
  })
  a.set(2)
  vi.advanceTimersByTime(40)
  a.set(3)
  expect(ages).toEqual([40])
})

once('neither the group nor its events show a value', () => {
  const { pair } = pairOfCells()
  expect(JSON.stringify(pair)).toBe(JSON.stringify({ group: pair.name }))
})

// --- errors of the predicate ---

once(
  'a predicate that throws is an error of the group’s, told once and on its channel, never the request’s',
  async () => {
    const unready = new Error('no metadata yet')
    let fails = false
    const { world, pair, read } = pairOfForeign({
      coherent: (x, y) => {
        if (fails) throw unready
        return x === y
      },
    })
    let told: unknown[] = []
    const heard = await warnings(async () => {
      told = await events(pair.name, () => {
        fails = true
        Object.assign(world, { a: 2, b: 2 })
        expect([read(), read()]).toEqual([
          [1, 1],
          [1, 1],
        ])
        world.a = 3
        expect(read()).toEqual([1, 1])
        fails = false
        Object.assign(world, { a: 4, b: 4 })
        expect(read()).toEqual([4, 4])
      })
    })
    expect(told).toEqual([
      ['withepoch:group:error', false, 'no metadata yet'],
      ['withepoch:group:broken', false],
      ['withepoch:group:broken', false],
      ['withepoch:group:error', false, 'no metadata yet'],
      ['withepoch:group:broken', false],
    ])
    expect(heard).toEqual([
      `EpochWarning GROUP_ERROR: group("${pair.name}"): coherent could not be asked, so its values count as broken: no metadata yet`,
    ])
  },
)

once('a warning comes again when the error comes again after the group was well', async () => {
  const { a, b, read } = pairOfCells({
    coherent: (x, y) => {
      if (x < 0) throw new Error('below zero')
      return x === y
    },
  })
  const heard = await warnings(() => {
    a.set(-1)
    a.set(-2)
    a.set(2)
    b.set(2)
    a.set(-3)
  })
  expect([heard.length, read()]).toEqual([2, [2, 2]])
})

once('a predicate that throws what is no error is told of by its kind, for it may be a secret', async () => {
  const { a, pair } = pairOfCells({
    coherent: (x, y) => {
      if (x === 2) throw 'the password'
      return x === y
    },
  })
  expect(await warnings(() => a.set(2))).toEqual([
    `EpochWarning GROUP_ERROR: group("${pair.name}"): coherent could not be asked, so its values count as broken: a string`,
  ])
})

once(
  'a member whose getter throws when the group is declared is looked at again at the next entry',
  async () => {
    const world = { a: 1, b: 1, broken: true }
    const a = source(unique('a'), () => {
      if (world.broken) throw new Error('gone')
      return world.a
    })
    const b = source(unique('b'), () => world.b)
    const name = unique('pair')
    const read = () => withEpoch(() => b.get())
    const told = await events(name, () => {
      declare(name, [a, b], { coherent: equal })
      read()
      read()
      world.broken = false
      read()
    })
    expect(told).toEqual([
      ['withepoch:group:error', false, 'gone'],
      ['withepoch:group:error', false, 'the getter of a member threw'],
      ['withepoch:group:broken', true],
      ['withepoch:group:broken', true],
    ])
  },
)

once('a predicate that throws into the writer’s face does not: the write has happened', async () => {
  const { a } = pairOfCells({
    coherent: (x) => {
      if (x === 2) throw new Error('not two')
      return true
    },
  })
  await warnings(() => a.set(2))
  expect(a.live()).toBe(2)
})

once.each<[what: string, coherent: () => unknown, message: string]>([
  ['a promise', async () => true, 'coherent returned a promise; it must be synchronous'],
  [
    'an epoch of its own',
    () => withEpoch(() => true),
    'withEpoch() was called by the getter of a source while that source was being read. A getter returns the process-global ' +
      'value and nothing else: move the call out of it.',
  ],
])('a predicate must not come with %s', async (_what, coherent, message) => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const name = unique('pair')
  const heard = await warnings(() => {
    declare(name, [a, b], { coherent: coherent as (x: number, y: number) => boolean })
    withEpoch(() => a.get())
  })
  expect(heard).toEqual([
    `EpochWarning GROUP_ERROR: group("${name}"): coherent could not be asked, so its values count as broken: ${message}`,
  ])
})

once('only true is agreement: a truthy answer of another kind is none', () => {
  const { a, read } = pairOfCells({
    coherent: ((x: number, y: number) => (x === y ? true : 'almost')) as never,
  })
  a.set(2)
  expect(read()).toEqual([1, 1])
})

once('what a predicate reads besides its arguments is live, whoever asks', () => {
  const limit = cell(unique('limit'), 1)
  const { a, read } = pairOfCells({ coherent: (x) => x <= limit.get() })
  withEpoch(() => {
    detach(() => {
      limit.set(5)
      a.set(5)
    })
  })
  expect(read()).toEqual([5, 1])
})

once('a getter of a member that throws breaks the group, and the epoch gets the last pair', async () => {
  const gone = new Error('gone')
  const world = { a: 1, b: 1, broken: false }
  const a = source(unique('a'), () => {
    if (world.broken) throw gone
    return world.a
  })
  const b = cell(unique('b'), 1)
  const name = unique('pair')
  declare(name, [a, b], { coherent: equal })
  const read = () => withEpoch(() => [a.get(), b.get()])
  let told: unknown[] = []
  await warnings(async () => {
    told = await events(name, () => {
      world.broken = true
      expect(read()).toEqual([1, 1])
      b.set(2)
      expect(read()).toEqual([1, 1])
      Object.assign(world, { a: 2, broken: false })
      expect(read()).toEqual([2, 2])
    })
  })
  expect(told).toEqual([
    ['withepoch:group:error', false, 'the getter of a member threw'],
    ['withepoch:group:broken', false],
    ['withepoch:group:error', false, 'gone'], // the write looked
    ['withepoch:group:error', false, 'the getter of a member threw'], // and the entry after it
    ['withepoch:group:broken', false],
  ])
})

// --- maxLagMs ---

once(
  'past maxLagMs epochs get the live values, under a version of their own, and the channel says so',
  async () => {
    vi.useFakeTimers()
    const { a, b, pair } = pairOfCells({ maxLagMs: 50 })
    const read = () => withEpoch((epoch) => ({ version: epoch.version!, seen: [a.get(), b.get()] }))
    a.set(2)
    let reads: Array<ReturnType<typeof read>> = []
    const told = await events(pair.name, () => {
      reads = [read()]
      vi.advanceTimersByTime(50)
      reads.push(read())
      vi.advanceTimersByTime(1)
      reads.push(read(), read())
    })
    expect(reads.map(({ seen }) => seen)).toEqual([
      [1, 1],
      [1, 1],
      [2, 1],
      [2, 1],
    ])
    const [first, second, third, fourth] = reads.map(({ version }) => version)
    expect([second === first, third! > second!, fourth === third]).toEqual([true, true, true])
    expect(told.map((event) => (event as unknown[])[1])).toEqual([false, false, true, true])
  },
)

once('after maxLagMs the next pair that agrees is held again, for another maxLagMs', () => {
  vi.useFakeTimers()
  const { a, b, read } = pairOfCells({ maxLagMs: 50 })
  a.set(2)
  vi.advanceTimersByTime(51)
  const seen = [read()]
  b.set(2)
  b.set(3)
  seen.push(read())
  vi.advanceTimersByTime(50)
  seen.push(read())
  vi.advanceTimersByTime(1)
  seen.push(read())
  expect(seen).toEqual([
    [2, 1],
    [2, 2],
    [2, 2],
    [2, 3],
  ])
})

once('an epoch that is open past maxLagMs keeps its pair', () => {
  vi.useFakeTimers()
  const { a, b } = pairOfCells({ maxLagMs: 50 })
  a.set(2)
  withEpoch(() => {
    vi.advanceTimersByTime(51)
    expect([a.get(), b.get()]).toEqual([1, 1])
  })
})

once('what was too old once does not come back when the clock is set back', () => {
  vi.useFakeTimers()
  const { a, read } = pairOfCells({ maxLagMs: 50 })
  a.set(2)
  vi.advanceTimersByTime(51)
  const late = read()
  vi.setSystemTime(Date.now() - 51)
  expect([late, read()]).toEqual([
    [2, 1],
    [2, 1],
  ])
})

once('without maxLagMs the last pair that agreed is handed out for ever', () => {
  vi.useFakeTimers()
  const { a, read } = pairOfCells()
  a.set(2)
  vi.advanceTimersByTime(365 * 24 * 3600 * 1000)
  expect(read()).toEqual([1, 1])
})

once('members that are read late within maxLagMs are the last pair', () => {
  vi.useFakeTimers()
  withEpoch(() => {
    const { a, b } = pairOfCells({ maxLagMs: 50 })
    detach(() => a.set(2))
    vi.advanceTimersByTime(50)
    expect([a.get(), b.get()]).toEqual([1, 1])
  })
})

once('members that are read late past maxLagMs are live too', () => {
  vi.useFakeTimers()
  withEpoch(() => {
    const { a, b } = pairOfCells({ maxLagMs: 50 })
    detach(() => a.set(2))
    vi.advanceTimersByTime(51)
    expect([a.get(), b.get()]).toEqual([2, 1])
  })
})

// --- retire ---

function pools(options: Partial<GroupOptions<readonly [string, string]>> = {}) {
  const retired: string[] = []
  const pool = cell(unique('pool'), 'p1', { retire: (old) => void retired.push(old) })
  const meta = cell(unique('meta'), 'p1')
  const pair = declare(unique('pools'), [pool, meta], { coherent: equal, ...options })
  return { retired, pool, meta, pair, read: () => withEpoch(() => [pool.get(), meta.get()]) }
}

once('a replaced value that a broken group hands out is not retired until the group has moved on', () => {
  const { retired, pool, meta, read } = pools()
  pool.set('p2')
  const [half, before] = [read(), [...retired]]
  meta.set('p2')
  expect([half, before, retired, read()]).toEqual([['p1', 'p1'], [], ['p1'], ['p2', 'p2']])
})

once('nor before the epochs that got it have closed', () => {
  const { retired, pool, meta } = pools()
  pool.set('p2')
  withEpoch(() => {
    detach(() => meta.set('p2'))
    expect([pool.get(), retired]).toEqual(['p1', []])
  })
  expect(retired).toEqual(['p1'])
})

once('nor does a group that agrees again let go of it under an epoch that got it', () => {
  const { retired, pool, meta } = pools()
  const older = withEpoch(function* () {
    yield pool.get()
  })
  older.next()
  pool.set('p2')
  withEpoch(() => {
    detach(() => meta.set('p2'))
    older.return(undefined)
    expect([pool.get(), retired]).toEqual(['p1', []])
  })
  expect(retired).toEqual(['p1'])
})

once('what a broken group never hands out is retired at once', () => {
  const { retired, pool, meta } = pools()
  pool.set('p2')
  pool.set('p3')
  expect(retired).toEqual(['p2'])
  meta.set('p3')
  expect(retired).toEqual(['p2', 'p1'])
})

once('a publish of the whole pair retires the old value with no detour', () => {
  const { retired, pool, meta } = pools()
  publish(() => {
    pool.set('p2')
    meta.set('p2')
  })
  expect(retired).toEqual(['p1'])
})

once('past maxLagMs it is retired when an entry has got the live values', () => {
  vi.useFakeTimers()
  const { retired, pool, read } = pools({ maxLagMs: 50 })
  pool.set('p2')
  vi.advanceTimersByTime(51)
  const before = [...retired]
  expect([before, read(), retired]).toEqual([[], ['p2', 'p1'], ['p1']])
})

once('past maxLagMs, or before they have first agreed, nothing is held, not even undefined', () => {
  vi.useFakeTimers()
  const late = pools({ maxLagMs: 50 })
  late.pool.set('p2')
  vi.advanceTimersByTime(51)
  late.read()
  late.meta.set('m')
  late.pool.set('p1') // the value that was handed out, but is no more
  late.pool.set('p3')
  expect(late.retired).toEqual(['p1', 'p2', 'p1'])

  const retired: unknown[] = []
  const pool = cell<string | undefined>(unique('pool'), undefined, {
    retire: (old) => void retired.push(old),
  })
  const meta = cell(unique('meta'), 'm')
  declare(unique('never'), [pool, meta], { coherent: equal })
  pool.set('p1')
  pool.set('p2')
  expect(retired).toEqual([undefined, 'p1'])
})

once('releasing the group lets go of it', () => {
  const { retired, pool, pair } = pools()
  pool.set('p2')
  const before = [...retired]
  pair.release()
  expect([before, retired]).toEqual([[], ['p1']])
})

once('a value that comes back is not retired by the way', () => {
  const { retired, pool, meta } = pools()
  pool.set('p2')
  pool.set('p1')
  expect(retired).toEqual(['p2'])
  publish(() => {
    pool.set('p3')
    meta.set('p3')
  })
  expect(retired).toEqual(['p2', 'p1'])
})

once('drain does not wait for a group that stays broken', async () => {
  const { retired, pool } = pools()
  pool.set('p2')
  await drain({ timeoutMs: 5_000 })
  expect(retired).toEqual([])
})

// --- release, and what is refused ---

once(
  'after release epochs get the live values, under a version of their own; a second release is of no effect',
  () => {
    const { a, b, pair } = pairOfCells()
    const read = () => withEpoch((epoch) => [epoch.version, a.get(), b.get()])
    a.set(2)
    const [version, ...held] = read()
    pair.release()
    const [after, ...live] = read()
    expect([held, live, after! > version!]).toEqual([[1, 1], [2, 1], true])
    const next = declare(unique('next'), [a, b], { coherent: (x, y) => x === y + 1 })
    pair.release()
    a.set(3)
    b.set(2) // they agree, and this write has looked
    b.set(9)
    expect([read().slice(1), next.brokenEntries, pair.brokenEntries]).toEqual([[3, 2], 1, 1])
  },
)

once('the release of a group that is well makes no new version', () => {
  const { pair } = pairOfCells()
  const version = () => withEpoch((epoch) => epoch.version)
  const before = version()
  pair.release()
  expect(version()).toBe(before)
})

once('nor does that of one that is overdue or has never agreed: epochs got the live values already', () => {
  vi.useFakeTimers()
  const { a, pair } = pairOfCells({ maxLagMs: 50 })
  const version = () => withEpoch((epoch) => epoch.version!)
  a.set(2)
  vi.advanceTimersByTime(51)
  const before = version()
  pair.release()
  expect(version()).toBe(before)
  const never = declare(unique('never'), [cell(unique('a'), 1), cell(unique('b'), 2)], { coherent: equal })
  const declared = version()
  never.release()
  expect(version()).toBe(declared)
})

once('a later change of the array of sources is none of the group’s', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const sources: [Source<number>, Source<number>] = [a, b]
  declare(unique('pair'), sources, { coherent: equal })
  ;(sources as unknown as unknown[]).length = 0
  a.set(2)
  expect(withEpoch(() => [a.get(), b.get()])).toEqual([1, 1])
})

once('bad arguments are refused by name, and nothing is declared', () => {
  const anyGroup = group as unknown as (...args: unknown[]) => unknown
  const [a, b] = [cell('group.refused.a', 1), cell('group.refused.b', 1)]
  const lazy = cell('group.refused.lazy', 1, { isolation: 'repeatable-read' })
  const kill = cell('group.refused.kill', 1, { isolation: 'read-committed' })
  const taken = pairOfCells().a
  const coherent = () => true
  const cases: ReadonlyArray<readonly [unknown[], string]> = [
    [['', [a, b], { coherent }], 'group(name, …): name must be a non-empty string, got a string.'],
    [[1, [a, b], { coherent }], 'group(name, …): name must be a non-empty string, got a number.'],
    [['g', [a, b]], 'group("g", …): options must be an object, got undefined.'],
    [['g', [a, b], {}], 'group("g", …): coherent must be a function, got undefined.'],
    [
      ['g', [a, b], { coherent, maxLag: 1 }],
      'group("g", …): unknown option "maxLag". Known: coherent, maxLagMs.',
    ],
    [['g', [a, b], { coherent, maxLagMs: 0 }], 'group("g", …): maxLagMs must be a number above 0, got 0.'],
    [
      ['g', [a, b], { coherent, maxLagMs: NaN }],
      'group("g", …): maxLagMs must be a number above 0, got NaN.',
    ],
    [
      ['g', [a, b], { coherent, maxLagMs: '1' }],
      'group("g", …): maxLagMs must be a number above 0, got a string.',
    ],
    [
      ['g', a, { coherent }],
      'group("g", …): expected an array of two sources or more, got an object (Cell).',
    ],
    [['g', [], { coherent }], 'group("g", …): expected an array of two sources or more, got 0.'],
    [['g', [a], { coherent }], 'group("g", …): expected an array of two sources or more, got 1.'],
    [['g', [a, {}], { coherent }], 'group("g", …): expected a source or a cell, got an object (Object).'],
    [['g', [a, b, a], { coherent }], 'group("g", …): source "group.refused.a" is named twice.'],
    [
      ['g', [a, taken], { coherent }],
      `group("g", …): source "${taken.name}" is in a group already, and two groups could hold it at two states.`,
    ],
    [
      ['g', [a, lazy], { coherent }],
      'group("g", …): source "group.refused.lazy" is repeatable-read, so it is not captured together with the others.',
    ],
    [
      ['g', [kill, b], { coherent }],
      'group("g", …): source "group.refused.kill" is read-committed, so it is not captured together with the others.',
    ],
  ]
  expect(cases.map(([args]) => refusal(() => anyGroup(...args)))).toEqual(
    cases.map(([, message]) => `INVALID_ARGUMENT: ${message}`),
  )
  declare('g', [a, b], { coherent: equal }) // both are free still
})
