/**
 * Declaring what request code reads: names and registration, the isolation levels, getters that misbehave, values that
 * are mutated in place, and what is said to somebody who passes the wrong thing. Reading under concurrent writes is in
 * `isolation.test.ts`; writing is in `writes.test.ts`.
 */
import { inspect } from 'node:util'
import { expect, onTestFinished, test as once, vi } from 'vitest'
import { cell, detach, EpochError, publish, source, tryGetEpoch, withEpoch } from 'withepoch'
import { test } from './epoch-test.js'
import { refusal } from './refusal.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('sources')

/** For arguments that the types forbid: JavaScript callers pass them all the same. */
const anySource = source as unknown as (...args: unknown[]) => unknown
const anyCell = cell as unknown as (...args: unknown[]) => unknown

// --- bad input ---

once.each([
  ['undefined', undefined, 'undefined'],
  ['null', null, 'null'],
  ['a number', 7, 'a number'],
  ['a symbol', Symbol('secret'), 'a symbol'],
  ['an array', ['secret'], 'an array'],
  ['an object', { secret: 1 }, 'an object (Object)'],
  ['an object without prototype', Object.create(null), 'an object (no constructor)'],
  ['an empty string', '', 'an empty string'],
])('source and cell refuse %s as a name, and never show it', (_, name, found) => {
  expect(refusal(() => anySource(name, () => 1))).toBe(
    `INVALID_ARGUMENT: source(name, …): name must be a non-empty string, got ${found}.`,
  )
  expect(refusal(() => anyCell(name, 1))).toBe(
    `INVALID_ARGUMENT: cell(name, …): name must be a non-empty string, got ${found}.`,
  )
})

once('a getter that is no function is refused, by name of the source', () => {
  const name = unique('noGetter')
  expect(refusal(() => anySource(name, 'secret'))).toBe(
    `INVALID_ARGUMENT: source("${name}", …): the getter must be a function, got a string.`,
  )
  expect(refusal(() => anySource(name))).toBe(
    `INVALID_ARGUMENT: source("${name}", …): the getter must be a function, got undefined.`,
  )
})

once('options that are no object, or that nobody knows, are refused rather than ignored', () => {
  const name = unique('options')
  const known = 'Known: isolation, copy, version, describe, ifRegistered'
  expect([
    refusal(() => anySource(name, () => 1, null)),
    refusal(() => anySource(name, () => 1, 'snapshot')),
    refusal(() => anySource(name, () => 1, { isolaton: 'snapshot' })),
    refusal(() => anyCell(name, 1, 3)),
    refusal(() => anyCell(name, 1, { retries: 1 })),
  ]).toEqual([
    'INVALID_ARGUMENT: source(name, getter, options): options must be an object, got null.',
    'INVALID_ARGUMENT: source(name, getter, options): options must be an object, got a string.',
    `INVALID_ARGUMENT: source(name, getter, options): unknown option "isolaton". ${known}.`,
    'INVALID_ARGUMENT: cell(name, initial, options): options must be an object, got a number.',
    `INVALID_ARGUMENT: cell(name, initial, options): unknown option "retries". ${known}, retire.`,
  ])
})

once('an option of the wrong kind is refused with what it may be', () => {
  const name = unique('option')
  const words = 'it is one of snapshot, repeatable-read, read-committed.'
  expect([
    refusal(() => anySource(name, () => 1, { isolation: 'serializable' })),
    refusal(() => anySource(name, () => 1, { isolation: 3 })),
    refusal(() => anyCell(name, 1, { isolation: null })),
    refusal(() => anySource(name, () => 1, { ifRegistered: 'ignore' })),
    refusal(() => anySource(name, () => 1, { copy: true })),
    refusal(() => anySource(name, () => 1, { describe: 'secret' })),
    refusal(() => anyCell(name, 1, { copy: () => 1, version: 3 })),
  ]).toEqual([
    `INVALID_ARGUMENT: source("${name}", …): isolation is "serializable"; ${words}`,
    `INVALID_ARGUMENT: source("${name}", …): isolation is a number; ${words}`,
    `INVALID_ARGUMENT: cell("${name}", …): isolation is null; ${words}`,
    `INVALID_ARGUMENT: source("${name}", …): ifRegistered is "ignore"; it is one of throw, replace.`,
    `INVALID_ARGUMENT: source("${name}", …): copy must be a function, got a boolean.`,
    `INVALID_ARGUMENT: source("${name}", …): describe must be a function, got a string.`,
    `INVALID_ARGUMENT: cell("${name}", …): version must be a function, got a number.`,
  ])
})

