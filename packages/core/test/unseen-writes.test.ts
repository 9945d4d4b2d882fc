/**
 * Writes that nobody looks at in between: the second of them and those after it stand in the cell alone, and the root, which
 * epochs take, catches up when it is looked at. Whoever looks, in whichever way, finds the newest; nothing else may show that
 * it came late. What a write does inside an epoch is in `writes.test.ts`.
 */
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { adopt, type Cell, cell, detach, group, publish, source, withEpoch, type WriteEvent } from 'withepoch'
import { listenTo } from './channel-listener.js'
import { collected } from './collected.js'
import { deferred } from './deferred.js'
import { refusal } from './refusal.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('unseen-writes')

/** A cell that was written twice since anybody looked. */
function writtenTwice<T>(...[initial, first, second]: [T, T, T]) {
  const c = cell(unique('c'), initial)
  c.set(first)
  c.set(second)
  return c
}

/** The live values, as the process holds them. */
const { root } = (
  globalThis as unknown as Record<symbol, { root: { store(slot: number, value: unknown): void } }>
)[Symbol.for('withepoch.carrier')]!

/** A publication that does this, and then fails. */
function publishInVain(act: () => unknown): void {
  const failing = (): void =>
    publish(() => {
      act()
      throw new Error('not after all')
    })
  expect(failing).toThrow('not after all')
}

/** Somebody else's property, whose setter does this besides. */
function adopted<T>(initial: T, besides: () => void) {
  let held = initial
  const owner = {
    get value(): T {
      return held
    },
    set value(next: T) {
      held = next
      besides()
    },
  }
  return adopt(owner, 'value', { name: unique('value') })
}

const inEpoch = <R>(look: () => R): R => withEpoch({ ifNested: 'fresh' }, look)
const version = (): number => withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.version!)

// The first of this file: later ones declare.
test('the version is 0 until something is declared', () => {
  expect(version()).toBe(0)
})

describe('after two writes in a row', () => {
  test('an epoch captures the newest, with those of other cells', () => {
    const [a, b] = [writtenTwice(0, 1, 2), writtenTwice('', 'first', 'second')]
    expect(inEpoch(() => [a.get(), b.get()])).toEqual([2, 'second'])
    a.set(3)
    a.set(4)
    expect(inEpoch(() => [a.get(), b.get()])).toEqual([4, 'second'])
  })

  test('the root is left alone from the second on, until the next look', () => {
    const c = cell(unique('c'), 0)
    const store = vi.spyOn(root, 'store')
    onTestFinished(() => store.mockRestore())
    const stores = (value: number): number => {
      store.mockClear()
      c.set(value)
      return store.mock.calls.length
    }
    expect([stores(1), stores(2), stores(3), inEpoch(() => stores(4)), stores(5)]).toEqual([1, 0, 0, 1, 0])
    listenTo('withepoch:source:write', () => {})
    expect([stores(6), inEpoch(() => stores(7)), stores(8)]).toEqual([0, 1, 0])
  })

  test('an epoch that moves on gets the newest', () => {
    const c = cell(unique('c'), 0)
    const seen = withEpoch((epoch) => {
      const before = c.get()
      detach(() => [c.set(1), c.set(2)])
      epoch.advance()
      return [before, c.get()]
    })
    expect(seen).toEqual([0, 2])
  })

  test('an open epoch keeps what it has, and the next one gets the newest', async () => {
    const c = writtenTwice(0, 1, 2)
    const gate = deferred()
    const open = withEpoch(() => gate.promise.then(() => c.get()))
    for (const value of [3, 4, 5]) c.set(value)
    const next = inEpoch(() => c.get())
    gate.resolve()
    expect([await open, next, c.get()]).toEqual([2, 5, 5])
  })

  test('each is a version, also one that brings a value back; writing what is there is none', () => {
    const c = cell(unique('c'), Number.NaN)
    const before = version()
    for (const value of [1, 2, 1, 1, Number.NaN, Number.NaN, 0, -0, -0]) c.set(value)
    expect([version() - before, Object.is(c.get(), -0)]).toEqual([6, true])
    expect(inEpoch(() => Object.is(c.get(), -0))).toBe(true)
  })

  test('a getter that writes while it is polled writes what this very epoch gets', () => {
    const c = writtenTwice(0, 1, 2)
    const counter = source(unique('counter'), () => (c.set(c.live() + 1), c.set(c.live() + 1), 'polled'))
    onTestFinished(() => counter.release())
    expect(inEpoch(() => c.get())).toBe(4)
  })

  test('who begins to listen to writes is told of the next one', () => {
    const c = writtenTwice(0, 1, 2)
    const before = version()
    c.set(3)
    c.set(4)
    const told: Array<[number, number]> = []
    listenTo('withepoch:source:write', (message) => {
      const write = message as WriteEvent
      if (write.source.name === c.name) told.push([write.version - before, c.get()])
    })
    c.set(5)
    c.set(6)
    expect(told).toEqual([
      [3, 5],
      [4, 6],
    ])
  })
})

