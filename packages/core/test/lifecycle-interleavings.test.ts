/**
 * The search for what nobody thought of in the lives of values: random programs of readers, writers and drains, in a
 * random order, compared with a model after each step (`interleavings/lifecycle.ts`). The seed is in the title;
 * `SEED=… npx vitest lifecycle-interleavings` runs it again.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { detach, withEpoch } from 'withepoch'
import { a, programs, replay, tally } from './interleavings/lifecycle.js'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
/** Counted, not cut by a clock. Twenty thousand are run in packages/testing, once; these run in each project of the core. */
const RUNS = 1500
/** Only against a hang. */
const TIMEOUT_MS = 600_000

test(
  `values are retired, drains are over and results are right exactly when the model says (seed ${SEED})`,
  { timeout: TIMEOUT_MS },
  async () => {
    await fc.assert(fc.asyncProperty(programs, fc.array(fc.nat(7), { maxLength: 60, size: 'max' }), replay), {
      seed: SEED,
      numRuns: RUNS,
    })
    expect(tally.runs).toBe(RUNS)
    for (const count of [tally.retired, tally.drained, tally.derived])
      expect(count).toBeGreaterThan(tally.runs / 10)
    expect(tally.shared).toBeLessThan(tally.derived)
  },
)

test('the search would find a value that is retired under its reader: with a reader the model does not know of, they disagree', async () => {
  const unknown = withEpoch(() => new Promise<void>((resolve) => void setTimeout(resolve, 20)))
  await expect(replay([{ actor: 'writer', steps: ['pool', 'yield'] }], [])).rejects.toThrow(
    /^retired: \[\], expected \["pool/,
  )
  await unknown
})

test('the search would find a result of somebody else’s values', async () => {
  const get = a.get.bind(a)
  a.get = () => detach(() => a.live())
  try {
    await expect(
      replay(
        [
          {
            actor: 'reader',
            writes: 'publish',
            ops: [{ do: 'yield' }, { do: 'derive', what: 'quick', awaited: true }],
          },
          { actor: 'writer', steps: ['a'] },
        ],
        [0, 0, 0],
      ),
    ).rejects.toThrow(/^quick: /)
  } finally {
    a.get = get
  }
})