once('version without copy is refused: it would tell of a change that the snapshot lets through', () => {
  const name = unique('versionOnly')
  expect(refusal(() => source(name, () => [1], { version: () => 1 }))).toBe(
    `INVALID_ARGUMENT: source("${name}", …): version without copy. version says when the value was changed in place, which ` +
      'a snapshot of the reference would let through: say how to copy it as well.',
  )
})

once('what was refused has not taken the name', () => {
  const name = unique('again')
  refusal(() => anySource(name, 'no getter'))
  refusal(() => anySource(name, () => 1, { isolation: 'none' }))
  expect(source(name, () => 1).get()).toBe(1)
})

once('epoch.get refuses what is no source', () => {
  const get = (value: unknown) => withEpoch((epoch) => refusal(() => epoch.get(value as never)))
  expect([get(undefined), get(null), get('plugins'), get({}), get(() => 1)]).toEqual([
    'INVALID_ARGUMENT: epoch.get(source): expected a source or a cell, got undefined.',
    'INVALID_ARGUMENT: epoch.get(source): expected a source or a cell, got null.',
    'INVALID_ARGUMENT: epoch.get(source): expected a source or a cell, got a string.',
    'INVALID_ARGUMENT: epoch.get(source): expected a source or a cell, got an object (Object).',
    'INVALID_ARGUMENT: epoch.get(source): expected a source or a cell, got a function.',
  ])
})

// --- names ---

once('a second source of a name is refused, with the place of both', () => {
  const name = unique('twice')
  const first = source(name, () => 1)
  const found = refusal(() => cell(name, 2))
  const sites = [...found.matchAll(/sources\.test\.ts:(\d+):\d+/g)].map((match) => Number(match[1]))
  expect(found.replaceAll(/at .*sources\.test\.ts:\d+:\d+.*/g, 'at HERE')).toBe(
    `DUPLICATE_SOURCE: A source named "${name}" is already registered.\n  first:  at HERE\n  second: at HERE\n` +
      "Names are unique in the process. If the module was reloaded, pass { ifRegistered: 'replace' } or call release() on " +
      'the first.',
  )
  expect(sites).toHaveLength(2)
  expect(sites[1]! - sites[0]!).toBe(1) // the lines of the two declarations above
  expect(first.get()).toBe(1)
})

once.each([
  ['one without frames', 0],
  ['none', undefined],
])('a place that no stack trace tells is an unknown one: %s', (_, limit) => {
  const name = unique('nowhere')
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = limit as number
  onTestFinished(() => void (Error.stackTraceLimit = stackTraceLimit))
  cell(name, 1)
  expect(refusal(() => cell(name, 2))).toBe(
    `DUPLICATE_SOURCE: A source named "${name}" is already registered.\n  first:  at an unknown place\n` +
      '  second: at an unknown place\nNames are unique in the process. If the module was reloaded, pass { ifRegistered: ' +
      "'replace' } or call release() on the first.",
  )
})

once('release frees the name, once, and of no other', () => {
  const name = unique('released')
  const first = source(name, () => 'first')
  first.release()
  first.release()
  const second = source(name, () => 'second')
  first.release() // of no effect: the name is the second's now
  expect(refusal(() => source(name, () => 'third'))).toContain(`DUPLICATE_SOURCE: A source named "${name}"`)
  expect([second.get(), withEpoch(() => second.get())]).toEqual(['second', 'second'])
})

once(
  'ifRegistered: replace takes the name over; an open epoch keeps what it captured, a later one gets the new',
  () => {
    const name = unique('reloaded')
    const before = source(name, () => 'before')
    const seen = withEpoch(() => {
      const after = source(name, () => 'after', { ifRegistered: 'replace' })
      return {
        old: before.get(),
        same: after.get(),
        next: withEpoch({ ifNested: 'fresh' }, () => after.get()),
      }
    })
    expect(seen).toEqual({ old: 'before', same: 'before', next: 'after' })
  },
)

once('a released source keeps its captured value in an open epoch, and is no longer polled', () => {
  let calls = 0
  let value = 'captured'
  const f = source(unique('gone'), () => (calls++, value))
  const seen = withEpoch(() => {
    f.release()
    value = 'live'
    return [f.get(), f.live()]
  })
  const polledSoFar = calls
  withEpoch(() => {})
  expect({ seen, calls }).toEqual({ seen: ['captured', 'live'], calls: polledSoFar })
})

