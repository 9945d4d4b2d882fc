/**
 * Who holds on, on demand: open epochs, late readers, and what waits to be retired, as plain data and as text. Nothing is
 * remembered that nobody asked for, and no epoch is kept alive by being named.
 */
import { hasSubscribers } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { adopt, bind, cell, configure, detach, drain, holders, withEpoch } from 'withepoch'
import { hold as held } from './held-epoch.js'
import { uniqueNames } from './unique-name.js'
import { deferred } from './deferred.js'

const unique = uniqueNames('holders')

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  vi.useRealTimers()
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function hold(name: string): ReturnType<typeof held> {
  const one = held({ name })
  cleanups.push(() => one.end())
  return one
}

function set(settings: Parameters<typeof configure>[0]): void {
  cleanups.push(configure(settings))
}

describe('open', () => {
  test('names the open epochs, oldest snapshot first, and none that has closed', async () => {
    const [first, second] = [hold('first'), hold('second')]
    withEpoch(() => {})
    expect(holders().open).toStrictEqual([
      { id: first.epoch.id, name: 'first', phase: 'open', ageMs: expect.any(Number) as number },
      { id: second.epoch.id, name: 'second', phase: 'open', ageMs: expect.any(Number) as number },
    ])
    await first.end()
    expect(holders().open.map(({ name }) => name)).toEqual(['second'])
  })

  test('says that one is closing', async () => {
    const hook = deferred()
    const one = hold('closing')
    one.epoch.onClose(() => hook.promise)
    const ended = one.end()
    await vi.waitFor(() => expect(one.epoch.phase).toBe('closing'))
    expect(holders().open.map(({ phase }) => phase)).toEqual(['closing'])
    hook.resolve()
    await ended
  })

  test('knows ages as lower bounds, from when it first met an epoch', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    hold('request')
    vi.advanceTimersByTime(500)
    const ages = [holders().open[0]!.ageMs]
    vi.advanceTimersByTime(30)
    ages.push(holders().open[0]!.ageMs)
    expect(ages).toEqual([0, 30])
  })

  test('knows ages exactly, and places, where epochs were opened with captureStacks', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    set({ captureStacks: true })
    hold('request')
    vi.advanceTimersByTime(500)
    const [holder] = holders().open
    expect(holder!.ageMs).toBe(500)
    expect(holder!.stack).toMatch(/\bhold\b.*holders\.test\.ts/)
  })
})

