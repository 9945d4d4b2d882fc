/**
 * The search for what nobody thought of: random programs of readers and writers, interleaved in a random order, each
 * read compared with an oracle (`interleavings/reads.ts`). The seed is in the title; `SEED=… npx vitest interleavings`
 * runs it again.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { programs, real, replay } from './interleavings/reads.js'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const RUNS = 5000
/** Machines differ: a slow one stops here, having run fewer. The count that is always run is in packages/testing. */
const STOP_AFTER_MS = 4000

let runs = 0
let reads = 0

test(
  `every read is what a deep copy of the world at entry says (seed ${SEED})`,
  { timeout: 60_000 },
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
      { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: STOP_AFTER_MS },
    )
    expect(runs).toBeGreaterThan(100)
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
