/**
 * `npm run bench:observe`: what the channels cost with nobody listening, and what observing costs, as ratios against a copy
 * of the core from which every check of a channel has been removed. Needs nothing but Node and the repository's own
 * packages. How a ratio is measured stands in `pair.ts`, what in `cases.ts`.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { build } from 'tsup'
import { type PairResult, RESULT_MARK } from '../protocol.js'

const USAGE = `npm run bench:observe -- [options]

  --smoke  so briefly that the numbers mean nothing
  --docs   also writes the table of docs/observe.md
`
const PROCESSES = 3
const BEGIN = '<!-- bench:observe:begin -->'
const END = '<!-- bench:observe:end -->'
const CONDITIONS = ['nobody listens', 'a listener of reads', 'observed, pinned', 'observed, live']

const pathTo = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const docsFile = pathTo('../../../docs/observe.md')

const options = readOptions()
if (options.help) console.log(USAGE)
else await main()

function readOptions() {
  try {
    return parseArgs({
      options: {
        smoke: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

async function main(): Promise<void> {
  if (options.smoke && options.docs) {
    console.error('--docs: only a full run may write numbers into the documentation.')
    process.exitCode = 2
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-bench-observe-'))
  try {
    progress('building')
    await buildInto(folder)
    const runs: Array<{ runtime: string; pairs: PairResult[] }> = []
    for (let count = 1; count <= PROCESSES; count++) {
      progress(`process ${count} of ${PROCESSES}`)
      runs.push(await run(folder))
    }
    progress('')
    const text = tableOf(runs)
    console.log(text)
    if (options.docs) writeFileSync(docsFile, documented(readFileSync(docsFile, 'utf8'), text))
    const silent = rowsOf(runs).map(({ ratios }) => ratios[0]!)
    const least = Math.min(...silent).toFixed(2)
    console.log(
      `\n${silent.length} cases, nobody listening: ${least} to ${Math.max(...silent).toFixed(2)} × the core without channels` +
        (options.smoke ? ' (a smoke run: the numbers mean nothing)' : ''),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The core as it would be published, a copy of it that never looks at a channel, and the observer beside the first. */
async function buildInto(folder: string): Promise<void> {
  const shared = {
    config: false,
    format: 'esm',
    target: 'node20',
    silent: true,
    clean: false,
    dts: false,
    outDir: folder,
    tsconfig: pathTo('../../tsconfig.json'),
  } as const
  const index = pathTo('../../../packages/core/src/index.ts')
  const define = { __VERSION__: '"0.0.0"' }
  await build({ ...shared, entry: { core: index }, define })
  await build({
    ...shared,
    entry: { bare: index },
    define,
    minifySyntax: true,
    esbuildPlugins: [
      {
        name: 'without channels',
        setup(plugin) {
          plugin.onLoad({ filter: /packages.core.src.*\.ts$/ }, ({ path }) => ({
            loader: 'ts',
            contents: withoutChannels(readFileSync(path, 'utf8')),
          }))
        },
      },
    ],
  } as Parameters<typeof build>[0])
  const bare = readFileSync(join(folder, 'bare.js'), 'utf8')
  if (bare.includes('hasSubscribers')) throw new Error('The copy without channels still looks at one.')
  await build({
    ...shared,
    entry: { observe: pathTo('../../../packages/observe/src/index.ts') },
    external: ['withepoch'],
  })
  // It has to find the very core that is measured.
  const observer = join(folder, 'observe.js')
  writeFileSync(
    observer,
    readFileSync(observer, 'utf8').replaceAll(/from ["']withepoch["']/g, 'from "./core.js"'),
  )
  await build({
    ...shared,
    entry: [
      'observe/child.ts',
      'observe/cases.ts',
      'isolation.ts',
      'pair.ts',
      'protocol.ts',
      'quantile.ts',
    ].map((file) => pathTo(`../${file}`)),
    outDir: join(folder, 'run'),
    bundle: false,
  })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
}

/** A copy with a carrier of its own: the two must not meet. */
function withoutChannels(text: string): string {
  return text
    .replaceAll(/\b(\w+\.hasSubscribers|carrier\.(reads|writes|memos)Heard)\b/g, 'false')
    .replace(/^tellOfListeners\(\)$/m, '')
    .replaceAll("Symbol.for('withepoch.carrier')", "Symbol.for('withepoch.bare')")
}

async function run(folder: string): Promise<{ runtime: string; pairs: PairResult[] }> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', join(folder, 'run', 'observe', 'child.js'), folder, options.smoke ? 'smoke' : 'full'],
    { maxBuffer: 1 << 24, timeout: 300_000 },
  )
  const line = stdout.split('\n').find((each) => each.startsWith(RESULT_MARK))
  if (line === undefined) throw new Error(`No result in\n${stdout}`)
  return JSON.parse(line.slice(RESULT_MARK.length)) as { runtime: string; pairs: PairResult[] }
}

/** Per case, a ratio for each condition: that of the process in the middle. */
function rowsOf(
  runs: ReadonlyArray<{ pairs: readonly PairResult[] }>,
): Array<{ name: string; ratios: number[] }> {
  const names = runs[0]!.pairs.flatMap((pair) => pair.case.split(`${CONDITIONS[0]}: `).slice(1))
  return names.map((name) => ({
    name,
    ratios: CONDITIONS.map((condition) => {
      const found = runs.map(
        ({ pairs }) => pairs.find((pair) => pair.case === `${condition}: ${name}`)!.ratio,
      )
      return found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)]!
    }),
  }))
}

function tableOf(runs: ReadonlyArray<{ runtime: string; pairs: readonly PairResult[] }>): string {
  const head = ['', ...CONDITIONS]
  const rows = rowsOf(runs).map(({ name, ratios }) => [name, ...ratios.map((ratio) => ratio.toFixed(2))])
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const model = cpus()[0]?.model.replaceAll(/\s+/g, ' ').trim() || 'unknown processor'
  return [
    `Multiples of the same core without channels. ${runs[0]!.runtime}, ${model}, ${new Date().toISOString().slice(0, 10)}.`,
    '',
    line(head),
    line(head.map((_, at) => (at === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
    `A read inside an epoch, by the cell: ${CONDITIONS.map((condition) => `${nanoseconds(runs, condition)} ns (${condition})`).join(', ')}.`,
  ].join('\n')
}

/** For scale: what the first case took, in the process in the middle. */
function nanoseconds(runs: ReadonlyArray<{ pairs: readonly PairResult[] }>, condition: string): number {
  const found = runs.map(({ pairs }) => pairs.find((pair) => pair.case.startsWith(`${condition}: `))!.sideNs)
  return Number(found.toSorted((a, b) => a - b)[Math.floor(found.length / 2)]!.toPrecision(2))
}

function documented(text: string, table: string): string {
  const [before, rest] = text.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) {
    throw new Error(`docs/observe.md: expected one "${BEGIN}" and one "${END}" after it.`)
  }
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`
}

/** Shows where we are, on a terminal; elsewhere nobody is waiting. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}
