/** What is made of a recording: the summary, the trace, the layout, the picture. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  parseRecording,
  type Recording,
  renderPicture,
  renderSummary,
  summarise,
  type TimelineEvent,
  toTrace,
  type TraceEvent,
} from '@withepoch/timeline'
import { lay } from '../src/layout.js'
import { Model, NONE } from '../src/model.js'
import { packRecording } from '../src/page-data.js'
import { select } from '../src/search.js'
import { close, open, read, recordingOf } from './recording.js'
import { largeRecording } from './scenes/large-recording.js'

const everything: TimelineEvent[] = [
  open(1, 1000, 'list'),
  read(1, 1100, 1),
  { type: 'source:write', t: 1200, source: 'config', version: 2, valueId: 2, to: 'live' },
  read(1, 1300, 1, 2),
  open(2, 1400, 'render', 1),
  { type: 'memo:miss', t: 1450, memo: 'scan', epoch: 2, name: 'render' },
  { type: 'memo:hit', t: 1460, memo: 'scan', epoch: 2, name: 'render' },
  close(2, 1500, 'render'),
  open(3, 1550, 'export'),
  { type: 'epoch:overdue', t: 1600, epoch: 3, name: 'export', ageMs: 1, maxAgeMs: 0.5, closed: false },
  close(1, 2000, 'list'),
  read(1, 2500, 2, 2, 'late'),
  { type: 'mark', t: 2600, track: 'jobs', label: 'job', lane: 'A', kind: 'span', durationMs: 0.5 },
  { type: 'dropped', t: 2700, count: 4 },
  { type: 'stop', t: 3000, events: 13, dropped: 4 },
]

/** Two calls that a door of observe has let in: an epoch of 0.2 ms each, and reads that come after it. */
const observedCall: TimelineEvent[] = [
  { ...open(1, 1000, 'GET /page'), observing: true } as TimelineEvent,
  read(1, 1100, 1, 1, 'live'),
  close(1, 1200, 'GET /page'),
  { ...open(2, 1300, 'GET /page'), observing: true } as TimelineEvent,
  close(2, 1500, 'GET /page'),
  read(2, 2000, 1, 1, 'late'),
  read(1, 8000, 2, 2, 'late'),
  read(1, 9000, 2, 2, 'late'),
]

const ownWrite: TimelineEvent[] = [
  { ...open(1, 1, 'epoch 1'), observing: true } as TimelineEvent,
  read(1, 2, 1, 1, 'live'),
  { type: 'source:write', t: 3, source: 'config', epoch: 1, name: 'epoch 1', valueId: 2, to: 'live' },
  read(1, 4, 2, 2, 'live'),
  close(1, 5, 'epoch 1'),
]