describe('late', () => {
  /** Work that reads `read` after the end of an epoch called `name`. */
  const late = (name: string, read: () => unknown): (() => unknown) =>
    withEpoch({ name, ifNested: 'fresh' }, () => bind(read))

  test('is empty unless it was asked for before', () => {
    const c = cell(unique('c'), 1)
    late('request', () => c.get())()
    expect(holders().late).toEqual([])
    set({ lateReaders: true })
    expect(holders().late).toEqual([])
  })

  test('counts per epoch and source, the last to read first, and says how long ago', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    set({ lateReaders: true })
    const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
    const both = late('both', () => [a.get(), b.get()])
    const one = late('one', () => a.get())
    one()
    both()
    vi.advanceTimersByTime(70)
    one()
    vi.advanceTimersByTime(5)
    expect(
      holders().late.map(({ name, source, reads, lastAgoMs }) => [name, source, reads, lastAgoMs]),
    ).toEqual([
      ['one', a.name, 2, 5],
      ['both', b.name, 1, 75],
      ['both', a.name, 1, 75],
    ])
    expect(holders().late.every((entry) => !('stack' in entry))).toBe(true)
  })

  test('counts no read in an open epoch, outside any, or of a source that is never pinned', () => {
    set({ lateReaders: true })
    const [c, never] = [cell(unique('c'), 1), cell(unique('n'), 1, { isolation: 'read-committed' })]
    withEpoch(() => c.get())
    c.get()
    late('request', () => never.get())()
    expect(holders().late).toEqual([])
  })

  test('says where, with captureStacks: the caller, not the library', () => {
    set({ lateReaders: true, captureStacks: true })
    const c = cell(unique('c'), 1)
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    cleanups.push(() => locale.release())
    const handle = withEpoch((epoch) => epoch)
    late('by source', function readBySource() {
      return c.get()
    })()
    ;(function readByHandle() {
      handle.get(c)
    })()
    late('by property', function readByProperty() {
      return settings.locale
    })()
    const places = holders().late.map(({ stack }) => stack?.split('\n')[0])
    expect(places[2]).toMatch(/readBySource .*holders\.test\.ts/)
    expect(places[1]).toMatch(/readByHandle .*holders\.test\.ts/)
    expect(places[0]).toMatch(/readByProperty .*holders\.test\.ts/)
  })

  test('says where as far as the process keeps stacks: one call, an empty stack, none at all', () => {
    set({ lateReaders: true, captureStacks: true })
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    cleanups.push(() => locale.release())
    const { stackTraceLimit } = Error
    const places: unknown[] = []
    try {
      for (const limit of [1, 0, undefined]) {
        Error.stackTraceLimit = limit as number
        late('request', () => settings.locale)()
        places.push(holders().late[0]!.stack)
      }
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
    expect(places).toEqual([
      expect.stringMatching(/^ {4}at [^\n]*\[as locale\][^\n]*$/),
      undefined,
      undefined,
    ])
  })

  test('keeps the last hundred', () => {
    set({ lateReaders: true })
    const c = cell(unique('c'), 1)
    for (let index = 1; index <= 120; index++) late(`request ${index}`, () => c.get())()
    const names = holders().late.map(({ name }) => name)
    expect(names).toHaveLength(100)
    expect([names[0], names.at(-1)]).toEqual(['request 120', 'request 21'])
  })

  test('is forgotten when it is turned off, and by the function that restores settings', () => {
    const c = cell(unique('c'), 1)
    const restore = configure({ lateReaders: true })
    const read = late('request', () => c.get())
    read()
    configure({ strict: false })
    expect(holders().late).toHaveLength(1)
    restore()
    read()
    expect(holders().late).toEqual([])
    set({ lateReaders: true })
    expect(holders().late).toEqual([])
  })
})

describe('remembering late readers', () => {
  test('goes on when it is asked for again, and when other settings are put back', () => {
    set({ lateReaders: true })
    const c = cell(unique('c'), 1)
    withEpoch({ name: 'request', ifNested: 'fresh' }, () => bind(() => c.get()))()
    set({ lateReaders: true })
    configure({ captureStacks: true })()
    expect(holders().late.map(({ name, reads }) => [name, reads])).toEqual([['request', 1]])
  })

  test('listens to late reads while it is on, and not a moment longer', () => {
    const channel = 'withepoch:source:late-read'
    const before = hasSubscribers(channel)
    const restore = configure({ lateReaders: true })
    expect(hasSubscribers(channel)).toBe(true)
    configure({ lateReaders: false })
    expect(hasSubscribers(channel)).toBe(before)
    restore()
    expect(hasSubscribers(channel)).toBe(before)
  })
})

describe('what waits', () => {
  test('is counted until it is retired, each value once', async () => {
    const finish = deferred()
    const pool = cell(unique('pool'), 'a', { retire: () => finish.promise })
    const one = hold('request')
    const waits = (): number[] => [holders().retireBacklog, holders().retiring]
    const seen = [waits()]
    pool.set('b')
    pool.set('a')
    pool.set('c') // 'a' twice, 'b' once
    seen.push(waits())
    await one.end()
    seen.push(waits())
    finish.resolve()
    await drain()
    seen.push(waits())
    expect(seen).toEqual([
      [0, 0],
      [2, 0],
      [0, 2],
      [0, 0],
    ])
  })
})

