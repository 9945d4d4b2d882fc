/**
 * What an observation counts, read by read: calls, torn calls, values, averted tears, late reads, reads in no call. Each test
 * makes its interleaving by hand, so that the numbers are exact.
 */
import { channel } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { adopt, bind, cell, configure, detach, EpochError, publish, source, withEpoch } from 'withepoch'
import {
  observe,
  type Observation,
  type ObserveOptions,
  onMethod,
  type SourceReport,
} from '@withepoch/observe'

let count = 0
const unique = (word: string): string => `observe.${word}.${++count}`

const cleanups: Array<() => void> = []
afterEach(() => {
  vi.restoreAllMocks()
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

function watch(options?: ObserveOptions): Observation {
  const observation = observe(options)
  cleanups.push(() => observation.stop())
  return observation
}

/** The one row of `source` in the calls of `call`, without its example. */
function rowOf(observation: Observation, source: string, call = 'call'): Omit<SourceReport, 'example'> {
  const { example: _, ...row } = observation
    .report()
    .sources.find((row) => row.source === source && row.call === call)!
  return row
}

const call = <R>(run: () => R): R => withEpoch({ name: 'call', ifNested: 'fresh' }, run)

describe('live', () => {
  test('counts the calls that read a source, and those that saw two values', () => {
    const c = cell(unique('c'), 'a')
    const observation = watch()
    call(() => [c.get(), c.get()])
    call(() => {
      c.get()
      detach(() => c.set('b'))
      c.get()
      c.get()
      detach(() => c.set('a'))
      c.get()
    })
    call(() => 'reads nothing')
    expect(rowOf(observation, c.name)).toEqual({
      source: c.name,
      call: 'call',
      isolation: 'snapshot',
      calls: 2,
      reads: 6,
      torn: 1,
      averted: 0,
      late: 0,
      values: { most: 2, calls: { '1': 1, '2': 1 } },
    })
    expect(observation.report().total).toEqual({ calls: 2, torn: 1, averted: 0 })
  })

  test('counts by source and by name of calls', () => {
    const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
    const observation = watch()
    withEpoch({ name: 'one' }, () => {
      a.get()
      b.get()
      detach(() => a.set(2))
      a.get()
      b.get()
    })
    withEpoch({ name: 'two' }, () => b.get())
    const rows = observation.report().sources.map(({ source: name, call: by, torn }) => [name, by, torn])
    expect(rows).toEqual([
      [a.name, 'one', 1],
      [b.name, 'one', 0],
      [b.name, 'two', 0],
    ])
  })

  test('counts how many values calls saw, from ten on together', () => {
    const c = cell(unique('c'), 0)
    const observation = watch()
    for (const changes of [0, 2, 2, 9, 30]) {
      call(() => {
        for (let change = 0; change <= changes; change++) {
          c.get()
          detach(() => c.update((value) => value + 1))
        }
      })
    }
    expect(rowOf(observation, c.name).values).toEqual({ most: 10, calls: { '1': 1, '3': 2, '10+': 2 } })
  })

  test('counts across awaits, for calls that overlap', async () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    const reads = async (): Promise<void> => {
      c.get()
      await null
      await null
      c.get()
    }
    const before = call(reads)
    const after = (async () => {
      await null
      c.set(2)
      await call(reads)
    })()
    await Promise.all([before, after])
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 2, torn: 1 })
  })

  test('does not call torn what a call has written itself, also after its door has closed', async () => {
    const [c, d] = [cell(unique('c'), 1), cell(unique('d'), 1)]
    const service = {
      async run() {
        d.get()
        await null
        d.set(2)
        return d.get()
      },
    }
    const observation = watch({ doors: [onMethod(service, 'run', 'call')] })
    call(() => {
      c.get()
      c.set(2)
      c.get()
      publish(() => c.set(3))
      c.get()
    })
    expect(await service.run()).toBe(2)
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 1, torn: 0, values: { most: 1 } })
    expect(rowOf(observation, d.name)).toMatchObject({ calls: 1, torn: 0 })
  })

  test('calls torn what others write after it', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    call(() => {
      c.get()
      c.set(2)
      detach(() => c.set(1))
      c.get()
    })
    expect(rowOf(observation, c.name)).toMatchObject({ torn: 1, values: { most: 2 } })
  })

  test('does not call torn what differs after advance()', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    withEpoch({ name: 'call' }, (epoch) => {
      c.get()
      detach(() => c.set(2))
      epoch.advance()
      c.get()
    })
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 1, torn: 0 })
  })

  test('counts a source that is live by declaration, and never calls it torn', () => {
    const c = cell(unique('c'), 1, { isolation: 'read-committed' })
    const observation = watch()
    call(() => {
      c.get()
      detach(() => c.set(2))
      c.get()
    })
    expect(rowOf(observation, c.name)).toMatchObject({ isolation: 'read-committed', reads: 2, torn: 0 })
    expect(String(observation)).toContain(`${c.name} (live by declaration)`)
  })

  test('counts reads that outlived their call as late, for no call', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    const later = call(() => (c.get(), bind(() => c.get())))
    c.set(2)
    later()
    later()
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 1, reads: 1, torn: 0, late: 2 })
  })

  test('counts reads in no call by source', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    c.get()
    call(() => detach(() => c.get()))
    expect(observation.report().outside[c.name]).toBe(2)
    expect(observation.report().sources).toEqual([])
  })

  test('tells no more names apart than fit: made of ids they would fill the memory', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    for (let id = 0; id < 230; id++) withEpoch({ name: `call ${id}` }, () => c.get())
    const report = observation.report()
    expect([report.sources.length, report.uncounted]).toEqual([200, 30])
  })

  test('counts what an adopted property and a getter show', () => {
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    let dir = '/a'
    const workspace = source(unique('dir'), () => dir)
    cleanups.push(() => (locale.release(), workspace.release()))
    const observation = watch()
    call(() => {
      void settings.locale
      workspace.get()
      detach(() => (settings.locale = 'fr'))
      dir = '/b'
      void settings.locale
      workspace.get()
    })
    expect(rowOf(observation, locale.name)).toMatchObject({ torn: 1 })
    expect(rowOf(observation, workspace.name)).toMatchObject({ torn: 1 })
  })

  test('changes what epochs do, and stop() changes it back', () => {
    const observation = watch()
    expect(call(() => withEpoch((epoch) => epoch.observing))).toBe(true)
    observation.stop()
    expect(withEpoch((epoch) => epoch.observing)).toBe(false)
  })
})

