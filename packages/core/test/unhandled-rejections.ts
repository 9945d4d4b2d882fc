/**
 * What the process would report as unhandled, caught while a test looks. vitest fails a run for it, so its listeners
 * step aside meanwhile. With which status a process ends is `process.test.ts`'s business.
 */
import { setImmediate as turn } from 'node:timers/promises'

/** What the process reports as unhandled while `run` is under way, instead of to vitest. */
export async function unhandledDuring(run: () => unknown): Promise<unknown[]> {
  const former = process.listeners('unhandledRejection')
  const reported: unknown[] = []
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', (error) => reported.push(error))
  try {
    await run()
    // Rejections are reported when the microtasks of a turn are through.
    await turn()
    await turn()
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const listener of former) process.on('unhandledRejection', listener)
  }
  return reported
}
