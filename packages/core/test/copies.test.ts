/**
 * Two copies of the library in one process, as after a test runner's module reload. They meet at one carrier, or the later
 * one fails. Copies of the published bundle, and two versions, stand in `copies-process.test.ts`.
 */
import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import * as first from 'withepoch'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('copies')

/** A second evaluation of the library's files. */
let second: typeof first
beforeEach(async () => {
  vi.resetModules()
  second = await import('withepoch')
})

describe('two copies in one process', () => {
  test('are two: functions and classes are not the same', () => {
    expect(second.withEpoch).not.toBe(first.withEpoch)
    expect(second.EpochError).not.toBe(first.EpochError)
  })

  test('share the epoch: what one opens, the other reads in, finds and joins', async () => {
    let dir = '/a'
    const bySecond = second.source(unique('dir'), () => dir)
    const byFirst = first.cell(unique('config'), 1)
    const seen = await first.withEpoch({ name: 'opened by the first' }, async (epoch) => {
      dir = '/b'
      first.detach(() => byFirst.set(2))
      await turn()
      return [
        bySecond.get(),
        byFirst.get(),
        epoch.get(bySecond),
        second.getEpoch() === epoch,
        second.withEpoch((joined) => joined === epoch),
        second.withEpoch({ ifNested: 'fresh' }, (fresh) => [
          fresh.parentId === epoch.id,
          bySecond.get(),
          byFirst.get(),
        ]),
        second.detach(() => [first.tryGetEpoch(), byFirst.get(), bySecond.get()]),
      ]
    })
    expect(seen).toEqual(['/a', 1, '/a', true, true, [true, '/b', 2], [undefined, 2, '/b']])
  })

  test('share it the other way round', async () => {
    const byFirst = first.cell(unique('config'), 1)
    const epoch = await second.withEpoch({ values: [[byFirst, 7]], writes: 'local' }, async (inside) => {
      await turn()
      expect([byFirst.get(), byFirst.live(), first.getEpoch() === inside]).toEqual([7, 1, true])
      byFirst.set(8)
      expect([byFirst.get(), inside.get(byFirst), byFirst.live()]).toEqual([8, 8, 1])
      return inside
    })
    expect([epoch.phase, byFirst.get()]).toEqual(['closed', 1])
  })

  test('number their epochs in one sequence', () => {
    const ids = [first, second, first, second].map((copy) => copy.withEpoch((epoch) => epoch.id))
    expect(ids.map((id) => id - ids[0]!)).toEqual([0, 1, 2, 3])
  })

  test('share names: a second registration fails with both places, whichever copy makes it', () => {
    const name = unique('name')
    const mine = first.cell(name, 1)
    expect(() => second.cell(name, 2)).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_SOURCE', message: expect.stringContaining(`"${name}"`) }),
    )
    const replaced = second.cell(name, 3, { ifRegistered: 'replace' })
    expect([mine.name, replaced.get()]).toEqual([name, 3])
  })

  test('share one version: writes of both are published together, or not at all', () => {
    const [a, b] = [first.cell(unique('a'), 1), second.cell(unique('b'), 1)]
    const version = () => first.withEpoch({ ifNested: 'fresh' }, (epoch) => epoch.version!)
    const before = version()
    first.publish(() => {
      a.set(2)
      second.publish(() => b.set(2))
    })
    expect([a.get(), b.get(), version() - before]).toEqual([2, 2, 1])
    expect(() =>
      second.publish(() => {
        a.set(3)
        b.set(3)
        throw new Error('half-way')
      }),
    ).toThrow('half-way')
    expect([a.get(), b.get(), version() - before]).toEqual([2, 2, 1])
  })

  test('share an epoch’s memo table: a memo computes once, from whichever copy’s epoch it is called', async () => {
    let scans = 0
    const byFirst = first.memo(async (dir: string) => `${dir} ${++scans}`)
    const bySecond = second.memo((n: number) => [n, ++scans])
    const seen = await second.withEpoch(async () => [
      await byFirst('/a'),
      await first.withEpoch(() => byFirst('/a')),
      bySecond(1) === first.withEpoch(() => bySecond(1)),
    ])
    expect([seen, scans]).toEqual([['/a 1', '/a 1', true], 2])
  })

  test('drop the memos of an epoch on each other’s writes, and find cycles through each other', async () => {
    const config = first.cell(unique('config'), 1)
    const double = second.memo(() => config.get() * 2)
    expect(second.withEpoch(() => [double(), config.set(5), double()])).toEqual([2, undefined, 10])

    const a: () => Promise<unknown> = first.memo(async () => (await null, b()), { name: 'a' })
    const b: () => Promise<unknown> = second.memo(async () => (await null, a()), { name: 'b' })
    await expect(first.withEpoch(() => a())).rejects.toMatchObject({
      code: 'MEMO_CYCLE',
      message: expect.stringContaining('a → b → a'),
    })
  })

  test('carry each other’s epochs: bind, emitters and iterators', () => {
    const value = first.cell(unique('value'), 'live')
    const seen = first.withEpoch({ values: [[value, 'bound']] }, () => {
      const callback = second.bind(() => value.get())
      const rows = second.bindIterable(
        (function* () {
          yield value.get()
        })(),
      )
      return first.detach(() => [callback(), ...rows, value.get()])
    })
    expect(seen).toEqual(['bound', 'bound', 'live'])
  })

  test('hold each other’s epochs open, and close them once', async () => {
    const closes: string[] = []
    let inner!: Promise<string>
    const epoch = first.withEpoch((outer) => {
      outer.onClose(() => closes.push('closed'))
      inner = second.withEpoch(async (joined) => {
        await turn()
        return joined.phase
      })
      return outer
    })
    expect([epoch.phase, await inner, epoch.phase, closes]).toEqual(['open', 'open', 'closed', ['closed']])
  })

  test('know each other’s errors: instanceof holds both ways, and an ordinary error is none', () => {
    const errors = [first, second].map((copy) => {
      try {
        return copy.getEpoch()
      } catch (error) {
        return error
      }
    })
    for (const error of errors) {
      expect([
        error instanceof first.EpochError,
        error instanceof second.EpochError,
        error instanceof Error,
      ]).toEqual([true, true, true])
    }
    expect([
      new Error('x') instanceof first.EpochError,
      (null as unknown as object) instanceof first.EpochError,
    ]).toEqual([false, false])
  })

  test('know a subclass of the error as what it is, and nothing else as that subclass', () => {
    class Refused extends first.EpochError {}
    const [own, plain] = [new Refused('NO_EPOCH', 'own'), new first.EpochError('NO_EPOCH', 'plain')]
    expect([own instanceof Refused, own instanceof second.EpochError, plain instanceof Refused]).toEqual([
      true,
      true,
      false,
    ])
  })

  test('obey one strict mode', () => {
    const value = first.cell(unique('strict'), 1)
    const epoch = second.withEpoch((inside) => inside)
    const restore = second.configure({ strict: true })
    expect(() => epoch.get(value)).toThrow(expect.objectContaining({ code: 'EPOCH_CLOSED' }))
    restore()
    expect(epoch.get(value)).toBe(1)
  })

  test('keep one count of the epochs that are open, and one more in strict mode', () => {
    const carrier = (globalThis as unknown as Record<symbol, { open: number }>)[
      Symbol.for('withepoch.carrier')
    ]!
    const before = carrier.open // not 0 where somebody listens to reads
    const seen: number[] = []
    const note = (): unknown => seen.push(carrier.open - before)
    note()
    const restore = second.configure({ strict: true })
    first.withEpoch(() => {
      note()
      second.withEpoch({ ifNested: 'fork' }, note)
      note()
    })
    restore()
    note()
    expect(seen).toEqual([0, 2, 3, 2, 0])
  })

  test('mark what is theirs by registered names, which every version looks for', () => {
    const marks = (object: object): Array<string | undefined> =>
      Object.getOwnPropertySymbols(object)
        .filter((symbol) => Symbol.keyFor(symbol) !== undefined)
        .map((symbol) => Symbol.keyFor(symbol))
    const getterOf = (object: object, key: string): object =>
      Reflect.get(Object.getOwnPropertyDescriptor(object, key)!, 'get') as object

    const emitter = first.bindEmitter(new EventEmitter()).on('row', () => {})
    expect(marks(emitter)).toContain('withepoch.boundEmitter')
    expect(marks(emitter.rawListeners('row')[0]!)).toEqual(['withepoch.originalListener'])

    const app = { state: { dir: '/a' } }
    first.adopt(app, ['state', 'dir'], { name: unique('dir') })
    expect(marks(getterOf(app, 'state'))).toEqual(['withepoch.adopted', 'withepoch.container'])
    expect(marks(getterOf(app.state, 'dir'))).toEqual(['withepoch.adopted'])

    const { root } = (globalThis as unknown as Record<symbol, { root: { read: (slot: number) => unknown } }>)[
      Symbol.for('withepoch.carrier')
    ]!
    const never = first.source(unique('never'), () => 1, { isolation: 'read-committed' })
    expect(root.read((never as unknown as { slot: number }).slot)).toBe(Symbol.for('withepoch.unsettled'))
  })

  test('keep one carrier, which nothing can replace and no loop over globalThis shows', () => {
    const key = Symbol.for('withepoch.carrier')
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, key)!
    expect([descriptor.configurable, descriptor.writable, descriptor.enumerable]).toEqual([
      false,
      false,
      false,
    ])
  })
})

