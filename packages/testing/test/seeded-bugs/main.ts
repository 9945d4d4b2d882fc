/**
 * `npm run mutants:seeded`: whether the core's random searches find each of the seeded bugs (`bugs.ts`) within a number of
 * runs, with each of several seeds. The core without a bug is hunted first, with the same seeds, and must be left in peace.
 * Each hunt is a process of its own (`hunt.ts`, bundled by `copy.ts` with a copy of the core), two at a time. The last line is
 * `N passed, N failed`; a bug has passed if it was found with every seed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { SEEDED_BUGS, type SeededBug } from './bugs.js'
import { type Bundle, bundleWith } from './copy.js'
import type { Outcome } from './hunt.js'
import { documented, type Row } from './table.js'

const USAGE = `npm run mutants:seeded -- [options]

  --seeds 1,2,3   the seeds of the searches (at least three by default: 1,2,3)
  --runs 500      within how many runs of one search a bug is to be found
  --bug TEXT      only the bugs whose name has this in it
  --docs          also writes the table of docs/how-it-is-tested.md
`

const PARALLEL = 2
const script = fileURLToPath(new URL('hunt.ts', import.meta.url))
const docsFile = fileURLToPath(new URL('../../../../docs/how-it-is-tested.md', import.meta.url))

/** One seed's hunt; a message if the process came to no outcome, which counts as a failure of ours. */
type Hunt = Outcome | { readonly failed: string }

const { seeds, runs, bugs, docs } = options()
const started = Date.now()
let done = 0
const total = (bugs.length + 1) * seeds.length
const [control, ...found] = await Promise.all([undefined, ...bugs].map(seeding(limit(PARALLEL))))
progress('')
const rows = bugs.map((bug, index): Row => rowOf(bug, found[index]!))
process.exitCode = report()

function options(): { seeds: number[]; runs: number; bugs: SeededBug[]; docs: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '1,2,3' },
        runs: { type: 'string', default: '500' },
        bug: { type: 'string', default: '' },
        docs: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    const seeds = values.seeds.split(',').map(Number)
    const runs = Number(values.runs)
    const bugs = SEEDED_BUGS.filter(({ name }) => name.includes(values.bug))
    if (!seeds.every(Number.isInteger)) throw new Error(`--seeds ${values.seeds}: expected integers.`)
    if (!(Number.isInteger(runs) && runs > 0)) throw new Error(`--runs ${values.runs}: expected 1 or more.`)
    if (bugs.length === 0) throw new Error(`--bug ${values.bug}: no bug has that in its name.`)
    if (values.docs && bugs.length < SEEDED_BUGS.length) throw new Error('--docs: needs all bugs.')
    return { seeds, runs, bugs, docs: values.docs }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

/** All seeds of one bug, or of the core as it is. */
function seeding(enqueue: <R>(job: () => Promise<R>) => Promise<R>) {
  return async (bug: SeededBug | undefined): Promise<Hunt[]> => {
    let bundle: Bundle
    try {
      bundle = await enqueue(() => bundleWith(bug, script))
    } catch (error) {
      return seeds.map(() => ({ failed: (error as Error).message }))
    }
    const hunts = seeds.map((seed) =>
      enqueue(async (): Promise<Hunt> => {
        progress(`[${++done}/${total}] ${bug?.name ?? 'no bug'}, seed ${seed}`)
        try {
          const output = await bundle.run([String(seed), String(runs), bug?.by ?? ''])
          return JSON.parse(output.trim().split('\n').at(-1)!) as Outcome
        } catch (error) {
          return { failed: (error as Error).message }
        }
      }),
    )
    return Promise.all(hunts).finally(() => bundle.remove())
  }
}

function rowOf(bug: SeededBug, hunts: readonly Hunt[]): Row {
  const outcomes = hunts.map((hunt) => ('failed' in hunt ? undefined : hunt.found))
  return {
    bug,
    suites: [...new Set(outcomes.flatMap((outcome) => outcome?.suite ?? []))],
    runs: outcomes.map((outcome) => outcome?.run),
  }
}

function report(): number {
  const failures: string[] = []
  const inPeace = control!.every((hunt) => !('failed' in hunt) && hunt.found === undefined)
  line(
    'no bug',
    inPeace ? `nothing found in ${control!.map(runsOf).join(', ')} runs` : 'FOUND SOMETHING',
    inPeace,
  )
  if (!inPeace) failures.push(`the core as it is: ${control!.map(whatOf).join('; ')}`)
  for (const [index, { bug, suites, runs: each }] of rows.entries()) {
    const passed = each.every((run) => run !== undefined)
    line(
      bug.name,
      `${each.map((run) => run ?? '–').join(', ')} runs, ${suites.join(' and ') || 'not found'}`,
      passed,
    )
    if (!passed) failures.push(`${bug.name}: ${found[index]!.map(whatOf).join('; ')}`)
  }
  if (docs) {
    writeFileSync(docsFile, documented(readFileSync(docsFile, 'utf8'), rows, seeds, runs))
    process.stdout.write(`\ntable: ${relative(process.cwd(), docsFile)}\n`)
  }
  for (const failure of failures) process.stdout.write(`\nfailed: ${failure}\n`)
  const passed = rows.length + 1 - failures.length
  process.stdout.write(
    `\n${rows.length} bugs and the core without one, seeds ${seeds.join(', ')}, at most ${runs} runs of each search, ` +
      `${Math.round((Date.now() - started) / 1000)} s\n${passed} passed, ${failures.length} failed\n`,
  )
  return failures.length === 0 ? 0 : 1
}

function line(name: string, outcome: string, passed: boolean): void {
  const colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined
  const mark = passed ? 'found' : 'NOT FOUND'
  const word = name === 'no bug' ? (passed ? 'clean' : 'NOT CLEAN') : mark
  const painted = colour ? `\u001B[${passed ? 32 : 31}m${word.padEnd(9)}\u001B[0m` : word.padEnd(9)
  process.stdout.write(`${painted}  ${name.padEnd(50)}  ${outcome}\n`)
}

function runsOf(hunt: Hunt): string {
  return 'failed' in hunt ? '?' : String(hunt.runs)
}

function whatOf(hunt: Hunt, index: number): string {
  const what =
    'failed' in hunt
      ? hunt.failed
      : hunt.found === undefined
        ? `nothing in ${hunt.runs} runs`
        : `${hunt.found.suite}, run ${hunt.found.run}: ${hunt.found.says}`
  return `seed ${seeds[index]}: ${what}`
}

/** On a terminal one line that is written over; elsewhere a line for each. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`)
  else if (text !== '') process.stderr.write(`${text}\n`)
}

/** At most so many jobs at a time, in the order in which they come. */
function limit(most: number): <R>(job: () => Promise<R>) => Promise<R> {
  const waiting: Array<() => void> = []
  let running = 0
  return async (job) => {
    if (running === most) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
