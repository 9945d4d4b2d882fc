/**
 * What the channels say: each event exactly when it happens, with exactly its payload, and nothing when nothing
 * happened. Payloads hold handles, never values: those appear only where a source says how, by `describe`. A recorder
 * notes what it is told at that moment, since a handle goes on changing afterwards.
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterEach, expect, test, vi } from 'vitest'
import {
  bind,
  cell,
  detach,
  type Epoch,
  type EpochEvent,
  memo,
  type MemoEvent,
  publish,
  source,
  type SourceEvent,
  withEpoch,
  type WriteEvent,
} from 'withepoch'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('diagnostics')

const cleanups: Array<() => void> = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** What `channelName` says from here on, each message noted by `note` the moment it comes. */
function record<M, N>(channelName: string, note: (message: M) => N): N[] {
  const notes: N[] = []
  const listener = (message: unknown) => void notes.push(note(message as M))
  subscribe(channelName, listener)
  cleanups.push(() => unsubscribe(channelName, listener))
  return notes
}

/** A declared source or cell that later tests of this file are not to poll or compare. */
function keep<S extends { release(): void }>(one: S): S {
  cleanups.push(() => one.release())
  return one
}

const named = (message: SourceEvent) => message.source.name
const idOf = (epoch: Epoch | undefined) => epoch?.id
const sourceNote = (message: SourceEvent) => ({
  source: message.source.name,
  epoch: idOf(message.epoch),
  version: message.version,
  described: message.described,
})
const writeNote = (message: WriteEvent) => ({ ...sourceNote(message), to: message.to })
const currentVersion = () => detach(() => withEpoch((epoch) => epoch.version!))

// --- epoch:open, epoch:close ---

test('epoch:open and epoch:close tell of each epoch once, with its id, name, parent and version', async () => {
  const note =
    (event: string) =>
    ({ epoch }: EpochEvent) => ({
      event,
      id: epoch.id,
      name: epoch.name,
      parentId: epoch.parentId,
      version: epoch.version,
    })
  const events: unknown[] = []
  for (const event of ['open', 'close'])
    record(`withepoch:epoch:${event}`, (message: EpochEvent) => events.push(note(event)(message)))
  const [outer, fork] = await withEpoch({ name: 'outer' }, async (a) => {
    withEpoch(() => 'joined: no epoch of its own')
    await null
    const child = withEpoch({ name: 'fork', ifNested: 'fork' }, (b) => ({ id: b.id, version: b.version }))
    return [{ id: a.id, version: a.version }, child]
  })
  const first = { ...outer, name: 'outer', parentId: undefined }
  const second = { ...fork, name: 'fork', parentId: outer.id }
  expect(events).toEqual([
    { event: 'open', ...first },
    { event: 'open', ...second },
    { event: 'close', ...second },
    { event: 'close', ...first },
  ])
})

test('an epoch event has one field, the handle itself', () => {
  const opened = record('withepoch:epoch:open', (message: EpochEvent) => message)
  const epoch = withEpoch((handle) => handle)
  expect(opened.map((message) => Object.keys(message))).toEqual([['epoch']])
  expect(opened[0]!.epoch === epoch).toBe(true)
})

test('epoch:close comes once, after the hooks, whether the handler returned, threw or rejected', async () => {
  const order: string[] = []
  record('withepoch:epoch:close', ({ epoch }: EpochEvent) => order.push(`${epoch.name} closed`))
  const run = (name: string, handler: () => unknown) =>
    withEpoch({ name }, (epoch) => {
      epoch.onClose(() => order.push(`${name} hook`))
      return handler()
    })
  run('returns', () => 1)
  expect(() =>
    run('throws', () => {
      throw new Error('handler')
    }),
  ).toThrow('handler')
  await expect(run('rejects', async () => Promise.reject(new Error('handler')))).rejects.toThrow('handler')
  expect(order).toEqual([
    'returns hook',
    'returns closed',
    'throws hook',
    'throws closed',
    'rejects hook',
    'rejects closed',
  ])
})

test('a refused withEpoch opens nothing, so nothing is told', () => {
  const opened = record('withepoch:epoch:open', () => 'open')
  const closed = record('withepoch:epoch:close', () => 'close')
  expect(() => withEpoch({ ifNested: 'no' as never }, () => 1)).toThrow('ifNested')
  expect(() => publish(() => withEpoch(() => 1))).toThrow('publish')
  expect([opened, closed]).toEqual([[], []])
})

