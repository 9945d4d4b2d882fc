/**
 * `publish`: several writes become visible together, or not at all. Rollback is asked of three places that hold a
 * written value: the live root, a cell that keeps its value itself (copied, or pinned at another time), and the epoch
 * that made the write. Single writes are in `writes.test.ts`.
 */
import { expect, test as once, vi } from 'vitest'
import { adopt, bind, cell, detach, memo, publish, source, withEpoch } from 'withepoch'
import { test } from './epoch-test.js'
import { refusal } from './refusal.js'
import { strict } from './strict-mode.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('publish')

/** A publish that throws after `writes`; what it throws is swallowed, having been checked. */
function failing(writes: () => void): void {
  const failure = new Error('undone')
  expect(() =>
    publish(() => {
      writes()
      throw failure
    }),
  ).toThrow(failure)
}

// --- visibility ---

test('all writes of a publish are live after it, and what fn returns comes back', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const result = publish(() => {
    a.set(2)
    b.update((n) => n + 1)
    return 'result'
  })
  expect([result, a.get(), b.get(), a.live(), b.live()]).toEqual(['result', 2, 2, 2, 2])
})

once('an epoch sees all writes of a publish or none', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const read = () => [a.get(), b.get()]
  const seen = withEpoch(() => {
    const before = read()
    detach(() =>
      publish(() => {
        a.set(2)
        b.set(2)
      }),
    )
    return [before, read(), withEpoch({ ifNested: 'fresh' }, read)]
  })
  expect(seen).toEqual([
    [1, 1],
    [1, 1],
    [2, 2],
  ])
})

once('however many cells a publish writes, it makes one version; one that changes nothing makes none', () => {
  const [a, b, c] = [cell(unique('a'), 1), cell(unique('b'), 1), cell(unique('c'), 1)]
  const version = () => withEpoch((epoch) => epoch.version!)
  const before = version()
  publish(() => {
    a.set(2)
    b.set(2)
    c.set(2)
    c.set(3)
  })
  const after = version()
  publish(() => {
    a.set(2)
    publish(() => {})
  })
  expect([after - before, version() - after]).toEqual([1, 0])
})

test('inside a publish its own writes are read', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const seen = publish(() => {
    a.set(2)
    const read = [a.get(), a.live(), b.get()]
    b.set(a.get() * 10)
    return [...read, b.get()]
  })
  expect(seen).toEqual([2, 2, 1, 20])
})

// --- rollback ---

test('if fn throws, none of its writes happened, live or in the epoch that made them', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  a.get()
  failing(() => {
    a.set(2)
    b.set(2)
    a.update((n) => n + 1)
  })
  expect([a.get(), b.get(), a.live(), b.live()]).toEqual([1, 1, 1, 1])
  a.set(5)
  expect([a.get(), a.live()]).toEqual([5, 5])
})

once.each(['publish', 'local'] as const)(
  'a throwing publish in an epoch that writes %s leaves the epoch what it had',
  (writes) => {
    const [a, b, c] = [cell(unique('a'), 'a'), cell(unique('b'), 'b'), cell(unique('c'), 'c')]
    const seen = withEpoch({ writes, values: [[c, 'override']] }, () => {
      a.set('a, written')
      failing(() => {
        a.set('undone')
        b.set('undone')
        c.set('undone')
      })
      return [a.get(), b.get(), c.get()]
    })
    expect(seen).toEqual(['a, written', 'b', 'override'])
    expect([a.live(), b.live(), c.live()]).toEqual([writes === 'local' ? 'a' : 'a, written', 'b', 'c'])
  },
)

once('a rollback of an override’s write leaves it an override: stale still means the captured value', () => {
  const c = cell(unique('c'), 1)
  withEpoch({ values: [[c, 10]] }, (epoch) => {
    failing(() => c.set(2))
    expect([c.get(), c.live()]).toEqual([10, 1])
    epoch.validate(c)
    detach(() => c.set(3))
    expect(refusal(() => epoch.validate(c))).toContain(`EPOCH_STALE: epoch.validate() of epoch #${epoch.id}`)
  })
})

