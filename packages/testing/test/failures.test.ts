/** What a failure leaves behind: a message to paste, a run without fast-check, a file that is replayed first. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { assertIsolation, isolationProperty, IsolationError, replay, type Schedule } from '@withepoch/testing'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { adopt, bind, cell, withEpoch } from 'withepoch'

vi.setConfig({ testTimeout: 300_000 })
const folder = mkdtempSync(join(tmpdir(), 'withepoch-failures-'))
afterAll(() => rmSync(folder, { recursive: true }))

const locale = cell<string | undefined>('failures.locale', 'en')
const values = fc.constantFrom('en', 'fr', undefined)
const sources = { locale: { source: locale, values } }
const read = async (
  row: number,
  { scheduler }: { scheduler: { schedule<T>(task: Promise<T>, label?: string): Promise<T> } },
) => {
  const first = locale.get()
  await scheduler.schedule(Promise.resolve(), `row ${row}`)
  return [row, first, locale.get()]
}
const torn = { name: 'page', drive: 'exact' as const, handler: read, input: fc.nat(9), sources }
const cured = {
  ...torn,
  handler: (...args: Parameters<typeof read>) => withEpoch(() => read(...args)),
}

async function failureOf(run: Promise<unknown>): Promise<IsolationError> {
  const error: unknown = await run.catch((reason: unknown) => reason)
  if (!(error instanceof IsolationError)) throw error
  return error
}

/** The code of the message, run as a regression test would run it. */
async function pasted(message: string, subject: object): Promise<unknown> {
  const code = /await replay\(subject, (\{[\s\S]*?\n  \})\)/.exec(message)![1]!
  // oxlint-disable-next-line typescript/no-implied-eval -- it is what was printed, and that is the point
  const schedule = new Function(`return ${code}`)() as Schedule
  return replay(subject as typeof torn, schedule)
}

