/**
 * What an epoch sees while the world around it moves: one version of everything, whatever anybody else writes. The
 * anomalies of the database literature have a place of their own (`packages/testing/test/hermitage`), as has the random search
 * (`interleavings.test.ts`); here stand the plain promises that a user would read out of the first page.
 */
import { channel } from 'node:diagnostics_channel'
import { expect, test as once } from 'vitest'
import { bind, cell, detach, getEpoch, publish, source, tryGetEpoch, withEpoch } from 'withepoch'
import { deferred } from './deferred.js'
import { test } from './epoch-test.js'
import { hold } from './held-epoch.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('isolation')

test('a foreign global that changes between two awaits is read as it was', async () => {
  let dir = '/a'
  const workspaceDir = source(unique('dir'), () => dir)
  const seen = await withEpoch(async (epoch) => {
    const first = workspaceDir.get()
    dir = '/b'
    await null
    return [first, workspaceDir.get(), epoch.get(workspaceDir), workspaceDir.live()]
  })
  expect(seen).toEqual(['/a', '/a', '/a', '/b'])
})

test('a cell that another actor writes between two awaits is read as it was', async () => {
  const config = cell(unique('config'), 'v1')
  const seen = await withEpoch(async (epoch) => {
    const first = config.get()
    detach(() => config.set('v2'))
    await null
    return [first, config.get(), epoch.get(config), config.live()]
  })
  expect(seen).toEqual(['v1', 'v1', 'v1', 'v2'])
})

once('all sources are captured at entry together, read or not', async () => {
  let foreign = 'f1'
  const f = source(unique('foreign'), () => foreign)
  const c = cell(unique('own'), 'c1')
  const seen = await withEpoch(async () => {
    foreign = 'f2'
    detach(() => c.set('c2'))
    await null
    return [f.get(), c.get()]
  })
  expect(seen).toEqual(['f1', 'c1'])
})

once('two overlapping epochs each keep the world of their own entry', async () => {
  const tenant = cell(unique('tenant'), 'a')
  const gate = deferred()
  const read = async () => {
    const before = tenant.get()
    await gate.promise
    return [before, tenant.get()]
  }
  const first = withEpoch(read)
  tenant.set('b')
  const second = withEpoch(read)
  tenant.set('c')
  gate.resolve()
  expect(await Promise.all([first, second])).toEqual([
    ['a', 'a'],
    ['b', 'b'],
  ])
  expect(tenant.get()).toBe('c')
})

once('an epoch that opens after a completed write sees it', () => {
  let foreign = 1
  const f = source(unique('foreign'), () => foreign)
  const c = cell(unique('own'), 1)
  const read = () => withEpoch(() => [f.get(), c.get()])
  const seen = [read()]
  foreign = 2
  c.set(2)
  seen.push(read())
  foreign = 3
  seen.push(read())
  expect(seen).toEqual([
    [1, 1],
    [2, 2],
    [3, 2],
  ])
})

once(
  'a write after an epoch took the snapshot does not reach that snapshot, nor does the write after that',
  async () => {
    // The root writes in place when nobody holds the array: the copy must come back each time somebody took it.
    const n = cell(unique('n'), 0)
    const gate = deferred()
    const reads: Array<Promise<number>> = []
    for (let i = 1; i <= 3; i++) {
      reads.push(withEpoch(() => gate.promise.then(() => n.get())))
      n.set(i * 10)
      n.set(i * 10 + 1)
    }
    gate.resolve()
    expect(await Promise.all(reads)).toEqual([0, 11, 21])
  },
)

once('outside any epoch every read is live', () => {
  let foreign = 'a'
  const f = source(unique('foreign'), () => foreign)
  const c = cell(unique('own'), 1)
  foreign = 'b'
  c.set(2)
  expect([f.get(), f.live(), c.get(), c.live()]).toEqual(['b', 'b', 2, 2])
})

once('after the epoch its caller reads live again, also when the handler threw or rejected', async () => {
  const c = cell(unique('own'), 1)
  withEpoch(() => detach(() => c.set(2)))
  expect([c.get(), tryGetEpoch()]).toEqual([2, undefined])

  const failure = new Error('handler failed')
  expect(() =>
    withEpoch(() => {
      detach(() => c.set(3))
      throw failure
    }),
  ).toThrow(failure)
  expect([c.get(), tryGetEpoch()]).toEqual([3, undefined])

  await expect(
    withEpoch(async () => {
      detach(() => c.set(4))
      throw failure
    }),
  ).rejects.toBe(failure)
  expect([c.get(), tryGetEpoch()]).toEqual([4, undefined])
})

once('the synchronous caller of an asynchronous epoch is not inside it', async () => {
  const c = cell(unique('own'), 1)
  const gate = deferred()
  const inside = withEpoch(() => gate.promise.then(() => c.get()))
  c.set(2)
  expect([c.get(), tryGetEpoch()]).toEqual([2, undefined])
  gate.resolve()
  expect(await inside).toBe(1)
})

test('the pin holds in everything that the handler starts: timers, microtasks, ticks', async () => {
  const c = cell(unique('own'), 'pinned')
  const seen = await withEpoch(async () => {
    c.get()
    const here = getEpoch()
    detach(() => c.set('moved'))
    const via = (schedule: (callback: () => void) => void) =>
      new Promise<[string, boolean]>((resolve) => schedule(() => resolve([c.get(), tryGetEpoch() === here])))
    return Promise.all([
      via(setImmediate),
      via(queueMicrotask),
      via((callback) => setTimeout(callback)),
      via((callback) => process.nextTick(callback)),
    ])
  })
  expect(seen).toEqual(Array.from({ length: 4 }, () => ['pinned', true]))
})