// --- source:write ---

test('source:write tells of a live write, from outside and by an epoch, with the version it made', () => {
  const c = keep(cell(unique('c'), 1))
  const writes = record('withepoch:source:write', writeNote)
  c.set(2)
  const first = currentVersion()
  const id = withEpoch((epoch) => {
    c.update((n) => n + 1)
    return epoch.id
  })
  const second = currentVersion()
  const event = { source: c.name, described: undefined, to: 'live' }
  expect(writes).toEqual([
    { ...event, epoch: undefined, version: first },
    { ...event, epoch: id, version: second },
  ])
  expect(second).toBe(first + 1)
})

test.each([
  ['with copy', { copy: (value: number[]) => [...value] }],
  ['repeatable-read', { isolation: 'repeatable-read' }],
  ['read-committed', { isolation: 'read-committed' }],
] as const)('a write of a cell %s is told once, with the version it made', (_, options) => {
  const c = keep(cell(unique('c'), [1], options))
  const before = currentVersion()
  const writes = record('withepoch:source:write', writeNote)
  c.set([2])
  withEpoch(() => c.get())
  withEpoch(() => c.get())
  expect(writes).toEqual([
    { source: c.name, epoch: undefined, version: before + 1, described: undefined, to: 'live' },
  ])
})

test('source:write tells of a local write with the epoch that alone sees it', () => {
  const c = keep(cell(unique('c'), 1))
  const writes = record('withepoch:source:write', writeNote)
  const [id, version] = withEpoch({ writes: 'local' }, (epoch) => {
    c.set(2)
    return [epoch.id, epoch.version]
  })
  expect(writes).toEqual([{ source: c.name, epoch: id, version, described: undefined, to: 'local' }])
})

test('source:write tells of a foreign global that had changed when an epoch opened, once', () => {
  let foreign = 1
  const f = keep(source(unique('foreign'), () => foreign))
  withEpoch(() => {})
  const writes = record('withepoch:source:write', writeNote)
  withEpoch(() => {})
  foreign = 2
  const version = withEpoch((epoch) => epoch.version)
  withEpoch(() => {})
  expect(writes).toEqual([{ source: f.name, epoch: undefined, version, described: undefined, to: 'polled' }])
})

test('nothing is told of a write that changes nothing', () => {
  const c = keep(cell<number>(unique('c'), Number.NaN))
  const o = keep(cell(unique('o'), 1))
  const writes = record('withepoch:source:write', named)
  c.set(Number.NaN)
  c.update((value) => value)
  withEpoch(() => c.set(Number.NaN))
  withEpoch({ writes: 'local' }, () => {
    c.set(Number.NaN)
    c.update((value) => value)
  })
  withEpoch({ writes: 'reject' }, () => expect(() => o.set(2)).toThrow('reject') as void)
  expect(writes).toEqual([])
})

test('nothing is told of sources that nobody has changed: not at their first capture, nor with a copy at each', () => {
  const list = [1]
  const writes = record('withepoch:source:write', named)
  keep(source(unique('first'), () => 1))
  keep(source(unique('copied'), () => list, { copy: (value) => [...value] }))
  keep(source(unique('versioned'), () => list, { copy: (value) => [...value], version: () => 0 }))
  const c = keep(cell(unique('copiedCell'), list, { copy: (value) => [...value] }))
  withEpoch(() => c.get())
  withEpoch(() => c.get())
  expect(writes).toEqual([])
})

test('a change in place is told of as a change where the source has a version', () => {
  const list = [1]
  let version = 0
  const s = keep(source(unique('list'), () => list, { copy: (value) => [...value], version: () => version }))
  withEpoch(() => {})
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.to])
  list.push(2)
  version++
  withEpoch(() => {})
  withEpoch(() => {})
  expect(writes).toEqual([[s.name, 'polled']])
})

test('the writes of a publish are told when it has succeeded, in order, all with its one version', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  const before = currentVersion()
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.version])
  publish(() => {
    a.set(2)
    publish(() => b.set(2))
    a.set(3)
    expect(writes).toEqual([])
  })
  expect(writes).toEqual([
    [a.name, before + 1],
    [b.name, before + 1],
    [a.name, before + 1],
  ])
})

