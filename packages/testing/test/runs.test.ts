/** What a run is made of: calls, actors, watched loaders, real I/O, and the same run again. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  assertIsolation,
  IsolationError,
  isolationProperty,
  replay,
  type Schedule,
  watch,
} from '@withepoch/testing'
import * as fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { adopt, cell, derived, memo, source, withEpoch } from 'withepoch'

vi.setConfig({ testTimeout: 300_000 })
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const word = cell('runs.word', 'a')
const words = { word: { source: word, values: fc.constantFrom('a', 'b', 'c') } }
const schedule = (change: Partial<Schedule> = {}): Schedule => ({
  drive: 'simulated',
  world: { word: 'a' },
  calls: [undefined],
  moves: [],
  choices: [],
  ...change,
})

async function failureOf(run: Promise<unknown>): Promise<IsolationError> {
  const error: unknown = await run.catch((reason: unknown) => reason)
  if (!(error instanceof IsolationError)) throw error
  return error
}

describe('actors', () => {
  test('one runs beside the calls, writes the world, and is told when they are over', async () => {
    const log: unknown[] = []
    await replay(
      {
        sources: words,
        handler: () =>
          withEpoch(async () => {
            log.push(word.get())
            await sleep(10)
            log.push(word.get(), word.live())
          }),
        actors: {
          async reload({ pause, set }) {
            set('word', 'b')
            log.push('set', await pause(), await pause())
          },
        },
      },
      // Twice the actor goes on and not the timer of the call, and then the timer.
      schedule({ choices: [1, 1, 0] }),
    )
    const alone = ['a', 'a', 'a']
    expect(log).toEqual(['a', 'a', 'b', 'set', true, false, ...alone])
  })

  test('what one writes is the world of the calls that come in after it', async () => {
    const subject = {
      sources: words,
      handler: () => withEpoch(async () => [word.get(), await sleep(1), word.get()]),
      actors: {
        async writer({
          pause,
          set,
        }: {
          pause: () => Promise<boolean>
          set: (name: 'word', value: string) => void
        }) {
          for (const next of ['x', 'y', 'z']) {
            set('word', next)
            await pause()
          }
        },
      },
    }
    for (const drive of ['real', 'simulated', 'exact'] as const)
      await assertIsolation({ ...subject, drive }, { seed: SEED, numRuns: 30 })
  })

  test('the error of one is the error of the run', async () => {
    const error = new Error('the reload failed')
    const actors = { reload: () => Promise.reject(error) }
    await expect(replay({ sources: words, handler: () => word.get(), actors }, schedule())).rejects.toBe(
      error,
    )
  })
})

describe('loaders', () => {
  const rows = (load: (key: { id: number }, row: number) => unknown) => async () => {
    for (const row of [1, 2, 3]) load({ id: 1 }, row)
  }

  test('are known by their arguments, objects by identity, or by a key', async () => {
    const load = (key: { id: number }, row: number) => [key, row]
    await replay({ sources: words, handler: rows(watch(load)) }, schedule())
    const byKey = watch(load, { key: ({ id }) => [id], name: 'row' })
    const { violations } = await failureOf(replay({ sources: words, handler: rows(byKey) }, schedule()))
    expect(violations).toEqual([
      { kind: 'loaded-twice', message: 'row([1]) was called 3 times by the call; 1 would do.' },
    ])
    await replay({ sources: words, handler: rows(watch(load, { key: () => 0, max: 3 })) }, schedule())
  })

  test('of each epoch are its own: two calls may load the same, and so may a fresh epoch inside one', async () => {
    const load = memo(watch(async (key: string) => key, { name: 'load' }))
    const handler = () =>
      withEpoch(async () => [
        await load('a'),
        await load('a'),
        await withEpoch({ ifNested: 'fresh' }, () => load('a')),
      ])
    await replay({ sources: words, handler }, schedule({ calls: [undefined, undefined] }))
  })

  test('what is shared between epochs is right as well: derived values are those of the caller’s world', async () => {
    const shout = derived(async () => {
      await sleep(1)
      return word.get().toUpperCase()
    })
    for (const drive of ['real', 'simulated'] as const) {
      const handler = () => withEpoch(async () => [word.get(), await shout(), word.get()])
      await assertIsolation({ drive, sources: words, handler }, { seed: SEED, numRuns: 30 })
    }
  })
})

describe('the world', () => {
  test('sources that are not pinned at entry keep their value in a run, and may have another in the next', async () => {
    const kill = cell('runs.kill', 0, { isolation: 'read-committed' })
    const lazy = cell('runs.lazy', 0, { isolation: 'repeatable-read' })
    const values = fc.nat(5)
    const seen = new Set<number>()
    const handler = async () => {
      const first = [kill.get(), lazy.get()]
      await sleep(1)
      seen.add(kill.get())
      return [...first, kill.get(), lazy.get()]
    }
    const sources = { ...words, kill: { source: kill, values }, lazy: { source: lazy, values } }
    await assertIsolation({ drive: 'simulated', sources, handler }, { seed: SEED, numRuns: 40 })
    expect(seen.size).toBeGreaterThan(2)
  })

  test('an adopted property is a cell: it is written without a set, and is as before afterwards', async () => {
    const legacy = { language: 'en' }
    const language = adopt(legacy, 'language', { name: 'runs.language' })
    const sources = { language: { source: language, values: fc.constantFrom('en', 'fr') } }
    const handler = async () => [legacy.language, await null, legacy.language]
    await failureOf(assertIsolation({ sources, handler }, { seed: SEED, numRuns: 1000 }))
    await assertIsolation({ sources, handler: () => withEpoch(handler) }, { seed: SEED })
    expect(legacy.language).toBe('en')
  })

  test('the request’s own writes are its own affair: read back, and the answer is that of its entry', async () => {
    const handler = (name: string) =>
      withEpoch({ writes: 'local' }, async () => {
        const before = word.get()
        word.set(name)
        await sleep(1)
        return [before, word.get()]
      })
    await assertIsolation({ drive: 'simulated', sources: words, input: fc.string(), handler }, { seed: SEED })
  })

  test('a set that throws fails the run with its error, and the world is put back', async () => {
    const error = new Error('read-only')
    const state = { value: 'a' }
    const readOnly = source('runs.readOnly', () => state.value)
    const set = (value: string) => {
      if (value === 'x') throw error
      state.value = value
    }
    const subject = { sources: { readOnly: { source: readOnly, set } }, handler: () => readOnly.get() }
    await expect(replay(subject, schedule({ world: { readOnly: 'x' } }))).rejects.toBe(error)
    await replay(subject, schedule({ world: { readOnly: 'b' } }))
    expect(state.value).toBe('a')
  })
})

describe('the same run again', () => {
  test.each(['exact', 'simulated'] as const)('%s: the same schedule makes the same steps', async (drive) => {
    const subject = {
      sources: words,
      handler: async (row: number, { pause }: { pause: (label: string) => Promise<void> }) => {
        const seen = [word.get()]
        for (let step = 0; step < 3; step++) {
          await (drive === 'exact' ? pause(`row ${row}`) : sleep(row + 1))
          seen.push(word.get())
        }
        return seen
      },
    }
    const moves = [2, 0, 1].map((after) => ({ after, microtasks: after, set: 'word', to: 'b' }))
    const one = schedule({ drive, calls: [1, 2, 3], moves, choices: [1, 0, 2, 1, 0, 3] })
    const [first, second] = [await failureOf(replay(subject, one)), await failureOf(replay(subject, one))]
    expect(second.trace).toEqual(first.trace)
    expect(first.trace.length).toBeGreaterThan(10)
    const other = await failureOf(replay(subject, { ...one, choices: [0, 0, 1] }))
    expect(other.trace).not.toEqual(first.trace)
  })

  test('runs of one process wait for one another', async () => {
    const handler = () => withEpoch(async () => [word.get(), await sleep(1), word.get()])
    const search = { drive: 'simulated' as const, sources: words, handler }
    await Promise.all([1, 2, 3].map((seed) => assertIsolation(search, { seed, numRuns: 5 })))
  })

  test('the property can be stopped by fast-check’s own options', async () => {
    const property = isolationProperty({ sources: words, handler: () => word.get() })
    const details = await fc.check(property, { numRuns: 3, skipAllAfterTimeLimit: 60_000 })
    expect(details).toMatchObject({ failed: false, numRuns: 3 })
  })
})

test('real I/O: files and sockets between the reads, a live handler is torn and one in an epoch is not', async () => {
  const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => void server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const handler = async () => {
    const seen = [word.get()]
    await readFile(fileURLToPath(import.meta.url))
    seen.push(word.get())
    await (await fetch(url)).text()
    return [...seen, word.get()]
  }
  const { violations } = await failureOf(
    assertIsolation({ sources: words, handler }, { seed: SEED, numRuns: 100, endOnFailure: true }),
  )
  expect(violations[0]!.kind).toBe('torn')
  await assertIsolation({ sources: words, handler: () => withEpoch(handler) }, { seed: SEED, numRuns: 20 })
})
