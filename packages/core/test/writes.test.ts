/**
 * What a write inside an epoch does, by the epoch's `writes`: `publish`, `local`, `reject`; when the live value has
 * moved meanwhile; and when the epoch has closed. Overrides are here too, for they are local writes made at entry.
 * Several writes as one are in `publish.test.ts`.
 */
import { channel } from 'node:diagnostics_channel'
import { expect, test as once, vi } from 'vitest'
import { bind, cell, configure, detach, drain, memo, source, withEpoch, type WriteEvent } from 'withepoch'
import { listenTo } from './channel-listener.js'
import { test } from './epoch-test.js'
import { refusal } from './refusal.js'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('writes')

const conflict = (name: string, epoch: { id: number; name: string }) =>
  `WRITE_CONFLICT: A write to "${name}" inside epoch #${epoch.id} "${epoch.name}": its live value has changed since the ` +
  'epoch captured it, so the write would undo a change it never saw. Use update(prev => next), or retry in a new epoch.'

// --- before, inside, after ---

once('a write before the epoch is seen by it, one after it is not', async () => {
  const c = cell(unique('c'), 'initial')
  c.set('before')
  let read!: () => void
  const gate = new Promise<void>((resolve) => (read = resolve))
  const seen = withEpoch(() => gate.then(() => c.get()))
  c.set('after')
  read()
  expect([await seen, c.get()]).toEqual(['before', 'after'])
})

test('a request reads its own writes, across awaits', async () => {
  const c = cell(unique('c'), 1)
  const seen = await withEpoch(async (epoch) => {
    c.set(2)
    const first = [c.get(), epoch.get(c)]
    await null
    return [...first, c.get(), c.live()]
  })
  expect(seen).toEqual([2, 2, 2, 2])
})

once('writes: publish goes live at once, and replaces that one slot of the writer’s own snapshot', () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const seen = withEpoch({ writes: 'publish' }, () => {
    detach(() => b.set(2)) // the writer must go on without seeing this
    a.set(2)
    return { own: [a.get(), b.get()], live: [a.live(), b.live()] }
  })
  expect(seen).toEqual({ own: [2, 1], live: [2, 2] })
  expect([a.get(), b.get()]).toEqual([2, 2])
})

once('a published write does not reach epochs that were open already', async () => {
  const c = cell(unique('c'), 1)
  let write!: () => void
  const gate = new Promise<void>((resolve) => (write = resolve))
  const other = withEpoch(() => gate.then(() => c.get()))
  withEpoch(() => c.set(2))
  write()
  expect([await other, c.get()]).toEqual([1, 2])
})

once('publish is what an epoch does with writes unless it says otherwise', () => {
  const c = cell(unique('c'), 1)
  withEpoch(() => c.set(2))
  expect(c.get()).toBe(2)
})

test('writes: local changes the writer’s snapshot alone; the world never sees it', async () => {
  const locale = cell(unique('locale'), 'en')
  const render = async () => {
    await null
    return locale.get()
  }
  const before = locale.get()
  const seen = await withEpoch({ writes: 'local' }, async () => {
    locale.set('fr') // legacy code that sets a global
    locale.update((language) => `${language}-CA`)
    return [await render(), locale.live(), detach(() => locale.get())]
  })
  expect([before, seen, locale.get(), locale.live()]).toEqual(['en', ['fr-CA', 'en', 'en'], 'en', 'en'])
})

test('two requests that write locally do not see each other', async () => {
  const locale = cell(unique('locale'), 'en')
  const request = (language: string) =>
    withEpoch({ writes: 'local', ifNested: 'fresh' }, async () => {
      locale.set(language)
      await null
      await null
      return locale.get()
    })
  expect([...(await Promise.all([request('fr'), request('de')])), locale.get()]).toEqual(['fr', 'de', 'en'])
})

test('writes: reject throws, and nothing is written', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ name: 'report', writes: 'reject' }, (epoch) => {
    const message =
      `WRITE_REJECTED: A write to "${c.name}" inside epoch #${epoch.id} "report", which was opened with writes: 'reject'. ` +
      "Write outside the epoch (detach), or open it with writes: 'local' or 'publish'."
    expect([refusal(() => c.set(2)), refusal(() => c.update((n) => n + 1))]).toEqual([message, message])
    const unchanged = [c.get(), c.live()]
    detach(() => c.set(3))
    return [...unchanged, c.get(), c.live()]
  })
  expect(seen).toEqual([1, 1, 1, 3])
})