test('nothing is told of writes that were undone', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  const writes = record('withepoch:source:write', named)
  expect(() =>
    publish(() => {
      a.set(2)
      throw new Error('undone')
    }),
  ).toThrow('undone')
  publish(() => {
    b.set(2)
    expect(() =>
      publish(() => {
        a.set(2)
        throw new Error('undone')
      }),
    ).toThrow('undone')
  })
  expect(writes).toEqual([b.name])
})

test.each(['and no other epoch is open', 'while another epoch is open'])(
  'a late published write is told as one from outside, %s',
  (when) => {
    const c = keep(cell(unique('c'), 1))
    const late = withEpoch(() => bind(() => c.set(2)))
    const writes = record('withepoch:source:write', (message: WriteEvent) => [message.epoch, message.to])
    if (when.startsWith('while')) withEpoch({ name: 'unrelated' }, () => late())
    else late()
    expect(writes).toEqual([[undefined, 'live']])
  },
)

test('a getter that throws is a change when it begins to throw and when it recovers, and at no other time', () => {
  let broken = false
  const f = keep(
    source(unique('flaky'), () => {
      if (broken) throw new Error('down')
      return 1
    }),
  )
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.to])
  const entries = () => {
    withEpoch(() => {})
    withEpoch(() => {})
    return writes.splice(0)
  }
  const seen = [entries()]
  broken = true
  seen.push(entries())
  broken = false
  seen.push(entries())
  expect(seen).toEqual([[], [[f.name, 'polled']], [[f.name, 'polled']]])
})

test('a foreign global that changed makes one version, one that did not makes none', () => {
  let foreign = 1
  keep(source(unique('versions'), () => foreign))
  const before = currentVersion()
  const unchanged = currentVersion()
  foreign = 2
  expect([unchanged - before, currentVersion() - unchanged]).toEqual([0, 1])
})

test('a write whose copy is the one that is captured already makes no version', () => {
  const copy = (value: unknown): unknown => (value as { id: number }).id
  const c = keep(cell<unknown>(unique('equalCopy'), { id: 1 }, { copy }))
  const before = currentVersion()
  c.set({ id: 1, label: 'not copied' })
  expect([currentVersion() - before, c.live()]).toEqual([0, { id: 1, label: 'not copied' }])
})

test('an error that is thrown again after the getter had recovered is captured again; another error is no news', () => {
  let failure: Error | undefined
  const f = keep(
    source(unique('flaky'), () => {
      if (failure !== undefined) throw failure
      return 'up'
    }),
  )
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.to])
  const enter = (next: Error | undefined): unknown => {
    failure = next
    return withEpoch(() => {
      try {
        return [f.get(), writes.splice(0)]
      } catch (error) {
        return [error, writes.splice(0)]
      }
    })
  }
  const [first, second] = [new Error('down'), new Error('still down')]
  const told = [[f.name, 'polled']]
  expect([first, second, undefined, second, undefined].map(enter)).toEqual([
    [first, []], // there was no value to change
    [second, []],
    ['up', told],
    [second, told],
    ['up', told],
  ])
})

test('a copy of another kind is told of as a change, and captured', () => {
  const state: { value: unknown } = { value: { n: 1 } }
  const s = keep(
    source<unknown>(unique('kinds'), () => state, {
      copy: (of) => structuredClone((of as typeof state).value),
    }),
  )
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.to])
  const enter = (value: unknown): unknown => {
    state.value = value
    return withEpoch(() => [s.get(), writes.splice(0)])
  }
  const told = [[s.name, 'polled']]
  expect([{ n: 1 }, 'one', { n: 2 }, null, { n: 3 }].map(enter)).toEqual([
    [{ n: 1 }, []],
    ['one', told],
    [{ n: 2 }, told],
    [null, told],
    [{ n: 3 }, told],
  ])
})

test('an original that was replaced is told of as a change, with a copy as well', () => {
  let list = [1]
  const s = keep(source(unique('replaced'), () => list, { copy: (value) => [...value] }))
  withEpoch(() => {})
  const writes = record('withepoch:source:write', (message: WriteEvent) => [named(message), message.to])
  list = [2]
  withEpoch(() => {})
  withEpoch(() => {})
  expect(writes).toEqual([[s.name, 'polled']])
})