once('a released cell keeps the value that it had', () => {
  const c = cell(unique('kept'), 1)
  c.set(2)
  c.release()
  expect([c.get(), c.live()]).toEqual([2, 2])
})

once('a write of the same value to a cell with a copy is none: nothing is copied, no version is made', () => {
  const value = { rows: 1 }
  let copies = 0
  const c = cell(unique('same'), value, { copy: ({ rows }) => ({ rows, copy: ++copies }), version: () => 1 })
  const version = () => withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.version)
  const before = [version(), copies]
  c.set(value)
  expect([version(), copies]).toEqual(before)
})

once('a getter that goes on throwing the same is no change: no version is made', () => {
  const failure = new Error('down')
  const s = source(unique('down'), () => {
    throw failure
  })
  const version = () => withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.version)
  const [first, second] = [version(), version()]
  s.release()
  expect(second).toBe(first)
})

once('a released cell can still be read and written through its handle', () => {
  const c = cell(unique('goneCell'), 1)
  c.release()
  c.set(2)
  expect([c.get(), withEpoch(() => c.get())]).toEqual([2, 2])
})

once('a cell that takes the name of a released one has nothing of it, nor the released one of it', () => {
  const name = unique('again')
  const first = cell(name, 1)
  first.release()
  withEpoch(() => {
    const late = cell(name, 2)
    expect([late.get(), late.live()]).toEqual([2, 2])
    late.release()
  })
  const second = cell<number | string>(name, 'two')
  first.set(9)
  expect([first.get(), second.get(), withEpoch(() => second.get())]).toEqual([9, 'two', 'two'])
  second.set('three')
  expect([first.get(), second.get()]).toEqual([9, 'three'])
})

once('__proto__, constructor and other inherited names are names like any other', () => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', 'prototype']
  const cells = names.map((name) => cell(name, `${name} 1`))
  const seen = withEpoch((epoch) => {
    detach(() => cells.forEach((c, i) => c.set(`${names[i]} 2`)))
    return cells.map((c) => epoch.get(c))
  })
  expect(seen).toEqual(names.map((name) => `${name} 1`))
  expect(cells.map((c) => c.get())).toEqual(names.map((name) => `${name} 2`))
  expect(refusal(() => source('__proto__', () => 1))).toContain(
    'DUPLICATE_SOURCE: A source named "__proto__" is already registered.',
  )
  expect([({} as Record<string, unknown>)['admin'], Object.keys(Object.prototype)]).toEqual([undefined, []])
  cells.forEach((c) => c.release())
})

once('a source has its name and nothing of its value in JSON and in the console', () => {
  const name = unique('shown')
  const c = cell(name, { token: 's3cr3t' })
  expect([c.name, JSON.stringify(c), inspect(c, { showHidden: true })]).toEqual([
    name,
    `{"source":"${name}"}`,
    `Cell { '${name}', snapshot }`,
  ])
})

// --- undefined, null, unset ---

once.each([
  ['undefined', undefined, 'set'],
  ['null', null, 'set'],
  ['undefined over a value', 'set', undefined],
  ['zero', 0, 1],
  ['an empty string', '', 'x'],
  ['false', false, true],
  ['NaN', Number.NaN, 1],
  ['negative zero', -0, 0],
])('a pinned %s is pinned', (_, pinned, live) => {
  let foreign: unknown = pinned
  const f = source(unique('emptyForeign'), () => foreign)
  const c = cell<unknown>(unique('emptyCell'), pinned)
  const r = source(unique('emptyFirstRead'), () => foreign, { isolation: 'repeatable-read' })
  const seen = withEpoch((epoch) => {
    r.get()
    foreign = live
    detach(() => c.set(live))
    return [f.get(), c.get(), r.get(), epoch.get(f), epoch.get(c), epoch.get(r)]
  })
  expect(seen).toEqual(Array.from({ length: 6 }, () => pinned))
  expect([f.get(), c.get(), r.get()]).toEqual([live, live, live])
})

once('an override of undefined is an override', () => {
  const c = cell<string | undefined>(unique('overridden'), 'set')
  expect(withEpoch({ values: [[c, undefined]] }, () => [c.get(), c.live()])).toEqual([undefined, 'set'])
})

