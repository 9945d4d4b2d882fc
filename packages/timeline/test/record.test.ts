/**
 * The recorder on the real core: what becomes of each event, that nothing is held, that a slow or broken destination
 * costs events and not the process, and that no value leaves it.
 */
import { execFile } from 'node:child_process'
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  bind,
  cell,
  configure,
  derived,
  detach,
  group,
  memo,
  publish,
  source,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { httpRequests, observe } from '@withepoch/observe'
import {
  parseRecording,
  readRecording,
  record,
  type RecordOptions,
  summarise,
  type TimelineEvent,
} from '@withepoch/timeline'

let dir: string
let files = 0
const newFile = () => path.join(dir, `recording-${++files}.jsonl`)

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'timeline-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

let restore: (() => void) | undefined
afterEach(() => restore?.())

/** What the recorder makes of `work`, without times. */
async function recorded(
  work: () => unknown,
  options: Partial<RecordOptions> = {},
): Promise<Record<string, unknown>[]> {
  const file = newFile()
  const recorder = record({ to: file, ...options })
  await work()
  await recorder.stop()
  const { events, problems } = await readRecording(file)
  expect(problems).toEqual([])
  return events.map((event) => {
    const { t: _, ...rest } = event
    return rest
  })
}

/** Epochs are numbered through the process: here from 1. */
function renumbered(events: Record<string, unknown>[]): Record<string, unknown>[] {
  const ids = new Map<unknown, number>()
  const numberOf = (id: unknown) =>
    id === undefined ? undefined : (ids.get(id) ?? ids.set(id, ids.size + 1).size)
  return events.map((event) => {
    const { epoch, parent, version: _, ...rest } = event
    return {
      ...rest,
      ...(epoch === undefined ? {} : { epoch: numberOf(epoch) }),
      ...(parent === undefined ? {} : { parent: numberOf(parent) }),
    }
  })
}

