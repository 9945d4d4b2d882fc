/**
 * `drain`: resolves when every epoch older than the call has closed and what was replaced before it is retired; on
 * timeout it names who holds on, and changes nothing. What `retire` promises by itself stands in `retire.test.ts`.
 */
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  bind,
  cell,
  configure,
  derived,
  detach,
  drain,
  type DrainOptions,
  type EpochError,
  type EpochOptions,
  type Holder,
  withEpoch,
} from 'withepoch'
import type { OpenEpochs } from '../src/open-epochs.js'
import { deferred } from './deferred.js'
import { type Held, hold as holdOpen } from './held-epoch.js'
import { runInProcess } from './published-core.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('drain')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** One that is ended when the test is over, at the latest. */
function hold(options: EpochOptions = {}): Held {
  const held = holdOpen(options)
  cleanups.push(held.end)
  return held
}

/** A drain, and whether it is over: what it came to, once it has. */
function watched(options?: Parameters<typeof drain>[0]): { done: Promise<unknown>; state: () => unknown } {
  let state: unknown = 'waits'
  const done = drain(options).then(
    () => (state = 'drained'),
    (error: unknown) => (state = error),
  )
  return { done, state: () => state }
}

async function errorOf(options: Parameters<typeof drain>[0]): Promise<EpochError> {
  try {
    await drain(options)
  } catch (error) {
    return error as EpochError
  }
  throw new Error('drained')
}