once('undefined, null and a name not yet registered are three readings', () => {
  const u = cell<unknown>(unique('u'), undefined)
  const n = cell<unknown>(unique('n'), null)
  const seen = withEpoch(() => {
    const late = cell<unknown>(unique('late'), 'captured at first read')
    return [u.get(), n.get(), late.get()]
  })
  expect(seen).toEqual([undefined, null, 'captured at first read'])
})

// --- getters that misbehave ---

test('a getter that throws is captured as a thrown error, and rethrown at each read; the others are unharmed', () => {
  let failure: Error | undefined = new Error('db down')
  const bad = source(unique('bad'), () => {
    if (failure !== undefined) throw failure
    return 'up'
  })
  const good = source(unique('good'), () => 1)
  const thrown = failure
  const seen = withEpoch((epoch) => {
    expect(() => bad.get()).toThrow(thrown)
    failure = undefined
    expect(() => bad.get()).toThrow(thrown)
    expect(() => epoch.get(bad)).toThrow(thrown)
    return [good.get(), bad.live()]
  })
  expect(seen).toEqual([1, 'up'])
  expect(withEpoch({ ifNested: 'fresh' }, () => bad.get())).toBe('up')
})

once('a getter that throws lets the epoch open, and the handler run without reading it', () => {
  source(unique('unread'), () => {
    throw new Error('nobody asked')
  })
  expect(withEpoch(() => 'ran')).toBe('ran')
})

once('a getter that throws undefined is still a getter that threw', () => {
  let broken = true
  const odd = source(unique('throwsUndefined'), () => {
    if (broken) throw undefined
    return 1
  })
  const outcome = withEpoch(() => {
    broken = false
    try {
      return odd.get()
    } catch (error) {
      return { thrown: error }
    }
  })
  expect(outcome).toEqual({ thrown: undefined })
})

once('a getter that recovers to undefined has recovered', () => {
  let broken = true
  const flaky = source(unique('recovers'), () => {
    if (broken) throw new Error('down')
    return undefined
  })
  withEpoch(() => {
    expect(() => flaky.get()).toThrow('down')
  })
  broken = false
  expect(withEpoch(() => flaky.get())).toBe(undefined)
})

once('an error thrown at the first read of a repeatable-read source is as pinned as a value', () => {
  let broken = true
  const flaky = source(
    unique('lazyBad'),
    () => {
      if (broken) throw new Error('down')
      return 'up'
    },
    { isolation: 'repeatable-read' },
  )
  withEpoch(() => {
    expect(() => flaky.get()).toThrow('down')
    broken = false
    expect(() => flaky.get()).toThrow('down')
    expect(flaky.live()).toBe('up')
  })
  expect(withEpoch(() => flaky.get())).toBe('up')
})

test('a getter that returns a promise is refused where it is read, inside and outside, naming memo', () => {
  const name = unique('async')
  const later = source(name, async () => 1)
  const message =
    `ASYNC_GETTER: The getter of source "${name}" returned a promise, which would be captured before it has a value. Let the ` +
    'getter return what is there now, and compute the rest with memo(async () => …) from it.'
  expect([
    refusal(() => later.get()),
    refusal(() => later.live()),
    withEpoch(() => refusal(() => later.get())),
    withEpoch(() => 'the rest is unharmed'),
  ]).toEqual([message, message, message, 'the rest is unharmed'])
})

once('any thenable counts as a promise', () => {
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
  const lazy = source(unique('thenable'), () => ({ then: () => {} }))
  expect(refusal(() => lazy.get())).toMatch(/^ASYNC_GETTER: The getter of source/)
})

once('the rejection of a refused promise is nobody’s: the process does not hear of it', async () => {
  const unhandled = vi.fn<(reason: unknown) => void>()
  process.on('unhandledRejection', unhandled)
  try {
    const rejects = source(unique('rejects'), () => Promise.reject(new Error('db down')))
    withEpoch(() => {})
    refusal(() => rejects.get())
    await new Promise(setImmediate)
    await new Promise(setImmediate)
  } finally {
    process.off('unhandledRejection', unhandled)
  }
  expect(unhandled.mock.calls).toEqual([])
})

const IN_GETTER =
  'EPOCH_IN_GETTER: withEpoch() was called by the getter of a source while that source was being read. A getter returns ' +
  'the process-global value and nothing else: move the call out of it.'