describe('the summary', () => {
  test('counts by epoch name and by source', async () => {
    const events = everything.map((event) =>
      'name' in event && event.type.startsWith('source') ? { ...event, name: 'list' } : event,
    )
    const { epochs, sources, ...of } = summarise(await recordingOf(...events))
    expect(of).toEqual({ events: 13, spanMs: 3, dropped: 4, unreadable: 0, truncated: false })
    expect(new Set(epochs.map(({ name }) => name))).toEqual(new Set(['export', 'list', 'render', undefined]))
    const named = (name: string) => epochs.find((row) => row.name === name)
    expect(named('list')).toMatchObject({
      epochs: 1,
      open: 0,
      medianMs: 1,
      maxMs: 1,
      reads: 3,
      drifted: 1,
      late: 1,
      torn: 0,
    })
    expect(named('list')!.memoHitRatio).toBeUndefined()
    expect(named('render')).toMatchObject({ epochs: 1, memoHits: 1, memoMisses: 1, memoHitRatio: 0.5 })
    expect(named('export')).toMatchObject({ epochs: 1, open: 1, overdue: 1, medianMs: undefined })
    expect(sources).toEqual([{ source: 'config', reads: 3, drifted: 1, late: 1, writes: 1, values: 2 }])
  })

  test('an observing epoch that reads two values is torn, once', async () => {
    const live = (t: number, value: number, source?: string) => ({
      ...read(1, t, value, value, 'live', source),
      name: 'o',
    })
    const events = [
      open(1, 1, 'o'),
      live(2, 1),
      live(3, 1),
      live(4, 2),
      live(5, 3),
      live(6, 1, 'other'),
      close(1, 7, 'o'),
    ]
    expect(summarise(await recordingOf(...events)).epochs[0]).toMatchObject({
      name: 'o',
      torn: 1,
      drifted: 0,
      reads: 5,
    })
  })

  test('counts what an observed call reads after its door has closed as its own', async () => {
    const events = observedCall.map((event) =>
      event.type === 'source:read' ? { ...event, name: 'GET /page' } : event,
    )
    const [page] = summarise(await recordingOf(...events)).epochs
    expect(page).toMatchObject({
      name: 'GET /page',
      epochs: 2,
      open: 0,
      maxMs: 8,
      reads: 4,
      torn: 1,
      late: 0,
    })
  })

  test('a value that an observing epoch has written itself is no tear', async () => {
    const { epochs } = summarise(await recordingOf(...ownWrite))
    expect(epochs.map(({ torn }) => torn)).toEqual([0])
    const model = new Model(packRecording(await recordingOf(...ownWrite), ''))
    expect(model.epochs.map(({ torn }) => torn)).toEqual([false])
  })

  test('a source that is never pinned does not tear, pinned epoch or observed', async () => {
    const committed = (t: number, value: number) => ({ ...read(1, t, value, value, 'committed'), name: 'o' })
    const events = [open(1, 1, 'o'), committed(2, 1), committed(3, 2), close(1, 4, 'o')]
    const { epochs, sources } = summarise(await recordingOf(...events))
    expect(epochs.map(({ reads, torn }) => [reads, torn])).toEqual([[2, 0]])
    expect(sources.map(({ reads, values }) => [reads, values])).toEqual([[2, 2]])
    const model = new Model(packRecording(await recordingOf(...events), ''))
    expect(model.epochs.map(({ reads, torn }) => [reads, torn])).toEqual([[2, false]])
  })

  test('as text shows no control characters', async () => {
    const text = renderSummary(
      summarise(await recordingOf(open(1, 1, 'evil\u001B[2J\u202Ename'), close(1, 2, 'evil'))),
    )
    expect(text).toContain('evil\u{FFFD}[2J\u{FFFD}name')
    expect(text).not.toContain('\u001B')
    expect(text).not.toContain('\u202E')
  })
})

/** Where a trace breaks the format's rules: fields that a phase must have, and async events of one id that must nest. */
function faultsOf(events: readonly TraceEvent[]): string[] {
  const faults: string[] = []
  const check = (holds: boolean, event: TraceEvent, rule: string) => {
    if (!holds) faults.push(`${rule}: ${JSON.stringify(event)}`)
  }
  const stacks = new Map<string, string[]>()
  let last = 0
  for (const event of events) {
    check(Number.isFinite(event.ts) && event.ts >= 0, event, 'ts is a time')
    check(Number.isInteger(event.pid) && Number.isInteger(event.tid), event, 'pid and tid are integers')
    if (event.ph === 'C') {
      check(
        Object.values(event.args).every((value) => typeof value === 'number'),
        event,
        'a counter has numbers',
      )
    }
    if (event.ph === 'X') check(event.dur !== undefined && event.dur >= 0, event, 'a span has a duration')
    if (event.ph === 'I') check(event.s === 't', event, 'an instant has a scope')
    if (event.ph !== 'X' && event.ph !== 'M') {
      check(event.ts >= last, event, 'events stand in the order of time')
      last = event.ts
    }
    if (event.ph !== 'b' && event.ph !== 'e') continue
    const key = `${event.cat} ${event.id}`
    const stack = stacks.get(key) ?? []
    stacks.set(key, stack)
    if (event.ph === 'b') stack.push(event.name)
    else check(stack.pop() === event.name, event, 'what began last ends first')
  }
  for (const [id, stack] of stacks) if (stack.length > 0) faults.push(`${id} does not end`)
  return faults
}