test('detach runs with no epoch, and returns what the function returned', async () => {
  const c = cell(unique('own'), 1)
  const seen = await withEpoch(async () => {
    c.get()
    const value = detach(() => {
      c.set(2)
      return [c.get(), tryGetEpoch()]
    })
    const later = await detach(async () => {
      await null
      return [c.get(), tryGetEpoch()]
    })
    return { value, later, here: c.get() }
  })
  expect(seen).toEqual({ value: [2, undefined], later: [2, undefined], here: 1 })
})

test('a bound callback reads its epoch wherever it is called from', async () => {
  const c = cell(unique('own'), 1)
  const seen = await withEpoch(async () => {
    c.get()
    const read = bind(() => c.get())
    return detach(() => {
      c.set(2)
      return [read(), c.get()]
    })
  })
  expect(seen).toEqual([1, 2])
})

once('each step of a generator runs inside, whoever pulls, and the epoch ends with the last', () => {
  const c = cell(unique('own'), 1)
  let phase = () => 'not started'
  const rows = withEpoch(function* (epoch) {
    phase = () => epoch.phase
    yield c.get()
    yield c.get()
  })
  c.set(2)
  const first = rows.next().value
  c.set(3)
  const second = rows.next().value
  const phases = [phase()]
  rows.next()
  phases.push(phase())
  expect({ first, second, phases }).toEqual({ first: 1, second: 1, phases: ['open', 'closed'] })
})

once('epochs that saw no change share one version, and any change makes another', () => {
  const c = cell(unique('own'), 1)
  let foreign = 1
  source(unique('foreign'), () => foreign)
  const version = () => withEpoch((epoch) => epoch.version!)
  const first = version()
  const same = version()
  c.set(1) // no change
  const noop = version()
  c.set(2)
  const written = version()
  foreign = 2
  const polled = version()
  expect([same, noop]).toEqual([first, first])
  expect(written).toBeGreaterThan(first)
  expect(polled).toBeGreaterThan(written)
  expect(version()).toBe(polled)
})

once(
  'entry calls a foreign getter once, and reads inside call it only for who compares with the live value',
  () => {
    let calls = 0
    const f = source(unique('foreign'), () => ++calls)
    const seen = withEpoch((epoch) => [f.get(), f.get(), epoch.get(f)])
    const comparing = ['withepoch:source:drift', 'withepoch:source:read'].filter(
      (name) => channel(name).hasSubscribers,
    )
    expect({ seen, calls }).toEqual({ seen: [1, 1, 1], calls: 1 + 3 * comparing.length })
  },
)

once(
  'an error at the first read is pinned in the epoch that read, and in none that shares its snapshot',
  async () => {
    let broken = true
    const read = (value: number) => () => {
      if (broken) throw new Error(`${value} down`)
      return value
    }
    const lazy = [1, 2].map((value) =>
      source(unique(`lazy ${value}`), read(value), { isolation: 'repeatable-read' }),
    )
    const [reader, other] = [hold(), hold()]
    const late = [...lazy, source(unique('late'), read(3))]
    const errors = () =>
      late.map((each) => {
        try {
          return reader.epoch.get(each)
        } catch (error) {
          return (error as Error).message
        }
      })
    const first = errors()
    broken = false
    const values = late.map((each) => other.epoch.get(each))
    expect([first, errors(), values]).toEqual([
      ['1 down', '2 down', '3 down'],
      ['1 down', '2 down', '3 down'],
      [1, 2, 3],
    ])
    await Promise.all([reader.end(), other.end()])
    for (const each of late) each.release()
  },
)

once(
  'sources declared while an epoch is open are each captured at their own first read, in any order',
  () => {
    const seen = withEpoch(() => {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => cell(unique(name), `${name} 1`))
      const last = c!.get()
      detach(() => [a, b, c].forEach((each) => each!.update((value) => value.replace('1', '2'))))
      return [last, b!.get(), a!.get(), c!.get()]
    })
    expect(seen).toEqual(['c 1', 'b 2', 'a 2', 'c 1'])
  },
)

once('each entry calls a foreign getter once, also where its value has changed', () => {
  let calls = 0
  const f = source(unique('foreign'), () => ++calls)
  withEpoch(() => {})
  withEpoch(() => {})
  withEpoch(() => {})
  f.release()
  expect(calls).toBe(3)
})

once('a value captured by reference is that very reference', () => {
  const value = { nested: [1] }
  const c = cell(unique('own'), value)
  expect(withEpoch(() => c.get() === value)).toBe(true)
})

once('a thousand cells are all of one version', async () => {
  const cells = Array.from({ length: 1000 }, (_, i) => cell(unique(`many${i}`), 0))
  const gate = deferred()
  const seen = withEpoch(() => gate.promise.then(() => new Set(cells.map((c) => c.get()))))
  publish(() => cells.forEach((c) => c.set(1)))
  const after = withEpoch(() => new Set(cells.map((c) => c.get())))
  gate.resolve()
  expect([await seen, after]).toEqual([new Set([0]), new Set([1])])
})
