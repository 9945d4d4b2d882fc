/**
 * The search for what nobody thought of: random programs of readers and writers, interleaved in a random order, each
 * read compared with an oracle (`interleavings/reads.ts`). The seed is in the title; `SEED=… npx vitest interleavings`
 * runs it again.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { programs, real, replay } from './interleavings/reads.js'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
/** Counted, not cut by a clock. Twenty thousand are run in packages/testing, once; these run in each project of the core. */
const RUNS = 2000
/** Only against a hang. */
const TIMEOUT_MS = 600_000

let runs = 0
let reads = 0

test(
  `every read is what a deep copy of the world at entry says (seed ${SEED})`,
  { timeout: TIMEOUT_MS },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        programs,
        fc.array(fc.nat(7), { maxLength: 60, size: 'max' }),
        async (actors, order) => {
          reads += await replay(actors, order)
          runs++
        },
      ),
      { seed: SEED, numRuns: RUNS },
    )
    expect(runs).toBe(RUNS)
    expect(reads).toBeGreaterThan(runs)
  },
)

test('the search would find a torn read: with the pinned reads made live, the oracle disagrees', async () => {
  const { a } = real
  const get = a.get.bind(a)
  a.get = () => a.live()
  try {
    await expect(
      replay(
        [
          { actor: 'reader', writes: 'publish', ops: [{ do: 'yield' }, { do: 'read', of: 'a', by: 'get' }] },
          { actor: 'writer', steps: ['set'] },
        ],
        [0, 0, 0],
      ),
    ).rejects.toThrow(/^a\.get\(\): .*, expected "a"$/)
  } finally {
    a.get = get
  }
})