describe('the trace', () => {
  test('has a span per epoch, nested where it can be, and an instant per event', async () => {
    const { traceEvents } = toTrace(await recordingOf(...everything))
    expect(faultsOf(traceEvents)).toEqual([])
    const spans = traceEvents.filter(({ ph }) => ph === 'b' || ph === 'e')
    expect(spans.map(({ ph, name, ts, id }) => [ph, name, ts, id])).toEqual([
      ['b', 'list', 1000, '0x1'],
      ['b', 'render', 1400, '0x1'],
      ['e', 'render', 1500, '0x1'],
      ['b', 'export', 1550, '0x3'],
      ['e', 'list', 2000, '0x1'],
      ['e', 'export', 3000, '0x3'],
    ])
    const instants = traceEvents.filter(({ ph }) => ph === 'I').map(({ name, ts }) => [name, ts])
    expect(instants).toEqual([
      ['read', 1100],
      ['write', 1200],
      ['drift', 1300],
      ['memo miss: scan', 1450],
      ['memo hit: scan', 1460],
      ['overdue: export', 1600],
      ['late read', 2500],
      ['4 events dropped', 2700],
    ])
    expect(traceEvents.filter(({ ph }) => ph === 'X').map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['job', 2100, 500],
    ])
    const counters = traceEvents.filter(({ ph }) => ph === 'C').map(({ args }) => args['open'])
    expect(counters).toEqual([0, 1, 2, 1, 2, 1])
    const threads = traceEvents.filter(({ name }) => name === 'thread_name').map(({ args }) => args['name'])
    expect(threads).toEqual(['epochs', 'source config', 'memos', 'overdue', 'jobs', 'recorder'])
  })

  test('has an observed call as long as its reads, none of them late', async () => {
    const { traceEvents } = toTrace(await recordingOf(...observedCall))
    expect(faultsOf(traceEvents)).toEqual([])
    const spans = traceEvents.filter(({ ph }) => ph === 'b' || ph === 'e')
    expect(spans.map(({ ph, id, ts }) => [ph, id, ts])).toEqual([
      ['b', '0x1', 1000],
      ['b', '0x2', 1300],
      ['e', '0x2', 2000],
      ['e', '0x1', 9000],
    ])
    const instants = traceEvents.filter(({ ph }) => ph === 'I').map(({ name, args }) => [name, args['from']])
    expect(instants).toEqual(Array.from({ length: 4 }, () => ['read', 'live']))
  })

  test('nests whatever opens and closes in whatever order', { timeout: 60_000 }, async () => {
    const step = fc.record({
      close: fc.boolean(),
      parent: fc.option(fc.nat(20)),
      pick: fc.nat(20),
      dt: fc.nat(2),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const events: TimelineEvent[] = []
        const opened: number[] = []
        let t = 0
        for (const { close: closes, parent, pick, dt } of steps) {
          t += dt
          if (closes && opened.length > 0) {
            const [epoch] = opened.splice(pick % opened.length, 1)
            events.push(close(epoch!, t, `e${epoch}`))
          } else {
            const epoch = events.length + 1
            events.push(
              open(
                epoch,
                t,
                `e${epoch}`,
                parent === null || events.length === 0 ? undefined : (parent % events.length) + 1,
              ),
            )
            opened.push(epoch)
          }
        }
        expect(faultsOf(toTrace(await recordingOf(...events)).traceEvents)).toEqual([])
      }),
      { numRuns: 300 },
    )
  })

  test(
    'is read by the trace engine of Chrome’s developer tools, epochs among its user timings',
    { timeout: 60_000 },
    async () => {
      Object.assign(globalThis, { DOMRect: class {} })
      const { Processor } = (await import('@paulirish/trace_engine/models/trace/trace.js')) as never as {
        Processor: {
          TraceProcessor: {
            createWithAllHandlers(): { parse(events: unknown, options: object): Promise<void>; data: unknown }
          }
        }
      }
      const engine = Processor.TraceProcessor.createWithAllHandlers()
      const trace = JSON.parse(JSON.stringify(toTrace(await recordingOf(...everything)))) as {
        traceEvents: unknown[]
      }
      await engine.parse(trace.traceEvents, { isCPUProfile: false, isFreshRecording: false })
      const { UserTimings } = engine.data as {
        UserTimings: {
          performanceMeasures: { name: string; dur: number }[]
          performanceMarks: { name: string }[]
        }
      }
      expect(UserTimings.performanceMeasures.map(({ name, dur }) => [name, dur])).toEqual([
        ['list', 1000],
        ['render', 100],
        ['export', 1450],
      ])
      expect(UserTimings.performanceMarks.map(({ name }) => name)).toContain('drift')
    },
  )
})

