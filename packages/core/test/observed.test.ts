/**
 * Observing: a service whose epochs are opened with `configure({ observe: true })` does what it would do without the
 * library, and who listens to reads learns what would have torn. Each test says what the same code does when pinned.
 */
import { afterEach, describe, expect, test } from 'vitest'
import {
  bind,
  cell,
  configure,
  derived,
  detach,
  drain,
  group,
  memo,
  type ReadEvent,
  source,
  tryGetEpoch,
  withEpoch,
  type WriteEvent,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { refusal } from './refusal.js'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('observed')

const cleanups: Array<() => void> = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

function observe(): () => void {
  const restore = configure({ observe: true })
  cleanups.push(restore)
  return restore
}

/** What `run` gives pinned, and what it gives observed. */
function both<R>(run: () => R): { pinned: R; observed: R } {
  const pinned = run()
  const restore = observe()
  const observed = run()
  restore()
  return { pinned, observed }
}

describe('a read in an observed epoch', () => {
  test('is live: of a cell, a foreign global, and whatever the isolation', () => {
    const run = (): unknown => {
      let foreign = 1
      const sources = [
        cell(unique('cell'), 1),
        cell(unique('lazy'), 1, { isolation: 'repeatable-read' }),
        cell(unique('never'), 1, { isolation: 'read-committed' }),
      ]
      const f = source(unique('foreign'), () => foreign)
      cleanups.push(() => f.release())
      return withEpoch((epoch) => {
        const read = (): number[] => [...sources.map((each) => each.get()), epoch.get(f)]
        const first = read()
        detach(() => sources.forEach((each) => each.set(2)))
        foreign = 2
        return [first, read()]
      })
    }
    expect(both(run)).toEqual({
      pinned: [
        [1, 1, 1, 1],
        [1, 1, 2, 1],
      ],
      observed: [
        [1, 1, 1, 1],
        [2, 2, 2, 2],
      ],
    })
  })

  test('is told as live, with the numbers of what it saw', () => {
    const run = (): unknown => {
      const c = cell(unique('c'), 'a')
      const seen: unknown[] = []
      listenTo('withepoch:source:read', (message) => {
        const { source: read, from, valueId, liveValueId, epoch } = message as ReadEvent
        if (read === c) seen.push([epoch?.name, epoch?.observing, from, valueId, liveValueId])
      })
      withEpoch({ name: 'request' }, () => {
        c.get()
        detach(() => c.set('b'))
        c.get()
      })
      return seen
    }
    expect(both(run)).toEqual({
      pinned: [
        ['request', false, 'pinned', 1, 1],
        ['request', false, 'pinned', 1, 2],
      ],
      observed: [
        ['request', true, 'live', 1, 1],
        ['request', true, 'live', 2, 2],
      ],
    })
  })

  test('is not told of as drift', () => {
    let drifts = 0
    listenTo('withepoch:source:drift', () => void drifts++)
    const run = (): number => {
      const c = cell(unique('c'), 1)
      drifts = 0
      withEpoch(() => {
        detach(() => c.set(2))
        c.get()
      })
      return drifts
    }
    expect(both(run)).toEqual({ pinned: 1, observed: 0 })
  })

  test('gets overrides and local writes: they were meant', () => {
    const run = (): unknown => {
      const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
      const seen = withEpoch({ values: [[a, 10]], writes: 'local' }, () => {
        b.set(20)
        detach(() => (a.set(2), b.set(2)))
        return [a.get(), b.get(), withEpoch({ ifNested: 'fork' }, () => [a.get(), b.get()])]
      })
      return [seen, a.get(), b.get()]
    }
    const expected = [[10, 20, [10, 20]], 2, 2]
    expect(both(run)).toEqual({ pinned: expected, observed: expected })
  })

  test('gets what is live, not what a broken group would hand out', () => {
    const run = (): unknown => {
      const [dir, meta] = [cell(unique('dir'), '/a'), cell(unique('meta'), '/a')]
      const pair = group(unique('pair'), [dir, meta], { coherent: (d, m) => d === m })
      dir.set('/b')
      const seen = withEpoch(() => [dir.get(), meta.get()])
      pair.release()
      return seen
    }
    expect(both(run)).toEqual({ pinned: ['/a', '/a'], observed: ['/b', '/a'] })
  })

  test('throws what the getter throws now', () => {
    const run = (): unknown => {
      let broken = true
      const f = source(unique('f'), () => {
        if (broken) throw new Error('down')
        return 'up'
      })
      cleanups.push(() => f.release())
      return withEpoch(() => {
        const read = (): string => {
          try {
            return f.get()
          } catch (error) {
            return (error as Error).message
          }
        }
        const first = read()
        broken = false
        return [first, read()]
      })
    }
    expect(both(run)).toEqual({ pinned: ['down', 'down'], observed: ['down', 'up'] })
  })

  test('after its end is live, told on the read channel as late and nowhere else, and in strict mode no error', () => {
    strict()
    observe()
    const c = cell(unique('c'), 1)
    const told: string[] = []
    listenTo('withepoch:source:late-read', () => void told.push('late-read'))
    listenTo('withepoch:source:read', (message) => void told.push((message as ReadEvent).from))
    const later = withEpoch(() => bind(() => c.get()))
    c.set(2)
    expect(later()).toBe(2)
    expect(told).toEqual(['late'])
  })

  test('of a read-committed source is live after its end too', () => {
    const run = (): unknown => {
      const c = cell(unique('never'), 1, { isolation: 'read-committed' })
      const told: unknown[] = []
      listenTo('withepoch:source:read', (message) => {
        const { source: read, from, epoch } = message as ReadEvent
        if (read === c) told.push([from, epoch?.name])
      })
      withEpoch({ name: 'request' }, () => bind(() => c.get()))()
      return told
    }
    expect(both(run)).toEqual({ pinned: [['live', 'request']], observed: [['live', 'request']] })
  })
})

describe('a write in an observed epoch', () => {
  test('goes live and is read, and is never a conflict', () => {
    strict()
    observe()
    const c = cell(unique('c'), 1)
    let conflicts = 0
    listenTo('withepoch:source:write-conflict', () => void conflicts++)
    const seen = withEpoch(() => {
      detach(() => c.set(2))
      c.set(3)
      return c.get()
    })
    expect([seen, c.live(), conflicts]).toEqual([3, 3, 0])
  })

  test('is told of as its own, also after its end', () => {
    observe()
    const c = cell(unique('c'), 1)
    const writers: unknown[] = []
    listenTo('withepoch:source:write', (message) => void writers.push((message as WriteEvent).epoch?.name))
    const later = withEpoch({ name: 'request' }, () => {
      c.set(2)
      return bind(() => c.set(3))
    })
    later()
    expect([writers, c.live()]).toEqual([['request', 'request'], 3])
  })

  test('is its own, so it does not make it stale, and ends the override that it replaces', () => {
    const run = (): unknown => {
      const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
      return withEpoch({ values: [[b, 10]] }, (epoch) => {
        a.set(2)
        b.set(2)
        epoch.validate(a, b)
        return [a.get(), b.get(), b.live()]
      })
    }
    expect(both(run)).toEqual({ pinned: [2, 2, 2], observed: [2, 2, 2] })
  })

  test('is refused where the epoch refuses writes, also after its end', () => {
    observe()
    const c = cell(unique('c'), 1)
    expect(() => withEpoch({ writes: 'reject' }, () => c.set(2))).toThrow("writes: 'reject'")
    const later = withEpoch({ writes: 'reject' }, () => bind(() => c.set(2)))
    expect(later).toThrow("writes: 'reject'")
    expect(c.live()).toBe(1)
  })

  test('that was to stay local is refused after its end: the world must not see it', () => {
    observe()
    const c = cell(unique('c'), 1)
    const later = withEpoch({ writes: 'local' }, () => bind(() => c.set(2)))
    expect(refusal(later)).toContain(`EPOCH_CLOSED: A late write to "${c.name}", which was to stay local,`)
    expect(c.live()).toBe(1)
  })
})

describe('what is computed in an observed epoch', () => {
  test('by a memo is computed at each call', () => {
    const run = (): unknown => {
      const c = cell(unique('c'), 1)
      let calls = 0
      const read = memo(() => (calls++, c.get()))
      const seen = withEpoch(() => {
        const first = read()
        detach(() => c.set(2))
        return [first, read()]
      })
      return [seen, calls]
    }
    expect(both(run)).toEqual({ pinned: [[1, 1], 1], observed: [[1, 2], 2] })
  })

  test('by a derived is what the function returns, the very promise too', () => {
    const promise = Promise.resolve(1)
    const one = derived(() => promise)
    observe()
    expect(withEpoch(() => [one() === promise])).toEqual([true])
  })

  test('by a derived is computed at each call, in the epoch itself, whose reads it makes', () => {
    const run = (): unknown => {
      const c = cell(unique('c'), 1)
      let calls = 0
      const double = derived(() => (calls++, [c.get() * 2, tryGetEpoch()?.name]), { name: 'double' })
      const seen = withEpoch({ name: 'request' }, () => {
        const first = double()
        detach(() => c.set(2))
        return [first, double()]
      })
      return [seen, calls]
    }
    const shared = [2, 'derived double']
    expect(both(run)).toEqual({
      pinned: [[shared, shared], 1],
      observed: [
        [
          [2, 'request'],
          [4, 'request'],
        ],
        2,
      ],
    })
  })
})

describe('an observed epoch', () => {
  test('is a fence still: validate and isStale compare with what was live at entry', () => {
    const run = (): unknown => {
      const c = cell(unique('c'), 1)
      return withEpoch((epoch) => {
        const before = epoch.isStale()
        detach(() => c.set(2))
        const after = epoch.isStale()
        try {
          epoch.validate(c)
          return [before, after, 'valid']
        } catch (error) {
          return [before, after, (error as { code: string }).code]
        }
      })
    }
    expect(both(run)).toEqual({
      pinned: [false, true, 'EPOCH_STALE'],
      observed: [false, true, 'EPOCH_STALE'],
    })
  })

  test('opens, ends, and is waited for like any other', async () => {
    observe()
    let finish!: () => void
    const served = withEpoch({ name: 'request' }, () => new Promise<void>((resolve) => (finish = resolve)))
    const error = await drain({ timeoutMs: 1 }).catch((reason: unknown) => reason)
    expect((error as { holders: Array<{ name: string }> }).holders.map(({ name }) => name)).toEqual([
      'request',
    ])
    finish()
    await served
    await drain()
  })

  test('has observed forks, and whoever joins it is observed, also when observing has been turned off', () => {
    const restore = observe()
    const kinds = withEpoch((epoch) => {
      restore()
      return [
        epoch.observing,
        withEpoch((joined) => joined.observing),
        withEpoch({ ifNested: 'fork' }, (fork) => fork.observing),
        withEpoch({ ifNested: 'fresh' }, (fresh) => fresh.observing),
      ]
    })
    expect(kinds).toEqual([true, true, true, false])
  })

  test('is not made of one that was opened before: its forks are pinned as it is', () => {
    withEpoch(() => {
      observe()
      expect(withEpoch({ ifNested: 'fork' }, (fork) => fork.observing)).toBe(false)
      expect(withEpoch({ ifNested: 'fresh' }, (fresh) => fresh.observing)).toBe(true)
    })
  })
})
