/**
 * The search for an epoch that sees half of a change: random programs around a group, in a random order, compared with an
 * oracle (`interleavings/groups.ts`). The seed is in the title; `SEED=… npx vitest group-interleavings` runs it again.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { programs, replay, type Result } from './interleavings/groups.js'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
/** Counted, not cut by a clock. Twenty thousand are run in packages/testing, once; these run in each project of the core. */
const RUNS = 1500
/** Only against a hang. */
const TIMEOUT_MS = 600_000

/** Searches for a program that `check` objects to, and says what all of them came to. */
async function search(numRuns: number, check: (result: Result) => void): Promise<Record<string, number>> {
  const sum = { runs: 0, reads: 0, brokenEntries: 0 }
  await fc.assert(
    fc.asyncProperty(
      programs,
      fc.array(fc.nat(7), { maxLength: 40, size: 'max' }),
      async (program, order) => {
        const result = await replay(program, order)
        check(result)
        sum.runs++
        sum.reads += result.reads
        sum.brokenEntries += result.brokenEntries
      },
    ),
    { seed: SEED, numRuns },
  )
  return sum
}

test(
  `no epoch sees half of a change, and each sees the newest whole one that was looked at (seed ${SEED})`,
  async () => {
    const { runs, reads, brokenEntries } = await search(RUNS, () => {})
    expect(runs).toBe(RUNS)
    expect(reads).toBeGreaterThan(runs!)
    expect(brokenEntries).toBeGreaterThan(runs! / 2)
  },
  TIMEOUT_MS,
)

test(
  `no epoch is given a value that was retired (seed ${SEED})`,
  async () => {
    await search(RUNS / 4, ({ readAfterRetire }) => expect(readAfterRetire).toEqual([]))
  },
  TIMEOUT_MS,
)

test('the two-step writer of the report, entered between its steps, is seen before or after, never between', async () => {
  const result = await replay(
    {
      kinds: ['path', 'foreign'],
      agreeing: true,
      early: ['read', 'advance'],
      actors: [
        { does: 'write', order: [0, 1], inEpoch: false },
        { does: 'read', steps: ['read', 'advance'] },
      ],
    },
    [1, 1, 0, 2, 2, 0, 1, 1, 0],
  )
  expect(result).toEqual({ reads: 4, brokenEntries: 2, readAfterRetire: [] })
})
