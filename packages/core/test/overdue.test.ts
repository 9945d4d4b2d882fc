/**
 * Epochs that stay open too long: `maxAgeMs`, what is told on `withepoch:epoch:overdue`, what `ifOverdue` does, and the
 * one sweeper behind it, which never keeps a process alive and stops when nothing needs it. The clock and the timers
 * are the test's own, so nothing here takes time.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  bind,
  cell,
  configure,
  derived,
  detach,
  drain,
  type Epoch,
  type EpochEvent,
  type EpochOptions,
  holders,
  type OverdueEvent,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { deferred } from './deferred.js'
import { runInProcess } from './published-core.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('overdue')
const cleanups: Array<() => unknown> = []
let events: string[] = []
let stacks: Array<string | undefined> = []

function listen(message: unknown): void {
  const { epoch, ageMs, maxAgeMs, closed, stack } = message as OverdueEvent
  events.push(`${epoch.name} ${epoch.phase} ${ageMs} of ${maxAgeMs}${closed ? ', closed' : ''}`)
  stacks.push(stack)
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  events = []
  stacks = []
  subscribe('withepoch:epoch:overdue', listen)
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  vi.advanceTimersByTime(60_000) // the sweeper finds nothing left to look after
  const left = vi.getTimerCount()
  vi.useRealTimers()
  unsubscribe('withepoch:epoch:overdue', listen)
  if (left > 0) throw new Error(`${left} timer(s) left running by the test`)
})

/** Opens an epoch that stays open until the test is over. */
function hold(options: EpochOptions = {}): {
  epoch: Epoch
  inside: <R>(fn: () => R) => R
  end: () => Promise<void>
} {
  let held!: { epoch: Epoch; inside: <R>(fn: () => R) => R }
  let finish!: () => void
  const done = withEpoch({ ifNested: 'fresh', ...options }, (epoch) => {
    held = { epoch, inside: bind((fn) => fn()) as <R>(fn: () => R) => R }
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  })
  const end = (): Promise<void> => (finish(), done)
  cleanups.push(end)
  return { ...held, end }
}

function set(settings: Parameters<typeof configure>[0]): () => void {
  const restore = configure(settings)
  cleanups.push(restore)
  return restore
}

