/**
 * `npm run contract`: every adapter against the contract, over real sockets, on each line of Node, and one that has doors for
 * them also on Bun, Deno and workerd. Each adapter has a process of its own, and they run one after the other. Prints a line
 * for each door and runtime, at the end cases against doors as a table, and the counts.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { allColumns, folders, isInstalled, isSupportedPlatform } from '../../../../conformance/src/columns.js'
import { install } from '../../../../conformance/src/install.js'
import { listedLines } from '../../../core/test/memory/recorded.js'
import { allDoors, documented, doorFiles, type Part } from './page.js'

const USAGE = `npm run contract -- [options]

  --calls N        how many calls the case of many makes; 20000 if not given
  --only http,…    these adapters only, by the name of their folder
  --node 20,24     on these lines of Node only
  --runtime bun,…  on these of bun, deno and workerd only; with --node, on both
  --docs           also writes the tables of docs/adapters.md, each after a run of all its doors that found nothing wrong
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
        runtime: { type: 'string' },
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

/** What the doors run on: a line of Node, or another runtime, of which the cases are played by the Node that runs this. */
interface Line {
  readonly part: Part
  readonly name: string
  /** Name and version. */
  readonly title: string
  readonly program: string
}

async function main(): Promise<number> {
  if (isSupportedPlatform) await install([folders.nodes, folders.others])
  else process.stdout.write('LEFT OUT: what is not installed; the runtimes are packages for Linux on x64.\n')
  const all = [...nodeLines(), ...otherLines()]
  const lines = all.filter(({ name }) => wantedLines()?.includes(name) ?? true)
  const files = { node: doorFiles('node'), elsewhere: doorFiles('elsewhere') }
  const adapters = options.only?.split(',') ?? [...files.node.keys()]
  const unknown = [
    ...adapters.filter((name) => !files.node.has(name)),
    ...(wantedLines()?.filter((name) => !all.some((line) => line.name === name)) ?? []),
  ]
  if (unknown.length > 0) {
    process.stderr.write(`There is no ${unknown.join(', ')}.\n\n${USAGE}`)
    return 2
  }
  const outcomes: Outcome[] = []
  for (const name of adapters) {
    for (const line of lines) {
      const file = files[line.part].get(name)
      if (file !== undefined) outcomes.push(...(await play(line, name, file)))
    }
  }
  const failed = outcomes.filter(({ passed }) => passed === false)
  for (const { line, door, title, why } of failed) {
    process.stdout.write(
      `\nfailed: ${door}, ${line}: ${title}\n  ${why?.split('\n').slice(0, 12).join('\n  ')}\n`,
    )
  }
  process.stdout.write(`\n${tableOf(outcomes)}\n`)
  if (options.docs) {
    const parts = (['node', 'elsewhere'] as const).filter((part) => {
      const isPart = (line: Line): boolean => line.part === part
      const isWhole =
        all.filter(isPart).length > 0 && all.filter(isPart).every((line) => lines.includes(line))
      return isWhole && [...files[part].keys()].every((name) => adapters.includes(name))
    })
    if (failed.length > 0 || parts.length === 0 || Number(options.calls) < CALLS) {
      process.stdout.write('\n--docs: only a full run without failures may write the page.\n')
      return 2
    }
    for (const part of parts) await write(part, lines)
  }
  const passed = outcomes.filter((outcome) => outcome.passed === true)
  const explained = outcomes.length - passed.length - failed.length
  process.stdout.write(`\n${explained} explained\n${passed.length} passed, ${failed.length} failed\n`)
  return failed.length === 0 && passed.length > 0 ? 0 : 1
}

async function write(part: Part, lines: readonly Line[]): Promise<void> {
  const on = lines.filter((line) => line.part === part).map(({ title }) => title)
  const where = on.map((title, index) => (index > 0 ? title.replace('Node ', '') : title)).join(', ')
  const measured = `Run on ${new Date().toISOString().slice(0, 10)} with ${Number(options.calls).toLocaleString('en')} calls in the case of many, on ${where}: every cell that says yes held${part === 'node' ? ' on each' : ''}.`
  const page = readFileSync(docsFile, 'utf8')
  writeFileSync(docsFile, documented(page, part, await allDoors(part), measured))
}

/** The names of the lines that are asked for; undefined for all. */
function wantedLines(): string[] | undefined {
  if (options.node === undefined && options.runtime === undefined) return undefined
  const nodes = options.node?.split(',').map((line) => `node-${line}`) ?? []
  return [...nodes, ...(options.runtime?.split(',') ?? [])]
}

/** The lines of Node; that of this one, where they are not installed. */
function nodeLines(): Line[] {
  const found = listedLines()
    .map(({ name }) => ({ name, program: `${folders.nodes}node_modules/${name}/bin/node` }))
    .filter(({ program }) => existsSync(program))
  const own = { name: `node-${process.versions.node.split('.')[0]}`, program: process.execPath }
  return (found.length > 0 ? found : [own]).map((line) => ({
    ...line,
    part: 'node',
    title: line.name.replace('node-', 'Node '),
  }))
}

function otherLines(): Line[] {
  return allColumns()
    .filter((column) => column.program.startsWith(folders.others) && isInstalled(column))
    .map(({ id, title, program }) => ({ part: 'elsewhere', name: id, title, program }))
}

async function play({ part, name: line, program }: Line, name: string, file: string): Promise<Outcome[]> {
  const [binary, remote] = part === 'node' ? [program, []] : [process.execPath, [line, program]]
  const child = spawn(
    binary,
    [
      '--no-warnings',
      '--import',
      'tsx',
      fileURLToPath(new URL('child.ts', import.meta.url)),
      file,
      options.calls,
      ...remote,
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