once('a local write to a read-committed cell is refused: nothing would read it', () => {
  const c = cell(unique('kill'), true, { isolation: 'read-committed' })
  withEpoch({ name: 'local', writes: 'local' }, (epoch) => {
    expect(refusal(() => c.set(false))).toBe(
      `WRITE_REJECTED: A write to "${c.name}" inside epoch #${epoch.id} "local": the epoch's writes are local, and a ` +
        'read-committed source is never pinned, so nothing would read it. Write it outside the epoch (detach).',
    )
  })
  expect(c.get()).toBe(true)
})

once('a published write to a read-committed cell is live, and not pinned', () => {
  const c = cell(unique('kill'), 1, { isolation: 'read-committed' })
  const seen = withEpoch(() => {
    c.set(2)
    const own = c.get()
    detach(() => c.set(3))
    return [own, c.get()]
  })
  expect(seen).toEqual([2, 3])
})

once('a write to a repeatable-read cell before its first read pins what was written', () => {
  const c = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
  const seen = withEpoch(() => {
    c.set(2)
    detach(() => c.set(3))
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([2, 3])
})

once('undefined can be written, live and locally', () => {
  const c = cell<number | undefined>(unique('c'), 1)
  const local = withEpoch({ writes: 'local' }, () => {
    c.set(undefined)
    return [c.get(), c.live()]
  })
  const published = withEpoch(() => {
    c.set(undefined)
    return [c.get(), c.live()]
  })
  expect([local, published]).toEqual([
    [undefined, 1],
    [undefined, undefined],
  ])
})

// --- overrides ---

once('values are seen by the epoch from its entry, and by nobody else', async () => {
  const [locale, limit, other] = [
    cell(unique('locale'), 'en'),
    cell(unique('limit'), 1),
    cell(unique('o'), 'o'),
  ]
  const seen = await withEpoch(
    {
      values: [
        [locale, 'fr'],
        [limit, 10],
      ],
    },
    async (epoch) => {
      const first = [locale.get(), epoch.get(limit), other.get()]
      await null
      return {
        first,
        later: locale.get(),
        live: [locale.live(), limit.live()],
        detached: detach(() => limit.get()),
      }
    },
  )
  expect(seen).toEqual({ first: ['fr', 10, 'o'], later: 'fr', live: ['en', 1], detached: 1 })
  expect([locale.get(), limit.get()]).toEqual(['en', 1])
})

once(
  'an override takes the place of a getter that throws, of a first read, and of a late registration',
  () => {
    const broken = source<string>(unique('broken'), () => {
      throw new Error('down')
    })
    const seen = withEpoch(() => {
      const lazy = cell(unique('lazy'), 'live', { isolation: 'repeatable-read' })
      const late = cell(unique('late'), 'live')
      return withEpoch(
        {
          values: [
            [broken, 'own'],
            [lazy, 'own'],
            [late, 'own'],
          ],
        },
        () => [broken.get(), lazy.get(), late.get()],
      )
    })
    expect(seen).toEqual(['own', 'own', 'own'])
  },
)

once('of two overrides of one source the last holds', () => {
  const c = cell(unique('c'), 1)
  expect(
    withEpoch(
      {
        values: [
          [c, 2],
          [c, 3],
        ],
      },
      () => c.get(),
    ),
  ).toBe(3)
})

once('a published write over an override goes live, and is what the epoch sees', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ values: [[c, 10]] }, () => {
    c.set(2)
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([2, 2])
})

once(
  'a published write ends the override that it replaces: from there on the cell is as if never overridden',
  () => {
    const c = cell(unique('c'), 1)
    const seen = withEpoch({ values: [[c, 10]] }, (epoch) => {
      c.set(2)
      detach(() => c.set(3))
      const pinned = c.get()
      epoch.advance()
      return [pinned, c.get()]
    })
    expect(seen).toEqual([2, 3])
  },
)

once('an override changed by its caller after entry stays as it was given', () => {
  const c = cell(unique('c'), 1)
  const pair: [typeof c, number] = [c, 2]
  const values = [pair]
  const seen = withEpoch({ values }, () => {
    pair[1] = 3
    values.length = 0
    return c.get()
  })
  expect(seen).toBe(2)
})

once('bad overrides are refused before the handler runs', () => {
  const c = cell(unique('c'), 1)
  const kill = cell(unique('kill'), 1, { isolation: 'read-committed' })
  const handler = vi.fn<() => void>()
  const open = (values: unknown) => refusal(() => withEpoch({ values } as never, handler))
  const call = 'INVALID_ARGUMENT: withEpoch(options, handler)'
  expect([
    open('secret'),
    open({ 0: [c, 1] }),
    open([c, 1]),
    open([[c]]),
    open([[c, 1, 2]]),
    open([['c', 1]]),
    open([[undefined, 1]]),
    open([[kill, 2]]),
  ]).toEqual([
    `${call}: values must be an array of [source, value] pairs, got a string.`,
    `${call}: values must be an array of [source, value] pairs, got an object (Object).`,
    `${call}: values must hold [source, value] pairs, got an object (Cell).`,
    `${call}: values must hold [source, value] pairs, got an array.`,
    `${call}: values must hold [source, value] pairs, got an array.`,
    `${call}, values: expected a source or a cell, got a string.`,
    `${call}, values: expected a source or a cell, got undefined.`,
    `${call}: values cannot override "${kill.name}": it is read-committed, so every read of it is live.`,
  ])
  expect(handler.mock.calls).toEqual([])
})

// --- update ---

test('update works on the live value, so none is lost', async () => {
  const hits = cell(unique('hits'), 0)
  hits.get()
  const request = () =>
    withEpoch({ ifNested: 'fresh' }, async () => {
      hits.get()
      await null
      hits.update((n) => n + 1)
      return hits.get()
    })
  const seen = await Promise.all([request(), request(), request()])
  expect([seen, hits.live()]).toEqual([[1, 2, 3], 3])
})

once('set(get() + 1) inside an epoch loses updates, because the read is old', async () => {
  const hits = cell(unique('hits'), 0)
  const request = () =>
    withEpoch(async () => {
      await null
      hits.set(hits.get() + 1)
    })
  await Promise.all([request(), request(), request()])
  expect(hits.get()).toBe(1)
})

once('update works on the epoch’s own value where writes are local', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ writes: 'local', values: [[c, 10]] }, () => {
    detach(() => c.set(100))
    c.update((n) => n + 1)
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([11, 100])
})