const withoutAges = (text: string): string => text.replace(/#\d+/g, '#1').replace(/\(\d+ ms\)/g, '(1 ms)')
const namesOf = (error: EpochError): string[] => error.holders!.map(({ name }) => name)

describe('drain', () => {
  test('resolves at once where nothing is open', async () => {
    expect(await drain()).toBeUndefined()
    expect(await drain({ timeoutMs: 0 })).toBeUndefined()
  })

  test('resolves when every epoch older than the call has closed, whatever has opened since', async () => {
    const [first, second] = [hold(), hold()]
    const drained = watched()
    const younger = hold()
    await first.end()
    await turn()
    expect(drained.state()).toBe('waits')
    await second.end()
    await drained.done
    expect([drained.state(), younger.epoch.phase]).toEqual(['drained', 'open'])
  })

  test('that is called later waits for more', async () => {
    const first = hold()
    const one = watched()
    const second = hold()
    const two = watched()
    await first.end()
    await one.done
    await turn()
    expect([one.state(), two.state()]).toEqual(['drained', 'waits'])
    await second.end()
    await two.done
    expect(two.state()).toBe('drained')
  })

  test('waits for the forks of an older epoch, also for those opened after the call', async () => {
    const parent = hold()
    const drained = watched()
    let endFork!: () => void
    const { fork } = parent.inside(() => ({
      fork: withEpoch({ ifNested: 'fork', name: 'fork' }, () => {
        return new Promise<void>((resolve) => {
          endFork = resolve
        })
      }),
    }))
    await parent.end()
    await turn()
    expect(drained.state()).toBe('waits')
    endFork()
    await fork
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('does not wait for a fresh epoch opened inside an older one', async () => {
    const parent = hold()
    const drained = watched()
    let endChild!: () => void
    const { child } = parent.inside(() => ({
      child: withEpoch({ ifNested: 'fresh' }, () => {
        return new Promise<void>((resolve) => {
          endChild = resolve
        })
      }),
    }))
    await parent.end()
    await drained.done
    expect(drained.state()).toBe('drained')
    endChild()
    await child
  })

  test('waits for an epoch that has advanced since: it has not closed', async () => {
    const [stays, moves] = [hold(), hold()]
    const drained = watched()
    await stays.end()
    await turn()
    expect(drained.state()).toBe('waits')
    moves.epoch.advance()
    await turn()
    expect(drained.state()).toBe('waits')
    await moves.end()
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('waits for one that has advanced but kept values of its own: those may be old', async () => {
    const limit = cell(unique('limit'), 1)
    const keeps = hold({ values: [[limit, 2]] })
    const drained = watched()
    keeps.epoch.advance()
    await turn()
    expect(drained.state()).toBe('waits')
    await keeps.end()
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('waits for what holds an older epoch open: waitUntil, an iterator, an async hook', async () => {
    let settle!: () => void
    let go!: () => void
    const rows = withEpoch(function* () {
      yield 1
    })
    withEpoch((epoch) => {
      epoch.waitUntil(
        new Promise<void>((resolve) => {
          settle = resolve
        }),
      )
      epoch.onClose(
        () =>
          new Promise<void>((resolve) => {
            go = resolve
          }),
      )
    })
    rows.next()
    const drained = watched()
    settle()
    await turn()
    rows.next()
    await turn()
    expect(drained.state()).toBe('waits')
    go()
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('waits for a derived computation that an older epoch has left behind', async () => {
    let finish!: () => void
    const scan = derived(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      { name: 'scan' },
    )
    withEpoch(() => void scan())
    expect(namesOf(await errorOf({ timeoutMs: 1 }))).toEqual(['derived scan'])
    const drained = watched()
    finish()
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('resolves only when the retire calls of what was replaced before it have settled', async () => {
    const log: string[] = []
    let closed!: () => void
    const pool = cell(unique('pool'), 'A', {
      retire: async (old) => {
        await new Promise<void>((resolve) => {
          closed = resolve
        })
        log.push(`${old} closed`)
      },
    })
    const reader = hold()
    pool.set('B')
    const drained = watched()
    await reader.end()
    await turn()
    expect(drained.state()).toBe('waits')
    closed()
    await drained.done
    expect([drained.state(), log]).toEqual(['drained', ['A closed']])
  })

  test('waits for what retiring itself replaces', async () => {
    const log: string[] = []
    const inner = cell(unique('inner'), 'inner A', {
      retire: async (old) => (await turn(), void log.push(old)),
    })
    const outer = cell(unique('outer'), 'outer A', {
      retire: async (old) => {
        await turn()
        log.push(old)
        inner.set('inner B')
      },
    })
    outer.set('outer B')
    await drain()
    expect(log).toEqual(['outer A', 'inner A'])
  })

  test('that waits for retire calls only lets an epoch that advances go of what it saw', async () => {
    const log: string[] = []
    const closed = deferred()
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => (log.push(old), old === 'A' ? closed.promise : undefined),
    })
    pool.set('B')
    const drained = watched()
    const reader = hold()
    pool.set('C')
    reader.epoch.advance()
    expect([log, drained.state()]).toEqual([['A', 'B'], 'waits'])
    closed.resolve()
    await drained.done
    expect(drained.state()).toBe('drained')
  })

  test('that is over, however it ended, lets an epoch that advances go of what it saw', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', { retire: (old) => void log.push(old) })
    const stuck = hold()
    await errorOf({ timeoutMs: 1 })
    const controller = new AbortController()
    const [aborted, patient] = [watched({ signal: controller.signal }), watched()]
    controller.abort()
    await aborted.done
    await stuck.end()
    await patient.done
    const reader = hold()
    pool.set('B')
    reader.epoch.advance()
    expect([log, reader.epoch.phase]).toEqual([['A'], 'open'])
  })

  test('never blocks publishing: with a stuck reader the process goes on, and newer readers see the new', async () => {
    const pool = cell(unique('pool'), 0, { retire: () => {} })
    const stuck = hold({ name: 'stuck' })
    const drained = watched()
    const seen: number[] = []
    for (let next = 1; next <= 3; next++) {
      pool.set(next)
      seen.push(withEpoch(() => pool.get()))
    }
    await turn()
    expect([seen, stuck.epoch.get(pool), drained.state()]).toEqual([[1, 2, 3], 0, 'waits'])
  })
})

describe('a timeout', () => {
  test('rejects with who holds on, oldest first, and says it', async () => {
    hold({ name: 'sessions.list' })
    const fork = hold({ name: 'export' })
    fork.inside(() => {
      const forked = withEpoch(
        { ifNested: 'fork', name: 'export, second half' },
        () => new Promise<void>((resolve) => cleanups.push(resolve)),
      )
      cleanups.push(() => forked)
    })
    const error = await errorOf({ timeoutMs: 1 })
    expect([error.code, withoutAges(error.message)]).toEqual([
      'DRAIN_TIMEOUT',
      'drain({ timeoutMs: 1 }): 3 older epoch(s) still open: #1 "sessions.list" (1 ms), #1 "export" (1 ms), ' +
        '#1 "export, second half" (1 ms). Nothing was changed. Wait longer, or give epochs a maxAgeMs.',
    ])
    expect(namesOf(error)).toEqual(['sessions.list', 'export', 'export, second half'])
    expect(error.holders!.map(({ id }) => id)[1]).toBe(fork.epoch.id)
    expect(error.holders!.map(({ phase, stack }) => [phase, stack])).toEqual([
      ['open', undefined],
      ['open', undefined],
      ['open', undefined],
    ])
  })

  test('says what waits to be retired, and who reads after its end, where that is remembered', async () => {
    cleanups.push(configure({ lateReaders: true }))
    const pool = cell(unique('pool'), 'a', { retire: () => {} })
    hold({ name: 'export' })
    pool.set('b')
    pool.set('c')
    withEpoch({ name: 'page', ifNested: 'fresh' }, () => bind(() => pool.get()))()
    const error = await errorOf({ timeoutMs: 1 })
    expect(withoutAges(error.message)).toBe(
      'drain({ timeoutMs: 1 }): 1 older epoch(s) still open: #1 "export" (1 ms). Nothing was changed. ' +
        `2 replaced value(s) wait to be retired. Read after their end: #1 "page" (${pool.name}). ` +
        'Wait longer, or give epochs a maxAgeMs.',
    )
  })

  test('names neither the younger nor the closed, but those that have only moved on', async () => {
    const [stuck, moves, ends] = [hold({ name: 'stuck' }), hold({ name: 'moves' }), hold({ name: 'ends' })]
    const error = errorOf({ timeoutMs: 20 })
    hold({ name: 'younger' })
    moves.epoch.advance()
    await ends.end()
    expect(namesOf(await error)).toEqual(['stuck', 'moves'])
    expect(stuck.epoch.phase).toBe('open')
  })

  test('names epochs only, though other drains wait between them', async () => {
    hold({ name: 'first' })
    const earlier = watched({ timeoutMs: 20 })
    hold({ name: 'second' })
    expect(namesOf(await errorOf({ timeoutMs: 20 }))).toEqual(['first', 'second'])
    await earlier.done
  })

  test('names the ten oldest and counts the rest; the list has them all', async () => {
    const opened = Array.from({ length: 12 }, (_, index) => `request ${index + 1}`)
    for (const name of opened) hold({ name })
    const error = await errorOf({ timeoutMs: 0 })
    const ten = opened.slice(0, 10).map((name) => `#1 "${name}" (1 ms)`)
    expect(withoutAges(error.message)).toBe(
      `drain({ timeoutMs: 0 }): 12 older epoch(s) still open: ${ten.join(', ')} and 2 more. Nothing was changed. ` +
        'Wait longer, or give epochs a maxAgeMs.',
    )
    expect(namesOf(error)).toEqual(opened)
  })

  test('names one that is closing, whose hooks do not settle', async () => {
    const reader = hold({ name: 'closing' })
    reader.epoch.onClose(() => new Promise<void>((resolve) => cleanups.push(resolve)))
    await reader.end()
    const error = await errorOf({ timeoutMs: 1 })
    expect(error.holders!.map(({ name, phase }) => [name, phase])).toEqual([['closing', 'closing']])
  })

  test('leaves everything as it was: the epochs go on, what waits to be retired waits, another drain works', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', { retire: (old) => void log.push(old) })
    const stuck = hold()
    pool.set('B')
    await errorOf({ timeoutMs: 1 })
    expect([stuck.epoch.phase, stuck.epoch.get(pool), stuck.epoch.signal.aborted, log]).toEqual([
      'open',
      'A',
      false,
      [],
    ])
    const again = watched()
    await stuck.end()
    await again.done
    expect([again.state(), log]).toEqual(['drained', ['A']])
  })

  test('says so when it is a retire call that does not settle', async () => {
    let closed!: () => void
    const pool = cell(unique('pool'), 'A', {
      retire: () =>
        new Promise<void>((resolve) => {
          closed = resolve
        }),
    })
    pool.set('B')
    const error = await errorOf({ timeoutMs: 1 })
    expect([error.message, error.holders]).toEqual([
      'drain({ timeoutMs: 1 }): every older epoch has closed, but 1 retire call(s) have not settled. ' +
        'Wait longer, or give epochs a maxAgeMs.',
      [],
    ])
    closed()
    await drain()
  })

  test('names ten who read after their end, and says that there are more', async () => {
    cleanups.push(configure({ lateReaders: true }))
    const c = cell(unique('c'), 1)
    hold({ name: 'export' })
    const lateOf = async (): Promise<string> => {
      return withoutAges((await errorOf({ timeoutMs: 1 })).message)
        .replace(/^.*Nothing was changed\. /, '')
        .replaceAll(` (${c.name})`, '')
    }
    const read = (name: string): unknown =>
      withEpoch({ name, ifNested: 'fresh' }, () => bind(() => c.get()))()
    for (let index = 1; index <= 10; index++) read(`page ${index}`)
    const ten = (last: number): string =>
      Array.from({ length: 10 }, (_, index) => `#1 "page ${last - index}"`).join(', ')
    expect(await lateOf()).toBe(`Read after their end: ${ten(10)}. Wait longer, or give epochs a maxAgeMs.`)
    read('page 11')
    expect(await lateOf()).toBe(
      `Read after their end: ${ten(11)} and more. Wait longer, or give epochs a maxAgeMs.`,
    )
  })

  test('of 0 gives what is open no time', async () => {
    hold({ name: 'stuck' })
    expect(namesOf(await errorOf({ timeoutMs: 0 }))).toEqual(['stuck'])
  })

  test('of Infinity, or of more than a timer can take, is none', async () => {
    const reader = hold()
    const drains = [watched({ timeoutMs: Infinity }), watched({ timeoutMs: 2 ** 40 }), watched({})]
    await turn()
    expect(drains.map(({ state }) => state())).toEqual(['waits', 'waits', 'waits'])
    await reader.end()
    await Promise.all(drains.map(({ done }) => done))
    expect(drains.map(({ state }) => state())).toEqual(['drained', 'drained', 'drained'])
  })

  test('is set up to the longest delay that a timer takes, and cleared when the drain is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    cleanups.push(() => vi.useRealTimers())
    const reader = hold()
    const drains = [2 ** 31 - 1, 2 ** 31].map((timeoutMs) => watched({ timeoutMs }))
    expect(vi.getTimerCount()).toBe(1)
    await reader.end()
    await Promise.all(drains.map(({ done }) => done))
    expect(vi.getTimerCount()).toBe(0)
  })

  test('takes the wait back: nobody is told of what it gave up', async () => {
    const { openEpochs } = (globalThis as unknown as Record<symbol, { openEpochs: OpenEpochs }>)[
      Symbol.for('withepoch.carrier')
    ]!
    const told: string[] = []
    let who = ''
    const whenOlderClosed = openEpochs.whenOlderClosed.bind(openEpochs)
    vi.spyOn(openEpochs, 'whenOlderClosed').mockImplementation((reached) => {
      const waits = who
      return whenOlderClosed(() => (told.push(waits), reached()))
    })
    cleanups.push(() => vi.restoreAllMocks())
    const drains = [0, Infinity].map((timeoutMs) => {
      who = `up to ${timeoutMs} ms`
      const reader = hold()
      return { reader, ...watched({ timeoutMs }) }
    })
    await drains[0]!.done
    for (const { reader } of drains) await reader.end()
    await drains[1]!.done
    expect([told, drains[1]!.state()]).toEqual([['up to Infinity ms'], 'drained'])
  })
})

describe('the ages of holders', () => {
  /** With a clock that stands still until it is moved: the ages that it makes. */
  async function agesAt(moves: { beforeDrain: number; during: number }): Promise<readonly Holder[]> {
    const { now } = Date
    let time = now()
    Date.now = () => time
    try {
      hold({ name: 'stuck' })
      time += moves.beforeDrain
      const error = errorOf({ timeoutMs: 1 })
      time += moves.during
      return (await error).holders!
    } finally {
      Date.now = now
    }
  }

  test('are the time since the drain, a lower bound, because the clock is not read at entry', async () => {
    expect((await agesAt({ beforeDrain: 1000, during: 30 })).map(({ ageMs }) => ageMs)).toEqual([30])
  })

  test('are exact with maxAgeMs', async () => {
    cleanups.push(configure({ maxAgeMs: 60_000 }))
    const [holder] = await agesAt({ beforeDrain: 1000, during: 30 })
    expect([holder!.ageMs, holder!.stack]).toEqual([1030, undefined])
  })

  test('are exact with captureStacks, and there is the place where the epoch was opened', async () => {
    cleanups.push(configure({ captureStacks: true }))
    const [holder] = await agesAt({ beforeDrain: 1000, during: 30 })
    expect(holder!.ageMs).toBe(1030)
    expect(holder!.stack).toMatch(/\bhold\b.*drain\.test\.ts/)
  })

  test('and places are there for derived computations too', async () => {
    cleanups.push(configure({ captureStacks: true }))
    let finish!: () => void
    const scan = derived(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    )
    function askForTheScan(): Promise<void> {
      return detach(() => scan())
    }
    const scanned = askForTheScan()
    const [holder] = (await errorOf({ timeoutMs: 1 })).holders!
    finish()
    await scanned
    expect(holder!.stack).toMatch(/askForTheScan.*drain\.test\.ts/)
  })
})

describe('a signal', () => {
  test('that is aborted gives up with its reason, and leaves everything as it was', async () => {
    const stuck = hold()
    const controller = new AbortController()
    const drained = watched({ signal: controller.signal })
    const reason = new Error('shutting down anyway')
    await turn()
    controller.abort(reason)
    await drained.done
    expect([drained.state(), stuck.epoch.phase]).toEqual([reason, 'open'])
  })

  test('that is aborted already gives up at once', async () => {
    const drained = watched({ signal: AbortSignal.abort('late') })
    await drained.done
    expect(drained.state()).toBe('late')
  })

  test('that a retire aborts costs none of those their turn that wait behind it', async () => {
    const log: string[] = []
    const controller = new AbortController()
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => {
        log.push(old)
        if (old === 'A') controller.abort('enough')
      },
    })
    const reader = hold()
    const drained = watched({ signal: controller.signal })
    pool.set('B')
    pool.set('C')
    await reader.end()
    await drained.done
    expect([drained.state(), log]).toEqual(['enough', ['A', 'B']])
  })

  test('is let go of when the drain is over', async () => {
    const { signal } = new AbortController()
    const listeners: string[] = []
    vi.spyOn(signal, 'addEventListener').mockImplementation((type) => void listeners.push(`${type} added`))
    vi.spyOn(signal, 'removeEventListener').mockImplementation(
      (type) => void listeners.push(`${type} removed`),
    )
    const reader = hold()
    const drained = watched({ signal, timeoutMs: 60_000 })
    await reader.end()
    await drained.done
    expect(listeners).toEqual(['abort added', 'abort removed'])
  })
})

describe('errors of retire', () => {
  const failing = (
    how: (old: string) => unknown = (old) => Promise.reject(new Error(`cannot close ${old}`)),
  ) => cell(unique('pool'), 'A', { retire: how })

  test('reject the drain under way, one as the cause', async () => {
    const pool = failing((old) => {
      throw new Error(`cannot close ${old}`)
    })
    const reader = hold()
    pool.set('B')
    const drained = watched()
    await reader.end()
    await drained.done
    const { code, message, cause } = drained.state() as EpochError
    expect([code, message, cause]).toEqual([
      'RETIRE_FAILED',
      'drain(): every older epoch has closed, but 1 retire call(s) failed. The error is the cause.',
      new Error('cannot close A'),
    ])
  })

  test('reject it, several as an AggregateError, after all have been called', async () => {
    const pool = failing()
    const reader = hold()
    pool.set('B')
    pool.set('C')
    const drained = watched()
    await reader.end()
    await drained.done
    const { message, cause } = drained.state() as EpochError
    expect(message).toBe(
      'drain(): every older epoch has closed, but 2 retire call(s) failed. The error is the cause.',
    )
    expect((cause as AggregateError).errors).toEqual([
      new Error('cannot close A'),
      new Error('cannot close B'),
    ])
  })

  test('reach every drain under way', async () => {
    const pool = failing()
    const reader = hold()
    pool.set('B')
    const drains = [watched(), watched()]
    await reader.end()
    await Promise.all(drains.map(({ done }) => done))
    expect(drains.map(({ state }) => (state() as EpochError).code)).toEqual([
      'RETIRE_FAILED',
      'RETIRE_FAILED',
    ])
  })

  test.each<[what: string, options: () => DrainOptions, code: unknown]>([
    ['a timeout', () => ({ timeoutMs: 10 }), 'DRAIN_TIMEOUT'],
    ['an abort', () => ({ signal: AbortSignal.timeout(10) }), DOMException.TIMEOUT_ERR],
  ])(
    'are reported as unhandled, and so not lost, when the drain ends by %s instead',
    async (_, options, code) => {
      const pool = failing()
      const reported = await unhandledDuring(async () => {
        const reader = hold()
        pool.set('B')
        hold({ name: 'stuck' })
        const drained = watched(options())
        await reader.end()
        await drained.done
        expect((drained.state() as { code: unknown }).code).toBe(code)
      })
      expect(reported).toEqual([new Error('cannot close A')])
    },
  )

  test('are reported as unhandled again when the drain is over', async () => {
    const pool = failing()
    const reported = await unhandledDuring(async () => {
      await drain()
      pool.set('B')
    })
    expect(reported).toEqual([new Error('cannot close A')])
  })

  test('are reported when the drain that collected them gives up, and one under way began too late for them', async () => {
    const pool = failing()
    const reported = await unhandledDuring(async () => {
      const reader = hold()
      pool.set('B')
      const stuck = hold({ name: 'stuck' })
      const controller = new AbortController()
      const hasty = watched({ signal: controller.signal })
      await reader.end()
      await turn()
      const late = watched()
      controller.abort('enough')
      await hasty.done
      await stuck.end()
      await late.done
      expect([hasty.state(), late.state()]).toEqual(['enough', 'drained'])
    })
    expect(reported).toEqual([new Error('cannot close A')])
  })

  test('are not reported a second time when another drain under way will tell of them', async () => {
    const pool = failing()
    let stuck!: Held
    let patient!: ReturnType<typeof watched>
    const reported = await unhandledDuring(async () => {
      const reader = hold()
      pool.set('B')
      stuck = hold({ name: 'stuck' })
      const hasty = watched({ timeoutMs: 10 })
      patient = watched()
      await reader.end()
      await hasty.done
      expect((hasty.state() as EpochError).code).toBe('DRAIN_TIMEOUT')
    })
    expect(reported).toEqual([])
    await stuck.end()
    await patient.done
    expect((patient.state() as EpochError).cause).toEqual(new Error('cannot close A'))
  })
})

describe('a drain inside an epoch', () => {
  test('is an error, for it would wait for itself; detached it is none', async () => {
    const found = await withEpoch({ name: 'reload' }, () => errorOf({}))
    expect([found.code, withoutAges(found.message)]).toEqual([
      'DRAIN_IN_EPOCH',
      'drain() was called inside epoch #1 "reload", which would wait for itself. Call it outside, or start it in ' +
        'detach(() => drain()) and do not await it here.',
    ])
    let detached!: ReturnType<typeof watched>
    await withEpoch(async () => {
      detached = detach(() => watched())
      await turn()
      expect(detached.state()).toBe('waits')
    })
    await detached.done
    expect(detached.state()).toBe('drained')
  })

  test('that has closed is none', async () => {
    let late!: () => Promise<void>
    withEpoch(() => {
      late = bind(() => drain())
    })
    expect(await late()).toBeUndefined()
  })
})

describe('a drain inside a retire', () => {
  test('is an error, at once or after an await, and the other drains go on', async () => {
    const found: unknown[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: async () => {
        found.push((await errorOf({})).message)
        await turn()
        found.push((await errorOf({})).code)
      },
    })
    pool.set('B')
    await drain({ timeoutMs: 1_000 })
    expect(found).toEqual([
      'drain() was called by a retire function, which it would wait for. Start it outside, or in a retire do not wait for it.',
      'DRAIN_IN_EPOCH',
    ])
  })
})

describe('bad input', () => {
  test.each<[options: unknown, message: string]>([
    [null, 'drain(options): options must be an object, got null.'],
    [{ timeout: 5 }, 'drain(options): unknown option "timeout". Known: timeoutMs, signal.'],
    [{ timeoutMs: -1 }, 'drain(options): timeoutMs must be a number, 0 or more, got -1.'],
    [{ timeoutMs: NaN }, 'drain(options): timeoutMs must be a number, 0 or more, got NaN.'],
    [{ timeoutMs: '5' }, 'drain(options): timeoutMs must be a number, 0 or more, got a string.'],
    [{ signal: 'abort' }, 'drain(options): signal must be an AbortSignal, got a string.'],
    [{ signal: null }, 'drain(options): signal must be an AbortSignal, got null.'],
  ])('%o is refused', async (options, message) => {
    const { code, message: found } = await errorOf(options as DrainOptions)
    expect([code, found]).toEqual(['INVALID_ARGUMENT', message])
  })
})

describe('a process', () => {
  const imports = 'cell, drain, withEpoch'

  test('that closes through drain closes every replaced value, and ends when its work does', async () => {
    const script = `
      const pool = cell('pool', 'A', { retire: async (old) => { await null; console.log(old + ' closed') } })
      const served = withEpoch(async () => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        console.log(pool.get() + ' used')
      })
      pool.set('B')
      pool.set('C')
      await drain({ timeoutMs: 60_000, signal: new AbortController().signal })
      console.log('drained')`
    expect(await runInProcess(imports, script)).toEqual({
      status: 0,
      stdout: 'A used\nA closed\nB closed\ndrained',
      stderr: '',
    })
  })

  test('hears of what fails while it closes: awaited, drain rejects with it', async () => {
    const script = `
      const pool = cell('pool', 'A', { retire: async () => { throw new Error('cannot close') } })
      const served = withEpoch(async () => { await null })
      pool.set('B')
      try { await drain() } catch (error) { console.log(error.code, error.cause.message) }`
    expect(await runInProcess(imports, script)).toEqual({
      status: 0,
      stdout: 'RETIRE_FAILED cannot close',
      stderr: '',
    })
  })
})