once('a rollback brings back the version, and the snapshot that other epochs hold', () => {
  const c = cell(unique('c'), 1)
  const version = () => withEpoch((epoch) => epoch.version!)
  const before = version()
  const seen = withEpoch(() => {
    detach(() => failing(() => c.set(2)))
    return c.get()
  })
  expect({ seen, version: version() }).toEqual({ seen: 1, version: before })
})

once('a write after a rollback does not reach an epoch that was open before it', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch(() => {
    detach(() => {
      failing(() => c.set(2))
      c.set(3)
      c.set(4)
    })
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([1, 4])
})

test('cells that keep their value themselves are rolled back as well', () => {
  const copied = cell(unique('copied'), ['a'], { copy: (value) => [...value] })
  const lazy = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
  const never = cell(unique('never'), 1, { isolation: 'read-committed' })
  const read = () => [copied.get(), lazy.get(), never.get()]
  const before = read()
  failing(() => {
    copied.set(['b'])
    copied.set(['c'])
    lazy.set(2)
    never.set(2)
  })
  expect([before, read(), [copied.live(), lazy.live(), never.live()]]).toEqual([
    [['a'], 1, 1],
    [['a'], 1, 1],
    [['a'], 1, 1],
  ])
  copied.release()
})

once(
  'a setter that will not take its value back keeps nothing else from being undone, and its error is reported',
  async () => {
    const refusal = new Error('refuses a')
    let value = 'a'
    const picky = {
      get key() {
        return value
      },
      set key(next: string) {
        if (next === 'a') throw refusal
        value = next
      },
    }
    const [before, after] = [1, 2].map(() =>
      cell(unique('copied'), { n: 1 }, { copy: (each) => ({ ...each }) }),
    )
    const adopted = adopt(picky, 'key', { name: unique('picky') })
    const reported = await unhandledDuring(() =>
      failing(() => {
        before!.set({ n: 2 })
        picky.key = 'b'
        after!.set({ n: 2 })
      }),
    )
    expect([before!.live(), after!.live(), reported]).toEqual([{ n: 1 }, { n: 1 }, [refusal]])
    expect(withEpoch(() => [before!.get(), after!.get()])).toEqual([{ n: 1 }, { n: 1 }])
    for (const each of [adopted, before!, after!]) each.release()
  },
)

once('a global that is no cell is not undone', () => {
  let foreign = 1
  const f = source(unique('foreign'), () => foreign)
  failing(() => (foreign = 2))
  expect(f.get()).toBe(2)
})

// --- nested ---

test('a nested publish joins: its writes are undone with the outer one', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const copied = cell(unique('copied'), ['a'], { copy: (value) => [...value] })
  failing(() => {
    a.set(2)
    publish(() => {
      b.set(2)
      copied.set(['b'])
    })
    expect([a.get(), b.get(), copied.live()]).toEqual([2, 2, ['b']])
  })
  expect([a.get(), b.get(), copied.live()]).toEqual([1, 1, ['a']])
  copied.release()
})

test('a nested publish that throws undoes its own writes alone', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  publish(() => {
    a.set(2)
    failing(() => {
      a.set(3)
      b.set(3)
    })
    expect([a.get(), b.get()]).toEqual([2, 1])
    b.set(4)
  })
  expect([a.get(), b.get(), a.live(), b.live()]).toEqual([2, 4, 2, 4])
})

once('a nested publish may make any number of writes', () => {
  const c = cell(unique('many'), 0)
  withEpoch(() =>
    publish(() =>
      publish(() => {
        for (let n = 1; n <= 200_000; n++) c.set(n)
      }),
    ),
  )
  expect(c.live()).toBe(200_000)
})