describe('a publication that comes after them', () => {
  test('takes back its own writes, and not theirs', () => {
    const c = writtenTwice(0, 1, 2)
    publishInVain(() => [c.set(3), c.set(4)])
    expect([c.get(), inEpoch(() => c.get())]).toEqual([2, 2])
    c.set(5)
    expect([c.get(), inEpoch(() => c.get())]).toEqual([5, 5])
  })

  test('is one version, whatever was written before it', () => {
    const c = writtenTwice(0, 1, 2)
    const before = version()
    c.set(3)
    c.set(4)
    publish(() => [c.set(5), c.set(6)])
    expect([version() - before, inEpoch(() => c.get())]).toEqual([3, 6])
  })

  test('and whose undoing writes a cell leaves what that wrote', () => {
    const log = cell(unique('log'), 0)
    let isUndoing = false
    const value = adopted('a', () => {
      if (isUndoing) for (const more of [1, 1]) log.set(log.get() + more)
    })
    publishInVain(() => {
      value.set('b')
      isUndoing = true
    })
    expect([value.get(), log.get(), inEpoch(() => log.get())]).toEqual(['a', 2, 2])
  })
})

describe('a cell that a failed publication declared', () => {
  test('has its first value, whatever undoing has written', () => {
    let declared!: Cell<number>
    let isUndoing = false
    const value = adopted(0, () => {
      if (isUndoing) declared.set(5)
    })
    publishInVain(() => {
      declared = cell(unique('declared'), 0)
      value.set(1)
      isUndoing = true
    })
    expect([value.get(), declared.get(), inEpoch(() => declared.get())]).toEqual([0, 0, 0])
  })

  test('in the place of another of its name has its own first value', () => {
    const former = writtenTwice('initial', 'first', 'second')
    let heir!: Cell<string>
    publishInVain(() => (heir = cell(former.name, 'heir', { ifRegistered: 'replace' })))
    const again = writtenTwice('initial', 'first', 'second')
    publishInVain(() => {
      again.release()
      publish(() => (heir = cell(again.name, 'heir after a release')))
    })
    expect([heir.get(), inEpoch(() => heir.get())]).toEqual(['heir after a release', 'heir after a release'])
    heir.set('written')
    expect([heir.get(), inEpoch(() => heir.get()), former.get()]).toEqual(['written', 'written', 'second'])
  })
})