describe('an epoch past its maxAgeMs', () => {
  test('is reported once, within a quarter of its age, and goes on', () => {
    const limit = cell(unique('limit'), 'old')
    const { epoch } = hold({ name: 'stuck', maxAgeMs: 1000 })
    detach(() => limit.set('new'))
    vi.advanceTimersByTime(999)
    expect(events).toEqual([])
    vi.advanceTimersByTime(251)
    expect(events).toEqual(['stuck open 1000 of 1000'])
    vi.advanceTimersByTime(100_000)
    expect([events.length, epoch.phase, epoch.get(limit), epoch.signal.aborted]).toEqual([
      1,
      'open',
      'old',
      false,
    ])
  })

  test('is not reported when it has closed in time', async () => {
    const { end } = hold({ name: 'quick', maxAgeMs: 1000 })
    vi.advanceTimersByTime(900)
    await end()
    vi.advanceTimersByTime(10_000)
    expect(events).toEqual([])
  })

  test('is reported with the place where it was opened, if places are captured', () => {
    set({ captureStacks: true })
    hold({ name: 'stuck', maxAgeMs: 1000 })
    vi.advanceTimersByTime(1250)
    expect(stacks[0]).toMatch(/\bhold\b.*overdue\.test\.ts/)
  })

  test('is closed where asked: its signal aborts, its hooks run, its later reads are live, its retiring is done', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', { retire: (old) => void log.push(`${old} retired`) })
    const { epoch, inside } = hold({ name: 'stuck', maxAgeMs: 1000, ifOverdue: 'close' })
    epoch.onClose(() => log.push(`hook reads ${pool.get()}`))
    epoch.signal.addEventListener('abort', () => log.push('aborted'))
    pool.set('B')
    const drained = drain()
    vi.advanceTimersByTime(1250)
    await drained
    expect(events).toEqual(['stuck open 1000 of 1000, closed'])
    expect(log).toEqual(['hook reads A', 'aborted', 'A retired'])
    expect([epoch.phase, inside(() => pool.get()), inside(tryGetEpoch)]).toEqual(['closed', 'B', undefined])
  })

  test('may end after it was closed: nothing happens a second time', async () => {
    const log: string[] = []
    const { epoch, end } = hold({ maxAgeMs: 1000, ifOverdue: 'close' })
    epoch.onClose(() => log.push('hook'))
    vi.advanceTimersByTime(1250)
    const other = hold()
    await end()
    expect([log, epoch.phase, other.epoch.phase]).toEqual([['hook'], 'closed', 'open'])
  })

  test('and closed, whose hook never settles, gets as long again and is then closed without it', () => {
    const { epoch } = hold({ name: 'stuck', maxAgeMs: 1000, ifOverdue: 'close' })
    const log: string[] = []
    epoch.onClose(() => log.push('of the hook that waits for it'))
    epoch.onClose(() => new Promise(() => {}))
    vi.advanceTimersByTime(1250)
    expect([epoch.phase, events]).toEqual(['closing', ['stuck open 1000 of 1000, closed']])
    vi.advanceTimersByTime(749)
    expect(epoch.phase).toBe('closing')
    vi.advanceTimersByTime(1)
    expect([epoch.phase, events.length, log]).toEqual(['closed', 1, []])
  })

  test('and closed is not done before its hook is, though its handler may be', async () => {
    const hook = deferred()
    const { epoch, end } = hold({ maxAgeMs: 1000, ifOverdue: 'close' })
    epoch.onClose(() => hook.promise)
    vi.advanceTimersByTime(1250)
    await end()
    expect(epoch.phase).toBe('closing')
    hook.resolve()
    await turn()
    expect(epoch.phase).toBe('closed')
  })

  test('and closed without its hook is not closed again when that settles after all', async () => {
    const closes: Epoch[] = []
    listenTo('withepoch:epoch:close', (message) => closes.push((message as EpochEvent).epoch))
    const hook = deferred()
    const stays = hold({ name: 'stays' })
    const { epoch } = hold({ maxAgeMs: 1000, ifOverdue: 'close' })
    epoch.onClose(() => hook.promise)
    vi.advanceTimersByTime(2000)
    expect([epoch.phase, closes]).toEqual(['closed', [epoch]])
    hook.resolve()
    await turn()
    expect([epoch.phase, closes]).toEqual(['closed', [epoch]])
    expect(holders().open.map(({ name }) => name)).toEqual(['stays'])
    await stays.end()
  })

  test('is closed once, also when it ends while it is told of', () => {
    const closes: Epoch[] = []
    listenTo('withepoch:epoch:close', (message) => closes.push((message as EpochEvent).epoch))
    const rows = withEpoch({ maxAgeMs: 1000, ifOverdue: 'close' }, function* () {})
    listenTo('withepoch:epoch:overdue', () => void rows.return())
    vi.advanceTimersByTime(1250)
    expect(closes.map(({ phase }) => phase)).toEqual(['closed'])
  })

  test('counts its own age: a fork has its own, a joined one is part of the outer', () => {
    const { inside } = hold({ name: 'outer', maxAgeMs: 10_000 })
    vi.advanceTimersByTime(5000)
    inside(() => {
      for (const options of [
        { name: 'joined', maxAgeMs: 1000 },
        { name: 'fork', ifNested: 'fork', maxAgeMs: 1000 },
      ] as const) {
        const done = withEpoch(options, () => new Promise<void>((resolve) => cleanups.push(resolve)))
        cleanups.unshift(() => done)
      }
    })
    vi.advanceTimersByTime(1500)
    expect(events).toEqual(['fork open 1000 of 1000'])
  })

  test('without a listener is closed all the same', () => {
    unsubscribe('withepoch:epoch:overdue', listen)
    const { epoch } = hold({ maxAgeMs: 1000, ifOverdue: 'close' })
    vi.advanceTimersByTime(1250)
    expect(epoch.phase).toBe('closed')
    subscribe('withepoch:epoch:overdue', listen)
  })

  test('is reported although the listener closes others', () => {
    const closing: Array<Promise<void>> = []
    const [one, two, three] = ['one', 'two', 'three'].map((name) => hold({ name, maxAgeMs: 1000 }))
    const closeTwo = (): void => void closing.push(two!.end())
    subscribe('withepoch:epoch:overdue', closeTwo)
    vi.advanceTimersByTime(1250)
    unsubscribe('withepoch:epoch:overdue', closeTwo)
    expect(events).toEqual(['one open 1000 of 1000', 'two open 1000 of 1000', 'three open 1000 of 1000'])
    expect([one, three].map((held) => held!.epoch.phase)).toEqual(['open', 'open'])
    return Promise.all(closing)
  })
})

