/**
 * The core held to the kit: twenty thousand random interleavings in each run of the tests and on each line of Node,
 * counted and not cut by a clock, and some programs in every order there is. What is compared with what stands in the
 * searches beside the core's own tests; the seed is in the title, and `SEED=… npx vitest --project testing core` runs it
 * again. `npm run soak` runs the same searches by the million.
 */
import { everySchedule } from '@withepoch/testing'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import * as reads from '../../../core/test/interleavings/reads.js'
import { count, type Search, searches } from '../../../core/test/interleavings/searches.js'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const SHARES = { reads: 8_000, lifecycle: 6_000, groups: 6_000 }
/** Not a limit on the work, only on a hang. */
vi.setConfig({ testTimeout: 3_600_000 })

test('the shares of the searches are twenty thousand interleavings, and no search is left out', () => {
  expect(Object.values(SHARES).reduce((sum, share) => sum + share)).toBe(20_000)
  expect(Object.keys(SHARES)).toEqual(Object.keys(searches))
})

test.each(Object.entries(SHARES))(
  `%s: %i interleavings, none anomalous (seed ${SEED})`,
  async (name, runs) => {
    const { passed, failed, reports } = await count(searches[name]!, SEED, runs)
    expect(reports).toEqual([])
    expect({ passed, failed }).toEqual({ passed: runs, failed: 0 })
  },
)

test('a run that fails is counted as one, with its report, and the search goes on after it', async () => {
  let runs = 0
  const search: Search = {
    programs: fc.nat(),
    replay: async () => {
      if (++runs === 20) throw new Error('anomaly')
    },
  }
  const { passed, failed, reports } = await count(search, 1, 50)
  expect({ passed, failed }).toEqual({ passed: 49, failed: 1 })
  expect(reports[0]).toContain('anomaly')
})

/** Programs that are small enough for all their orders; between them they have each way to nest, write and end. */
const programs: Record<string, { actors: readonly reads.Actor[]; schedules: number }> = {
  'two readers that nest and a writer of pairs': {
    actors: [
      {
        actor: 'reader',
        writes: 'publish',
        ops: [
          { do: 'read', of: 'p', by: 'get' },
          { do: 'yield' },
          {
            do: 'nested',
            how: 'fork',
            awaited: true,
            writes: 'local',
            ops: [{ do: 'set', of: 'p' }, { do: 'yield' }],
          },
          { do: 'read', of: 'q', by: 'handle' },
          { do: 'memo', key: 1 },
          { do: 'yield' },
          { do: 'read', of: 'p', by: 'get' },
        ],
      },
      {
        actor: 'reader',
        writes: 'local',
        override: 'a',
        ops: [
          { do: 'yield' },
          {
            do: 'nested',
            how: 'reuse',
            awaited: true,
            ops: [{ do: 'update', of: 'b' }, { do: 'yield' }, { do: 'read', of: 'f', by: 'get' }],
          },
          { do: 'read', of: 'a', by: 'get' },
        ],
      },
      { actor: 'writer', steps: ['half-done pair', 'foreign', 'yield', 'list'] },
    ],
    schedules: 4_200,
  },
  'work that is held, work that is late, and an epoch that moves on': {
    actors: [
      {
        actor: 'reader',
        writes: 'publish',
        ops: [
          { do: 'read', of: 'lazy', by: 'get' },
          { do: 'background', held: true, ops: [{ do: 'yield' }, { do: 'read', of: 'lazy', by: 'get' }] },
          { do: 'background', held: false, ops: [] },
          { do: 'yield' },
          { do: 'advance' },
          { do: 'stale' },
          { do: 'read', of: 'list', by: 'get' },
        ],
      },
      {
        actor: 'reader',
        writes: 'reject',
        ops: [
          { do: 'set', of: 'a' },
          { do: 'bound', ops: [{ do: 'yield' }, { do: 'read', of: 'copied', by: 'get' }] },
          { do: 'rows', own: true, of: 'g', pulls: 1 },
        ],
      },
      { actor: 'writer', steps: ['set', 'yield', 'foreign', 'list', 'yield', 'failing publish'] },
    ],
    schedules: 3_360,
  },
  'one that publishes, one that joins and one that is detached': {
    actors: [
      {
        actor: 'reader',
        writes: 'publish',
        ops: [
          { do: 'publish', fails: false, of: ['a', 'p'] },
          { do: 'yield' },
          { do: 'publish', fails: true, of: ['b', 'lazyCell'] },
          { do: 'read', of: 'lazyCell', by: 'get' },
          {
            do: 'nested',
            how: 'fresh',
            awaited: true,
            override: 'q',
            ops: [{ do: 'yield' }, { do: 'read', of: 'q', by: 'get' }],
          },
        ],
      },
      {
        actor: 'reader',
        writes: 'local',
        ops: [
          {
            do: 'detached',
            ops: [{ do: 'read', of: 'kill', by: 'get' }, { do: 'yield' }, { do: 'set', of: 'a' }],
          },
          { do: 'read', of: 'a', by: 'get' },
          { do: 'yield' },
          { do: 'read', of: 'killCell', by: 'handle' },
          { do: 'yield' },
          { do: 'stale' },
        ],
      },
      { actor: 'writer', steps: ['update', 'yield', 'set', 'yield', 'foreign'] },
    ],
    schedules: 4_200,
  },
}

const walked: number[] = []
test.each(Object.entries(programs))('%s: right in every order there is', async (_, { actors, schedules }) => {
  const walk = await everySchedule((choices) => reads.replay(actors, (waiting) => choices.next(waiting)))
  walked.push(walk.schedules)
  expect(walk).toEqual({ schedules, complete: true })
})

test('the orders that were gone through are ten thousand and more', () => {
  expect(walked.reduce((sum, schedules) => sum + schedules, 0)).toBeGreaterThanOrEqual(10_000)
})

test('of all orders, those that tear a live read are found: with pinned reads made live, the walk fails', async () => {
  const { a } = reads.real
  const get = a.get.bind(a)
  a.get = () => a.live()
  try {
    const actors: reads.Actor[] = [
      { actor: 'reader', writes: 'publish', ops: [{ do: 'yield' }, { do: 'read', of: 'a', by: 'get' }] },
      { actor: 'writer', steps: ['set'] },
    ]
    const run = everySchedule((choices) => reads.replay(actors, (waiting) => choices.next(waiting)))
    // The writer comes between: the reader begins, the writer writes, the reader goes on.
    await expect(run).rejects.toMatchObject({ choices: [0, 0, 0] })
  } finally {
    a.get = get
  }
})