describe('what is recorded', () => {
  test('an epoch, its reads, drift, a fork, and a write beside it', async () => {
    const dirCell = cell('record.dir', '/a')
    const events = await recorded(() =>
      withEpoch({ name: 'list', ifNested: 'fresh' }, async () => {
        dirCell.get()
        detach(() => dirCell.set('/b'))
        dirCell.get()
        await withEpoch({ name: 'row', ifNested: 'fork' }, () => dirCell.get())
      }),
    )
    const of = { source: 'record.dir', epoch: 1, name: 'list' }
    expect(renumbered(events)).toEqual([
      { type: 'epoch:open', epoch: 1, name: 'list' },
      { type: 'source:read', ...of, valueId: 1, liveValueId: 1, from: 'pinned' },
      { type: 'source:write', source: 'record.dir', valueId: 2, to: 'live' },
      { type: 'source:read', ...of, valueId: 1, liveValueId: 2, from: 'pinned' },
      { type: 'epoch:open', epoch: 2, name: 'row', parent: 1 },
      {
        type: 'source:read',
        source: 'record.dir',
        epoch: 2,
        name: 'row',
        valueId: 1,
        liveValueId: 2,
        from: 'pinned',
      },
      { type: 'epoch:close', epoch: 2, name: 'row' },
      { type: 'epoch:close', epoch: 1, name: 'list' },
      { type: 'stop', events: 8, dropped: 0 },
    ])
  })

  test('a late read, with reads and without', async () => {
    const late = cell('record.late', 1)
    const work = async () => (await withEpoch({ name: 'over' }, async () => bind(() => late.get())))()
    const typesOf = (events: Record<string, unknown>[]) =>
      events.map((event) => [event['type'], event['from']])
    expect(typesOf(await recorded(work))).toEqual([
      ['epoch:open', undefined],
      ['epoch:close', undefined],
      ['source:read', 'late'],
      ['stop', undefined],
    ])
    expect(typesOf(await recorded(work, { reads: false }))).toEqual([
      ['epoch:open', undefined],
      ['epoch:close', undefined],
      ['source:late-read', undefined],
      ['stop', undefined],
    ])
  })

  test('drift without reads', async () => {
    const drifting = cell('record.drifting', 1)
    const events = await recorded(
      () =>
        withEpoch(() => {
          detach(() => drifting.set(2))
          drifting.get()
        }),
      { reads: false },
    )
    expect(events.map(({ type }) => type)).toEqual([
      'epoch:open',
      'source:write',
      'source:drift',
      'epoch:close',
      'stop',
    ])
  })

  test('memos, derived values, groups, conflicts, retired values and epochs that stay open', async () => {
    restore = configure({ maxAgeMs: 5 })
    const a = cell('record.a', 1, { retire: () => {} })
    const b = cell('record.b', 1)
    group('record.pair', [a, b], {
      coherent: (x, y) => {
        if (x === 3) throw new RangeError('the value was 3')
        return x === y
      },
    })
    const load = memo(() => 1, { name: 'load' })
    const shared = derived(() => b.get(), { name: 'shared' })
    const events = await recorded(async () => {
      await withEpoch({ name: 'all', ifNested: 'fresh' }, async () => {
        load()
        load()
        shared()
        detach(() => b.set(9))
        b.set(2)
        await wait(30)
      })
      a.set(4)
      withEpoch(() => {})
      a.set(3)
      withEpoch(() => {})
      publish(() => (a.set(2), b.set(2)))
    })
    const types = new Set(events.map(({ type }) => type))
    for (const type of [
      'memo:miss',
      'memo:hit',
      'derived:miss',
      'source:write-conflict',
      'group:broken',
      'group:error',
      'source:retire',
      'epoch:overdue',
    ]) {
      expect([type, types.has(type)]).toEqual([type, true])
    }
    // The kind of the error alone: its message says a value.
    expect(events.filter(({ type }) => type === 'group:error').map(({ error }) => error)).toContain(
      'RangeError',
    )
    expect(JSON.stringify(events)).not.toContain('the value was')
  })

  test('channels of the program as marks, with the epoch that they are published in', async () => {
    const own = channel('record.test:row')
    const events = await recorded(
      () => {
        withEpoch({ name: 'marked', ifNested: 'fresh' }, () => own.publish({ row: 1, letter: 'A' }))
        own.publish({ row: 2, letter: 'B' })
        own.publish({ row: 3 })
      },
      {
        channels: {
          'record.test:row': (message) => {
            const { row, letter } = message as { row: number; letter?: string }
            return letter === undefined
              ? undefined
              : { track: 'rows', lane: letter, label: `row ${row}`, fields: { row } }
          },
        },
      },
    )
    const marks = renumbered(events).filter(({ type }) => type === 'mark')
    expect(marks).toEqual([
      {
        type: 'mark',
        track: 'rows',
        lane: 'A',
        label: 'row 1',
        fields: { row: 1 },
        epoch: 1,
        name: 'marked',
      },
      { type: 'mark', track: 'rows', lane: 'B', label: 'row 2', fields: { row: 2 } },
    ])
  })

  test('a mapping that throws or makes no mark is told once, and the process goes on', async () => {
    const bad = channel('record.test:bad')
    const warnings: string[] = []
    const onWarning = (warning: Error) => warnings.push(warning.message)
    process.on('warning', onWarning)
    const events = await recorded(
      async () => {
        for (const message of ['throw', 'throw', 'no mark']) bad.publish(message)
        await wait(5)
      },
      {
        channels: {
          'record.test:bad': (message) => {
            if (message === 'throw') throw new Error('secret')
            return { label: 1 } as never
          },
        },
      },
    )
    process.off('warning', onWarning)
    expect(events.map(({ type }) => type)).toEqual(['stop'])
    expect(warnings).toEqual([
      'record: channels["record.test:bad"] threw Error. Its messages of that kind are not recorded.',
    ])
  })

  test('no value, unless its source describes it', async () => {
    const secret = cell('record.secret', { token: 's3cr3t-1' })
    const foreign = { key: 's3cr3t-2' }
    const key = source('record.key', () => foreign.key)
    const shown = cell('record.shown', 's3cr3t-3', { describe: (value) => `ends in ${value.at(-1)}` })
    const byKey = memo((token: string) => token.length, { name: 'byKey' })
    const file = newFile()
    const recorder = record({ to: file })
    await withEpoch({ name: 'holder', ifNested: 'fresh' }, async () => {
      byKey(secret.get().token)
      key.get()
      shown.get()
      detach(() => (secret.set({ token: 's3cr3t-4' }), shown.set('s3cr3t-5')))
      foreign.key = 's3cr3t-6'
      secret.get()
      key.get()
      shown.get()
    })
    await recorder.stop()
    const text = await readFile(file, 'utf8')
    expect(text).not.toContain('s3cr3t')
    expect(text).toContain('ends in 5')
  })

  test('times that never go back, in microseconds of the process', async () => {
    const file = newFile()
    const before = performance.now() * 1000
    const recorder = record({ to: file })
    for (let n = 0; n < 50; n++) withEpoch(() => {})
    await recorder.stop()
    const { header, events } = await readRecording(file)
    expect(header).toMatchObject({
      pid: process.pid,
      node: process.version,
      timeOrigin: performance.timeOrigin,
    })
    const times = [header.t, ...events.map(({ t }) => t)]
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times[0]).toBeGreaterThanOrEqual(Math.floor(before))
    expect(times.at(-1)).toBeLessThanOrEqual(Math.ceil(performance.now() * 1000))
  })
})