once('a nested publish makes no version of its own', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const version = () => withEpoch((epoch) => epoch.version!)
  const before = version()
  publish(() => {
    publish(() => a.set(2))
    publish(() => b.set(2))
  })
  expect(version() - before).toBe(1)
})

// --- what it refuses ---

const ASYNC =
  'ASYNC_PUBLISH: publish(fn): fn returned a promise. Publishing is synchronous, or others would see half of it; the writes ' +
  'made so far were undone. Await first, then publish what you prepared.'

test('an asynchronous fn is refused, and what it wrote so far is undone', async () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  let resume!: () => void
  const gate = new Promise<void>((resolve) => (resume = resolve))
  const found = refusal(() =>
    publish(async () => {
      a.set(2)
      await gate
      b.set(2)
    }),
  )
  expect([found, a.get(), a.live()]).toEqual([ASYNC, 1, 1])
  // What runs after the await is an ordinary write: nothing can take back what has not happened yet.
  resume()
  await gate
  await null
  expect([a.live(), b.live()]).toEqual([1, 2])
})

once('the rejection of a refused fn is not reported a second time', async () => {
  const unhandled = vi.fn<(reason: unknown) => void>()
  process.on('unhandledRejection', unhandled)
  try {
    expect(refusal(() => publish(() => Promise.reject(new Error('prepared badly'))))).toBe(ASYNC)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
  } finally {
    process.off('unhandledRejection', unhandled)
  }
  expect(unhandled.mock.calls).toEqual([])
})

once('publish refuses what is no function', () => {
  const anyPublish = publish as unknown as (...args: unknown[]) => unknown
  expect([refusal(() => anyPublish(undefined)), refusal(() => anyPublish({}))]).toEqual([
    'INVALID_ARGUMENT: publish(fn): fn must be a function, got undefined.',
    'INVALID_ARGUMENT: publish(fn): fn must be a function, got an object (Object).',
  ])
})

const IN_PUBLISH =
  'EPOCH_IN_PUBLISH: withEpoch() or advance() was called inside publish(), where the new state is half-written. Prepare ' +
  'first, then publish, then open the epoch.'

test('no epoch is captured inside a publish: it would hold half of what is being written', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const handler = vi.fn<() => void>()
  expect(
    refusal(() =>
      publish(() => {
        a.set(2)
        withEpoch({ ifNested: 'fresh' }, handler)
        b.set(2)
      }),
    ),
  ).toBe(IN_PUBLISH)
  expect([handler.mock.calls, a.get(), b.get()]).toEqual([[], 1, 1])
})

once(
  'outside any epoch withEpoch is refused in a publish; inside one it may join, but neither fork nor advance',
  () => {
    expect(refusal(() => publish(() => withEpoch(() => 1)))).toBe(IN_PUBLISH)
    withEpoch((epoch) => {
      expect([
        refusal(() => publish(() => withEpoch({ ifNested: 'fork' }, () => 1))),
        refusal(() => publish(() => epoch.advance())),
        publish(() => withEpoch((inner) => inner === epoch)),
      ]).toEqual([IN_PUBLISH, IN_PUBLISH, true])
    })
  },
)

once('after a refused publish epochs open again', () => {
  refusal(() => publish(() => withEpoch(() => 1)))
  expect(withEpoch(() => 'open')).toBe('open')
})

// --- conflicts ---

once('in strict mode a conflicting write inside a publish undoes the whole of it', () => {
  strict()
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const seen = withEpoch({ name: 'commit' }, (epoch) => {
    detach(() => b.set(5))
    const found = refusal(() =>
      publish(() => {
        a.set(2)
        b.set(2)
      }),
    )
    expect(found).toBe(
      `WRITE_CONFLICT: A write to "${b.name}" inside epoch #${epoch.id} "commit": its live value has changed since the epoch ` +
        'captured it, so the write would undo a change it never saw. Use update(prev => next), or retry in a new epoch.',
    )
    return [a.get(), b.get()]
  })
  expect({ seen, live: [a.live(), b.live()] }).toEqual({ seen: [1, 1], live: [1, 5] })
})