test('the message says what was found, each step by its label, and the seed', async () => {
  const { message } = await failureOf(assertIsolation(torn, { seed: 11 }))
  expect(message).toMatch(/^page did not see one world\.\n  torn: (the call|call \d) answers \[/)
  expect(message).toMatch(/\n +\d+\. (the call|call \d) comes in: \d\n/)
  expect(message).toMatch(/\n +\d+\. locale = ('en'|'fr'|undefined)\n/)
  expect(message).toMatch(/\n +\d+\. row \d\n/)
  expect(message).toMatch(/with fast-check: \{ seed: 11, path: '[\d:]+' \}\.$/)
})

test('it shrinks to one call, a change or two, and no choices', async () => {
  const { schedule } = await failureOf(assertIsolation(torn, { seed: 11 }))
  expect(schedule.calls).toEqual([0])
  expect(schedule.moves.length).toBeLessThan(3)
  expect(schedule.choices).toEqual([])
})

test('what it prints fails again when it is pasted, and passes once the handler is cured', async () => {
  const { message } = await failureOf(assertIsolation(torn, { seed: 12 }))
  await expect(pasted(message, torn)).rejects.toThrow(IsolationError)
  await pasted(message, cured)
})

test('its seed and path make fast-check find it at once', async () => {
  const { message, schedule } = await failureOf(assertIsolation(torn, { seed: 13 }))
  const [, seed, path] = /\{ seed: (-?\d+), path: '([\d:]+)' \}/.exec(message)!
  const details = await fc.check(isolationProperty(torn), {
    seed: Number(seed),
    path: path!,
    endOnFailure: true,
  })
  expect(details).toMatchObject({ failed: true, numRuns: 1, counterexample: [schedule] })
})

test('the sources have the values again that they had before', async () => {
  locale.set('before')
  await failureOf(assertIsolation(torn, { seed: 14 }))
  await assertIsolation(cured, { seed: 14 })
  expect(locale.get()).toBe('before')
})

test('a failure is written to the file, and the next search begins with it', async () => {
  const failuresFile = join(folder, 'nested/page.json')
  const first = await failureOf(assertIsolation(torn, { seed: 15, failuresFile }))
  const stored = JSON.parse(readFileSync(failuresFile, 'utf8')) as unknown[]
  expect(stored).toHaveLength(1)
  const again = await failureOf(assertIsolation(torn, { seed: 999, numRuns: 1, failuresFile }))
  expect(again.message).toContain(`Stored failure 1 of 1 (${failuresFile}) still fails.`)
  expect(again.schedule).toEqual(first.schedule)
  expect(JSON.parse(readFileSync(failuresFile, 'utf8'))).toEqual(stored)
  await assertIsolation(cured, { seed: 999, numRuns: 1, failuresFile })
})

test('values that JSON does not have come back from the file: undefined, -0, a Date, a Map, a bigint', async () => {
  const failuresFile = join(folder, 'values.json')
  const odd = cell<unknown>('failures.odd', 0)
  const value = {
    none: undefined,
    zero: -0,
    at: new Date(5),
    map: new Map([['k', new Set([1n])]]),
    $type: 'mine',
  }
  const subject = {
    drive: 'exact' as const,
    sources: { odd: { source: odd, values: fc.constant<unknown>(value) } },
    handler: async () => {
      throw new Error(String(Math.random()))
    },
  }
  const first = await failureOf(assertIsolation(subject, { failuresFile }))
  const again = await failureOf(assertIsolation(subject, { failuresFile }))
  expect(again.message).toContain('Stored failure 1 of 1')
  expect(again.schedule).toEqual(first.schedule)
  expect(again.schedule.world).toEqual({ odd: value })
})

test('a value that contains itself, or has no prototype, is printed and kept', async () => {
  const round: Record<string, unknown> = {}
  round['self'] = round
  const bare: unknown = Object.assign(Object.create(null), { a: 1 })
  for (const [name, value, shown] of [
    ['round', round, '{ self: /* it contains itself: cannot be written down */ undefined }'],
    ['bare', bare, '{ __proto__: null, a: 1 }'],
  ] as const) {
    const failuresFile = join(folder, `${name}.json`)
    const odd = cell<unknown>(`failures.${name}`, 0)
    const subject = {
      drive: 'exact' as const,
      sources: { odd: { source: odd, values: fc.constant<unknown>(value) } },
      handler: async () => Math.random(),
    }
    const { message } = await failureOf(assertIsolation(subject, { failuresFile }))
    expect(message).toContain(`world: { odd: ${shown} }`)
    const again = await failureOf(assertIsolation(subject, { failuresFile }))
    expect(again.message).toContain('Stored failure 1 of 1')
    expect(again.schedule.world).toStrictEqual({ odd: value })
  }
})

test('a stored failure whose source is gone says so, and what to do', async () => {
  const failuresFile = join(folder, 'renamed.json')
  await failureOf(assertIsolation(torn, { seed: 15, failuresFile }))
  const { locale: entry } = cured.sources
  const renamed = { ...cured, sources: { language: entry } }
  await expect(assertIsolation(renamed, { failuresFile })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/stored failure 1: .*"locale".*renamed\.json/s),
  })
  for (const text of ['[{}]', '[{"seed": 1}]', '[{"seed": "x", "path": "0"}]']) {
    writeFileSync(failuresFile, text)
    await expect(assertIsolation(cured, { failuresFile })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
})

test('a value that cannot be written down is kept by seed and path', async () => {
  const failuresFile = join(folder, 'classes.json')
  class Registry {
    constructor(readonly name: string) {}
  }
  const registry = cell('failures.registry', new Registry('a'))
  const subject = {
    drive: 'exact' as const,
    sources: {
      registry: { source: registry, values: fc.constantFrom('a', 'b').map((name) => new Registry(name)) },
    },
    handler: async () => [registry.get().name, await null, registry.get().name],
  }
  const { message } = await failureOf(assertIsolation(subject, { seed: 16, failuresFile }))
  expect(message).toContain('/* Registry: cannot be written down */')
  expect(JSON.parse(readFileSync(failuresFile, 'utf8'))).toEqual([{ seed: 16, path: expect.any(String) }])
  const again = await failureOf(assertIsolation(subject, { failuresFile }))
  expect(again.message).toContain('Stored failure 1 of 1')
})

test('a file that holds something else is refused, and left as it is', async () => {
  const failuresFile = join(folder, 'broken.json')
  for (const text of ['{', '{"seed": 1}']) {
    writeFileSync(failuresFile, text)
    await expect(assertIsolation(cured, { failuresFile })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(readFileSync(failuresFile, 'utf8')).toBe(text)
  }
})

test('fast-check’s own scheduler drives as well, and says its order; both find the torn read and pass the cure', async () => {
  const property = (subject: typeof torn | typeof cured) =>
    isolationProperty({ ...subject, scheduler: fc.scheduler() })
  const details = await fc.check(property(torn), { seed: 17 })
  expect(details.failed).toBe(true)
  expect((details.errorInstance as Error).message).toMatch(/schedulerFor\(\)`[\s\S]*row \d/)
  await fc.assert(property(cured), { seed: 17 })
  const error = await failureOf(assertIsolation({ ...torn, scheduler: fc.scheduler() }, { seed: 17 }))
  expect(error.violations[0]!.kind).toBe('torn')
})

test('a stored schedule goes into fast-check’s own examples', async () => {
  const { schedule } = await failureOf(assertIsolation(torn, { seed: 18 }))
  const details = await fc.check(isolationProperty(torn), {
    examples: [[schedule]],
    numRuns: 1,
    endOnFailure: true,
  })
  expect(details).toMatchObject({ failed: true, counterexample: [schedule] })
})

test('replay runs where fast-check is not installed', async () => {
  const source = (file: string) => JSON.stringify(fileURLToPath(new URL(`../../${file}`, import.meta.url)))
  const script = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(\`
      export async function resolve(name, context, next) {
        if (name === 'fast-check') throw new Error('fast-check is not installed')
        return next(name, context)
      }\`))
    const { replay } = await import(${source('testing/src/replay.ts')})
    const { cell } = await import('withepoch')
    const locale = cell('locale', 'en')
    await replay(
      { handler: async () => [locale.get(), await null, locale.get()], sources: { locale: { source: locale } } },
      { drive: 'exact', world: { locale: 'en' }, calls: [undefined], moves: [{ after: 0, set: 'locale', to: 'fr' }], choices: [] },
    ).catch((error) => console.log(error.violations[0].kind))
    await import(${source('testing/src/index.ts')}).catch((error) => console.log(error.message))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--import', 'tsx', '--input-type=module', '-e', script],
    { cwd: fileURLToPath(new URL('../../../', import.meta.url)), env: { ...process.env, NODE_OPTIONS: '' } },
  )
  expect(stdout.trim().split('\n')).toEqual(['torn', 'fast-check is not installed'])
})

describe('what happened', () => {
  const schedule: Schedule = {
    drive: 'exact',
    world: { locale: 'en' },
    calls: [undefined],
    moves: [],
    choices: [],
  }
  const entry = { locale: { source: locale } }

  test('an answer that differs though nothing changed is said to depend on something else', async () => {
    let id = 0
    const numbered = () => withEpoch(async () => ({ id: id++, locale: locale.get() }))
    const same = { ...schedule, moves: [{ after: 0, set: 'locale', to: 'en' }] }
    const { message } = await failureOf(replay({ handler: numbered, sources: entry }, same))
    expect(message).toMatch(/torn: .* No source had another value meanwhile, .*`reset`.*`equals`/)
    const moved = { ...schedule, moves: [{ after: 0, set: 'locale', to: 'fr' }] }
    const reading = async () => [locale.get(), await null, locale.get()]
    const other = await failureOf(replay({ handler: reading, sources: entry }, moved))
    expect(other.message).not.toContain('No source had another value')
  })

  test('so it does not say where the handler itself is the one that wrote', async () => {
    const writing = async () => {
      const before = locale.get()
      locale.set('written')
      return before === 'en' ? Math.random() : before
    }
    const { message } = await failureOf(replay({ handler: writing, sources: entry }, schedule))
    expect(message).not.toContain('No source had another value')
  })

  test('a move that is made again and changes nothing is not listed again', async () => {
    const waiting = async () => {
      const seen = [locale.get()]
      for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate)
      return [...seen, locale.get()]
    }
    const again = { ...schedule, drive: 'real' as const, moves: [{ after: 0, set: 'locale', to: 'fr' }] }
    const { trace } = await failureOf(replay({ handler: waiting, sources: entry }, again))
    expect(trace).toEqual(['the call comes in', "locale = 'fr'", "the call answers ['en', 'fr']"])
  })

  test('steps that repeat the one before are one line of the message', () => {
    const trace = ['a', 'b', 'b', 'b', 'c', 'c']
    const { message } = new IsolationError('page', { violations: [], trace, rejections: [] }, schedule)
    expect(message).toContain('    1. a\n    2. b (2 more times)\n    5. c (1 more time)\n')
  })

  test('a late read is a step, with its call, the file and the line', async () => {
    const legacy = { language: 'en' }
    const language = adopt(legacy, 'language', { name: 'failures.language' })
    const reads: Array<[name: string, read: () => unknown]> = [
      ['failures.locale', () => locale.get()],
      ['failures.language', () => legacy.language],
    ]
    for (const [name, read] of reads) {
      const late = () =>
        withEpoch((epoch) => {
          setTimeout(
            bind(() => (name === 'failures.locale' ? read() : epoch.get(language) && read())),
            1,
          )
        })
      const sources = { locale: { source: locale }, language: { source: language } }
      const { violations, trace, message } = await failureOf(
        replay(
          { handler: late, sources },
          { ...schedule, drive: 'simulated', world: { locale: 'en', language: 'en' } },
        ),
      )
      expect(violations[0]).toMatchObject({
        kind: 'late-read',
        message: expect.stringMatching(/ had closed, at .*failures\.test\.ts:\d+\.$/),
      })
      const step = trace.find((line) => line.includes('late'))
      expect(step).toMatch(new RegExp(`^the call reads "${name}" late, at .*failures\\.test\\.ts:\\d+$`))
      expect(message).toContain(`. ${step}\n`)
    }
  })
})