describe('configure', () => {
  test('sets it for every epoch opened from then on, unless the epoch says otherwise', () => {
    hold({ name: 'before' })
    set({ maxAgeMs: 1000 })
    hold({ name: 'after' })
    hold({ name: 'patient', maxAgeMs: 5000 })
    vi.advanceTimersByTime(2000)
    expect(events).toEqual(['after open 1000 of 1000'])
    vi.advanceTimersByTime(4000)
    expect(events).toEqual(['after open 1000 of 1000', 'patient open 5000 of 5000'])
  })

  test('says what to do with them, unless the epoch says otherwise', () => {
    set({ maxAgeMs: 1000, ifOverdue: 'close' })
    const [closes, reports] = [hold(), hold({ ifOverdue: 'report' })]
    vi.advanceTimersByTime(1250)
    expect([closes.epoch.phase, reports.epoch.phase]).toEqual(['closed', 'open'])
  })

  test('holds for derived computations, which may be closed and yet reach who waits', async () => {
    set({ maxAgeMs: 1000, ifOverdue: 'close' })
    const dir = cell(unique('dir'), '/a')
    const finish = deferred()
    let scans = 0
    const scan = derived(
      async () => {
        scans++
        await finish.promise
        return dir.get()
      },
      { name: 'scan' },
    )
    const scanned = scan()
    dir.set('/b')
    vi.advanceTimersByTime(1250)
    expect(events).toEqual(['derived scan open 1000 of 1000, closed'])
    await drain()
    finish.resolve()
    expect(await scanned).toBe('/b') // a late read, and so live
    dir.set('/c')
    expect([await scan(), scans]).toEqual(['/c', 2]) // and of no use to others
  })

  test('closes who waits for a computation, and it is given the result all the same', async () => {
    const dir = cell(unique('dir'), '/a')
    const finish = deferred()
    let scans = 0
    const scan = derived(async () => (scans++, await finish.promise, dir.get()), { name: 'scan' })
    const scanned = [scan()]
    set({ maxAgeMs: 1000, ifOverdue: 'close' })
    scanned.push(scan())
    vi.advanceTimersByTime(1250)
    expect(events).toEqual(['derived scan open 1000 of 1000, closed'])
    finish.resolve()
    expect([await Promise.all(scanned), scans]).toEqual([['/a', '/a'], 1])
  })

  test('takes it back: the former setting is in force again, and looked after', () => {
    set({ maxAgeMs: 1000 })
    const restore = configure({ maxAgeMs: undefined })
    hold({ name: 'unwatched' })
    vi.advanceTimersByTime(60_000)
    restore()
    hold({ name: 'watched' })
    vi.advanceTimersByTime(1250)
    expect(events).toEqual(['watched open 1000 of 1000'])
  })

  test.each<[settings: object, message: string]>([
    [{ maxAgeMs: 0 }, 'configure(settings): maxAgeMs must be a number above 0, got 0.'],
    [{ maxAgeMs: '9' }, 'configure(settings): maxAgeMs must be a number above 0, got a string.'],
    [{ ifOverdue: 'kill' }, 'configure(settings): ifOverdue is "kill"; it is one of report, close.'],
    [{ captureStacks: 1 }, 'configure(settings): captureStacks must be a boolean, got a number.'],
  ])('refuses %o and changes nothing', (settings, message) => {
    expect(() => configure({ strict: true, ...settings } as never)).toThrow(message)
    const late = withEpoch(() => bind(() => cell(unique('late'), 1).get()))
    expect(late()).toBe(1)
  })

  test.each<[options: EpochOptions, message: string]>([
    [{ maxAgeMs: -1 }, 'withEpoch(options, handler): maxAgeMs must be a number above 0, got -1.'],
    [
      { ifOverdue: 'x' as never },
      'withEpoch(options, handler): ifOverdue is "x"; it is one of report, close.',
    ],
  ])('and withEpoch refuse %o', (options, message) => {
    let called = false
    expect(() => withEpoch(options, () => (called = true))).toThrow(message)
    expect(called).toBe(false)
  })
})

