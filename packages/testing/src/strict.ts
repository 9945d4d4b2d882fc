/**
 * Strict mode for one test, and the check that a test left no epoch open. Both are about the process, not about a
 * handler: they serve tests that have nothing to do with random schedules.
 */
import { configure, detach, drain } from 'withepoch'

/**
 * Makes a test body strict: while it runs, a late read throws `EPOCH_CLOSED` and a write whose live value has moved throws
 * `WRITE_CONFLICT`; after it, an epoch that is still open fails the test, with the place where it was opened.
 *
 * Works with any runner: it returns a function that takes what the runner gives and returns a promise.
 *
 * **Caveat** Strictness is a setting of the process, so tests that run at the same time in one process are strict with
 * it.
 *
 * @throws EPOCH_CLOSED, WRITE_CONFLICT where the body reads late or writes over a moved value.
 * @throws DRAIN_TIMEOUT when an epoch is still open after the body; `error.holders` says which.
 * @example
 * const locale = cell('docs.strict.locale', 'en')
 * const test = strict(async () => {
 *   const late = await withEpoch(async () => bind(() => locale.get()))
 *   late()
 * })
 * await test().catch((error) => error.code) // => 'EPOCH_CLOSED'
 */
export function strict<A extends unknown[]>(body: (...args: A) => unknown): (...args: A) => Promise<void> {
  return async function strictTest(...args: A): Promise<void> {
    const restore = configure({ strict: true, captureStacks: true })
    try {
      await body(...args)
      await assertNoOpenEpochs()
    } finally {
      restore()
    }
  }
}

/**
 * Rejects if an epoch is open in this process.
 *
 * Use it at the end of a test, or after each: an epoch that stays open keeps its values, and what is to be retired, for
 * ever.
 *
 * @param options `withinMs`: milliseconds to wait for the last ones. Default: 0. Minimum: 0.
 * @throws DRAIN_TIMEOUT naming those that are open; `error.holders` has their ids, names, ages and, with
 *   `configure({ captureStacks: true })`, where they were opened.
 * @throws INVALID_ARGUMENT when `withinMs` is not a number, 0 or more.
 * @example
 * await withEpoch(async () => 'done')
 * await assertNoOpenEpochs()
 */
export function assertNoOpenEpochs(options: { withinMs?: number } = {}): Promise<void> {
  return detach(() => drain({ timeoutMs: options.withinMs ?? 0 }))
}