// --- source:write-conflict ---

test('source:write-conflict tells of a set whose live value has moved, before the write happens', () => {
  const c = keep(cell(unique('c'), 1))
  const order: unknown[] = []
  record('withepoch:source:write-conflict', (message: SourceEvent) => order.push(sourceNote(message)))
  record('withepoch:source:write', (message: WriteEvent) => order.push(message.version))
  const [id, live] = withEpoch((epoch) => {
    detach(() => c.set(2))
    const moved = currentVersion()
    c.set(3)
    return [epoch.id, moved] as const
  })
  expect(order).toEqual([live, { source: c.name, epoch: id, version: live, described: undefined }, live + 1])
})

test('a conflict is told of in strict mode too, and then nothing is written', () => {
  strict()
  const c = keep(cell(unique('c'), 1))
  const conflicts = record('withepoch:source:write-conflict', named)
  withEpoch(() => {
    detach(() => c.set(2))
    const writes = record('withepoch:source:write', named)
    expect(() => c.set(3)).toThrow('its live value has changed')
    expect(writes).toEqual([])
  })
  expect(conflicts).toEqual([c.name])
})

test('no conflict is told of an update, of one’s own earlier write, of a local write, or from outside', () => {
  const [a, b, c] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1)), keep(cell(unique('c'), 1))]
  const conflicts = record('withepoch:source:write-conflict', named)
  withEpoch(() => {
    detach(() => a.set(2))
    a.update((n) => n + 1)
    b.set(2)
    b.set(3)
    withEpoch({ writes: 'local' }, () => {
      detach(() => c.set(2))
      c.set(3)
    })
    detach(() => a.set(10))
  })
  expect(conflicts).toEqual([])
})

// --- source:drift ---

test('source:drift tells of each read whose pinned value is no longer live, and of no other', () => {
  let foreign = 1
  const f = keep(source(unique('foreign'), () => foreign))
  const c = keep(cell(unique('c'), 1))
  const drifts = record('withepoch:source:drift', sourceNote)
  const [id, version] = withEpoch((epoch) => {
    f.get()
    c.get()
    expect(drifts).toEqual([])
    foreign = 2
    f.get()
    c.get()
    detach(() => c.set(2))
    epoch.get(c)
    f.live()
    c.live()
    return [epoch.id, currentVersion()] as const
  })
  foreign = 3
  f.get()
  // The version is the live one at the read: it had not moved for the foreign global, which nobody had polled yet.
  expect(drifts).toEqual([
    { source: f.name, epoch: id, version: version - 2, described: undefined },
    { source: c.name, epoch: id, version: version - 1, described: undefined },
  ])
})

test('a pinned undefined drifts like any other value', () => {
  const c = keep(cell<number | undefined>(unique('c'), undefined))
  const drifts = record('withepoch:source:drift', named)
  withEpoch(() => {
    c.get()
    detach(() => c.set(1))
    c.get()
  })
  expect(drifts).toEqual([c.name])
})

test('what is meant to differ is no drift: overrides, own writes, read-committed sources', () => {
  const [a, b, c] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1)), keep(cell(unique('c'), 1))]
  const kill = keep(cell(unique('kill'), 1, { isolation: 'read-committed' }))
  const drifts = record('withepoch:source:drift', named)
  withEpoch({ values: [[a, 10]] }, () => {
    a.get()
    detach(() => a.set(2)) // what the override stands for has moved; what is read was never to be live
    a.get()
    b.set(2)
    b.get()
    kill.get()
    detach(() => kill.set(2))
    kill.get()
    withEpoch({ writes: 'local' }, () => {
      c.set(5)
      c.get()
    })
  })
  expect(drifts).toEqual([])
})

test('a repeatable-read source drifts from its first read on', () => {
  const c = keep(cell(unique('lazy'), 1, { isolation: 'repeatable-read' }))
  const drifts = record('withepoch:source:drift', named)
  withEpoch(() => {
    detach(() => c.set(2))
    c.get()
    expect(drifts).toEqual([])
    detach(() => c.set(3))
    c.get()
  })
  expect(drifts).toEqual([c.name])
})

test('advance ends the drift', () => {
  const c = keep(cell(unique('c'), 1))
  const drifts = record('withepoch:source:drift', named)
  withEpoch((epoch) => {
    detach(() => c.set(2))
    epoch.advance()
    c.get()
  })
  expect(drifts).toEqual([])
})