describe('the destination', () => {
  /** A stream that takes nothing until it is released. */
  function slow(highWaterMark = 64) {
    const chunks: string[] = []
    const waiting: (() => void)[] = []
    let open = false
    const stream = new Writable({
      highWaterMark,
      decodeStrings: false,
      write(chunk: string, _encoding, done) {
        chunks.push(chunk)
        if (open) done()
        else waiting.push(done)
      },
    })
    const release = () => {
      open = true
      for (const done of waiting.splice(0)) done()
    }
    return { stream, chunks, release }
  }

  test('a read of a source that is never pinned says so, inside an epoch and outside', async () => {
    const kill = cell('record.kill', false, { isolation: 'read-committed' })
    const file = newFile()
    const recorder = record({ to: file })
    kill.get()
    withEpoch(() => kill.get())
    await recorder.stop()
    const { events } = await readRecording(file)
    expect(events.flatMap((event) => (event.type === 'source:read' ? [event.from] : []))).toEqual([
      'committed',
      'committed',
    ])
  })

  test('an event that cannot be read is dropped and counted, and ends nothing', async () => {
    const unreadable = Object.defineProperty(new Error('of the predicate'), 'name', {
      get() {
        throw new Error('not to be read')
      },
    })
    const members = [cell('record.unreadable.a', 1), cell('record.unreadable.b', 2)] as const
    const file = newFile()
    const recorder = record({ to: file })
    const broken = group('record.unreadable', members, {
      coherent: (_a: number, _b: number) => {
        throw unreadable
      },
    })
    withEpoch(() => members[0].get())
    const { dropped } = await recorder.stop()
    broken.release()
    expect(dropped).toBeGreaterThan(0)
    expect((await readRecording(file)).events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['dropped', 'epoch:open', 'source:read', 'epoch:close', 'stop']),
    )
  })

  test('events past the buffer are dropped, counted, and told in their place', async () => {
    const { stream, chunks, release } = slow()
    const recorder = record({ to: stream, maxBufferedBytes: 2000 })
    for (let n = 0; n < 100; n++) withEpoch({ name: `epoch ${n}`, ifNested: 'fresh' }, () => {})
    await wait(1)
    expect(stream.writableLength).toBeLessThanOrEqual(2000)
    release()
    await wait(1)
    withEpoch({ name: 'after', ifNested: 'fresh' }, () => {})
    const { events, dropped } = await recorder.stop()
    expect(dropped).toBeGreaterThan(150)
    expect(events + dropped).toBe(202)

    const recording = await parseRecording(chunks)
    expect(recording.problems).toEqual([])
    const tail = recording.events.slice(-4).map((event: TimelineEvent) => event.type)
    expect(tail).toEqual(['dropped', 'epoch:open', 'epoch:close', 'stop'])
    const told = recording.events.filter((event) => event.type === 'dropped')
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(dropped)
    expect(recording.events.length).toBe(events + told.length + 1)
    expect(stream.writableEnded).toBe(false) // it is the caller's
  })

  test('one that fails ends the recording, warns, and leaves the process alone', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no space left')) })
    stream.on('error', () => {})
    const recorder = record({ to: stream })
    withEpoch(() => {})
    await wait(20)
    expect(channel('withepoch:epoch:open').hasSubscribers).toBe(false)
    await expect(recorder.stop()).rejects.toThrow('no space left')
    process.off('warning', onWarning)
    expect(warnings.map(({ name, message }) => [name, message])).toEqual([
      ['EpochWarning', 'The recording has ended: no space left'],
    ])
  })

  test('one that somebody else ends is told too', async () => {
    const stream = new Writable({ write: (_chunk, _encoding, done) => done() })
    const recorder = record({ to: stream })
    await wait(1)
    stream.end()
    await wait(5)
    await expect(recorder.stop()).rejects.toThrow('ended by somebody else')
  })

  test('is written to with no epoch, so that a slow one keeps none', async () => {
    const epochs: unknown[] = []
    const fromInside = cell('record.inside', 1)
    const stream = new Writable({
      write(_chunk, _encoding, done) {
        epochs.push(tryGetEpoch()?.name)
        setTimeout(done, 1)
      },
    })
    const recorder = await withEpoch({ name: 'starts the recording' }, async () => record({ to: stream }))
    const written = async (times: number) => {
      while (epochs.length < times) await wait(1)
    }
    await written(1)
    await withEpoch({ name: 'recorded', ifNested: 'fresh' }, async () => {
      await written(2)
      fromInside.get() // what this line sets going is scheduled from here
      await written(3)
    })
    await withEpoch({ name: 'stops it', ifNested: 'fresh' }, () => recorder.stop())
    expect(new Set(epochs)).toEqual(new Set([undefined]))
  })

  test('stop() twice is one stop, and nothing is heard after it', async () => {
    const file = newFile()
    const { stop } = record({ to: file })
    const first = stop()
    expect(stop()).toBe(first)
    withEpoch(() => {})
    expect(await first).toEqual({ events: 0, dropped: 0 })
    expect((await readRecording(file)).events).toHaveLength(1)
    expect(channel('withepoch:source:read').hasSubscribers).toBe(false)
  })
})

