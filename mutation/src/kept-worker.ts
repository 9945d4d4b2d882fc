/**
 * A worker thread that is kept from one mutant to the next, for starting one costs more than most mutants take. What a
 * test file could find of another's is made anew or put back by `fresh-core.ts`; a thread in which anything took long,
 * such as a test that hangs and may go on behind our back, is not kept, nor one in which the library was loaded with the
 * mutant switched on, which may have fixed what cannot be put back, and none for more than `MOST_RUNS`.
 */
import { type PoolOptions, type PoolRunnerInitializer, type PoolWorker, ThreadsPoolWorker } from 'vitest/node'

const MOST_RUNS = 25
const LONGEST_RUN_MS = 5_000

interface Kept {
  readonly worker: ThreadsPoolWorker
  runs: number
}

let idle: Kept | undefined

class KeptWorker implements PoolWorker {
  readonly name = 'kept'
  readonly #options: PoolOptions
  readonly #listeners: Array<readonly [event: string, callback: (arg: unknown) => void]> = []
  #kept: Kept | undefined
  #startedAt = 0
  #asked = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#kept = idle
    idle = undefined
    if (this.#kept === undefined) {
      this.#kept = { worker: new ThreadsPoolWorker(this.#options), runs: 0 }
      await this.#kept.worker.start()
    }
    this.#startedAt = Date.now()
  }

  on(event: string, callback: (arg: unknown) => void): void {
    this.#listeners.push([event, callback])
    this.#kept?.worker.on(event, callback)
  }

  off(event: string, callback: (arg: unknown) => void): void {
    this.#kept?.worker.off(event, callback)
  }

  /** A thread that is told to stop hears no more, so it is not told: nothing is under way when vitest asks. */
  send(message: Parameters<PoolWorker['send']>[0]): void {
    if (message.type !== 'stop') return this.#kept?.worker.send(message)
    this.#asked = true
    for (const [event, callback] of this.#listeners) {
      if (event === 'message') callback({ __vitest_worker_response__: true, type: 'stopped' })
    }
  }

  async stop(): Promise<void> {
    const kept = this.#kept
    this.#kept = undefined
    if (kept === undefined) return
    for (const [event, callback] of this.#listeners.splice(0)) kept.worker.off(event, callback)
    kept.runs++
    const wasLoaded = this.#options.project.getProvidedContext().mutantActivation === 'static'
    const fresh = kept.runs < MOST_RUNS && Date.now() - this.#startedAt < LONGEST_RUN_MS
    if (this.#asked && fresh && !wasLoaded && idle === undefined) idle = kept
    else await kept.worker.stop()
  }

  deserialize(data: unknown): unknown {
    return data
  }
}

/** To be set as a project's `poolRunner`, with its name as the project's `pool`. */
export const keptWorkers: PoolRunnerInitializer = {
  name: 'kept',
  createPoolWorker: (options) => new KeptWorker(options),
}

/** Ends the thread that waits for more work, so that the process can end. */
export async function endKeptWorker(): Promise<void> {
  await idle?.worker.stop()
  idle = undefined
}
