/**
 * Gives the collector the time to take what nobody holds any more. It asserts nothing: what is left after it is the test's
 * to say. Whole heaps are measured in children of their own, in `memory.test.ts`.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects until these are gone, but not for ever. */
export async function collected(references: ReadonlyArray<WeakRef<object>>): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let round = 0; round < 20 && references.some((each) => each.deref() !== undefined); round++) {
    await turn()
    gc()
  }
}
