/**
 * Two copies of the library in one process: a test runner's module reload, ESM beside CommonJS, a bundler's second
 * copy, two versions. They meet at one carrier, or the later one fails with a message that names both.
 */
import { spawnSync } from 'node:child_process'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import * as first from 'withepoch'
import { builtCore } from './built-core.js'
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

  test('keep one carrier, which nothing can replace and no loop over globalThis shows', () => {
    const key = Symbol.for('withepoch.carrier')
    const descriptor = Object.getOwnPropertyDescriptor(globalThis, key)!
    expect([descriptor.configurable, descriptor.writable, descriptor.enumerable]).toEqual([
      false,
      false,
      false,
    ])
    expect(
      Object.getOwnPropertySymbols(globalThis).filter((each) => each.description?.startsWith('withepoch.')),
    ).toEqual([key])
  })
})

describe('in a process of its own', () => {
  let core: string
  beforeAll(() => {
    core = builtCore()
  }, 60_000)

  function run(script: string, type: 'module' | 'commonjs' = 'module', flags: string[] = []) {
    const env = { ...process.env, CORE: core, CORE_URL: pathToFileURL(core).href, NODE_OPTIONS: '' }
    const args = [...flags, `--input-type=${type}`, '--no-warnings', '-e', script]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    return { status, stdout: stdout.trim(), stderr }
  }

  /** Scripts that open an epoch with copy `a` and look at it with copy `b`. */
  const meet = `
    const dir = b.cell('dir', 'pinned')
    const scans = []
    const scan = b.memo((key) => scans.push(key))
    const error = (() => { try { b.getEpoch() } catch (error) { return error } })()
    const seen = a.withEpoch((epoch) => {
      b.detach(() => dir.set('moved'))
      scan('k')
      a.withEpoch(() => scan('k'))
      return [dir.get(), dir.live(), b.getEpoch() === epoch, scans.length, error instanceof a.EpochError]
    })
    console.log(JSON.stringify(seen))`
  const met = JSON.stringify(['pinned', 'moved', true, 1, true])

  test('an ESM import and a CommonJS require are one copy', () => {
    const esm = `import { createRequire } from 'node:module'
      import * as a from ${JSON.stringify('CORE')}
      const b = createRequire(process.env.CORE_URL)(process.env.CORE)
      ${meet}
      console.log(a.withEpoch === b.withEpoch)`.replace('"CORE"', () =>
      JSON.stringify(pathToFileURL(core).href),
    )
    expect(run(esm)).toEqual({ status: 0, stdout: `${met}\ntrue`, stderr: '' })
    const cjs = `const a = require(process.env.CORE)
      import(process.env.CORE_URL).then((b) => { ${meet}; console.log(a.withEpoch === b.withEpoch) })`
    expect(run(cjs, 'commonjs')).toEqual({ status: 0, stdout: `${met}\ntrue`, stderr: '' })
  })

  test('two copies of the bundle, loaded through a query string, meet', () => {
    const script = `const a = await import(process.env.CORE_URL)
      const b = await import(process.env.CORE_URL + '?copy=2')
      ${meet}
      console.log(a.withEpoch === b.withEpoch)`
    expect(run(script)).toEqual({ status: 0, stdout: `${met}\nfalse`, stderr: '' })
  })

  test('a copy with another protocol fails when it loads, with both versions, places and protocols', () => {
    const script = `
      Object.defineProperty(globalThis, Symbol.for('withepoch.carrier'), {
        value: { protocol: 999, version: '9.8.7', path: 'file:///app/node_modules/other/withepoch.js' },
      })
      const error = await import(process.env.CORE_URL).catch((error) => error)
      console.log(JSON.stringify([error.code, error.name, error.message]))`
    const { stdout } = run(script)
    const [code, name, message] = JSON.parse(stdout) as string[]
    expect([code, name]).toEqual(['PROTOCOL_MISMATCH', 'EpochError'])
    expect(
      message!.replace(
        /^withepoch \d+\.\d+\.\d+\S* \((\S+), protocol \d+\)/,
        'withepoch VERSION ($1, protocol N)',
      ),
    ).toBe(
      `withepoch VERSION (${pathToFileURL(core).href}, protocol N) was loaded into a process that already runs withepoch ` +
        '9.8.7 (file:///app/node_modules/other/withepoch.js, protocol 999). Two protocols cannot share one snapshot: make ' +
        'both dependents resolve to one version (npm ls withepoch).',
    )
  })

  test('a foreign value under the key is refused when the library loads, and the error says what to do', () => {
    const foreign = [
      ['null', 'null'],
      ['"text"', 'a string'],
      ['42', 'a number'],
      ['{}', 'an object (Object)'],
      ['Object.create(null)', 'an object (no constructor)'],
      ['{ protocol: "1" }', 'an object (Object)'],
      ['new Map()', 'an object (Map)'],
      ['() => 1', 'a function'],
    ]
    const script = `
      const found = []
      for (const value of [${foreign.map(([value]) => value).join(', ')}]) {
        globalThis[Symbol.for('withepoch.carrier')] = value
        const error = await import(process.env.CORE_URL + '?' + found.length).catch((error) => error)
        found.push([error.code, error.message])
      }
      console.log(JSON.stringify(found))`
    const found = JSON.parse(run(script).stdout) as Array<[string, string]>
    const normal = found.map(([code, message]) => [
      code,
      message.replace(/^withepoch \d+\.\d+\.\d+\S*/, 'withepoch VERSION'),
    ])
    expect(normal).toEqual(
      foreign.map(([, kind], index) => [
        'PROTOCOL_MISMATCH',
        `withepoch VERSION (${pathToFileURL(core).href}?${index}) found ${kind} that is not its own under ` +
          "Symbol.for('withepoch.carrier'). Remove whatever sets that key; the library keeps its process-wide state there.",
      ]),
    )
  })
})
