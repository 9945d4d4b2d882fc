/**
 * The anomalies of the isolation literature (Adya's phenomena, the Hermitage scripts), each as a small script of two
 * or three actors, run twice: by code that reads live, and by code in an epoch. The outcome of the first shows that the
 * script forces the anomaly; that of the second is the contract. Two rows differ by what the writer does, and are here
 * with both: a writer that awaits between two sets is caught half-done by whoever opens an epoch in the middle, and a
 * `set` from an old read loses an update; `publish` and `update` are the cures, which `design.md` promises.
 */
import { expect, test } from 'vitest'
import { cell, detach, type Epoch, EpochError, memo, publish, source, withEpoch } from 'withepoch'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('anomalies')

/**
 * A script: actors wait at numbered steps, which the test takes one by one. Each step settles completely before the
 * next, so the order of the script is the order of the steps.
 */
function script() {
  const gates = new Map<number, () => void>()
  const arrived = new Map<number, Promise<void>>()
  const at = (n: number) =>
    (arrived.get(n) ??
      arrived.set(n, new Promise<void>((resolve) => gates.set(n, resolve))).get(n)) as Promise<void>
  return {
    step: at,
    async run(...steps: number[]) {
      for (const n of steps) {
        void at(n)
        gates.get(n)!()
        await new Promise(setImmediate)
      }
    },
  }
}

/** How an actor runs its body: as it would without the library, or in an epoch of its own. */
const live = <R>(body: () => Promise<R>): Promise<R> => body()
const inEpoch = <R>(body: (epoch: Epoch) => Promise<R>): Promise<R> => withEpoch({ ifNested: 'fresh' }, body)
type Runner = typeof live

const bothWays = [
  ['live code', live],
  ['an epoch', inEpoch],
] as const

// --- a reader and a writer of one value ---

async function fuzzyRead(reader: Runner) {
  const x = cell(unique('x'), 1)
  const s = script()
  const seen = reader(async () => {
    const first = x.get()
    await s.step(1)
    return [first, x.get()]
  })
  x.set(2)
  await s.run(1)
  return seen
}

test('P2 fuzzy read: live code reads one value twice and gets two; an epoch one', async () => {
  expect(await fuzzyRead(live)).toEqual([1, 2])
  expect(await fuzzyRead(inEpoch)).toEqual([1, 1])
})

// --- a writer that awaits between two writes ---

/** Two writers, each of two cells with an await between, interleaved; `commit` writes both at once instead. */
async function dirtyWrite(writes: 'with an await between' | 'by publish') {
  const [x, y] = [cell(unique('x'), 0), cell(unique('y'), 0)]
  const s = script()
  const writer = async (value: number, first: number, second: number) => {
    await s.step(first)
    if (writes === 'by publish') {
      publish(() => {
        x.set(value)
        y.set(value)
      })
      return
    }
    x.set(value)
    await s.step(second)
    y.set(value)
  }
  const both = [writer(1, 1, 4), writer(2, 2, 3)]
  await s.run(1, 2, 3, 4)
  await Promise.all(both)
  return inEpoch(async () => [x.get(), y.get()])
}

test('G0 dirty write: two writers that await between two sets mix; two that publish do not', async () => {
  expect(await dirtyWrite('with an await between')).toEqual([2, 1])
  expect(await dirtyWrite('by publish')).toEqual([2, 2])
})

/** A writer sets x, fails, and puts x back by hand; a reader comes in between, reading twice. */
async function abortedRead(reader: Runner, writes: 'by hand' | 'by publish') {
  const x = cell(unique('x'), 'committed')
  const s = script()
  const writer = (async () => {
    await s.step(1)
    if (writes === 'by publish') {
      try {
        publish(() => {
          x.set('aborted')
          throw new Error('changed its mind')
        })
      } catch {
        return
      }
    }
    x.set('aborted')
    await s.step(2)
    x.set('committed')
  })()
  await s.run(1)
  const seen = reader(async () => {
    const first = x.get()
    await s.step(3)
    return [first, x.get()]
  })
  await s.run(2, 3)
  await writer
  return seen
}