describe('a cell with unseen writes', () => {
  test('whose name is taken back leaves none of them to the next of that name', () => {
    const c = writtenTwice(0, 1, 2)
    c.release()
    const next = cell(c.name, 10)
    expect([inEpoch(() => next.get()), c.get()]).toEqual([10, 2])
    c.set(3)
    c.set(4)
    expect([inEpoch(() => next.get()), c.get()]).toEqual([10, 4])
  })

  test('whose name is taken back goes on by itself: an epoch that reads it first gets what is live by then', () => {
    const c = writtenTwice(0, 1, 2)
    c.release()
    const before = inEpoch(() => c.get())
    c.set(11)
    expect([before, inEpoch(() => c.get())]).toEqual([2, 11])
  })

  test('and so does one that is written by what its release sets off', () => {
    const c = writtenTwice(0, 1, 2)
    const pool = cell(unique('pool'), 2, { retire: () => c.set(9) })
    group(unique('pair'), [c, pool], { coherent: (one, other) => one === other })
    pool.set(3)
    c.release()
    const before = inEpoch(() => c.get())
    c.set(11)
    expect([before, inEpoch(() => c.get())]).toEqual([9, 11])
  })

  test('and whose module is loaded again has the value of the new one', () => {
    const c = writtenTwice(0, 1, 2)
    const again = cell(c.name, 20, { ifRegistered: 'replace' })
    expect(inEpoch(() => again.get())).toBe(20)
  })

  test('that joins a group is held to it from the next write on: an epoch gets the last values that agreed', () => {
    const [a, b] = [writtenTwice(0, 1, 2), writtenTwice(0, 1, 2)]
    const pair = group(unique('pair'), [a, b], { coherent: (one, other) => one === other })
    onTestFinished(() => pair.release())
    const agreeThenBreak = (value: number): unknown => {
      for (const each of [a, b]) for (const next of [value + 0.5, value]) each.set(next)
      a.set(-1)
      return inEpoch(() => [a.get(), b.get()])
    }
    expect([agreeThenBreak(3), agreeThenBreak(4)]).toEqual([
      [3, 3],
      [4, 4],
    ])
  })

  test('written by who hears that a group is broken, which ends it, is captured as it was then', () => {
    const [a, b, flag] = [cell(unique('a'), 1), cell(unique('b'), 2), cell(unique('flag'), 'old')]
    const pair = group(unique('pair'), [a, b], { coherent: (one, other) => one === other })
    let isFirst = true
    listenTo('withepoch:group:broken', () => {
      if (!isFirst) return
      isFirst = false
      pair.release()
      flag.set('broken')
    })
    const seen = withEpoch((epoch) => {
      detach(() => [flag.set('newer'), flag.set('newest')])
      return [epoch.get(flag), epoch.isStale()]
    })
    expect([seen, inEpoch(() => flag.get())]).toEqual([['broken', true], 'newest'])
  })

  test('written by what its release sets off leaves the next of its name alone', () => {
    const a = cell(unique('a'), 1)
    const pool = cell(unique('pool'), 1, { retire: () => a.set(9) })
    group(unique('pair'), [a, pool], { coherent: (one, other) => one === other })
    pool.set(2)
    a.release()
    const next = cell(a.name, 10)
    expect([a.get(), next.get(), inEpoch(() => next.get())]).toEqual([9, 10, 10])
  })

  test('that is written in an epoch has that epoch’s write, in it and outside', () => {
    const c = cell(unique('c'), 0)
    const seen = withEpoch((epoch) => {
      detach(() => [c.set(1), c.set(2)])
      const before = [c.get(), epoch.isStale()]
      c.set(3)
      return [...before, c.get(), epoch.get(c)]
    })
    expect([seen, c.get(), inEpoch(() => c.get())]).toEqual([[0, true, 3, 3], 3, 3])
  })

  test('that holds copies, once its name is taken back, leaves the next of that name alone', () => {
    const rows = cell(unique('rows'), [0], { copy: (value) => [...value] })
    rows.release()
    const next = cell(rows.name, [10])
    rows.set([1])
    rows.set([2])
    expect([inEpoch(() => next.get()), rows.get()]).toEqual([[10], [2]])
  })

  test('that holds copies is what it is after a publication that was undone', () => {
    const rows = cell(unique('rows'), [0], { copy: (value) => [...value] })
    inEpoch(() => rows.get()) // so that the root has a copy
    publishInVain(() => rows.set([1]))
    const undone = rows.get()
    const next = [2]
    rows.set(next)
    expect([undone, rows.get() === next, inEpoch(() => rows.get())]).toEqual([[0], true, [2]])
  })

  test('retires each replaced value all the same', () => {
    const retired: number[] = []
    const c = cell(unique('c'), 0, { retire: (old) => void retired.push(old) })
    for (const value of [1, 2, 3]) c.set(value)
    expect(retired).toEqual([0, 1, 2])
  })

  test('does not let a late write through that was to stay in its epoch', async () => {
    const c = cell(unique('c'), 0)
    const gate = deferred()
    const late = withEpoch({ name: 'local', writes: 'local' }, () => ({
      refused: gate.promise.then(() => refusal(() => c.set(9))),
    })).refused
    c.set(1)
    c.set(2)
    gate.resolve()
    expect(await late).toMatch(/^EPOCH_CLOSED: A late write to /)
    expect(c.get()).toBe(2)
  })

  test('lets go of what it replaced, also if nobody ever looks', async () => {
    const c = cell<object>(unique('c'), { size: 0 })
    inEpoch(() => c.get())
    const replaced = [1, 2, 3].map((size) => {
      const before = new WeakRef(c.get())
      c.set({ size })
      return before
    })
    await collected(replaced)
    expect(replaced.map((each) => each.deref())).toEqual([undefined, undefined, undefined])
  })
})