test('an update that throws changes nothing', () => {
  const c = cell(unique('c'), 1)
  const failure = new Error('cannot')
  expect(() =>
    c.update(() => {
      throw failure
    }),
  ).toThrow(failure)
  expect([c.get(), c.live()]).toEqual([1, 1])
})

test('update refuses what is no function, and a promise', async () => {
  const c = cell<unknown>(unique('c'), 1)
  const anyUpdate = (next: unknown) => refusal(() => c.update(next as never))
  expect([
    anyUpdate(5),
    anyUpdate(async () => 2),
    anyUpdate(() => Promise.reject(new Error('nobody hears of it'))),
    c.get(),
    c.live(),
  ]).toEqual([
    `INVALID_ARGUMENT: cell "${c.name}".update(next): next must be a function, got a number.`,
    ...Array.from(
      { length: 2 },
      () =>
        `INVALID_ARGUMENT: cell "${c.name}".update(next): next returned a promise. It must be synchronous, or another write ` +
        'would come between. Await first, then update.',
    ),
    1,
    1,
  ])
  await new Promise(setImmediate) // an unhandled rejection would fail the run here
})

// --- conflicts ---

once(
  'in strict mode the first committer wins: a set whose live value has moved throws and writes nothing',
  () => {
    strict()
    const c = cell(unique('c'), 1)
    const seen = withEpoch({ name: 'second' }, (epoch) => {
      detach(() => c.set(2))
      expect(refusal(() => c.set(3))).toBe(conflict(c.name, epoch))
      return [c.get(), c.live()]
    })
    expect(seen).toEqual([1, 2])
  },
)