test('G1a aborted read: a write undone by hand after an await is seen, by epochs for good; a publish that throws is not', async () => {
  expect(await abortedRead(live, 'by hand')).toEqual(['aborted', 'committed'])
  expect(await abortedRead(inEpoch, 'by hand')).toEqual(['aborted', 'aborted'])
  expect(await abortedRead(live, 'by publish')).toEqual(['committed', 'committed'])
  expect(await abortedRead(inEpoch, 'by publish')).toEqual(['committed', 'committed'])
})

/** A writer whose value passes through an intermediate one; the reader opens before it or in the middle of it. */
async function intermediateRead(
  reader: Runner,
  opens: 'before' | 'in the middle',
  writes: 'steps' | 'publish',
) {
  const x = cell(unique('x'), 'old')
  const s = script()
  const read = () =>
    reader(async () => {
      await s.step(2)
      return x.get()
    })
  const early = opens === 'before' ? read() : undefined
  const writer = (async () => {
    await s.step(1)
    if (writes === 'publish') {
      publish(() => {
        x.set('intermediate')
        x.set('final')
      })
      return
    }
    x.set('intermediate')
    await s.step(3)
    x.set('final')
  })()
  await s.run(1)
  const seen = early ?? read()
  await s.run(2, 3)
  await writer
  return seen
}

test('G1b intermediate read: an epoch opened before the writer sees none of it', async () => {
  expect(await intermediateRead(live, 'before', 'steps')).toBe('intermediate')
  expect(await intermediateRead(inEpoch, 'before', 'steps')).toBe('old')
})

test('G1b intermediate read: an epoch opened in the middle of a writer that awaits sees it; a publish has no middle', async () => {
  expect(await intermediateRead(inEpoch, 'in the middle', 'steps')).toBe('intermediate')
  expect(await intermediateRead(live, 'in the middle', 'publish')).toBe('final')
  expect(await intermediateRead(inEpoch, 'in the middle', 'publish')).toBe('final')
})

/** T1 writes x and reads y, T2 writes y and reads x: each must not see the other's write. */
async function circularFlow(actor: Runner) {
  const [x, y] = [cell(unique('x'), 'x0'), cell(unique('y'), 'y0')]
  const s = script()
  const t1 = actor(async () => {
    await s.step(1)
    x.set('x1')
    await s.step(3)
    return y.get()
  })
  const t2 = actor(async () => {
    await s.step(2)
    y.set('y2')
    await s.step(4)
    return x.get()
  })
  await s.run(1, 2, 3, 4)
  return Promise.all([t1, t2])
}

test('G1c circular information flow: two live actors see each other’s writes; two epochs do not', async () => {
  expect(await circularFlow(live)).toEqual(['y2', 'x1'])
  expect(await circularFlow(inEpoch)).toEqual(['y0', 'x0'])
})

/** T1 then T2 write x and y; a reader that saw T2 in one of them must not see T1 in the other. */
async function observedTransactionVanishes(reader: Runner, writes: 'steps' | 'publish') {
  const [x, y] = [cell(unique('x'), 0), cell(unique('y'), 0)]
  const s = script()
  const writer = async (value: number, first: number, second: number) => {
    await s.step(first)
    const both = () => {
      x.set(value)
      y.set(value)
    }
    if (writes === 'publish') return publish(both)
    x.set(value)
    await s.step(second)
    y.set(value)
  }
  const writers = [writer(1, 1, 2), writer(2, 3, 5)]
  await s.run(1, 2, 3)
  const seen = reader(async () => {
    const first = x.get()
    await s.step(4)
    return [first, y.get()]
  })
  await s.run(4, 5)
  await Promise.all(writers)
  return seen
}

test('OTV observed transaction vanishes: only where the writer awaits between its writes', async () => {
  expect(await observedTransactionVanishes(live, 'steps')).toEqual([2, 1])
  expect(await observedTransactionVanishes(inEpoch, 'steps')).toEqual([2, 1])
  expect(await observedTransactionVanishes(live, 'publish')).toEqual([2, 2])
  expect(await observedTransactionVanishes(inEpoch, 'publish')).toEqual([2, 2])
})