describe('pinned', () => {
  test('changes nothing, and counts the calls whose pinned value was not the live one', () => {
    const c = cell(unique('c'), 1)
    const observation = watch({ mode: 'pinned' })
    const seen = call(() => {
      const first = c.get()
      detach(() => c.set(2))
      return [first, c.get(), c.get()]
    })
    call(() => c.get())
    expect(seen).toEqual([1, 1, 1])
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 2, torn: 0, averted: 1, values: { most: 1 } })
    expect(observation.report().mode).toBe('pinned')
  })

  test('tears nothing, however many values were live since the one that is pinned', () => {
    const c = cell(unique('c'), 0)
    const observation = watch({ mode: 'pinned' })
    call(() => {
      c.get()
      for (let value = 1; value <= 3000; value++) detach(() => c.set(value))
      c.get()
    })
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 1, torn: 0, averted: 1, values: { most: 1 } })
  })

  test('counts no override and no local write as averted', () => {
    const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
    const observation = watch({ mode: 'pinned' })
    withEpoch({ name: 'call', values: [[a, 5]], writes: 'local' }, () => {
      b.set(5)
      a.get()
      b.get()
    })
    expect(observation.report().total).toEqual({ calls: 2, torn: 0, averted: 0 })
  })
})

describe('an example', () => {
  const functionsOf = (site: SourceReport['example'], at: 'firstRead' | 'write' | 'secondRead'): string[] =>
    (site?.[at] ?? []).map((frame) => frame.function ?? '')

  test('names both reads and the write that lay between, by the file and line that the program has', () => {
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: unique('locale') })
    cleanups.push(() => locale.release())
    const observation = watch()
    function readsFirst(): unknown {
      return settings.locale
    }
    function writes(): void {
      settings.locale = 'fr'
    }
    function readsAgain(): unknown {
      return settings.locale
    }
    call(() => {
      readsFirst()
      detach(writes)
      readsAgain()
    })
    const { example } = observation.report().sources[0]!
    expect(functionsOf(example, 'firstRead')[0]).toBe('readsFirst')
    expect(functionsOf(example, 'write')[0]).toBe('writes')
    expect(functionsOf(example, 'secondRead')[0]).toBe('readsAgain')
    expect(example!.noticed).toBe('write')
    for (const site of [example!.firstRead, example!.write, example!.secondRead]) {
      expect(site!.every(({ file }) => !/packages.(core|observe).src/.test(file))).toBe(true)
      expect(site![0]!.file).toMatch(/observe\.test\.ts$/)
    }
    expect(String(observation)).toMatch(/written\n {4}at writes \(.*observe\.test\.ts:\d+:\d+\)/)
  })

  test('of a cell names who called set, update, or publish', () => {
    const observation = watch()
    const writers: string[][] = []
    for (const write of [
      function bySet(c: { set(value: number): void }) {
        c.set(2)
      },
      function byUpdate(c: { update(next: (value: number) => number): void }) {
        c.update((value) => value + 1)
      },
      function byPublish(c: { set(value: number): void }) {
        publish(() => c.set(2))
      },
    ]) {
      const c = cell(unique('c'), 1)
      call(() => {
        c.get()
        detach(() => write(c))
        c.get()
      })
      writers.push(
        functionsOf(
          observation.report().sources.find(({ source: name }) => name === c.name)!.example,
          'write',
        ),
      )
    }
    expect(writers.map(([first, second]) => [first, second].find((name) => name?.startsWith('by')))).toEqual([
      'bySet',
      'byUpdate',
      'byPublish',
    ])
  })

  test('of a foreign global says that nobody saw the write, or that it was found changed', () => {
    let dir = '/a'
    const workspace = source(unique('dir'), () => dir)
    cleanups.push(() => workspace.release())
    const observation = watch()
    const noticed = (): unknown => observation.report().sources[0]!.example?.noticed
    call(() => {
      workspace.get()
      dir = '/b'
      workspace.get()
    })
    expect(noticed()).toBe('unseen')
    expect(String(observation)).toContain('changed between the two reads, unseen; adopt the property')
    expect(observation.report().sources[0]!.example).not.toHaveProperty('write')
  })

  test('shows values only as the source describes them', () => {
    const c = cell(unique('c'), 'ab', { describe: (value) => `${value.length} letters` })
    const observation = watch()
    call(() => {
      c.get()
      detach(() => c.set('abc'))
      c.get()
    })
    expect(observation.report().sources[0]!.example).toMatchObject({
      firstValue: '2 letters',
      secondValue: '3 letters',
    })
    expect(String(observation)).toContain('read again: 3 letters')
  })

  test('of an averted tear names the write, and the read that was spared it', () => {
    const c = cell(unique('c'), 1)
    const observation = watch({ mode: 'pinned' })
    call(() => {
      c.get()
      detach(function writes() {
        c.set(2)
      })
      ;(function isSpared() {
        c.get()
      })()
    })
    const { example } = observation.report().sources[0]!
    expect([functionsOf(example, 'write')[0], functionsOf(example, 'secondRead')[0]]).toEqual([
      'writes',
      'isSpared',
    ])
    expect(String(observation)).toContain(`${c.name} would have torn in call`)
  })

  test('takes no stack when there is one, and none with a ration of 0', () => {
    const taken = vi.spyOn(Error, 'captureStackTrace')
    const c = cell(unique('c'), 1)
    const tear = (): void =>
      call(() => {
        c.get()
        detach(() => c.update((value) => value + 1))
        c.get()
      })
    const observation = watch()
    tear()
    expect(taken.mock.calls.length).toBeGreaterThan(0)
    taken.mockClear()
    for (let times = 0; times < 20; times++) tear()
    expect(taken).not.toHaveBeenCalled()
    observation.stop()

    const without = watch({ stacksPerSecond: 0 })
    tear()
    expect(taken).not.toHaveBeenCalled()
    expect(without.report().sources[0]!.example).toEqual({ noticed: 'write' })
  })

  test('is looked for within the ration: so many stacks a second and no more', () => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    const c = cell(unique('c'), 1)
    const taken = vi.spyOn(Error, 'captureStackTrace')
    watch({ stacksPerSecond: 10 })
    const read = (): void => call(() => void c.get())
    for (let times = 0; times < 100; times++) read()
    expect(taken).toHaveBeenCalledTimes(10)
    now.mockReturnValue(500)
    for (let times = 0; times < 100; times++) read()
    expect(taken).toHaveBeenCalledTimes(15)
  })
})