once('without strict mode the conflicting write happens', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch(() => {
    detach(() => c.set(2))
    c.set(3)
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([3, 3])
})

once('an update does not conflict: it has seen the live value; nor does a set after it', () => {
  strict()
  const c = cell(unique('c'), 1)
  withEpoch(() => {
    detach(() => c.set(10))
    c.update((n) => n + 1)
    c.set(c.get() + 1)
  })
  expect(c.get()).toBe(12)
})

once('one’s own writes are no conflict, those of another after them are', () => {
  strict()
  const c = cell(unique('c'), 1)
  withEpoch((epoch) => {
    c.set(2)
    c.set(3)
    detach(() => c.set(4))
    expect(refusal(() => c.set(5))).toBe(conflict(c.name, epoch))
  })
  expect(c.get()).toBe(4)
})

once('local writes conflict with nothing', () => {
  strict()
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ writes: 'local' }, () => {
    detach(() => c.set(2))
    c.set(3)
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([3, 2])
})

once('a conflict is told against the captured value, not against an override', () => {
  strict()
  const c = cell(unique('c'), 1)
  withEpoch({ values: [[c, 10]] }, () => c.set(2))
  expect(c.get()).toBe(2)
  withEpoch({ values: [[c, 10]] }, (epoch) => {
    detach(() => c.set(3))
    expect(refusal(() => c.set(4))).toBe(conflict(c.name, epoch))
  })
  expect(c.get()).toBe(3)
})

once('a cell that was never captured has nothing to conflict with', () => {
  strict()
  const lazy = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
  const never = cell(unique('never'), 1, { isolation: 'read-committed' })
  withEpoch(() => {
    detach(() => [lazy.set(2), never.set(2)])
    lazy.set(3)
    never.set(3)
    const late = cell(unique('late'), 1)
    detach(() => late.set(2))
    late.set(3)
    expect([lazy.live(), never.live(), late.live()]).toEqual([3, 3, 3])
  })
})

once('a copied cell conflicts when its original was replaced', () => {
  strict()
  const c = cell(unique('copied'), ['a'], { copy: (value) => [...value] })
  withEpoch((epoch) => {
    c.set(['b']) // no conflict: nobody has moved it
    detach(() => c.set(['c']))
    expect(refusal(() => c.set(['d']))).toBe(conflict(c.name, epoch))
  })
  expect(c.live()).toEqual(['c'])
})

once('nothing is described of a conflict that nobody listens to', () => {
  const described = vi.fn<(value: number) => string>(String)
  const c = cell(unique('c'), 1, { describe: described })
  withEpoch(() => {
    detach(() => c.set(2))
    c.set(3)
  })
  // In the project that listens to everything it is.
  expect(described.mock.calls.length > 0).toBe(channel('withepoch:source:write-conflict').hasSubscribers)
})

once('configure gives back what was set before, and refuses what it does not know', () => {
  const c = cell(unique('c'), 1)
  const writeOver = () =>
    withEpoch(() => {
      detach(() => c.update((n) => n + 1))
      c.set(0)
    })
  const outer = configure({ strict: true })
  const inner = configure({ strict: false })
  writeOver()
  inner()
  expect(refusal(writeOver)).toContain('WRITE_CONFLICT')
  configure({})()
  expect(refusal(writeOver)).toContain('WRITE_CONFLICT')
  const unset = configure({ strict: undefined })
  expect(refusal(writeOver)).toContain('WRITE_CONFLICT')
  unset()
  outer()
  writeOver()
  const anyConfigure = configure as unknown as (settings: unknown) => unknown
  expect([
    refusal(() => anyConfigure({ strict: 'yes' })),
    refusal(() => anyConfigure({ strickt: true })),
    refusal(() => anyConfigure(undefined)),
  ]).toEqual([
    'INVALID_ARGUMENT: configure(settings): strict must be a boolean, got a string.',
    'INVALID_ARGUMENT: configure(settings): unknown option "strickt". Known: strict, observe, captureStacks, lateReaders, maxAgeMs, ifOverdue.',
    'INVALID_ARGUMENT: configure(settings): options must be an object, got undefined.',
  ])
})

once('strict mode, turned on twice and off again, leaves nobody counted as open', () => {
  // What spares a read outside the async-local look-up; nothing else would tell.
  const carrier = (globalThis as Record<symbol, unknown>)[Symbol.for('withepoch.carrier')] as { open: number }
  const { open } = carrier
  const off = configure({ strict: true })
  const counts = [carrier.open]
  configure({ strict: true })()
  counts.push(carrier.open)
  off()
  counts.push(carrier.open)
  expect(counts).toEqual([open + 1, open + 1, open])
})

// --- late ---

test('a late published write goes live, as it would have without an epoch, in strict mode too', () => {
  strict()
  const c = cell(unique('c'), 1)
  const write = withEpoch({ ifNested: 'fresh' }, () => bind((n: number) => c.set(n)))
  write(2)
  const update = withEpoch({ ifNested: 'fresh' }, () => bind(() => c.update((n) => n + 1)))
  update()
  expect(c.live()).toBe(3)
})

test('a late local write throws: the world must not see it, and the epoch is gone', () => {
  const c = cell(unique('c'), 1)
  const [id, set, update] = withEpoch({ name: 'gone', writes: 'local', ifNested: 'fresh' }, (epoch) => {
    c.set(2)
    return [epoch.id, bind(() => c.set(3)), bind(() => c.update((n) => n + 1))] as const
  })
  const message =
    `EPOCH_CLOSED: A late write to "${c.name}", which was to stay local,: epoch #${id} "gone" is closed. Work that goes on ` +
    'after its request takes a lease with epoch.waitUntil(promise), runs with no epoch in detach(fn), or opens its own with ' +
    "withEpoch({ ifNested: 'fresh' }, fn)."
  expect([refusal(set), refusal(update), c.live()]).toEqual([message, message, 1])
})

once('a late local update computes from the live value before it is refused', () => {
  const c = cell(unique('c'), 1)
  const given: number[] = []
  const update = withEpoch({ writes: 'local' }, () => {
    c.set(2)
    return bind(() => c.update((n) => given.push(n)))
  })
  expect([refusal(update).slice(0, 12), given, c.live()]).toEqual(['EPOCH_CLOSED', [1], 1])
})

test('a late write to an epoch that rejects is rejected', () => {
  const c = cell(unique('c'), 1)
  const set = withEpoch({ writes: 'reject', ifNested: 'fresh' }, () => bind(() => c.set(2)))
  expect([refusal(set).slice(0, 14), c.live()]).toEqual(['WRITE_REJECTED', 1])
})

// --- versions ---

/** The writes that are told of, of one cell: the version of each. */
function versionsOf(name: string): number[] {
  const versions: number[] = []
  listenTo('withepoch:source:write', (message) => {
    const { source: written, version } = message as WriteEvent
    if (written.name === name) versions.push(version)
  })
  return versions
}

/** How many versions `run` and the next entry make; what any entry makes by copying others' values is taken off. */
function versionsMade(run: () => void): number {
  const version = () => withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.version!)
  const [first, second] = [version(), version()] as const
  run()
  return version() - second - (second - first)
}