// --- values that are mutated in place ---

type Tenants = Map<string, { active: boolean }>

async function phantom(
  reader: Runner,
  change: (tenants: Tenants) => void,
  copy?: (value: Tenants) => Tenants,
) {
  const tenants: Tenants = new Map([['a', { active: true }]])
  const s = script()
  const t = source(unique('tenants'), () => tenants, copy === undefined ? {} : { copy })
  const actives = () => [...t.get()].filter(([, { active }]) => active).map(([name]) => name)
  const seen = reader(async () => {
    const first = actives()
    await s.step(1)
    return [first, actives()]
  })
  change(tenants)
  await s.run(1)
  return seen
}

test('PMP phantom: a filter over a Map that grows in place; a copy of the Map is what keeps it out', async () => {
  const grow = (tenants: Tenants) => void tenants.set('b', { active: true })
  expect(await phantom(live, grow)).toEqual([['a'], ['a', 'b']])
  expect(await phantom(inEpoch, grow)).toEqual([['a'], ['a', 'b']]) // by reference: said in the docs
  expect(await phantom(inEpoch, grow, (value) => new Map(value))).toEqual([['a'], ['a']])
})

test('PMP-deep: a nested object that changes in place wants a deep copy', async () => {
  const disable = (tenants: Tenants) => void (tenants.get('a')!.active = false)
  expect(await phantom(live, disable)).toEqual([['a'], []])
  expect(await phantom(inEpoch, disable, (value) => new Map(value))).toEqual([['a'], []]) // shallow: too little
  expect(await phantom(inEpoch, disable, (value) => structuredClone(value))).toEqual([['a'], ['a']])
})

// --- lost updates ---

async function lostUpdate(
  actor: Runner,
  increment: (x: ReturnType<typeof cell<number>>, read: number) => void,
) {
  const x = cell(unique('x'), 0)
  const s = script()
  const one = (n: number) =>
    actor(async () => {
      const read = x.get()
      await s.step(n)
      try {
        increment(x, read)
        return 'written'
      } catch (error) {
        return error instanceof EpochError ? error.code : 'another error'
      }
    })
  const both = [one(1), one(2)]
  await s.run(1, 2)
  return [...(await Promise.all(both)), x.get()]
}

test('P4 lost update: read, await, set(read + 1) loses one, in an epoch as well', async () => {
  const set = (x: ReturnType<typeof cell<number>>, read: number) => x.set(read + 1)
  expect(await lostUpdate(live, set)).toEqual(['written', 'written', 1])
  expect(await lostUpdate(inEpoch, set)).toEqual(['written', 'written', 1])
})

test('P4 lost update: strict mode refuses the second committer', async () => {
  strict()
  const set = (x: ReturnType<typeof cell<number>>, read: number) => x.set(read + 1)
  expect(await lostUpdate(inEpoch, set)).toEqual(['written', 'WRITE_CONFLICT', 1])
})

test('P4-sync: set(get() + 1) in one tick is safe live; in an epoch the read is old', async () => {
  const set = (x: ReturnType<typeof cell<number>>) => x.set(x.get() + 1)
  expect(await lostUpdate(live, set)).toEqual(['written', 'written', 2])
  expect(await lostUpdate(inEpoch, set)).toEqual(['written', 'written', 1])
})

test('P4-sync: strict mode refuses the set whose read was old, though it writes what is live', async () => {
  strict()
  const set = (x: ReturnType<typeof cell<number>>) => x.set(x.get() + 1)
  expect(await lostUpdate(inEpoch, set)).toEqual(['written', 'WRITE_CONFLICT', 1])
})

test('P4-sync: strict mode refuses the set whose read was old, where the two write different values', async () => {
  strict()
  let step = 0
  const set = (x: ReturnType<typeof cell<number>>) => x.set(x.get() + ++step)
  expect(await lostUpdate(inEpoch, set)).toEqual(['written', 'WRITE_CONFLICT', 1])
})

