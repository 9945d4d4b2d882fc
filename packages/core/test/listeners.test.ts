/**
 * Whether anybody listens is kept as fields of the carrier, so that reads and writes need not ask a channel: the fields
 * follow every way to listen and to stop, in every realm of the process, and on a runtime that does not tell. Real realms,
 * and listeners that were there first, stand in `listeners-process.test.ts`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Channel, channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { cell, configure, memo, withEpoch } from 'withepoch'
import { collected } from './collected.js'
import { uniqueNames } from './unique-name.js'

interface Fields {
  readonly open: number
  readonly readsHeard: boolean
  readonly writesHeard: boolean
  readonly memosHeard: boolean
}

const KEY = Symbol.for('withepoch.carrier')
const fields = (): Fields => {
  const { open, readsHeard, writesHeard, memosHeard } = (globalThis as unknown as Record<symbol, Fields>)[
    KEY
  ]!
  return { open, readsHeard, writesHeard, memosHeard }
}
const READS = ['source:read', 'source:late-read', 'source:drift'].map((event) => `withepoch:${event}`)
const MEMOS = ['memo:hit', 'memo:miss'].map((event) => `withepoch:${event}`)
const unique = uniqueNames('listeners')
/** In the project that listens to everything, another listener changes nothing. */
const isListenedTo = channel('withepoch:source:read').hasSubscribers

const ofReads = (heard: boolean): Fields =>
  isListenedTo ? before : { ...before, open: before.open + Number(heard), readsHeard: heard }
const before = fields()

test.each(READS)(
  '%s: its first listener counts, the second does not, and the last one to stop does',
  (name) => {
    const [first, second] = [(): void => {}, (): void => {}]
    const seen: Fields[] = []
    const note = (): void => void seen.push(fields())
    subscribe(name, first)
    note()
    channel(name).subscribe(second)
    note()
    unsubscribe(name, first)
    note()
    channel(name).unsubscribe(second)
    note()
    unsubscribe(name, second)
    note()
    expect(seen).toEqual([true, true, true, false, false].map(ofReads))
  },
)

test('listeners of two channels of reads count once', () => {
  const listener = (): void => {}
  for (const name of READS) subscribe(name, listener)
  expect(fields()).toEqual(ofReads(true))
  for (const name of READS) unsubscribe(name, listener)
  expect(fields()).toEqual(ofReads(false))
})

test('a storage bound to a channel listens too', () => {
  const storage = new AsyncLocalStorage()
  channel(READS[0]!).bindStore(storage)
  expect(fields()).toEqual(ofReads(true))
  channel(READS[0]!).unbindStore(storage)
  expect(fields()).toEqual(ofReads(false))
})

test('after a listener that Node refuses, the field says what the channel says', () => {
  const one = channel(READS[0]!)
  expect(() => subscribe(READS[0]!, 'all' as never)).toThrow(TypeError)
  expect(fields().readsHeard).toBe(one.hasSubscribers) // true on Nodes that look at the argument last
  const listener = (): void => {}
  one.subscribe(listener)
  one.unsubscribe(listener)
  expect(fields()).toEqual(ofReads(false))
})

test.each([
  ['writesHeard', ['withepoch:source:write']],
  ['memosHeard', MEMOS],
] as const)('%s follows its channels', (field, names) => {
  for (const name of names) {
    const listener = (): void => {}
    subscribe(name, listener)
    expect(fields()).toEqual({ ...before, [field]: true })
    unsubscribe(name, listener)
    expect(fields()).toEqual(before)
  }
})

test('who remembers late readers listens to them, and no longer once that is taken back', () => {
  const restore = configure({ lateReaders: true })
  expect(fields()).toEqual(ofReads(true))
  restore()
  expect(fields()).toEqual(ofReads(false))
})

test.each<[how: string, put: (one: Channel, method: PropertyDescriptor) => void]>([
  ['assigning', (one, { value }) => void (one.subscribe = value as Channel['subscribe'])],
  ['defining', (one, method) => void Object.defineProperty(one, 'subscribe', method)],
])('a tool may put its own function in the place of a channel’s by %s, and take it away', (_how, put) => {
  const one = channel(READS[0]!)
  const found = Object.getOwnPropertyDescriptor(one, 'subscribe')!
  const seen: unknown[] = []
  function value(this: Channel, listener: () => void): unknown {
    seen.push(listener)
    return Reflect.apply(found.value as Channel['subscribe'], this, [listener])
  }
  put(one, { value, writable: true, configurable: true, enumerable: true })
  onTestFinished(() => put(one, found))
  const listener = (): void => {}
  subscribe(READS[0]!, listener)
  expect([new Set(seen), fields()]).toEqual([new Set([listener]), ofReads(true)])
  unsubscribe(READS[0]!, listener)
  put(one, found)
  const { length } = seen
  subscribe(READS[0]!, listener)
  expect([seen.length - length, fields()]).toEqual([0, ofReads(true)])
  unsubscribe(READS[0]!, listener)
  expect(fields()).toEqual(ofReads(false))
})