const modelOf = (recording: Recording) => new Model(packRecording(recording, 'x'))

describe('the layout', () => {
  test('packs epochs without overlap, and forks below their parents', { timeout: 60_000 }, async () => {
    const model = modelOf(await parseRecording(largeRecording(5000)))
    const { rows, rowOfEpoch } = lay(model, select(model, ''))
    expect([...rowOfEpoch]).not.toContain(NONE)
    for (const { bars } of rows) {
      for (let at = 1; at < bars.start.length; at++)
        expect(bars.start[at]).toBeGreaterThanOrEqual(bars.end[at - 1]!)
    }
    let forks = 0
    for (const epoch of model.epochs) {
      if (epoch.parent === NONE) continue
      forks += 1
      expect(rowOfEpoch[epoch.index]).toBeGreaterThan(rowOfEpoch[epoch.parent]!)
    }
    expect(forks).toBeGreaterThan(50)
    // Every event of an epoch stands in its row.
    const points = rows
      .filter(({ kind }) => kind === 'epochs')
      .reduce((sum, row) => sum + row.points.ref.length, 0)
    expect(points).toBe(model.epochs.reduce((sum, epoch) => sum + epoch.events.length, 0))
  })

  test('takes a chain of ten thousand forks', { timeout: 60_000 }, async () => {
    const events = Array.from({ length: 10_000 }, (_, n) => open(n + 1, n, 'deep', n === 0 ? undefined : n))
    const model = modelOf(await recordingOf(...events))
    expect(lay(model, select(model, '')).rows).toHaveLength(10_001)
  })

  test.each([
    ['list', [1]],
    ['#3', [3]],
    ['is:overdue', [3]],
    ['is:late', [1]],
    ['is:drift is:open', []],
    ['is:fork', [2]],
    ['memo:scan', [2]],
    ['source:config', [1]],
    ['name:"list"', [1]],
    ['.*', []],
    ['CONFIG', [1]],
  ])('search: %s', async (text, ids) => {
    const model = modelOf(await recordingOf(...everything))
    const { epochs } = select(model, text)
    expect(model.epochs.filter(({ index }) => epochs[index] === 1).map(({ id }) => id)).toEqual(ids)
  })
})

test('the picture is XML that says nothing of its own, whatever the names are', async () => {
  const evil = '</text><script>alert(1)</script>"&\u0000'
  const recording = await recordingOf(open(1, 1, evil), read(1, 2, 1), close(1, 300, evil), {
    type: 'mark',
    t: 300,
    track: evil,
    lane: evil,
    label: evil,
  })
  const svg = renderPicture(recording, {
    title: evil,
    text: evil,
    panels: [{ title: evil, from: 0, to: 400 }],
  })
  expect(svg).not.toContain('<script')
  expect(svg).not.toContain('\u0000')
  expect(svg.match(/<text[ >]/g)!.length).toBe(svg.match(/<\/text>/g)!.length)
  expect(() => renderPicture(recording, { title: 'x', panels: [{ title: '', from: 5, to: 5 }] })).toThrow(
    'a panel goes from 5 to 5',
  )
})