test.each([
  [undefined, 'record: options must be an object with `to`, a file path or a writable stream.'],
  [{}, 'record: to must be a file path or a writable stream, got undefined.'],
  [{ to: 'x', too: 1 }, 'record: unknown option "too". Known: to, reads, channels, maxBufferedBytes.'],
  [{ to: 'x', reads: 'yes' }, 'record: reads must be a boolean, got string.'],
  [{ to: 'x', channels: { a: 1 } }, 'record: channels["a"] must be a function, got number.'],
  [{ to: 'x', maxBufferedBytes: 0 }, 'record: maxBufferedBytes must be a number above 0, got number.'],
])('%j is refused, and nobody listens', (options, message) => {
  expect(() => record(options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message }),
  )
  expect(channel('withepoch:epoch:open').hasSubscribers).toBe(false)
})

test('a file that cannot be opened is an error at once', () => {
  expect(() => record({ to: path.join(dir, 'no', 'such', 'folder.jsonl') })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('ENOENT') }),
  )
})

test(
  'it holds no epoch and no value, even while the disk has not answered',
  { timeout: 60_000 },
  async () => {
    const script = fileURLToPath(new URL('scenes/held-epochs.ts', import.meta.url))
    const tsx = fileURLToPath(import.meta.resolve('tsx/cli'))
    const { stdout } = await promisify(execFile)(process.execPath, [tsx, '--expose-gc', script], {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    expect(JSON.parse(stdout)).toEqual({ epochs: 20, collected: 20 })
  },
)

test('a recording says of observed requests what the report of observe says', async () => {
  const locale = cell('recorded.beside.observe', 'en')
  let writes = 0
  const server = createServer((request, response) => {
    locale.get()
    void wait(1)
      .then(() => {
        if (request.url === '/torn') detach(() => locale.set(`value ${++writes}`))
        return wait(1)
      })
      .then(() => response.end(locale.get()))
  })
  server.listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const observation = observe({ doors: [httpRequests()] })
  const file = newFile()
  const recorder = record({ to: file })
  for (const url of ['/torn', '/whole', '/torn']) await (await fetch(`http://127.0.0.1:${port}${url}`)).text()
  await recorder.stop()
  const told = observation.report().sources.map(({ call, calls, reads, torn, late }) => ({ call, calls, reads, torn, late })) // prettier-ignore
  observation.stop()
  server.close()
  const named = summarise(await readRecording(file)).epochs.filter(({ name }) => name !== undefined)
  const summary = named.map(({ name, epochs, reads, torn, late }) => ({ call: name, calls: epochs, reads, torn, late })) // prettier-ignore
  const byCall = (a: { call?: string | undefined }, b: { call?: string | undefined }) =>
    String(a.call).localeCompare(String(b.call))
  expect(summary.toSorted(byCall)).toEqual(told.toSorted(byCall))
  expect(told.toSorted(byCall).map(({ call, torn }) => [call, torn])).toEqual([
    ['GET /torn', 2],
    ['GET /whole', 0],
  ])
})