// --- source:late-read ---

test('source:late-read names the epoch that has closed, and the read gets the live value', () => {
  const c = keep(cell(unique('c'), 1))
  const reads = record('withepoch:source:late-read', (message: SourceEvent) => ({
    ...sourceNote(message),
    name: message.epoch?.name,
  }))
  const [epoch, read] = withEpoch({ name: 'sessions.list' }, (open) => {
    c.get()
    return [open, bind(() => c.get())] as const
  })
  expect(reads).toEqual([])
  c.set(2)
  const version = currentVersion()
  expect([read(), epoch.get(c)]).toEqual([2, 2])
  const event = { source: c.name, epoch: epoch.id, version, described: undefined, name: 'sessions.list' }
  expect(reads).toEqual([event, event])
})

test('no late read is told of outside, in detached work, in an epoch that is closing, or for read-committed', () => {
  const c = keep(cell(unique('c'), 1))
  const kill = keep(cell(unique('kill'), 1, { isolation: 'read-committed' }))
  const reads = record('withepoch:source:late-read', named)
  const late = withEpoch((epoch) => {
    epoch.onClose(() => c.get())
    return bind(() => {
      detach(() => c.get())
      c.live()
      kill.get()
      withEpoch(() => c.get())
    })
  })
  late()
  c.get()
  expect(reads).toEqual([])
})

test('in strict mode a read-committed source is never late', () => {
  const kill = keep(cell(unique('kill'), 1, { isolation: 'read-committed' }))
  const late = withEpoch(() => bind(() => kill.get()))
  kill.set(2)
  strict()
  expect(late()).toBe(2)
})

// --- memo:hit, memo:miss ---

test('memo:miss tells of each computation, memo:hit of each reuse, with the epoch and the memo’s name', async () => {
  const events: unknown[] = []
  for (const event of ['hit', 'miss'])
    record(`withepoch:memo:${event}`, ({ epoch, memo: name, ...rest }: MemoEvent) =>
      events.push([event, name, epoch!.id, rest]),
    )
  const byName = memo(async (n: number) => n, { name: 'manifest' })
  const byFunction = memo(function scan() {
    return 1
  })
  await byName(1) // outside any epoch nothing is memoised, so nothing is told
  byFunction()
  const id = await withEpoch(async (epoch) => {
    await Promise.all([byName(1), byName(1), byName(2)])
    await byName(1)
    byFunction()
    byFunction()
    return epoch.id
  })
  expect(events).toEqual([
    ['miss', 'manifest', id, {}],
    ['hit', 'manifest', id, {}],
    ['miss', 'manifest', id, {}],
    ['hit', 'manifest', id, {}],
    ['miss', 'scan', id, {}],
    ['hit', 'scan', id, {}],
  ])
})

// --- describe, and what is never shown ---

test('described is what describe makes of the value: written, pinned, found, or to be written', () => {
  const describe = vi.fn<(value: string) => string>((value) => `<${value.length}>`)
  const c = keep(cell(unique('described'), 'a', { describe }))
  const described: unknown[] = []
  for (const event of ['write', 'write-conflict', 'drift', 'late-read'])
    record(`withepoch:source:${event}`, (message: SourceEvent) => described.push([event, message.described]))
  const late = withEpoch(() => {
    detach(() => c.set('bb'))
    c.get()
    c.set('ccc')
    return bind(() => c.get())
  })
  c.set('dddd')
  late()
  expect(described).toEqual([
    ['write', '<2>'],
    ['drift', '<1>'],
    ['write-conflict', '<3>'],
    ['write', '<3>'],
    ['write', '<4>'],
    ['late-read', '<4>'],
  ])
})

test('a polled change is described as well', () => {
  let foreign = 'a'
  const f = keep(source(unique('described'), () => foreign, { describe: (value) => `now ${value}` }))
  withEpoch(() => {})
  const described = record('withepoch:source:write', (message: WriteEvent) => [
    named(message),
    message.described,
  ])
  foreign = 'b'
  withEpoch(() => {})
  expect(described).toEqual([[f.name, 'now b']])
})

