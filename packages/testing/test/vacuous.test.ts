/** A search that has tested nothing does not pass: it says why, and what to do. */
import { assertIsolation, isolationProperty, replay } from '@withepoch/testing'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cell, source, withEpoch } from 'withepoch'

const locale = cell('vacuous.locale', 'en')
const sources = { locale: { source: locale, values: fc.constantFrom('en', 'fr') } }
const handler = () => withEpoch(async () => locale.get())

async function refusalOf(run: Promise<unknown>): Promise<string> {
  const error: unknown = await run.catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
  return (error as Error).message
}

describe('a search whose', () => {
  test('calls are all rejected says so, with the last error; ifVacuous lets it pass', async () => {
    const rejecting = async () => {
      await handler()
      throw new Error('no connection')
    }
    const message = await refusalOf(assertIsolation({ handler: rejecting, sources }))
    expect(message).toMatch(
      /^assertIsolation\(options, params\): nothing was tested: each of the \d+ calls of 100 runs was rejected, the last with Error: no connection\. .*ifVacuous: 'pass'\.$/,
    )
    await assertIsolation({ handler: rejecting, sources, ifVacuous: 'pass' })
  })

  test('calls are rejected, but not all, has tested something', async () => {
    const picky = async (rejects: boolean) => {
      const seen = await handler()
      if (rejects) throw new Error('refused')
      return seen
    }
    await assertIsolation({ handler: picky, sources, input: fc.boolean() })
  })

  test('handler reads none of the sources says so', async () => {
    const other = cell('vacuous.other', 1)
    const message = await refusalOf(assertIsolation({ handler: () => other.get(), sources }))
    expect(message).toMatch(
      /nothing was tested: no call of 100 runs read any of its sources \(locale\) by get/,
    )
    await assertIsolation({ handler: () => other.get(), sources, ifVacuous: 'pass' })
  })

  test('sources can have one value alone says so', async () => {
    const constant = { locale: { source: locale, values: fc.constant('x') } }
    expect(await refusalOf(assertIsolation({ handler, sources: constant }))).toMatch(
      /nothing was tested: none of its sources \(locale\) can have two values/,
    )
    await assertIsolation({ handler, sources: constant, ifVacuous: 'pass' })
  })

  test('one run happens to have one value passes: the arbitrary can have two', async () => {
    for (const seed of [1, 2, 3, 4, 5]) await assertIsolation({ handler, sources }, { seed, numRuns: 1 })
  })
})

describe('a set', () => {
  const state = { dir: '/a', list: 'of /a', elsewhere: '' }
  const dir = source('vacuous.dir', () => state.dir)
  const list = source('vacuous.list', () => state.list)
  const values = fc.constantFrom('/b', '/c')
  const reading = () => withEpoch(async () => [dir.get(), list.get()])

  test.each<[string, (value: string) => unknown]>([
    ['writes somewhere else', (value) => void (state.elsewhere = value)],
    ['writes when it has returned', (value) => Promise.resolve().then(() => (state.dir = value))],
    ['writes another form', (value) => void (state.dir = value.toUpperCase())],
  ])('that %s is refused, with what is live instead', async (_, set) => {
    state.dir = '/a'
    const subject = { handler: reading, sources: { dir: { source: dir, values, set } } }
    const message = await refusalOf(assertIsolation(subject))
    expect(message).toMatch(
      /^sources\.dir\.set\('\/[bc]'\): afterwards the live value is '\/[abcBC]'\. It must be/,
    )
    const details = await fc.check(isolationProperty(subject))
    expect(details.errorInstance).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  test('that stops half-way and forgets one of a tuple is refused as well', async () => {
    const entry = {
      source: [dir, list],
      *set([value]: [string, string]) {
        state.dir = value
        yield
      },
    }
    const schedule = { drive: 'real' as const, calls: [undefined], moves: [], choices: [] }
    const world = { both: ['/b', 'of /b'] }
    const run = replay({ handler: reading, sources: { both: entry } }, { ...schedule, world })
    expect(await refusalOf(run)).toContain("the live value is ['/b', 'of /a']")
  })

  test('of a source that copies, or whose value is changed in place, arrives', async () => {
    const map = new Map<string, number>()
    const copied = source('vacuous.copied', () => map, { copy: (value) => new Map(value) })
    const set = (value: ReadonlyMap<string, number>) => {
      const entries = [...value]
      map.clear()
      for (const [key, number] of entries) map.set(key, number)
    }
    const maps = fc.nat(5).map((number) => new Map([['k', number]]))
    await assertIsolation({
      handler: () => withEpoch(async () => [copied.get().get('k'), await null, copied.get().get('k')]),
      sources: { copied: { source: copied, values: maps, set } },
    })
  })
})