once('the declaration of a plain cell is a version, and an entry finds no other', () => {
  const declare = () => {
    cell(unique('plain'), 1)
    cell(unique('plain'), 1, { isolation: 'snapshot' })
  }
  expect(versionsMade(declare)).toBe(2)
})

once('a write of the value that is there is none, and nobody is told of it', () => {
  const c = cell(unique('same'), 1)
  const versions = versionsOf(c.name)
  const write = () => {
    c.set(1)
    withEpoch(() => c.set(1))
  }
  expect([versionsMade(write) - versionsMade(() => withEpoch(() => {})), versions]).toEqual([0, []])
})

once.each(['snapshot', 'repeatable-read', 'read-committed'] as const)(
  'a write is one version, and one copy, where the cell keeps its value itself too: %s',
  (isolation) => {
    let copies = 0
    const c = cell(
      unique('copied'),
      { n: 1 },
      { isolation, copy: ({ n }) => ({ n, copy: ++copies }), version: () => 0 },
    )
    expect(versionsMade(() => void (copies = 0))).toBe(0)
    const made = versionsMade(() => c.set({ n: 2 }))
    // Who listens is told the number of another copy of the new value, which the next entry then takes for a change.
    const listened = channel('withepoch:source:write').hasSubscribers
    expect([made, copies]).toEqual(listened ? [isolation === 'snapshot' ? 2 : 1, 2] : [1, 1])
  },
)