describe('an observation', () => {
  test('is plain data, and text with the counts on its last line', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    call(() => {
      c.get()
      detach(() => c.set(2))
      c.get()
    })
    const report = observation.report()
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
    expect(String(observation).split('\n').at(-1)).toBe(
      '1 call that read a source: 1 torn, 0 averted, in 1 source',
    )
  })

  test('shows no value in any view: text, JSON, inspection', () => {
    const c = cell(unique('c'), { token: 's3cr3t-1' })
    const observation = watch()
    call(() => {
      c.get()
      detach(() => c.set({ token: 's3cr3t-2' }))
      c.get()
    })
    const everything = { showHidden: true, depth: Infinity, getters: true, customInspect: false }
    const report = observation.report()
    const objects = [observation, report, onMethod({ run() {} }, 'run', 'run')]
    const views = [
      String(observation),
      JSON.stringify(report),
      ...objects.map((each) => inspect(each, everything)),
    ]
    expect(inspect(c.get(), everything)).toContain('s3cr3t-2')
    expect(views.filter((view) => view.includes('s3cr3t'))).toEqual([])
  })

  test('shows no control characters of a name: none for a terminal to obey, none that make a line', () => {
    const c = cell(unique('c'), 1)
    const observation = watch()
    withEpoch({ name: '\u001B[2J\u009B0m\n1 call that read a source: 0 torn\u202E' }, () => c.get())
    expect(String(observation)).not.toMatch(/[^\n\P{C}]/u)
    expect(String(observation).match(/^1 call that/gm)).toHaveLength(1)
    expect(observation.report().sources[0]!.call).toContain('\u001B')
  })

  test('ends no process by a stack that is none: a program may have its own prepareStackTrace', async () => {
    const c = cell(unique('c'), 1)
    // oxlint-disable-next-line typescript/unbound-method -- put back as it was, not called
    const { prepareStackTrace } = Error
    const thrown = vi.fn<(error: unknown) => void>()
    process.on('uncaughtException', thrown)
    cleanups.push(() => {
      Error.prepareStackTrace = prepareStackTrace
      process.off('uncaughtException', thrown)
    })
    Error.prepareStackTrace = (_error, sites) => sites
    const observation = watch()
    const tear = (): void =>
      call(() => {
        c.get()
        detach(() => c.set(c.get() + 1))
        c.get()
      })
    tear()
    Error.prepareStackTrace = () => {
      throw new Error('of the program')
    }
    tear()
    Error.prepareStackTrace = prepareStackTrace
    await nextTurn()
    expect(thrown).not.toHaveBeenCalled()
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 2, torn: 2 })
  })

  test('that saw nothing says what may be missing', () => {
    expect(String(watch())).toContain('No call has read a source. Declare or adopt the globals')
  })

  test('stops: nobody listens any more, and what it saw stays', () => {
    const c = cell(unique('c'), 1)
    const before = process.listenerCount('exit')
    const observation = watch({ printOnExit: true, printOn: 'SIGUSR2' })
    call(() => c.get())
    expect(process.listenerCount('SIGUSR2')).toBe(1)
    observation.stop()
    observation.stop()
    call(() => c.get())
    expect(rowOf(observation, c.name)).toMatchObject({ calls: 1, reads: 1 })
    expect(channel('withepoch:source:read').hasSubscribers).toBe(false)
    expect(process.listenerCount('SIGUSR2') + process.listenerCount('SIGTERM')).toBe(0)
    expect(process.listenerCount('exit')).toBe(before)
  })

  test('leaves another one going when it stops, and the settings of the program alone', () => {
    const observes = (): boolean => withEpoch((epoch) => epoch.observing)
    const first = watch()
    cleanups.push(configure({ strict: true }))
    const second = watch()
    first.stop()
    expect(observes()).toBe(true)
    second.stop()
    expect(observes()).toBe(false)
    const c = cell(unique('c'), 1)
    expect(withEpoch(() => bind(() => c.get()))).toThrow('late read')
  })

  test('puts back the setting that it found', () => {
    cleanups.push(configure({ observe: true }))
    watch().stop()
    expect(withEpoch((epoch) => epoch.observing)).toBe(true)
  })

  test.each([
    [{ mode: 'dead' }, 'observe(options): mode is "dead"; it is one of live, pinned.'],
    [{ moode: 'live' }, 'observe(options): unknown option "moode". Known: mode, doors, callMs'],
    [{ callMs: 0 }, 'observe(options): callMs must be a number, 1 or more, got 0.'],
    [
      { stacksPerSecond: '9' },
      'observe(options): stacksPerSecond must be a number, 0 or more, got a string.',
    ],
    [{ printOn: 'SIGKILL' }, 'observe(options): printOn must be a signal that a process can listen for'],
    [{ printOnExit: 1 }, 'observe(options): printOnExit must be a boolean, got a number.'],
    [{ format: 'xml' }, 'observe(options): format is "xml"; it is one of text, json.'],
    [{ file: 3 }, 'observe(options): file must be a string, got a number.'],
    [{ doors: {} }, 'observe(options): doors must be an array, got an object.'],
    [
      { doors: [() => {}] },
      'observe(options): doors must hold what onMethod, onEvent or httpRequests returns',
    ],
    [null, 'observe(options): options must be an object, got null.'],
  ])('refuses %j, and changes nothing', (options, message) => {
    let error: unknown
    try {
      observe(options as never)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(EpochError)
    expect((error as EpochError).code).toBe('INVALID_ARGUMENT')
    expect((error as EpochError).message).toContain(message)
    expect(channel('withepoch:source:read').hasSubscribers).toBe(false)
    expect(withEpoch((epoch) => epoch.observing)).toBe(false)
  })
})
