/** Handlers of many kinds, right ones and wrong ones: what they take and answer, and what they leave behind. */
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import {
  assertIsolation,
  type Drive,
  IsolationError,
  type IsolationOptions,
  replay,
  type Schedule,
} from '@withepoch/testing'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cell, source, withEpoch } from 'withepoch'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const number = cell('handlers.number', 1)
const sources = { number: { source: number, values: fc.nat(5) } }

async function kindsOf<I, R, V extends object>(options: IsolationOptions<I, R, V>): Promise<string[]> {
  const error: unknown = await assertIsolation(options, { seed: SEED, numRuns: 200 }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error === undefined) return []
  if (!(error instanceof IsolationError)) throw error
  return [...new Set(error.violations.map(({ kind }) => kind))]
}

const twoReads = async () => {
  const first = number.get()
  await turn()
  return `${first} ${number.get()}`
}

describe.each<{ drive: Drive }>([{ drive: 'real' }, { drive: 'simulated' }])(
  `driven $drive (seed ${SEED})`,
  ({ drive }) => {
    test.each<[string, (text: string) => unknown]>([
      ['a Response', (text) => new Response(text)],
      ['a stream', (text) => Readable.from([text])],
      ['a web stream', (text) => new Response(text).body!.pipeThrough(new TextDecoderStream())],
    ])('%s is compared by what is in it', async (_, answer) => {
      const live = async () => answer(await twoReads())
      expect(await kindsOf({ drive, sources, handler: live })).toEqual(['torn'])
      expect(await kindsOf({ drive, sources, handler: () => withEpoch(live) })).toEqual([])
    })

    test('one that changes what it is given is given the same when it is alone', async () => {
      const handler = async (list: number[]) => {
        list.push(0)
        await null
        return list.length
      }
      expect(
        await kindsOf({ drive, sources, input: fc.array(fc.nat(3)), handler, ifVacuous: 'pass' }),
      ).toEqual([])
    })

    test('an answer may contain itself, or hold what cannot be shown', async () => {
      const handler = () =>
        withEpoch(async () => {
          const answer: Record<string, unknown> = { number: number.get() }
          answer['self'] = answer
          return answer
        })
      expect(await kindsOf({ drive, sources, handler })).toEqual([])
      const unshowable = () =>
        Object.defineProperty({}, 'x', {
          enumerable: true,
          get: () => {
            throw new Error('x')
          },
        })
      expect(
        await kindsOf({ drive, sources, handler: unshowable, equals: () => true, ifVacuous: 'pass' }),
      ).toEqual([])
    })

    test('an answer is as it was when it was given, though it is changed in place afterwards', async () => {
      const list: number[] = []
      const name = `handlers.${drive}.list`
      const entry = {
        source: source(name, () => list),
        values: fc.array(fc.nat(3), { maxLength: 3 }),
        set: (value: number[]) => void list.splice(0, list.length, ...value),
      }
      expect(await kindsOf({ drive, sources: { list: entry }, handler: () => entry.source.get() })).toEqual(
        [],
      )
      const late = async () => [entry.source.get().length, await turn(), entry.source.get()]
      expect(await kindsOf({ drive, sources: { list: entry }, handler: late })).toEqual(['torn'])
    })

    test('in whatever epoch the search was begun, the handler opens its own', async () => {
      const handler = () =>
        withEpoch(async () => {
          const first = number.live()
          await turn()
          return [first, number.live()]
        })
      expect(await withEpoch(() => kindsOf({ drive, sources, handler }))).toEqual(['torn'])
      const live = async () => [number.get(), await turn(), number.get()]
      expect(await withEpoch(() => kindsOf({ drive, sources, handler: live }))).toEqual(['torn'])
    })
  },
)

describe('the world', () => {
  const schedule: Schedule = { drive: 'real', world: {}, calls: [undefined], moves: [], choices: [] }

  test('a getter that makes a new object each time has not been written', async () => {
    let state = { n: 0 }
    const made = source('handlers.made', () => ({ ...state }))
    const entry = {
      source: made,
      values: fc.record({ n: fc.nat(5) }),
      set: (value: typeof state) => void (state = value),
    }
    const handler = () => withEpoch(async () => [made.get().n, await turn(), made.get().n])
    expect(await kindsOf({ sources: { made: entry }, handler })).toEqual([])
  })

  test('what a set that throws leaves behind is its own entry alone', async () => {
    const state = { one: 1, two: 2 }
    let broken = false
    const entry = (key: 'one' | 'two', fails: boolean) => ({
      source: source(`handlers.${key}`, () => state[key]),
      set: (value: number) => {
        if (fails && broken) throw new Error('cannot be written')
        state[key] = value
      },
    })
    const subject = {
      sources: { one: entry('one', true), two: entry('two', false) },
      handler: () => (broken = true),
    }
    await expect(replay(subject, { ...schedule, world: { one: 5, two: 6 } })).rejects.toThrow(
      'cannot be written',
    )
    expect(state.two).toBe(2)
  })

  test('an actor that goes on after a call that hangs writes nothing more, and ends', async () => {
    number.set(1)
    let ended: () => void
    const end = new Promise<void>((resolve) => (ended = resolve))
    const run = replay(
      {
        sources,
        timeoutMs: 20,
        handler: () => new Promise<void>(() => {}),
        actors: {
          async writer({ pause, set }) {
            while (await pause()) set('number', 7)
            ended()
          },
        },
      },
      schedule,
    )
    await expect(run).rejects.toMatchObject({ violations: [{ kind: 'hung' }] })
    await end
    expect(number.get()).toBe(1)
  })
})

test('an equals that says neither yes nor no is refused', async () => {
  const equals = (() => undefined) as never
  await expect(assertIsolation({ sources, handler: twoReads, equals })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})
