/**
 * `npm run contract`: every adapter against the contract, over real sockets, on each line of Node. Each adapter has a process
 * of its own, and they run one after the other. Prints a line for each door and line of Node, at the end cases against doors
 * as a table, and the counts.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { listedLines } from '../../../core/test/memory/recorded.js'
import { allDoors, documented, doorFiles } from './page.js'

const USAGE = `npm run contract -- [options]

  --calls N        how many calls the case of many makes; 20000 if not given
  --only http,…    these adapters only, by the name of their folder
  --node 20,24     on these lines of Node only, beside which the binaries are as in runtimes/package.json
  --docs           also writes the table of docs/adapters.md, after a run of all that found nothing wrong
`

interface Outcome {
  readonly line: string
  readonly door: string
  readonly title: string
  readonly without?: string
  readonly passed?: boolean
  readonly why?: string
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const docsFile = `${repository}docs/adapters.md`
const CALLS = 20_000

const options = readOptions()
process.exitCode = await main()

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        calls: { type: 'string', default: String(CALLS) },
        only: { type: 'string' },
        node: { type: 'string' },
        docs: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    if (!/^[1-9]\d*$/.test(values.calls))
      throw new Error(`--calls must be a whole number, got ${values.calls}.`)
    return values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

async function main(): Promise<number> {
  const files = doorFiles()
  const adapters = options.only?.split(',') ?? [...files.keys()]
  const lines = nodeLines()
  const unknown = [
    ...adapters.filter((name) => !files.has(name)),
    ...(options.node?.split(',') ?? []).filter((name) => !lines.has(`node-${name}`)),
  ]
  if (unknown.length > 0) {
    process.stderr.write(`There is no ${unknown.join(', ')}.\n\n${USAGE}`)
    return 2
  }
  const outcomes: Outcome[] = []
  for (const name of adapters) {
    for (const [line, binary] of lines) {
      if (options.node !== undefined && !options.node.split(',').includes(line.replace('node-', ''))) continue
      outcomes.push(...(await play(line, binary, name, files.get(name)!)))
    }
  }
  const failed = outcomes.filter(({ passed }) => passed === false)
  for (const { line, door, title, why } of failed) {
    process.stdout.write(
      `\nfailed: ${door}, ${line}: ${title}\n  ${why?.split('\n').slice(0, 12).join('\n  ')}\n`,
    )
  }
  process.stdout.write(`\n${tableOf(outcomes)}\n`)
  const isWhole = options.only === undefined && options.node === undefined && Number(options.calls) >= CALLS
  if (options.docs && (failed.length > 0 || !isWhole)) {
    process.stdout.write('\n--docs: only a full run without failures may write the page.\n')
    return 2
  }
  if (options.docs) {
    const on = [...lines.keys()].map((line) => line.replace('node-', '')).join(', ')
    const measured = `Run on ${new Date().toISOString().slice(0, 10)} with ${Number(options.calls).toLocaleString('en')} calls in the case of many, on Node ${on}: every cell that says yes held on each.`
    writeFileSync(docsFile, documented(readFileSync(docsFile, 'utf8'), await allDoors(), measured))
  }
  const passed = outcomes.filter((outcome) => outcome.passed === true)
  const explained = outcomes.length - passed.length - failed.length
  process.stdout.write(`\n${explained} explained\n${passed.length} passed, ${failed.length} failed\n`)
  return failed.length === 0 && passed.length > 0 ? 0 : 1
}

/** The binaries by line; this one, where they are not installed. */
function nodeLines(): Map<string, string> {
  const found = listedLines()
    .map(({ name }) => [name, `${repository}runtimes/node_modules/${name}/bin/node`] as const)
    .filter(([, binary]) => existsSync(binary))
  return new Map(
    found.length > 0 ? found : [[`node-${process.versions.node.split('.')[0]}`, process.execPath]],
  )
}

async function play(line: string, binary: string, name: string, file: string): Promise<Outcome[]> {
  const child = spawn(
    binary,
    [
      '--no-warnings',
      '--import',
      'tsx',
      fileURLToPath(new URL('child.ts', import.meta.url)),
      file,
      options.calls,
    ],
    {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'test' },
    },
  )
  let noise = ''
  child.stderr.on('data', (data: Buffer) => (noise += data.toString()))
  const ended = new Promise<number | null>((resolve) => void child.on('close', resolve))
  const outcomes: Outcome[] = []
  for await (const text of createInterface({ input: child.stdout })) {
    if (!text.startsWith('{"door"')) continue
    outcomes.push({ line, ...(JSON.parse(text) as Omit<Outcome, 'line'>) })
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${line} ${name} ${outcomes.at(-1)!.title}`)
  }
  const status = await ended
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K')
  if (status !== 0 || outcomes.length === 0) {
    outcomes.push({
      line,
      door: name,
      title: '(ended early)',
      passed: false,
      why: `status ${status}\n${noise}`,
    })
  }
  for (const door of new Set(outcomes.map((one) => one.door))) {
    const of = outcomes.filter((one) => one.door === door)
    const failed = of.filter(({ passed }) => passed === false).length
    const passed = of.filter((one) => one.passed === true).length
    process.stdout.write(
      `${line.padEnd(9)}${door.padEnd(24)}${passed} passed, ${failed} failed, ${of.length - passed - failed} explained\n`,
    )
  }
  return outcomes
}

/** Cases against doors: on how many lines a case held, or why there is none. */
function tableOf(outcomes: readonly Outcome[]): string {
  const doors = [...new Set(outcomes.map(({ door }) => door))]
  const titles = [...new Set(outcomes.map(({ title }) => title))]
  const reasons = [...new Set(outcomes.flatMap(({ without }) => without ?? []))]
  const rows = titles.map((title) => {
    const cells = doors.map((door) => {
      const of = outcomes.filter((one) => one.door === door && one.title === title)
      const reason = of.find(({ without }) => without !== undefined)?.without
      if (reason !== undefined) return `(${reasons.indexOf(reason) + 1})`
      return of.some(({ passed }) => passed === false) ? 'FAILED' : of.length > 0 ? 'yes' : '?'
    })
    return `${cells.map((cell) => cell.padEnd(8)).join('')}${title}`
  })
  const legend = doors.map((door, index) => `column ${index + 1}: ${door}`)
  return [...legend, '', ...rows, '', ...reasons.map((reason, index) => `(${index + 1}) ${reason}`)].join(
    '\n',
  )
}