test('a getter that calls withEpoch is an error where it is read, not a stack overflow', () => {
  for (const ifNested of ['reuse', 'fork', 'fresh', 'throw'] as const) {
    const loops = source(unique('loops'), () => withEpoch({ ifNested }, () => 1))
    expect([
      refusal(() => loops.get()),
      refusal(() => loops.live()),
      withEpoch(() => refusal(() => loops.get())),
      withEpoch(() => 'the rest is unharmed'),
    ]).toEqual([IN_GETTER, IN_GETTER, IN_GETTER, 'the rest is unharmed'])
    loops.release()
  }
})

test('a getter that reads another source reads it live, in or out of an epoch', () => {
  const c = cell(unique('inner'), 1)
  const sum = source(unique('outer'), () => [c.get(), tryGetEpoch()])
  const seen = withEpoch(() => {
    c.get()
    detach(() => c.set(2))
    return sum.live()
  })
  expect(seen).toEqual([2, undefined])
})

once('a getter may read another source at capture, and nothing stays marked as read by a getter', () => {
  const c = cell(unique('inner'), 1)
  const twice = source(unique('twice'), () => c.get() * 2)
  const seen = withEpoch(() => {
    detach(() => c.set(5))
    return [c.get(), twice.get(), tryGetEpoch()?.phase]
  })
  expect(seen).toEqual([1, 2, 'open'])
})

once('a getter that throws leaves the epoch of its reader current', () => {
  const bad = source(unique('bad'), () => {
    throw new Error('down')
  })
  const seen = withEpoch((epoch) => {
    expect(() => bad.live()).toThrow('down')
    return tryGetEpoch() === epoch
  })
  expect(seen).toBe(true)
})

// --- isolation levels ---

test('a repeatable-read source is captured at its first read, and stays put', () => {
  let calls = 0
  let value = 'at entry'
  const dear = source(unique('dear'), () => (calls++, value), { isolation: 'repeatable-read' })
  const untouched = withEpoch({ ifNested: 'fresh' }, () => calls)
  const seen = withEpoch((epoch) => {
    value = 'at first read'
    const first = dear.get()
    value = 'later'
    return [first, dear.get(), epoch.get(dear), dear.live()]
  })
  expect({ untouched, seen }).toEqual({
    untouched: 0,
    seen: ['at first read', 'at first read', 'at first read', 'later'],
  })
})

once('a repeatable-read cell is captured at its first read, and stays put', () => {
  const c = cell(unique('dearCell'), 1, { isolation: 'repeatable-read' })
  const seen = withEpoch(() => {
    detach(() => c.set(2))
    const first = c.get()
    detach(() => c.set(3))
    return [first, c.get(), c.live()]
  })
  expect(seen).toEqual([2, 2, 3])
})

once('two epochs pin a repeatable-read source each at its own first read', async () => {
  let value = 1
  const dear = source(unique('dear'), () => value, { isolation: 'repeatable-read' })
  let release!: () => void
  const gate = new Promise<void>((resolve) => (release = resolve))
  const read = async () => {
    const first = dear.get()
    await gate
    return [first, dear.get()]
  }
  const one = withEpoch(read)
  value = 2
  const two = withEpoch(read)
  value = 3
  release()
  expect(await Promise.all([one, two])).toEqual([
    [1, 1],
    [2, 2],
  ])
})

test('a read-committed source is never pinned', async () => {
  let on = true
  const killSwitch = source(unique('kill'), () => on, { isolation: 'read-committed' })
  const revoked = cell(unique('revoked'), 1, { isolation: 'read-committed' })
  const seen = await withEpoch(async (epoch) => {
    const first = [killSwitch.get(), revoked.get()]
    on = false
    detach(() => revoked.set(2))
    await null
    return [first, [killSwitch.get(), revoked.get()], [epoch.get(killSwitch), epoch.get(revoked)]]
  })
  expect(seen).toEqual([
    [true, 1],
    [false, 2],
    [false, 2],
  ])
})

once('a source tells its isolation, snapshot unless it says otherwise', () => {
  expect([
    source(unique('i'), () => 1).isolation,
    cell(unique('i'), 1, { isolation: 'repeatable-read' }).isolation,
    source(unique('i'), () => 1, { isolation: 'read-committed' }).isolation,
  ]).toEqual(['snapshot', 'repeatable-read', 'read-committed'])
})

// --- late registration ---