describe('the sweeper', () => {
  test('is one timer, however many epochs and limits there are', () => {
    set({ maxAgeMs: 8000 })
    expect(vi.getTimerCount()).toBe(1)
    for (const maxAgeMs of [1000, 50, 1_000_000, 300]) hold({ maxAgeMs })
    expect(vi.getTimerCount()).toBe(1)
  })

  test('is there only while something is to be looked after', async () => {
    expect(vi.getTimerCount()).toBe(0)
    hold()
    expect(vi.getTimerCount()).toBe(0)
    const { end } = hold({ maxAgeMs: 1000 })
    expect(vi.getTimerCount()).toBe(1)
    await end()
    vi.advanceTimersByTime(250)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('stops when all that is left has been reported, and comes back for the next one', () => {
    hold({ name: 'stuck', maxAgeMs: 1000 })
    vi.advanceTimersByTime(1500)
    expect([events, vi.getTimerCount()]).toEqual([['stuck open 1000 of 1000'], 0])
    hold({ name: 'next', maxAgeMs: 1000 })
    vi.advanceTimersByTime(1250)
    expect(events).toEqual(['stuck open 1000 of 1000', 'next open 1000 of 1000'])
  })

  test('looks four times in the time of the shortest limit, but not below 5 ms, and every 15 s at least', () => {
    for (const [name, maxAgeMs] of [
      ['long', 100_000],
      ['odd', 1001],
      ['short', 8],
    ] as const) {
      hold({ name, maxAgeMs })
      vi.advanceTimersByTime(1.1 * maxAgeMs + 5)
    }
    expect(events).toEqual(['long open 105000 of 100000', 'odd open 1004 of 1001', 'short open 10 of 8'])
  })

  test('goes on while there is a setting, though nothing is open', () => {
    set({ maxAgeMs: 1000 })
    vi.advanceTimersByTime(10_000)
    hold({ name: 'stuck' })
    vi.advanceTimersByTime(1000)
    expect(events).toEqual(['stuck open 1000 of 1000'])
  })

  test('is not there for epochs of which only the place is captured', async () => {
    set({ captureStacks: true })
    hold()
    await hold({ maxAgeMs: 1000 }).end()
    vi.advanceTimersByTime(250)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('is not put off by epochs that open one after the other, with the same limit', async () => {
    hold({ name: 'stuck', maxAgeMs: 1000 })
    for (let opened = 0; opened < 20; opened++) {
      vi.advanceTimersByTime(100)
      withEpoch({ ifNested: 'fresh', maxAgeMs: 1000 }, () => {})
    }
    expect(events).toEqual(['stuck open 1000 of 1000'])
  })

  test('is none of a setting that says nothing of ages, nor does that take one away', () => {
    set({ strict: false })()
    expect(vi.getTimerCount()).toBe(0)
    set({ maxAgeMs: 1000 })
    set({ captureStacks: false })
    hold({ name: 'stuck' })
    vi.advanceTimersByTime(1000)
    expect(events).toEqual(['stuck open 1000 of 1000'])
  })

  test('stops when the setting is taken back', () => {
    set({ maxAgeMs: 1000 })()
    vi.advanceTimersByTime(250)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a process', () => {
  const imports = 'configure, tryGetEpoch, withEpoch'

  test('with nothing else to do ends, though epochs are open and watched', async () => {
    const script = `
      configure({ maxAgeMs: 60_000 })
      void withEpoch({ maxAgeMs: 1000 }, () => new Promise(() => {}))
      console.log('done')`
    expect(await runInProcess(imports, script)).toEqual({ status: 0, stdout: 'done', stderr: '' })
  })

  test('hears of an overdue epoch by real timers, in no request’s context, whoever made the sweeper start', async () => {
    const script = `
      import { AsyncLocalStorage } from 'node:async_hooks'
      import { subscribe } from 'node:diagnostics_channel'
      const tracing = new AsyncLocalStorage()
      subscribe('withepoch:epoch:overdue', ({ epoch, closed }) => {
        console.log(epoch.name, closed, tryGetEpoch(), tracing.getStore())
        clearInterval(alive)
      })
      const alive = setInterval(() => {}, 1000)
      tracing.run('trace of the request', () => {
        void withEpoch({ name: 'stuck', maxAgeMs: 10, ifOverdue: 'close' }, () => new Promise(() => {}))
      })`
    expect(await runInProcess(imports, script)).toEqual({
      status: 0,
      stdout: 'stuck true undefined undefined',
      stderr: '',
    })
  })
})
