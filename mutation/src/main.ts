/**
 * `npm run mutants:stryker`: puts small mistakes into the core, one at a time, and looks whether a test notices. Installs
 * this folder's packages if need be, lets Stryker do the work, and holds what it found against the survivors that are
 * explained. How the tests are run stands in `../vitest.config.ts`, what is mutated in `../stryker.config.json`.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isDetected, isUndetected, type Mutant, mutantsOf } from './report.js'
import { unexplained, withSurvivors } from './survivors.js'

const USAGE = `npm run mutants:stryker -- [options] [file…]

  file…                these files of packages/core/src only, such as memo.ts or memo.ts:90-105
  --mutate PATTERN     as Stryker has it: globs from the root of the repository, with commas between them
  --concurrency N      how many mutants at a time; 2 if not given
  --docs               runs nothing: writes the list of survivors into docs/mutation-testing.md
  --from FILE          runs nothing: judges an earlier run by its JSON report (mutation/reports/mutation.json)
`

/** In per cent of the mutants that could be run. */
const LEAST_SCORE = 95

const repository = fileURLToPath(new URL('../../', import.meta.url))
const folder = `${repository}mutation/`
const reportFile = `${folder}reports/mutation.json`
const page = `${repository}docs/mutation-testing.md`

const { values: options, positionals: files } = parseOptions()
process.exitCode = main()

function parseOptions() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        mutate: { type: 'string' },
        concurrency: { type: 'string' },
        docs: { type: 'boolean', default: false },
        from: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

function main(): number {
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  if (options.docs) {
    writeFileSync(page, withSurvivors(readFileSync(page, 'utf8')))
    return 0
  }
  if (options.from === undefined) {
    install()
    runStryker()
  }
  return judge(mutantsOf(options.from ?? reportFile))
}

function install(): void {
  if (existsSync(`${folder}node_modules/@stryker-mutator/core/package.json`)) return
  const { status } = spawnSync('npm', ['ci', '--prefix', folder, '--no-audit'], {
    cwd: repository,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    console.error('npm ci in mutation/ failed: see above.')
    process.exit(1)
  }
}

function runStryker(): void {
  const mutate = [...files.map((file) => `packages/core/src/${file}`), ...(options.mutate?.split(',') ?? [])]
  for (const path of mutate.filter((each) => !each.includes('*'))) {
    if (existsSync(repository + path.replace(/:[\d:-]+$/, ''))) continue
    console.error(`There is no file ${path}.\n\n${USAGE}`)
    process.exit(2)
  }
  rmSync(reportFile, { force: true })
  const { status } = spawnSync(
    process.execPath,
    [
      `${folder}node_modules/@stryker-mutator/core/bin/stryker.js`,
      'run',
      `${folder}stryker.config.json`,
      ...(mutate.length > 0 ? ['--mutate', mutate.join(',')] : []),
      ...(options.concurrency === undefined ? [] : ['--concurrency', options.concurrency]),
    ],
    { cwd: repository, stdio: 'inherit' },
  )
  if (status !== 0 || !existsSync(reportFile)) {
    console.error('Stryker did not come to an end: see above.')
    process.exit(1)
  }
}

/** Prints what came out, the counts last. Returns the exit status. */
function judge(mutants: readonly Mutant[]): number {
  for (const mutant of mutants.filter(isUndetected)) {
    const { file, lineNumber, line, change, mutator, status } = mutant
    console.log(`\n${status} ${mutator} packages/core/src/${file}:${lineNumber}\n  ${line}\n  ${change}`)
  }
  console.log('\nfile                  score  killed  hung  survived  not covered  not run')
  for (const file of new Set(mutants.map((each) => each.file))) {
    console.log(
      row(
        file,
        mutants.filter((each) => each.file === file),
      ),
    )
  }
  console.log(row('all', mutants))

  const wrong = unexplained(mutants)
  const text = readFileSync(page, 'utf8')
  if (withSurvivors(text) !== text) {
    wrong.push(
      'docs/mutation-testing.md does not list them as survivors.json does: npm run mutants:stryker -- --docs',
    )
  }
  if (wrong.length > 0)
    console.log(`\nThe list of survivors (mutation/survivors.json) is not right:\n${wrong.join('\n')}`)

  const notRun = mutants.filter((each) => !isDetected(each) && !isUndetected(each))
  for (const { file, lineNumber, change, status } of notRun) {
    console.log(`\n${status}: could not be run: packages/core/src/${file}:${lineNumber}\n  ${change}`)
  }

  const passed = mutants.filter(isDetected).length
  const failed = mutants.filter(isUndetected).length
  const score = scoreOf(mutants)
  const whole = isWhole(mutants)
  const asked = whole
    ? `at least ${LEAST_SCORE} % is asked for`
    : 'of a part, which is only to explain its survivors'
  console.log(`\nscore ${score.toFixed(2)} %, ${asked}`)
  console.log(`${passed} passed, ${failed} failed`)
  return (!whole || score >= LEAST_SCORE) && wrong.length === 0 && notRun.length === 0 ? 0 : 1
}

/** Whether every file of the core is there; the table of contents has nothing to mutate. */
function isWhole(mutants: readonly Mutant[]): boolean {
  const files = new Set(mutants.map((each) => each.file))
  return readdirSync(`${repository}packages/core/src`).every((name) => name === 'index.ts' || files.has(name))
}

function scoreOf(mutants: readonly Mutant[]): number {
  const passed = mutants.filter(isDetected).length
  const counted = passed + mutants.filter(isUndetected).length
  return counted === 0 ? 0 : (100 * passed) / counted
}

/** `hung` are those that only a test's or a run's time limit detected. */
function row(name: string, mutants: readonly Mutant[]): string {
  const count = (is: (mutant: Mutant) => boolean): number => mutants.filter(is).length
  const counts = [
    count((each) => isDetected(each) && !each.hung),
    count((each) => isDetected(each) && each.hung),
    count(({ status }) => status === 'Survived'),
    count(({ status }) => status === 'NoCoverage'),
    count((each) => !isDetected(each) && !isUndetected(each)),
  ]
  const cells = ['killed', 'hung', 'survived', 'not covered', 'not run'].map((title, index) =>
    String(counts[index]).padStart(title.length + 2),
  )
  return `${name.padEnd(20)}${scoreOf(mutants).toFixed(2).padStart(7)}${cells.join('')}`
}
