/**
 * Many more interleavings than a test run has time for: `npm run soak`, a million by default, bounded in count and not in
 * time. The three searches take turns, in batches of a process each, so that nothing adds up over the batches, and as
 * many at a time as there are processors.
 *
 *     npm run soak -- --runs 20000 --seed 7
 *
 * Progress goes to stderr. The last line is `N passed, N failed`, and the status 1 if anything failed. With the same runs
 * and seed it runs the same programs.
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Count, count, searches } from './searches.js'

const BATCH = 25_000
/** A batch tells of its progress every so many runs. */
const TELL_EVERY = 250

interface Batch {
  readonly search: string
  readonly seed: number
  readonly runs: number
}

/** What a batch's process says: how many runs more are done, or, at its end, what they came to. */
type Told = { readonly runs: number } | { readonly count: Count }

async function runBatch({ search, seed, runs }: Batch): Promise<void> {
  let done = 0
  const tell = (told: Told): void => void process.send!(told)
  const result = await count(searches[search]!, seed, runs, () => {
    if (++done % TELL_EVERY === 0) tell({ runs: TELL_EVERY })
  })
  tell({ count: result })
  process.disconnect()
}

async function soak(): Promise<void> {
  const { runs, seed } = options()
  const batches = batchesOf(runs, seed)
  const started = Date.now()
  const workers = Math.min(availableParallelism(), batches.length)
  process.stderr.write(
    `${runs} interleavings on node ${process.version}, ${workers} at a time, seed ${seed}\n`,
  )

  const sum: Count = { passed: 0, failed: 0, reports: [] }
  const progress = new Progress(runs)
  const run = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const { passed, failed, reports } = await inProcess(batch, (done) => progress.add(done))
      sum.passed += passed
      sum.failed += failed
      for (const report of reports) process.stdout.write(`\n${batch.search}: ${report}\n`)
    }
  }
  await Promise.all(Array.from({ length: workers }, run))
  progress.end(`${Math.round((Date.now() - started) / 1000)} s`)
  process.stdout.write(`${sum.passed} passed, ${sum.failed} failed\n`)
  process.exitCode = sum.failed === 0 && sum.passed === runs ? 0 : 1
}

function options(): { runs: number; seed: number } {
  function usage(problem: string): never {
    process.stderr.write(`${problem}\nusage: npm run soak -- [--runs N] [--seed N]\n`)
    process.exit(2)
  }
  const parse = () => {
    try {
      return parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } }).values
    } catch (error) {
      return usage((error as Error).message)
    }
  }
  const whole = (name: string, text: unknown, otherwise: number, least: number): number => {
    const number = text === undefined ? otherwise : Number(text)
    if (!Number.isSafeInteger(number) || number < least)
      usage(`--${name} must be a whole number, ${least} or more, got ${String(text)}`)
    return number
  }
  const { runs, seed } = parse()
  return {
    runs: whole('runs', runs, 1_000_000, 1),
    seed: whole('seed', seed, Date.now() % 2 ** 30, 0),
  }
}

/** The searches in turn, with a seed for each. Of a small number of runs each gets its share. */
function batchesOf(runs: number, seed: number): Batch[] {
  const names = Object.keys(searches)
  const size = Math.min(BATCH, Math.ceil(runs / names.length))
  const batches: Batch[] = []
  for (let left = runs; left > 0; left -= size) {
    const index = batches.length
    batches.push({ search: names[index % names.length]!, seed: seed + index, runs: Math.min(size, left) })
  }
  return batches
}

function inProcess(batch: Batch, onProgress: (runs: number) => void): Promise<Count> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    let result: Count | undefined
    child.on('message', (told: Told) => {
      if ('runs' in told) onProgress(told.runs)
      else result = told.count
    })
    child.on('error', reject)
    child.on('close', (status) => {
      if (result !== undefined) return resolve(result)
      // It is gone with its runs, which count as one failure: an anomaly can end a process, too.
      const report = `the process ended with status ${status} (seed ${batch.seed}, ${batch.runs} runs)`
      resolve({ passed: 0, failed: 1, reports: [report] })
    })
    child.send(batch)
  })
}

/** One line that is written over on a terminal; elsewhere a line per twentieth. */
class Progress {
  readonly #total: number
  #done = 0
  #shown = 0

  constructor(total: number) {
    this.#total = total
  }

  add(runs: number): void {
    this.#done += runs
    const line = `${this.#done} of ${this.#total}`
    if (process.stderr.isTTY) {
      process.stderr.write(`\r${line}`)
    } else if (this.#done - this.#shown >= this.#total / 20) {
      this.#shown = this.#done
      process.stderr.write(`${line}\n`)
    }
  }

  end(line: string): void {
    process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${line}\n`)
  }
}

if (process.send === undefined) await soak()
else process.once('message', (batch: Batch) => void runBatch(batch))