test.each(bothWays)('P4 with update(prev => next): %s loses none', async (_, actor) => {
  const update = (x: ReturnType<typeof cell<number>>) => x.update((n) => n + 1)
  expect(await lostUpdate(actor, update)).toEqual(['written', 'written', 2])
  strict()
  expect(await lostUpdate(actor, update)).toEqual(['written', 'written', 2])
})

// --- two values ---

async function readSkew(reader: Runner, firstRead: 'x' | 'y', kind: 'cells' | 'foreign globals') {
  const state = { x: 1, y: 1 }
  const cells = [cell(unique('x'), 1), cell(unique('y'), 1)] as const
  const foreign = [source(unique('x'), () => state.x), source(unique('y'), () => state.y)] as const
  const [x, y] = kind === 'cells' ? cells : foreign
  const s = script()
  const seen = reader(async () => {
    const first = firstRead === 'x' ? x.get() : y.get()
    await s.step(1)
    return [first, firstRead === 'x' ? y.get() : x.get()]
  })
  state.x = state.y = 2 // both replaced in one tick
  for (const one of cells) one.set(2)
  await s.run(1)
  return seen
}

test.each([
  ['x', 'cells'],
  ['y', 'cells'],
  ['x', 'foreign globals'],
  ['y', 'foreign globals'],
] as const)(
  'G-single read skew, %s read first, %s: live code sees two worlds, an epoch one',
  async (first, kind) => {
    expect(await readSkew(live, first, kind)).toEqual([1, 2])
    expect(await readSkew(inEpoch, first, kind)).toEqual([1, 1])
  },
)

/** What is computed from x by a memo, read beside y. */
async function derivedSkew(reader: Runner, manifest: (dir: string) => (key: string) => string) {
  const [dir, label] = [cell(unique('dir'), '/a'), cell(unique('label'), 'a')]
  const compute = manifest('scan')
  const scan = memo((key: string) => `${compute(key)} of ${dir.get()}`)
  const s = script()
  await reader(async () => scan('manifest')) // an earlier request has computed it
  const seen = reader(async () => {
    await s.step(1)
    return [scan('manifest'), label.get()]
  })
  publish(() => {
    dir.set('/b')
    label.set('b')
  })
  const next = reader(async () => [scan('manifest'), label.get()])
  await s.run(1)
  return { seen: await seen, next: await next }
}

test('G-single-derived: what one epoch computed is never seen by another, so a memo does not skew', async () => {
  const memoised = await derivedSkew(inEpoch, () => (key) => key)
  expect(memoised).toEqual({ seen: ['manifest of /a', 'a'], next: ['manifest of /b', 'b'] })
  // The process-wide memo, keyed without the epoch, that this replaces:
  const cache = new Map<string, string>()
  const [dir, label] = [cell(unique('dir'), '/a'), cell(unique('label'), 'a')]
  const scan = () =>
    cache.get('manifest') ?? cache.set('manifest', `manifest of ${dir.get()}`).get('manifest')!
  await inEpoch(async () => scan())
  publish(() => {
    dir.set('/b')
    label.set('b')
  })
  expect(await inEpoch(async () => [scan(), label.get()])).toEqual(['manifest of /a', 'b'])
})

/** Two readers, two independent writes: both readers must agree on the order in which the writes happened. */
async function longFork(reader: Runner) {
  const [x, y] = [cell(unique('x'), 0), cell(unique('y'), 0)]
  const s = script()
  const [first, second] = [
    reader(async () => {
      await s.step(2)
      const xs = x.get()
      await s.step(5)
      return { x: xs, y: y.get() }
    }),
    reader(async () => {
      const ys = y.get()
      await s.step(3)
      return { y: ys, x: x.get() }
    }),
  ]
  const third = reader(async () => {
    const ys = y.get()
    await s.step(6)
    return { y: ys, x: x.get() }
  })
  await s.run(2)
  y.set(1)
  x.set(1)
  await s.run(3, 5, 6)
  return Promise.all([first, second, third])
}

