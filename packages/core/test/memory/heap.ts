/** How full the heap is once the garbage is gone, and how it grew. Knows nothing of the library. */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'

/** No line of Node takes more rounds than this to let go of everything. */
const MOST_ROUNDS = 30

/** How the heap grew, over stretches of the same length. */
export interface Growth {
  /** Bytes each time: in the middle one of the last three stretches. */
  readonly bytes: number
  readonly stretches: readonly number[]
  /** How often in all. */
  readonly times: number
}

/**
 * Bytes of living objects. What was let go of is not gone at the first collection (finished jobs, what async_hooks
 * tells of destroyed promises), so it collects until there is no less than before.
 */
export async function heapInUse(): Promise<number> {
  let bytes = Infinity
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await sleep(1)
    collectGarbage()
    const now = process.memoryUsage().heapUsed
    if (now > bytes * 0.9999) return Math.min(now, bytes)
    bytes = now
  }
  return bytes
}

/** Collects until `done()`, or for so long that it will never be. */
export async function collectUntil(done: () => boolean): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS && !done(); round++) {
    await turn()
    collectGarbage()
  }
}

/** What leaks still grows in the ninth stretch; what the engine keeps for itself, code and feedback, does not. */
const MOST_STRETCHES = 9

/**
 * Looks at the heap as something is done again and again: a tenth of `times` to warm up, then three stretches. It goes by
 * the middle one of the last three, for what leaks grows in each of them, and the engine's own in one or two; as long as
 * that is not below `most` bytes each time, there is one stretch more, up to nine.
 */
export class HeapWatch {
  readonly #most: number
  readonly #stretch: number
  readonly #heaps: number[] = []
  #times = 0
  /** After how many times the heap is to be looked at next; undefined when all is known. */
  next: number | undefined

  constructor(times: number, most: number) {
    this.#most = most
    this.next = Math.floor(times / 10)
    this.#stretch = Math.floor((times - this.next) / 3)
  }

  /** To be called when it has been done `next` times. */
  async look(): Promise<void> {
    this.#times = this.next ?? this.#times
    this.#heaps.push(await heapInUse())
    const { bytes, stretches, times } = this.found()
    const known = stretches.length >= MOST_STRETCHES || (stretches.length >= 3 && bytes < this.#most)
    this.next = known ? undefined : times + this.#stretch
  }

  found(): Growth {
    const heaps = this.#heaps
    const stretches = heaps.slice(1).map((heap, index) => (heap - heaps[index]!) / this.#stretch)
    const [, bytes = NaN] = stretches.slice(-3).sort((a, b) => a - b)
    return { bytes, stretches, times: this.#times }
  }
}

/** How the heap grows with repetitions of `body`, which gets their number. What it returns is awaited. */
export async function growthOf(
  body: (index: number) => unknown,
  times: number,
  most: number,
): Promise<Growth> {
  const watch = new HeapWatch(times, most)
  for (let index = 0; watch.next !== undefined; await watch.look()) {
    for (; index < watch.next; index++) {
      const result = body(index)
      if (result !== undefined) await result
      if (index % 1000 === 0) await turn() // for the timers
    }
  }
  return watch.found()
}

function collectGarbage(): void {
  if (globalThis.gc === undefined) throw new Error('The heap can be measured only with --expose-gc.')
  globalThis.gc()
}
