/**
 * `npm run demo:openclaw`: the real program, without and with the preload, in all conditions. Prints the table and what
 * holds; ends with status 1 if something does not. What it prints on the way goes to stderr.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { type Cell, type Cost, LOADS, REGISTRIES, type Results } from './conditions.js'
import { measureCost } from './cost.js'
import { Home } from './home.js'
import { findInstallation } from './installation.js'
import { temporaryFolder } from './leftovers.js'
import { measure, type Plan, prepare } from './measurement.js'
import { startModel } from './model.js'
import { HELP, type Options, readOptions, UsageError } from './options.js'
import { writePage } from './page.js'
import { colourOn, Progress } from './progress.js'
import { forTerminal, lineFor } from './table.js'
import { verdictsOf } from './verdict.js'

try {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') process.stdout.write(HELP)
  else await main(options)
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\n\n${HELP}`)
  process.exitCode = 2
}

async function main({ plan, rounds, json, from, docs }: Options): Promise<void> {
  const results = from === undefined ? await run(plan, rounds, json) : await readAll(from)
  process.stdout.write(`${forTerminal(results.cells, colourOn(process.stdout))}\n`)
  const verdicts = verdictsOf(results)
  for (const { holds, says } of verdicts) {
    const word = holds === undefined ? '       ' : holds ? 'holds  ' : 'FAILS  '
    process.stdout.write(`${word}${says}\n`)
  }
  const judged = verdicts.filter(({ holds }) => holds !== undefined)
  const held = judged.filter(({ holds }) => holds).length
  process.stdout.write(`${held} hold, ${judged.length - held} do not\n`)
  if (docs) await writePage(results)
  if (held < judged.length) process.exitCode = 1
}

/** Cells of all of them, each as measured by its own run. */
async function readAll(files: readonly string[]): Promise<Results> {
  const all = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as Results),
  )
  return {
    ...all[0]!,
    ...Object.assign({}, ...all.map(({ cost }) => cost && { cost })),
    cells: inOrder(all.flatMap(({ cells }) => cells)),
  }
}

async function run(plan: Plan, rounds: number, json: string | undefined): Promise<Results> {
  if (plan.modes.includes('preload') && !existsSync(plan.preload)) {
    throw new UsageError(`--preload: there is no ${plan.preload}`)
  }
  const installation = findInstallation()
  const model = await startModel()
  const progress = new Progress()
  try {
    const folder = temporaryFolder()
    const setting = { installation, home: new Home(folder), modelPort: model.port, say: progress.say }
    const cells: Cell[] = []
    let cost: Cost | undefined
    const results = (): Results => ({
      date: new Date().toISOString().slice(0, 10),
      machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${process.platform}`,
      openclaw: installation.version,
      node: installation.nodeVersion,
      cells: inOrder(cells),
      ...(cost && { cost }),
    })
    // After each step, so that a run of an hour that fails in the end has left something.
    const save = async (): Promise<void> => {
      if (json !== undefined) await writeFile(json, `${JSON.stringify(results(), null, 1)}\n`)
    }
    if (rounds > 0) {
      cost = await measureCost(setting, { ...plan, rounds }, folder)
      await save()
    }
    await prepare(setting, plan)
    for await (const cell of measure(setting, plan)) {
      cells.push(cell)
      progress.print(lineFor(cell))
      await save()
    }
    return results()
  } finally {
    progress.clear()
    await model.close()
  }
}

/** The modes of a condition side by side, for the reader; they were measured one gateway after the other. */
function inOrder(cells: readonly Cell[]): Cell[] {
  const place = ({ registry, rows, load }: Cell): number =>
    (REGISTRIES.indexOf(registry) * 10_000 + rows) * LOADS.length + LOADS.indexOf(load)
  return cells.toSorted((a, b) => place(a) - place(b))
}