describe('the report', () => {
  test('is plain data: JSON and a structured clone say the same', () => {
    set({ captureStacks: true, lateReaders: true })
    const c = cell(unique('c'), 1)
    hold('request')
    withEpoch({ name: 'late' }, () => bind(() => c.get()))()
    const report = holders()
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
    expect(structuredClone(report)).toEqual(report)
    expect(Object.keys(report)).toEqual(['open', 'late', 'retiring', 'retireBacklog'])
  })

  test('as text has a line for each, and stacks below', () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    set({ lateReaders: true, captureStacks: true })
    const c = cell(unique('c'), 1)
    const one = hold('request')
    const closed = withEpoch({ name: 'late', ifNested: 'fresh' }, (epoch) => epoch)
    closed.get(c)
    vi.advanceTimersByTime(20)
    const lines = String(holders()).split('\n')
    expect(lines.filter((line) => !line.startsWith('      at '))).toEqual([
      '1 open epoch, oldest snapshot first:',
      `  #${one.epoch.id} "request" open, 20 ms`,
      '1 late reader, the last first:',
      `  #${closed.id} "late" read "${c.name}" 1 time, 20 ms ago`,
      '0 replaced values waiting to be retired, 0 retire calls under way',
    ])
    expect(lines[2]).toMatch(/^ {6}at hold .*held-epoch\.ts/)
  })

  test('as text has those lines alone where no stacks are captured, and knows one from several', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    set({ lateReaders: true })
    const [c, finish] = [cell(unique('c'), 1), deferred()]
    const pool = cell(unique('pool'), 'a', { retire: () => finish.promise })
    pool.set('b')
    const [one, two] = [hold('one'), hold('two')]
    pool.set('c')
    const [first, last] = ['first', 'last'].map((name) =>
      withEpoch({ name, ifNested: 'fresh' }, (epoch) => epoch),
    )
    first!.get(c)
    last!.get(c)
    last!.get(c)
    expect(String(holders())).toBe(
      [
        '2 open epochs, oldest snapshot first:',
        `  #${one!.epoch.id} "one" open, 0 ms`,
        `  #${two!.epoch.id} "two" open, 0 ms`,
        '2 late readers, the last first:',
        `  #${last!.id} "last" read "${c.name}" 2 times, 0 ms ago`,
        `  #${first!.id} "first" read "${c.name}" 1 time, 0 ms ago`,
        '1 replaced value waiting to be retired, 1 retire call under way',
      ].join('\n'),
    )
    finish.resolve()
    await one!.end()
    await two!.end()
    await drain()
  })

  test('as text has calls alone below, whatever else the process writes into its stacks', () => {
    set({ captureStacks: true, lateReaders: true })
    const c = cell(unique('c'), 1)
    // oxlint-disable-next-line typescript/unbound-method -- put back, not called
    const { prepareStackTrace } = Error
    try {
      Error.prepareStackTrace = (_, calls) =>
        [
          'looked up at once',
          ...calls.slice(0, 2).map((call) => `\tat ${call.getFunctionName() ?? ''} (${call.getFileName()})`),
        ].join('\n')
      hold('request')
      withEpoch({ name: 'late', ifNested: 'fresh' }, (epoch) => epoch).get(c)
      const lines = String(holders()).split('\n')
      expect(lines[2]).toMatch(/^ {6}at hold .*held-epoch\.ts/)
      expect(lines.filter((line) => line.includes('looked up'))).toEqual([])
      const call = expect.stringMatching(/^\tat [^\t]*$/) as unknown
      expect(holders().late[0]!.stack!.split('\n')).toEqual([call, call])
    } finally {
      Error.prepareStackTrace = prepareStackTrace
    }
  })

  test('as text, and in the error of a drain, has a name that a terminal would obey in escapes', async () => {
    const one = hold('evil\u001b[2J\n#99 "other"')
    const name = String.raw`"evil\u001b[2J\n#99 \"other\""`
    expect(String(holders()).split('\n')[1]).toMatch(`  #${one.epoch.id} ${name} open, `)
    const error = (await drain({ timeoutMs: 0 }).catch((reason: unknown) => reason)) as Error
    expect(error.message).toContain(`#${one.epoch.id} ${name} (`)
  })

  test('of a process where nothing is up says that', () => {
    expect(String(holders())).toBe(
      '0 open epochs, oldest snapshot first\n0 late readers, the last first\n' +
        '0 replaced values waiting to be retired, 0 retire calls under way',
    )
  })

  test('can be asked for anywhere: inside an epoch, and detached', () => {
    const inside = withEpoch({ name: 'request' }, () => [holders(), detach(() => holders())])
    expect(inside.map(({ open }) => open.map(({ name }) => name))).toEqual([['request'], ['request']])
  })
})