test('describe is called only for somebody who listens', () => {
  const watched = channel('withepoch:source:write').hasSubscribers
  const describe = vi.fn<() => string>(() => 'described')
  const c = keep(cell(unique('described'), 1, { describe }))
  c.set(2)
  withEpoch(() => c.set(3))
  expect(describe).toHaveBeenCalledTimes(watched ? 2 : 0)
})

test('describe is called at a late read only for somebody who listens', () => {
  const listening = ['withepoch:source:read', 'withepoch:source:late-read'].filter(
    (name) => channel(name).hasSubscribers,
  )
  const describe = vi.fn<() => string>(() => 'described')
  const c = keep(cell(unique('described'), 1, { describe }))
  withEpoch((epoch) => epoch).get(c)
  expect(describe).toHaveBeenCalledTimes(listening.length)
})

test('a describe that throws breaks neither the write nor the read that it was to tell of', () => {
  const c = keep(
    cell(unique('described'), 1, {
      describe: () => {
        throw new Error('cannot be shown')
      },
    }),
  )
  const writes = record('withepoch:source:write', (message: WriteEvent) => message.described)
  const drifts = record('withepoch:source:drift', (message: SourceEvent) => message.described)
  const seen = withEpoch(() => {
    detach(() => c.set(2))
    return c.get()
  })
  expect({ seen, writes, drifts }).toEqual({
    seen: 1,
    writes: ['(describe threw)'],
    drifts: ['(describe threw)'],
  })
})

test('no payload shows a value that its source does not describe, however it is looked at', () => {
  const secret = 's3cr3t'
  const messages: unknown[] = []
  for (const name of ['epoch:open', 'epoch:close', 'memo:hit', 'memo:miss'])
    record(`withepoch:${name}`, (message) => messages.push(message))
  for (const name of ['write', 'write-conflict', 'drift', 'late-read'])
    record(`withepoch:source:${name}`, (message) => messages.push(message))
  let foreign = { token: `${secret} 1` }
  const f = keep(source(unique('foreign'), () => foreign))
  const c = keep(cell(unique('token'), { token: secret }))
  const scan = memo((key: { token: string }) => ({ key, value: c.get() }), { name: 'scan' })
  const key = { token: secret }
  const shown: string[] = []
  const show = () => {
    for (const message of messages.splice(0)) {
      const looks = [
        inspect(message, { depth: 20, showHidden: true, showProxy: true }),
        inspect(message, { depth: 20, showHidden: true, customInspect: false }),
        JSON.stringify(message),
        Object.values(message as object).join(' '),
      ]
      shown.push(...looks)
    }
  }
  const late = withEpoch({ values: [[f, { token: `${secret} override` }]] }, (epoch) => {
    epoch.onClose(() => secret)
    scan(key)
    scan(key)
    detach(() => c.set({ token: `${secret} 2` }))
    c.get()
    c.set({ token: `${secret} 3` })
    show()
    return bind(() => c.get())
  })
  foreign = { token: `${secret} 4` }
  withEpoch(() => {})
  late()
  show()
  expect(shown.length).toBeGreaterThanOrEqual(4 * 11)
  expect(shown.filter((text) => text.includes(secret))).toEqual([])
})

// --- who listens when ---

test('a listener that subscribes while an epoch is open hears what happens from then on', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    detach(() => c.set(2))
    c.get()
    const drifts = record('withepoch:source:drift', named)
    const closed = record('withepoch:epoch:close', (message: EpochEvent) => message.epoch === epoch)
    c.get()
    return { drifts, closed }
  })
  expect(seen).toEqual({ drifts: [c.name], closed: [true] })
})

test('a listener that has unsubscribed hears nothing more', () => {
  const c = keep(cell(unique('c'), 1))
  const drifts = record('withepoch:source:drift', named)
  withEpoch(() => {
    detach(() => c.set(2))
    c.get()
    cleanups.pop()!()
    c.get()
  })
  expect(drifts).toEqual([c.name])
})

test('a listener may read, write and open epochs itself', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  const seen = record('withepoch:source:write', (message: WriteEvent) => {
    if (message.source.name !== a.name) return 'other'
    b.set(a.live())
    return withEpoch({ ifNested: 'fresh' }, () => [a.get(), b.get()])
  })
  a.set(2)
  withEpoch(() => a.set(3))
  expect(seen).toEqual(['other', [2, 2], 'other', [3, 3]])
})
