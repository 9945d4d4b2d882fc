/** How full the heap is once the garbage is gone; each runtime has a number of its own for it. */
import { collectGarbage } from './isolation.js'

/** No runtime here takes more rounds than this to let go of everything. */
const MOST_ROUNDS = 12

/**
 * Bytes in use by JavaScript objects. What was let go of is not gone at the first collection (finished jobs, what async_hooks
 * tells of destroyed promises), so it collects until there is no less than before.
 */
export async function heapInUse(): Promise<number> {
  let bytes = Infinity
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    collectGarbage()
    const now = await inUse()
    if (now > bytes * 0.999) return Math.min(now, bytes)
    bytes = now
  }
  return bytes
}

async function inUse(): Promise<number> {
  if (!('Bun' in globalThis)) return process.memoryUsage().heapUsed
  const { heapStats } = (await import('bun:jsc' as string)) as {
    heapStats: () => { heapSize: number }
  }
  return heapStats().heapSize
}