test('who listens within an epoch hears the next read, write, hit and miss, and none after', () => {
  const name = unique('told')
  const value = cell(name, 1)
  const twice = memo(() => value.get() * 2, { name: `${name} twice` })
  const heard: string[] = []
  const listenerOf = (event: string) => (message: unknown) => {
    const { source, memo: of } = message as { source?: { name: string }; memo?: string }
    if ((source?.name ?? of ?? '').startsWith(name)) heard.push(event)
  }
  const all = ['source:read', 'source:write', 'memo:hit', 'memo:miss'].map((event) => {
    return [`withepoch:${event}`, listenerOf(event)] as const
  })
  const act = (): void => {
    value.get()
    value.set(value.live() + 1)
    twice() // computed anew after the write
    twice()
  }
  withEpoch(() => {
    act()
    for (const [event, listener] of all) subscribe(event, listener)
    act()
    for (const [event, listener] of all) unsubscribe(event, listener)
    act()
  })
  expect(heard).toEqual(['source:read', 'source:write', 'memo:miss', 'source:read', 'memo:hit'])
})

/** A copy of the library with a carrier of its own, as in another realm; under `keys` it looks for something else. */
async function another(...keys: string[]) {
  const symbolFor = Symbol.for.bind(Symbol)
  const others = new Map(['withepoch.carrier', ...keys].map((key) => [key, Symbol(key)]))
  const stub = vi.spyOn(Symbol, 'for').mockImplementation((key) => others.get(key) ?? symbolFor(key))
  vi.resetModules()
  const copy = await import('withepoch')
  stub.mockRestore()
  const key = others.get('withepoch.carrier')!
  return {
    copy,
    carrier: (globalThis as unknown as Record<symbol, Fields & { toldOfListeners: boolean }>)[key]!,
  }
}

test('each carrier of the process is told, one that comes later too', async () => {
  const listener = (): void => {}
  const { carrier: early } = await another()
  const quiet = early.open
  subscribe('withepoch:source:drift', listener)
  const { carrier: late } = await another()
  expect([early.open, early.readsHeard, late.open, late.readsHeard]).toEqual([1, true, 1, true])
  unsubscribe('withepoch:source:drift', listener)
  expect([early.open, late.open]).toEqual([quiet, quiet])
  expect(fields()).toEqual(before)
})

test('a carrier that is gone is told no more, and forgotten', async () => {
  const known = (channel(READS[0]!) as unknown as Record<symbol, Set<WeakRef<object>> | undefined>)[
    Symbol.for('withepoch.carriers/1')
  ]!
  const letGo = (): WeakRef<object> => new WeakRef({}) // as of the carrier of a realm
  const gone = letGo()
  known.add(gone)
  await collected([gone])
  expect(gone.deref()).toBeUndefined()
  const listener = (): void => {}
  subscribe(READS[0]!, listener)
  expect([known.has(gone), fields()]).toEqual([false, ofReads(true)])
  unsubscribe(READS[0]!, listener)
  expect(fields()).toEqual(ofReads(false))
})

test('a second copy that finds the carrier counts nobody twice', async () => {
  const listener = (): void => {}
  vi.resetModules()
  await import('withepoch')
  subscribe('withepoch:source:read', listener)
  expect(fields()).toEqual(ofReads(true))
  unsubscribe('withepoch:source:read', listener)
  expect(fields()).toEqual(ofReads(false))
})

test.each(['subscribe', 'unsubscribe'])('where %s goes round the channel, each read asks', async (which) => {
  const left: Array<() => void> = []
  const mocked = {
    ...(await import('node:diagnostics_channel')),
    subscribe: which === 'subscribe' ? () => {} : subscribe,
    unsubscribe:
      which === 'subscribe'
        ? unsubscribe
        : (...args: Parameters<typeof unsubscribe>) => void left.push(() => unsubscribe(...args)),
  }
  vi.doMock('node:diagnostics_channel', () => mocked)
  onTestFinished(() => {
    vi.doUnmock('node:diagnostics_channel')
    left.forEach((leave) => leave())
  })
  const { copy, carrier } = await another('withepoch.carriers/1')
  const value = copy.cell(unique('asked'), 1)
  const heard: string[] = []
  const listenerOf = (event: string) => (message: unknown) => {
    if ((message as { source: unknown }).source === value) heard.push(event)
  }
  const act = (): void => {
    value.get()
    value.set(value.live() + 1)
    copy.withEpoch(() => value.get())
  }
  const listeners = (['source:read', 'source:write'] as const).map((event) => {
    return [channel(`withepoch:${event}`), listenerOf(event)] as const
  })
  // Past the methods of the channel, as where a runtime's own functions would.
  const call = (one: Channel, method: 'subscribe' | 'unsubscribe', listener: () => void): unknown =>
    Reflect.apply(Reflect.get(Reflect.getPrototypeOf(one)!, method) as () => unknown, one, [listener])
  act()
  for (const [one, listener] of listeners) call(one, 'subscribe', listener as () => void)
  act()
  expect([carrier.readsHeard, carrier.writesHeard]).toEqual([true, true])
  for (const [one, listener] of listeners) call(one, 'unsubscribe', listener as () => void)
  act()
  expect(heard).toEqual(['source:read', 'source:write', 'source:read'])
  expect(carrier).toMatchObject({ open: 1, readsHeard: isListenedTo, writesHeard: isListenedTo })
})