describe('what stands where the carrier is to be', () => {
  /** Loads the library once more, with `found` under the key; `undefined` for nothing. */
  async function loadWith(found: unknown) {
    const symbolFor = Symbol.for.bind(Symbol)
    const key = Symbol('another place')
    if (found !== undefined) Object.defineProperty(globalThis, key, { value: found, configurable: true })
    const stub = vi
      .spyOn(Symbol, 'for')
      .mockImplementation((name) => (name === 'withepoch.carrier' ? key : symbolFor(name)))
    onTestFinished(() => {
      stub.mockRestore()
    })
    vi.resetModules()
    const loaded: unknown = await import('withepoch').catch((error: unknown) => error)
    return { loaded, carrier: (globalThis as unknown as Record<symbol, object>)[key] }
  }
  const message = ({ loaded }: { loaded: unknown }): string => {
    const { code, message: text } = loaded as { code: string; message: string }
    return `${code}: ${text.replace(/^withepoch \d+\.\d+\.\d+\S* \(file:[^,)]+/, 'withepoch VERSION (PLACE')}`
  }

  test('is nothing: the first copy makes it, with its version and place, all settings off', async () => {
    const { carrier } = await loadWith(undefined)
    const isHeard = channel('withepoch:source:read').hasSubscribers
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    expect(carrier).toMatchObject({
      protocol: 1,
      version,
      path: expect.stringMatching(/^file:/),
      open: Number(isHeard),
      readsHeard: isHeard,
      writesHeard: isHeard,
      memosHeard: isHeard,
      toldOfListeners: true,
      sampling: false,
      strict: false,
      observe: false,
      telling: false,
      guardWrites: false,
      captureStacks: false,
      maxAgeMs: undefined,
      ifOverdue: 'report',
      lastId: 0,
      deriving: 0,
      draining: 0,
      retiring: new Set(),
      retireBacklog: 0,
      drains: new Set(),
      sweeper: undefined,
    })
  })

  test('is another protocol’s: both versions, places and protocols are named', async () => {
    const other = { protocol: 999, version: '9.8.7', path: 'file:///app/other.js' }
    expect(message(await loadWith(other))).toBe(
      'PROTOCOL_MISMATCH: withepoch VERSION (PLACE, protocol 1) was loaded into a process that already runs withepoch ' +
        '9.8.7 (file:///app/other.js, protocol 999). Two protocols cannot share one snapshot: make both dependents ' +
        'resolve to one version (npm ls withepoch).',
    )
  })

  test.each([
    [null, 'null'],
    ['text', 'a string'],
    [{}, 'an object (Object)'],
    [{ protocol: '1' }, 'an object (Object)'],
    [Object.assign(() => 1, { protocol: 1 }), 'a function'],
  ])('is a stranger’s (%#): it is refused, and the error says what to do', async (found, kind) => {
    expect(message(await loadWith(found))).toBe(
      `PROTOCOL_MISMATCH: withepoch VERSION (PLACE) found ${kind} that is not its own under ` +
        "Symbol.for('withepoch.carrier'). Remove whatever sets that key; the library keeps its process-wide state there.",
    )
  })
})
