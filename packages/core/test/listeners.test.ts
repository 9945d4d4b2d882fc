/**
 * Whether anybody listens is kept as fields of the carrier, so that reads and writes need not ask a channel: the fields
 * follow every way to listen and to stop, in every realm of the process, and on a runtime that does not tell.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { spawnSync } from 'node:child_process'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { cell, memo, withEpoch } from 'withepoch'
import { builtCore } from './built-core.js'
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

describe('in a process of its own', () => {
  let core: string
  beforeAll(() => {
    core = builtCore()
  }, 60_000)

  function run(script: string): unknown {
    const env = { ...process.env, CORE_URL: pathToFileURL(core).href, NODE_OPTIONS: '' }
    const args = [
      '--experimental-vm-modules',
      '--expose-gc',
      '--input-type=module',
      '--no-warnings',
      '-e',
      script,
    ]
    const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  }

  const prelude = `
    import dc from 'node:diagnostics_channel'
    import { readFileSync } from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    import vm from 'node:vm'
    const url = new URL(process.env.CORE_URL)
    const listener = (event) => heard.push(event.source.name)
    const heard = []`

  test('a listener that was there before the library is heard', () => {
    const script = `${prelude}
      dc.subscribe('withepoch:source:read', listener)
      const { cell } = await import(url)
      cell('early', 1).get()
      console.log(JSON.stringify(heard))`
    expect(run(script)).toEqual(['early'])
  })

  /** A realm of its own, as a test runner makes one for each file: the same channels, another global object. */
  const realm = `
    async function realm() {
      const context = vm.createContext({ process, console })
      const module = new vm.SourceTextModule(readFileSync(url, 'utf8'), {
        context, identifier: String(url), initializeImportMeta: (meta) => { meta.url = String(url) } })
      await module.link(async (name) => {
        const found = await import(name)
        const names = Object.keys(found)
        return new vm.SyntheticModule(names, function () {
          for (const key of names) this.setExport(key, found[key])
        }, { context })
      })
      await module.evaluate()
      return { core: module.namespace, carrier: context[Symbol.for('withepoch.carrier')] }
    }`

  test('a listener is heard in every realm of the process, whenever that was made', () => {
    const script = `${prelude} ${realm}
      const first = await realm()
      dc.subscribe('withepoch:source:read', listener)
      const second = await realm()
      const read = () => [first, second].map(({ core }, index) => core.cell('cell ' + index, 1, { ifRegistered: 'replace' }).get())
      const open = () => [first, second].map(({ carrier }) => carrier.open)
      read()
      const seen = [open()]
      dc.unsubscribe('withepoch:source:read', listener)
      read()
      seen.push(open())
      console.log(JSON.stringify({ heard, seen, apart: first.carrier !== second.carrier }))`
    expect(run(script)).toEqual({
      heard: ['cell 0', 'cell 1'],
      seen: [
        [1, 1],
        [0, 0],
      ],
      apart: true,
    })
  })

  test('where subscribe goes round the channel, every read and write asks it, and none is missed', () => {
    const script = `${prelude}
      const { Channel } = dc
      const subscribers = new Map()
      const of = (name) => subscribers.get(name) ?? subscribers.set(name, new Set()).get(name)
      Object.defineProperties(Channel.prototype, {
        hasSubscribers: { get() { return of(this.name).size > 0 } },
        publish: { value(event) { for (const one of of(this.name)) one(event, this.name) } },
      })
      dc.subscribe = (name, one) => void of(name).add(one)
      dc.unsubscribe = (name, one) => of(name).delete(one)
      syncBuiltinESMExports()
      const { cell, withEpoch } = await import(url)
      const one = cell('one', 1)
      const act = () => { one.get(); one.set(one.live() + 1); withEpoch(() => one.get()) }
      act()
      dc.subscribe('withepoch:source:read', listener)
      dc.subscribe('withepoch:source:write', listener)
      act()
      dc.unsubscribe('withepoch:source:read', listener)
      dc.unsubscribe('withepoch:source:write', listener)
      act()
      const { open, readsHeard } = globalThis[Symbol.for('withepoch.carrier')]
      console.log(JSON.stringify({ heard, open, readsHeard }))`
    expect(run(script)).toEqual({ heard: ['one', 'one', 'one'], open: 1, readsHeard: false })
  })
})