once(
  'a source registered while an epoch is open is captured at that epoch’s first read of it, and stays put',
  () => {
    let value = 'registered'
    const seen = withEpoch((epoch) => {
      const f = source(unique('late'), () => value)
      const c = cell(unique('lateCell'), 1)
      value = 'first read'
      detach(() => c.set(2))
      const first = [f.get(), c.get()]
      value = 'later'
      detach(() => c.set(3))
      return [first, [f.get(), c.get()], [epoch.get(f), epoch.get(c)], [f.live(), c.live()]]
    })
    expect(seen).toEqual([
      ['first read', 2],
      ['first read', 2],
      ['first read', 2],
      ['later', 3],
    ])
  },
)

once('sources registered late can be read in any order', () => {
  const seen = withEpoch(() => {
    const late = Array.from({ length: 5 }, (_, i) => cell<number | undefined>(unique('late'), i))
    const read = [late[4]!.get(), late[1]!.get()]
    detach(() => late.forEach((c) => c.set(undefined)))
    return [...read, ...late.map((c) => c.get())]
  })
  // 4 and 1 were pinned by their first read; 0, 2 and 3 are read first after the change.
  expect(seen).toEqual([4, 1, undefined, 1, undefined, undefined, 4])
})

once(
  'each open epoch pins a late source at its own first read; epochs opened afterwards capture it at entry',
  async () => {
    let release!: () => void
    const gate = new Promise<void>((resolve) => (release = resolve))
    const late: Array<ReturnType<typeof cell<number>>> = []
    const read = () => gate.then(() => late[0]!.get())
    const one = withEpoch(read)
    late.push(cell(unique('late'), 1))
    const two = withEpoch(read)
    late[0]!.set(2)
    release()
    expect(await Promise.all([one, two])).toEqual([2, 1])
  },
)

once('a late source whose getter throws is captured as thrown', () => {
  let broken = true
  withEpoch(() => {
    const bad = source(unique('lateBad'), () => {
      if (broken) throw new Error('down')
      return 1
    })
    expect(() => bad.get()).toThrow('down')
    broken = false
    expect(() => bad.get()).toThrow('down')
  })
})

// --- values that are mutated in place ---

once('a value mutated in place shows through a snapshot of its reference, and not through a copy', () => {
  const state = { tenants: ['a'] }
  const reference = source(unique('reference'), () => state)
  const copied = source(unique('copied'), () => state, { copy: (value) => structuredClone(value) })
  const seen = withEpoch(() => {
    state.tenants.push('b')
    return [reference.get().tenants, copied.get().tenants, copied.live().tenants]
  })
  expect(seen).toEqual([['a', 'b'], ['a'], ['a', 'b']])
  expect(withEpoch(() => copied.get().tenants)).toEqual(['a', 'b']) // without a version, copied at each capture
})

once('a cell with copy is copied at capture; live and outside reads are the original', () => {
  const list = ['a']
  const c = cell(unique('copiedCell'), list, { copy: (value) => Object.freeze([...value]) as string[] })
  const seen = withEpoch(() => {
    list.push('b')
    return [c.get(), c.live() === list, Object.isFrozen(c.get())]
  })
  expect(seen).toEqual([['a'], true, true])
  expect([c.get() === list, Object.isFrozen(list)]).toEqual([true, false])
})

once('what a request writes to a copied cell is copied as well', () => {
  const c = cell(unique('copiedWrite'), ['a'], { copy: (value) => [...value] })
  const written = ['b']
  const seen = withEpoch(() => {
    c.set(written)
    written.push('c')
    return [c.get(), c.live()]
  })
  expect(seen).toEqual([['b'], ['b', 'c']])
})

once('with version the copy is made once per change, not once per request', () => {
  const list = ['a']
  let version = 0
  const copy = vi.fn<(value: string[]) => string[]>((value) => [...value])
  const s = source(unique('versioned'), () => list, { copy, version: () => version })
  const read = () => withEpoch(() => s.get())
  const [first, second] = [read(), read()]
  list.push('b')
  version++
  const [third, fourth] = [read(), read()]
  expect({ same: first === second, first, third, sameAgain: third === fourth }).toEqual({
    same: true,
    first: ['a'],
    third: ['a', 'b'],
    sameAgain: true,
  })
  expect(copy).toHaveBeenCalledTimes(2)
})