once('a publish does not conflict with its own earlier writes', () => {
  strict()
  const a = cell(unique('a'), 1)
  const seen = withEpoch(() => {
    publish(() => {
      a.set(2)
      a.set(3)
      publish(() => a.set(4))
    })
    return [a.get(), a.live()]
  })
  expect(seen).toEqual([4, 4])
})

once('writes that a rejecting epoch refuses undo the publish', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const found = withEpoch({ writes: 'reject' }, () =>
    refusal(() =>
      publish(() => {
        detach(() => a.set(2))
        b.set(2)
      }),
    ),
  )
  expect([found.slice(0, 14), a.live(), b.live()]).toEqual(['WRITE_REJECTED', 1, 1])
})

once(
  'a rollback of a local write leaves nothing local: the epoch has what it captured, and advances from it',
  () => {
    const c = cell(unique('c'), 1)
    const seen = withEpoch({ writes: 'local' }, (epoch) => {
      epoch.onClose(() => {})
      failing(() => c.set(2))
      epoch.validate(c)
      detach(() => c.set(3))
      const pinned = c.get()
      epoch.advance()
      return [pinned, c.get()]
    })
    expect(seen).toEqual([1, 3])
  },
)

once('a rollback drops what was computed from the writes that it undoes, of whatever isolation', () => {
  for (const isolation of ['snapshot', 'repeatable-read', 'read-committed'] as const) {
    const c = cell(unique(isolation), 1, { isolation })
    const read = memo(() => c.get())
    const seen = withEpoch(() => {
      const values: number[] = []
      failing(() => {
        c.set(2)
        values.push(read())
      })
      return [...values, read()]
    })
    expect([isolation, ...seen]).toEqual([isolation, 2, 1])
  }
})

once('a rollback in an epoch that only has hooks undoes its writes', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch((epoch) => {
    epoch.onClose(() => {})
    failing(() => c.set(2))
    return c.get()
  })
  expect([seen, c.live()]).toEqual([1, 1])
})

// --- what else happens inside ---

once('an epoch that closes inside a publish that throws stays closed, and empty', async () => {
  const c = cell(unique('c'), 1)
  let version: () => number | undefined = () => 0
  let read = () => 0
  // oxlint-disable-next-line require-yield -- one step is all that it needs
  const rows = withEpoch(function* (epoch) {
    version = () => epoch.version
    read = bind(() => c.get())
    c.set(2)
  })
  expect(await unhandledDuring(() => failing(() => rows.next()))).toEqual([]) // of an undoing that went wrong
  c.set(3)
  expect([version(), withEpoch(() => read())]).toEqual([undefined, 3])
})

once('a first read inside a publish that throws is still the first read', () => {
  let foreign = 1
  const dear = source(unique('dear'), () => foreign, { isolation: 'repeatable-read' })
  const c = cell(unique('c'), 1)
  const seen = withEpoch(() => {
    let first = 0
    failing(() => {
      c.set(2)
      first = dear.get()
    })
    foreign = 2
    return [first, dear.get()]
  })
  expect(seen).toEqual([1, 1])
})

once('a source released in a publish that throws stays released: what it was is captured by nobody', () => {
  let value = 1
  const released = source(unique('released'), () => value)
  withEpoch(() => {})
  failing(() => released.release())
  value = 2
  expect(withEpoch(() => released.get())).toBe(2)
})

once('a lazy thenable that fn returns is refused without being started', () => {
  const start = vi.fn<(settle: (n: number) => void) => void>((settle) => settle(1))
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
  expect(refusal(() => publish(() => ({ then: start })))).toBe(ASYNC)
  expect(start.mock.calls).toEqual([])
})
