/**
 * `npm run memory`: what epochs leave behind, on each line of Node, from the published bundle. Each case runs in a
 * process of its own; what the cases are stands in `cases.ts`. First the bundle is broken on purpose, in the ways of
 * `breaks.ts`, and the cases have to notice: that counts like a case. Shows on stderr where it is, ends with a table of what was
 * found and a line that counts, and with status 1 if anything is not as promised.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BREAKS } from './breaks.js'
import { type Case, CASES, type Result } from './cases.js'
import { measure, measureBreak, prepare } from './measure.js'
import { type Line, listedLines, isRecorded, readRecorded, record } from './recorded.js'
import { asText, cellOf, documented } from './tables.js'

const USAGE = `npm run memory -- [options]

  --quick              fewer epochs, on the oldest and the newest line only: bounded, for CI
  --only node-20,…     these lines only
  --case TEXT          only the cases whose title has TEXT in it
  --jobs N             so many at a time; as many as there are processors, if not given
  --docs               records the results, and writes the tables of docs/memory.md
  --resume             leaves out what is recorded already: goes on with a run that was broken off
  --core FILE          another bundle than packages/core/dist/index.js
`

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const docsFile = `${repository}docs/memory.md`

const options = parseOptions()
const started = Date.now()
const size = options.quick ? 'quick' : 'full'
const lines = chosenLines()
const cases = CASES.filter(({ title }) => title.includes(options.case ?? ''))
/** What the measuring itself is tested by, where all lines are measured. */
const breaks =
  options.core === undefined && options.only === undefined
    ? BREAKS.filter(({ title }) => title.includes(options.case ?? ''))
    : []
const notNoticed: string[] = []
const results = await measureAll()
process.exitCode = report()

function parseOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        case: { type: 'string' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        docs: { type: 'boolean', default: false },
        resume: { type: 'boolean', default: false },
        core: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    if (!(Number(values.jobs) >= 1)) throw new Error('--jobs: a number, 1 or more.')
    if (values.docs && (values.quick || values.core !== undefined)) {
      throw new Error(
        '--docs: only a full run of the library as it is may write numbers into the documentation.',
      )
    }
    return values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

function chosenLines(): Line[] {
  const listed = listedLines()
  // One that keeps the context by async_hooks, one that keeps it by AsyncContextFrame.
  const names =
    options.only?.split(',') ?? (options.quick ? [listed[0]!.name, listed.at(-1)!.name] : undefined)
  const unknown = (names ?? []).filter((name) => !listed.some((line) => line.name === name))
  if (unknown.length > 0) {
    console.error(
      `--only: no line ${unknown.join(', ')}; there are ${listed.map(({ name }) => name).join(', ')}.`,
    )
    process.exit(2)
  }
  return listed.filter(({ name }) => names?.includes(name) ?? true)
}

async function measureAll(): Promise<Result[]> {
  const core = options.core ?? `${repository}packages/core/dist/index.js`
  const program = await prepare(core)
  await inParallel(breaks, async (one, index) => {
    progress(`${index}/${breaks.length}  broken on purpose: ${one.what}`)
    const reasons = await measureBreak(core, nodeOf(lines[0]!), one)
    if (reasons.length > 0) notNoticed.push(`the library with ${one.what}: ${reasons.join('; ')}`)
    note(`broken on purpose, ${one.what}: ${reasons.length > 0 ? 'NOT noticed' : 'noticed'}`)
  })
  const all = lines
    .flatMap((line) => cases.map((one): readonly [Line, Case] => [line, one]))
    .filter(([{ name }, one]) => !options.resume || !isRecorded(name, one))
  const found: Result[] = []
  await inParallel(all, async ([line, one]) => {
    const { name } = line
    progress(`${found.length}/${all.length}  ${name}  ${one.title}`)
    const result = await measure(program, nodeOf(line), name, one, size)
    found.push(result)
    if (options.docs)
      record({ date: new Date().toISOString().slice(0, 10), machine: machine(), results: [result] })
    note(`${found.length}/${all.length}  ${name}  ${one.kind} ${one.title}: ${cellOf(result)}`)
  })
  // In the order of the list, whichever came first.
  return all.map(([{ name }, { kind, title }]) =>
    found.find((each) => each.line === name && each.kind === kind && each.title === title)!,
  )
}

/** Several at a time: a heap is as full however busy the machine is. */
async function inParallel<T>(
  all: readonly T[],
  run: (one: T, index: number) => Promise<void>,
): Promise<void> {
  const open = all.entries()
  const work = async (): Promise<void> => {
    for (const [index, one] of open) await run(one, index)
  }
  await Promise.all(Array.from({ length: Number(options.jobs) }, work))
}

/** Shows where we are, on a terminal. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}

/** Says where we are, where there is no terminal. */
function note(text: string): void {
  if (!process.stderr.isTTY) process.stderr.write(`${text}\n`)
}

function nodeOf({ name }: Line): string {
  return `${repository}runtimes/node_modules/${name}/bin/node`
}

/** Prints what was found, writes it down where asked, and says with which status to exit. */
function report(): number {
  const failures = results.filter(({ reasons }) => reasons.length > 0)
  console.log(asText(results, lines))
  for (const { line, kind, title, reasons } of failures) {
    console.log(`\nfailed: ${line}, ${kind} ${title}\n  ${reasons.join('\n  ')}`)
  }
  for (const what of notNoticed) console.log(`\nnot noticed: ${what}`)
  const failed = failures.length + notNoticed.length
  const passed = results.length + breaks.length - failed
  const minutes = (Date.now() - started) / 60_000
  if (options.docs) writeFileSync(docsFile, documented(readFileSync(docsFile, 'utf8'), readRecorded()))
  console.log(
    `\n${lines.length} line(s) of Node, ${cases.length} case(s), ${breaks.length} break(s) of the library, ${minutes.toFixed(1)} minutes`,
  )
  console.log(`${passed} passed, ${failed} failed`)
  return failed > 0 || results.length === 0 ? 1 : 0
}

function machine(): string {
  const processors = cpus()
  const model = processors[0]?.model.replace(/\s+/g, ' ').trim() || 'unknown processor'
  return `${model}, ${processors.length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform} ${process.arch}`
}