once('a value that is replaced is copied even when its version stands still', () => {
  let list = ['a']
  const s = source(unique('replaced'), () => list, { copy: (value) => [...value], version: () => 0 })
  const read = () => withEpoch(() => s.get())
  const first = read()
  list = ['b']
  expect([first, read()]).toEqual([['a'], ['b']])
})

once('an unchanged version is told by Object.is: NaN stands still', () => {
  const copy = vi.fn<(value: number[]) => number[]>((value) => [...value])
  const s = source(unique('nan'), () => list, { copy, version: () => Number.NaN })
  const list = [1]
  withEpoch(() => s.get())
  withEpoch(() => s.get())
  expect(copy).toHaveBeenCalledTimes(1)
})

once('a copy may be a primitive', () => {
  const map = new Map([['a', 1]])
  const s = source<unknown>(unique('json'), () => map, {
    copy: (value) => JSON.stringify([...(value as typeof map)]),
  })
  const seen = withEpoch((epoch) => {
    epoch.validate(s)
    map.set('b', 2)
    expect(() => epoch.validate(s)).toThrow(EpochError)
    return s.get()
  })
  expect(seen).toBe('[["a",1]]')
})

once('a copy may be null', () => {
  const s = source<unknown>(unique('null'), () => [1], { copy: () => null })
  const seen = withEpoch((epoch) => {
    epoch.validate(s)
    return s.get()
  })
  expect(seen).toBe(null)
  s.release()
})

once('a copy that throws is captured like a getter that throws', () => {
  let broken = true
  const s = source(unique('badCopy'), () => 1, {
    copy: (value) => {
      if (broken) throw new Error('not cloneable')
      return value
    },
  })
  withEpoch(() => {
    expect(() => s.get()).toThrow('not cloneable')
    broken = false
    expect(() => s.get()).toThrow('not cloneable')
  })
  expect(withEpoch(() => s.get())).toBe(1)
})

once('a repeatable-read source is copied at its first read', () => {
  const list = ['a']
  const s = source(unique('lazyCopy'), () => list, {
    isolation: 'repeatable-read',
    copy: (value) => [...value],
  })
  const seen = withEpoch(() => {
    list.push('b')
    const first = s.get()
    list.push('c')
    return [first, s.get() === first]
  })
  expect(seen).toEqual([['a', 'b'], true])
})

// --- declared again, or in a publish ---

once('what is registered in a publish that throws keeps its value, and its place to itself', () => {
  let first: ReturnType<typeof cell<string>> | undefined
  const [one, two] = [unique('undone'), unique('next')]
  expect(() =>
    publish(() => {
      first = cell(one, 'first')
      throw new Error('undone')
    }),
  ).toThrow('undone')
  const second = cell(two, 'second')
  second.set('second, written')
  expect([first!.get(), second.get()]).toEqual(['first', 'second, written'])
})

once.each(['repeatable-read', 'read-committed'] as const)(
  'a %s source does not inherit the captured error of the one that had its name before',
  (isolation) => {
    const name = unique('inherits')
    const before = source(name, () => {
      throw new Error('the former one')
    })
    withEpoch(() => {})
    before.release()
    const after = source(name, () => 'fine', { isolation })
    expect(withEpoch(() => after.get())).toBe('fine')
  },
)

once('a repeatable-read source with version is copied once per change, too', () => {
  const list = ['a']
  const copy = vi.fn<(value: string[]) => string[]>((value) => [...value])
  const s = source(unique('lazyVersion'), () => list, {
    isolation: 'repeatable-read',
    copy,
    version: () => 0,
  })
  withEpoch(() => s.get())
  withEpoch(() => s.get())
  expect(copy).toHaveBeenCalledTimes(1)
})

once('a read-committed source is not pinned by an epoch that captured its name as something else', () => {
  const name = unique('takenOver')
  cell(name, 'captured')
  const seen = withEpoch(() => {
    const now = cell(name, 'live', { ifRegistered: 'replace', isolation: 'read-committed' })
    return now.get()
  })
  expect(seen).toBe('live')
})

once('a lazy thenable that a getter returns is refused without being started', () => {
  const start = vi.fn<(settle: (n: number) => void) => void>((settle) => settle(1))
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
  const query = source(unique('lazyThenable'), () => ({ then: start }))
  expect(refusal(() => query.get())).toMatch(/^ASYNC_GETTER: The getter of source/)
  expect(start.mock.calls).toEqual([])
})
