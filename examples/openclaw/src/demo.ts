/**
 * `npm run demo:openclaw`: the real program, without and with the preload, in all conditions. Prints the table; what it
 * prints on the way goes to stderr.
 */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LOADS, MODES, REGISTRIES, ROWS } from './conditions.js'
import { Home } from './home.js'
import { findInstallation } from './installation.js'
import { temporaryFolder } from './leftovers.js'
import { measure, type Plan, prepare, type Setting } from './measurement.js'
import { startModel } from './model.js'
import { forTerminal } from './table.js'

const PRELOAD = fileURLToPath(new URL('./preload.ts', import.meta.url))

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    registry: { type: 'string' },
    mode: { type: 'string' },
    load: { type: 'string' },
    calls: { type: 'string', default: '20' },
    budget: { type: 'string', default: '150' },
    preload: { type: 'string', default: PRELOAD },
    json: { type: 'string' },
  },
})

const plan: Plan = {
  rows: values.rows?.split(',').map(Number) ?? ROWS,
  registries: pick(REGISTRIES, values.registry),
  modes: pick(MODES, values.mode),
  loads: pick(LOADS, values.load),
  calls: Number(values.calls),
  budgetMs: Number(values.budget) * 1000,
  preload: path.resolve(values.preload),
}

const installation = findInstallation()
const model = await startModel()
const setting: Setting = {
  installation,
  home: new Home(temporaryFolder()),
  modelPort: model.port,
  say: (what) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${what}`)
  },
}
await prepare(setting, plan)
const cells = await measure(setting, plan, (cell) => process.stderr.write(`${forTerminal([cell], false)}\n`))
process.stdout.write(`${forTerminal(cells, process.stdout.isTTY)}\n`)
if (values.json) await writeFile(values.json, JSON.stringify(cells, null, 1))
await model.close()

function pick<T extends string>(known: readonly T[], asked: string | undefined): readonly T[] {
  return asked === undefined ? known : known.filter((each) => asked.split(',').includes(each))
}