once('a write is one copy, where nothing says whether another would differ', () => {
  const copied: number[] = []
  const c = cell(unique('copied'), { n: 1 }, { copy: ({ n }) => (copied.push(n), { n }) })
  copied.length = 0
  c.set({ n: 2 })
  // Who listens is told the number of another copy.
  const listened = channel('withepoch:source:write').hasSubscribers
  expect(copied).toEqual(listened ? [2, 2] : [2])
})

once(
  'a repeatable-read cell that was written before the epoch is pinned at its first read all the same',
  () => {
    const c = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
    c.set(2)
    const seen = withEpoch(() => {
      detach(() => c.set(3))
      const first = c.get()
      detach(() => c.set(4))
      return [first, c.get()]
    })
    expect(seen).toEqual([3, 3])
  },
)

once('an epoch reads what it wrote, although who is told of that has written since', () => {
  const c = cell(unique('c'), 1)
  let told = false
  listenTo('withepoch:source:write', (message) => {
    if (told || (message as WriteEvent).source.name !== c.name) return
    told = true
    detach(() => c.set(3))
  })
  const seen = withEpoch(() => {
    c.set(2)
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([2, 3])
})

// --- memos ---

once.each(['publish', 'local'] as const)(
  'a write (%s) drops that epoch’s memos, and no other’s',
  (writes) => {
    const c = cell(unique('c'), 1)
    const twice = memo(() => c.get() * 2)
    const computed = vi.fn<() => number>(() => c.get())
    const counted = memo(computed)
    const seen = withEpoch({ writes }, () => {
      const first = [twice(), counted()]
      withEpoch({ ifNested: 'fork', writes: 'local' }, () => c.set(50))
      detach(() => c.set(100))
      const untouched = [twice(), counted()]
      c.set(5)
      return [first, untouched, [twice(), counted()]]
    })
    expect(seen).toEqual([
      [2, 1],
      [2, 1],
      [10, 5],
    ])
    expect(computed).toHaveBeenCalledTimes(2)
  },
)

once(
  'a write whose copy throws changes nothing, and what is live is retired when it is replaced',
  async () => {
    const failure = new Error('cannot copy')
    const retired: number[] = []
    const c = cell<{ v: number; bad?: true }>(
      unique('copied'),
      { v: 1 },
      {
        copy: (value) => {
          if (value.bad) throw failure
          return { ...value }
        },
        retire: (old) => void retired.push(old.v),
      },
    )
    expect(() => c.set({ v: 2, bad: true })).toThrow(failure)
    expect([c.live(), withEpoch(() => c.get())]).toEqual([{ v: 1 }, { v: 1 }])
    c.set({ v: 3 })
    await drain()
    expect([c.live(), retired]).toEqual([{ v: 3 }, [1]])
    c.release()
  },
)

once('a lazy thenable that next returns is refused without being started', () => {
  const c = cell<unknown>(unique('c'), 1)
  const start = vi.fn<(settle: (n: number) => void) => void>((settle) => settle(1))
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
  expect(refusal(() => c.update(() => ({ then: start })))).toMatch(/^INVALID_ARGUMENT: cell /)
  expect(start.mock.calls).toEqual([])
})

once('settings are taken back in any order: what others have set, before or since, stays', () => {
  const c = cell('writes.settings', 1)
  const observing = (): boolean => withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.observing)
  const isStrict = (): boolean => {
    const read = withEpoch({ ifNested: 'fresh' }, () => bind(() => c.get()))
    try {
      read()
      return false
    } catch {
      return true
    }
  }
  const first = configure({ observe: true })
  const second = configure({ observe: true })
  first()
  expect(observing()).toBe(true)
  second()
  expect(observing()).toBe(false)

  const before = configure({ captureStacks: true })
  const strict = configure({ strict: true })
  before()
  before()
  expect(isStrict()).toBe(true)
  strict()
  expect(isStrict()).toBe(false)
})
