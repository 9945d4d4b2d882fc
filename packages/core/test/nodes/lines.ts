/**
 * Whether the published core behaves the same on all lines of Node that it supports: the test files of `core:dist` run
 * under the binary of each line, and the results are compared test by test. So do those of the property kit, among them
 * the twenty thousand interleavings of the core; its hunt for seeded bugs says nothing of a line and stays out.
 *
 * Node 20 and 22 keep the async context by async_hooks, 24 and 26 by AsyncContextFrame, which differ in what a callback
 * sees, so one line does not speak for the others. The binaries are npm packages, at exact versions, in `runtimes/`;
 * `npm run test:nodes` installs them first.
 *
 * Ends with a table and `N passed, N failed`, and with status 1 if a test failed, or did not run, or ended differently on one line.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const runtimes = join(repository, 'runtimes')

interface Line {
  readonly name: string
  readonly version: string
  /** How each test ended, by file and title. */
  readonly ends: ReadonlyMap<string, string>
}

/** What vitest's JSON report holds of interest here. */
interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly message: string
    readonly assertionResults: ReadonlyArray<{ readonly fullName: string; readonly status: string }>
  }>
}

const { dependencies } = JSON.parse(readFileSync(join(runtimes, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
}
const scratch = mkdtempSync(join(tmpdir(), 'withepoch-nodes-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** The random searches have their seed in the title; with one for all lines they search, and are called, the same. */
const seed = process.env['SEED'] ?? String(Date.now() % 2 ** 31)

const lines: Line[] = []
for (const [index, name] of Object.keys(dependencies).entries()) {
  process.stdout.write(`[${index + 1}/${Object.keys(dependencies).length}] ${name} … `)
  const started = Date.now()
  const line = await run(name)
  lines.push(line)
  process.stdout.write(
    `${line.version}, ${line.ends.size} tests in ${Math.round((Date.now() - started) / 1000)} s\n`,
  )
}

const differences = differencesOf(lines)
process.stdout.write(`\n${table(lines)}\n`)
for (const difference of differences) process.stdout.write(`\n${difference}\n`)
const failed = lines.some(({ ends }) => ends.size === 0 || count(ends, 'failed') > 0)
process.stdout.write(
  `\n${lines.length} lines, ${differences.length} difference(s), ${failed ? 'with failures' : 'no failures'} (seed ${seed})\n`,
)
const [sumPassed, sumFailed] = ['passed', 'failed'].map((how) =>
  lines.reduce((sum, { ends }) => sum + count(ends, how), 0),
) as [number, number]
const others = differences.length + lines.filter(({ ends }) => ends.size === 0).length
process.stdout.write(`${sumPassed} passed, ${sumFailed === 0 ? others : sumFailed} failed\n`)
process.exitCode = failed || differences.length > 0 ? 1 : 0

async function run(name: string): Promise<Line> {
  const node = join(runtimes, 'node_modules', name, 'bin/node')
  const report = join(scratch, `${name}.json`)
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  const output = await outputOf(node, [
    vitest,
    'run',
    '--project',
    'core:dist',
    '--project',
    'testing',
    '--exclude',
    'packages/testing/test/seeded-bugs/**',
    '--reporter=json',
    `--outputFile=${report}`,
  ])
  try {
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
    return { name, version: (await outputOf(node, ['--version'])).trim(), ends: endsOf(testResults) }
  } catch (error) {
    throw new Error(`${name}: vitest left no report. It said:\n${output}`, { cause: error })
  }
}

function endsOf(files: Report['testResults']): Map<string, string> {
  const ends = new Map<string, string>()
  for (const { name, message, assertionResults } of files) {
    const file = relative(repository, name)
    if (assertionResults.length === 0) ends.set(`${file}: ${message}`, 'failed') // it could not even be loaded
    for (const { fullName, status } of assertionResults) {
      // One flag has two names, and a test is called by the one that its Node knows.
      ends.set(`${file} ${fullName.replace('--experimental-permission', '--permission')}`, status)
    }
  }
  return ends
}

function outputOf(command: string, args: readonly string[]): Promise<string> {
  // The settings of whoever runs this must not reach one line and not the other.
  const { NODE_OPTIONS: _options, TEST_REPORT: _report, ...env } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: repository, env: { ...env, SEED: seed, NO_COLOR: '1' } })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)))
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
}

function count(ends: ReadonlyMap<string, string>, how: string): number {
  return [...ends.values()].filter((end) => end === how).length
}

function differencesOf(compared: readonly Line[]): string[] {
  const tests = new Set(compared.flatMap(({ ends }) => [...ends.keys()]))
  return [...tests].flatMap((test) => {
    const ends = compared.map((line) => line.ends.get(test) ?? 'not run')
    if (ends.every((end) => end === ends[0])) return []
    return [`${test}\n${compared.map(({ name }, index) => `  ${name}: ${ends[index]}`).join('\n')}`]
  })
}

function table(compared: readonly Line[]): string {
  const rows = [
    ['line', 'version', 'passed', 'failed'],
    ...compared.map(({ name, version, ends }) => [
      name,
      version,
      String(count(ends, 'passed')),
      String(count(ends, 'failed')),
    ]),
  ]
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(column < 2 ? 12 : 8))
        .join('')
        .trimEnd(),
    )
    .join('\n')
}