test('long fork: live readers disagree on the order of two writes; epochs do not', async () => {
  // y was written before x. The first live reader has seen y without x, the second x without y.
  expect(await longFork(live)).toEqual([
    { x: 0, y: 1 },
    { y: 0, x: 1 },
    { y: 0, x: 1 },
  ])
  expect(await longFork(inEpoch)).toEqual([
    { x: 0, y: 0 },
    { y: 0, x: 0 },
    { y: 0, x: 0 },
  ])
})

test.each(bothWays)(':internal: %s reads its own write', async (_, actor) => {
  const x = cell(unique('x'), 1)
  const s = script()
  const seen = actor(async () => {
    x.set(2)
    const at = [x.get()]
    await s.step(1)
    return [...at, x.get()]
  })
  await s.run(1)
  expect(await seen).toEqual([2, 2])
})

test.each(bothWays)('real time: %s that starts after a completed write sees it', async (_, actor) => {
  const x = cell(unique('x'), 1)
  let foreign = 1
  const f = source(unique('f'), () => foreign)
  await actor(async () => [x.get(), f.get()])
  await actor(async () => x.set(2))
  foreign = 2
  expect(await actor(async () => [x.get(), f.get()])).toEqual([2, 2])
})

// --- write skew: what a snapshot permits, by definition ---

/** Each of two actors looks at what the other will write, and writes its own if the sum allows. */
async function writeSkew(
  actor: (body: (epoch?: Epoch) => Promise<string>) => Promise<string>,
  fenced: boolean,
) {
  const [x, y] = [cell(unique('x'), 50), cell(unique('y'), 50)]
  const s = script()
  const withdraw = (from: typeof x, other: typeof x, step: number) =>
    actor(async (epoch) => {
      const allowed = from.get() + other.get() >= 100
      await s.step(step)
      try {
        publish(() => {
          if (fenced) epoch!.validate(other)
          if (allowed) from.set(-50)
        })
        return 'withdrawn'
      } catch (error) {
        return error instanceof EpochError ? error.code : 'another error'
      }
    })
  const both = [withdraw(x, y, 1), withdraw(y, x, 2)]
  await s.run(1, 2)
  return [...(await Promise.all(both)), x.get() + y.get()]
}

test('G2-item write skew occurs, live and in epochs; validate is the fence', async () => {
  expect(await writeSkew((body) => body(), false)).toEqual(['withdrawn', 'withdrawn', -100])
  expect(await writeSkew(inEpoch, false)).toEqual(['withdrawn', 'withdrawn', -100])
  expect(await writeSkew(inEpoch, true)).toEqual(['withdrawn', 'EPOCH_STALE', 0])
})

/** Each of two actors adds a row where it found none. */
async function predicateSkew(fenced: boolean) {
  const rows = cell<readonly string[]>(unique('rows'), [])
  const s = script()
  const addFirst = (name: string, step: number) =>
    inEpoch(async (epoch) => {
      const empty = rows.get().length === 0
      await s.step(step)
      try {
        publish(() => {
          if (fenced) epoch.validate(rows)
          if (empty) rows.update((all) => [...all, name])
        })
        return 'added'
      } catch (error) {
        return error instanceof EpochError ? error.code : 'another error'
      }
    })
  const both = [addFirst('a', 1), addFirst('b', 2)]
  await s.run(1, 2)
  return [...(await Promise.all(both)), rows.get()]
}

test('G2 predicate write skew occurs; validate is the fence', async () => {
  expect(await predicateSkew(false)).toEqual(['added', 'added', ['a', 'b']])
  expect(await predicateSkew(true)).toEqual(['added', 'EPOCH_STALE', ['a']])
})

test('an actor inside an epoch that detaches reads and writes as live code does', async () => {
  const x = cell(unique('x'), 1)
  const seen = await inEpoch(async () => {
    x.get()
    return detach(async () => {
      x.set(2)
      return x.get()
    })
  })
  expect(seen).toBe(2)
})
