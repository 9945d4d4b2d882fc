/**
 * Strict mode for one test. It is a setting of the process, so it has to be taken back whether the test passes or not;
 * what is strict about it is the test's business.
 */
import { onTestFinished } from 'vitest'
import { configure } from 'withepoch'

/** Strict from here to the end of the test that calls it. */
export function strict(): void {
  const restore = configure({ strict: true })
  onTestFinished(() => restore())
}
