/**
 * `npm run bench`: what withepoch costs, on every runtime, beside what it could be compared with. Installs this folder's
 * packages if need be, builds, starts one process after another, and writes what came out as JSON and as a page. How a cost
 * is measured stands in `pair.ts`, what in `groups/`, how often in `plan.ts`, what is promised in `targets.ts`.
 */
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { buildAll, buildFolder } from './build.js'
import { contenders } from './contenders/index.js'
import { pageOf } from './page.js'
import { planFor, type Step } from './plan.js'
import { type ChildResult, RESULT_MARK } from './protocol.js'
import type { GroupResult, Results, RuntimeResult } from './results.js'
import { allRuntimes, enginesAgainst, isInstalled, type Runtime, titleOf } from './runtimes.js'
import { documented, targetsAsText } from './tables.js'
import { judge } from './targets.js'

const USAGE = `npm run bench -- [options]

  --check              the targets only; exits with 1 where one is missed
  --only node-24,bun   these runtimes only (node, node-20, node-22, node-24, node-26, bun, deno)
  --smoke              everything, but so briefly that the numbers mean nothing
  --docs               also writes the tables of docs/performance.md
  --from FILE          measures nothing: makes the page (and, with --docs, the tables) from an earlier run's JSON
`

const folder = fileURLToPath(new URL('../', import.meta.url))
const repository = fileURLToPath(new URL('../../', import.meta.url))
const docsFile = `${repository}docs/performance.md`

/** No process of this benchmark takes a minute on a slow machine. */
const CHILD_TIMEOUT_MS = 300_000

const options = parseOptions()
const started = Date.now()
const results = options.from === undefined ? await measureAll() : readResults(options.from)
process.exitCode = report(results)

function parseOptions() {
  try {
    return parseArgs({
      options: {
        check: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        only: { type: 'string' },
        from: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

async function measureAll(): Promise<Results> {
  if (options.help) {
    console.log(USAGE)
    process.exit(0)
  }
  const kind = options.smoke ? 'smoke' : options.check ? 'check' : 'full'
  install()
  const runtimes = chosenRuntimes()
  const steps = options.smoke && options.check ? planFor('check') : planFor(kind)
  progress('building')
  await buildAll()
  const total = runtimes.length * steps.reduce((sum, step) => sum + step.processes, 0)
  let done = 0
  const measured: RuntimeResult[] = []
  for (const runtime of runtimes) {
    const groups: GroupResult[] = []
    for (const step of steps) {
      progress(`${String(done).padStart(3)}/${total}  ${runtime.title}  ${step.group}`)
      groups.push(await measureGroup(runtime, step, kind === 'smoke' ? 'smoke' : 'full'))
      done += step.processes
    }
    const kindOfContext = groups.flatMap((group) => group.processes)[0]?.contextKind ?? 'unknown'
    measured.push({ id: runtime.id, title: runtime.title, contextKind: kindOfContext, groups })
  }
  progress('')
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    kind,
    minutes: (Date.now() - started) / 60_000,
    contenders: Object.fromEntries(
      Object.entries(contenders).map(([name, contender]) => [
        name,
        titleOf(contender.title, 'package' in contender ? contender.package : undefined),
      ]),
    ),
    runtimes: measured,
  }
}

/** Installs what is measured and what measures, into this folder alone. */
function install(): void {
  if (existsSync(`${folder}node_modules`)) return
  console.error(
    'Installing the runtimes and libraries that are compared (about 1 GB, in bench/node_modules) …',
  )
  const npm = process.env['npm_execpath']
  const [program, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
  const { status } = spawnSync(program!, [...first, 'ci', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) {
    console.error('npm ci in bench/ failed: see above.')
    process.exit(2)
  }
}

function chosenRuntimes(): Runtime[] {
  const runtimes = allRuntimes()
  const ids = options.only?.split(',')
  const unknown = (ids ?? []).filter((id) => !runtimes.some((runtime) => runtime.id === id))
  if (unknown.length > 0) {
    console.error(
      `--only: no runtime ${unknown.join(', ')}; there are ${runtimes.map(({ id }) => id).join(', ')}.`,
    )
    process.exit(2)
  }
  const chosen = runtimes.filter((runtime) => ids?.includes(runtime.id) ?? true)
  for (const runtime of chosen) {
    if (!isInstalled(runtime))
      console.error(`${runtime.title} is left out: there is no package of it for this platform.`)
  }
  return chosen.filter(isInstalled)
}

async function measureGroup(runtime: Runtime, step: Step, budget: 'full' | 'smoke'): Promise<GroupResult> {
  const reason =
    step.nodeOnly === true && runtime.node === undefined
      ? 'its profiler is another'
      : enginesAgainst(runtime, step.package)
  if (reason !== undefined) return { group: step.group, processes: [], reason }
  const processes: ChildResult[] = []
  for (let count = 0; count < step.processes; count++) {
    // One after another, never two at once: they would measure each other.
    const { stdout } = await promisify(execFile)(
      runtime.program,
      [...runtime.flags, `${buildFolder}/child.js`, step.group, budget],
      { cwd: folder, timeout: CHILD_TIMEOUT_MS, maxBuffer: 1 << 24, env: { ...process.env, NO_COLOR: '1' } },
    )
    const line = stdout.split('\n').find((each) => each.startsWith(RESULT_MARK))
    if (line === undefined) throw new Error(`${runtime.title}, ${step.group}: no result in\n${stdout}`)
    processes.push(JSON.parse(line.slice(RESULT_MARK.length)) as ChildResult)
  }
  return { group: step.group, processes }
}

/** Shows where we are, on a terminal; elsewhere nobody is waiting. */
function progress(text: string): void {
  if (!process.stderr.isTTY) return
  process.stderr.write(`\r\u001b[2K${text}`)
}

function readResults(file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8')) as Results
}

/** Prints the targets, writes the files, and says with which status to exit. */
function report(found: Results): number {
  const verdicts = judge(found.runtimes)
  console.log(targetsAsText(verdicts, process.stdout.isTTY && process.env['NO_COLOR'] === undefined))
  mkdirSync(`${folder}results`, { recursive: true })
  const json = `${folder}results/${found.kind}.json`
  const page = `${folder}results/${found.kind}.html`
  writeFileSync(json, `${JSON.stringify(found, null, 1)}\n`)
  writeFileSync(page, pageOf(found, verdicts))
  console.log(`results: ${relative(process.cwd(), json)}`)
  console.log(`page:    ${pathToFileURL(page).href}`)
  if (options.docs) {
    if (found.kind !== 'full') {
      console.error('--docs: only a full run may write numbers into the documentation.')
      return 2
    }
    writeFileSync(docsFile, documented(readFileSync(docsFile, 'utf8'), found, verdicts))
    console.log(`tables:  ${relative(process.cwd(), docsFile)}`)
  }
  const missed = verdicts.filter(({ outcome }) => outcome === 'missed' || outcome === 'unmeasured').length
  console.log(
    `${verdicts.filter(({ outcome }) => outcome !== 'none').length} targets on ${found.runtimes.length} runtime(s): ` +
      `${verdicts.filter(({ outcome }) => outcome === 'met').length} met, ${missed} missed` +
      (found.kind === 'smoke'
        ? ' (a smoke run: the numbers mean nothing)'
        : ` (${found.minutes.toFixed(1)} minutes)`),
  )
  return options.check && missed > 0 ? 1 : 0
}

function machine(): string {
  const processors = cpus()
  const model = processors[0]?.model.replace(/\s+/g, ' ').trim() || 'unknown processor'
  return `${model}, ${processors.length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform} ${process.arch}`
}
