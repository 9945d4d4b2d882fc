/** `npm run anomalies`: every script of the Hermitage against every column, as a table; the same as `docs/anomalies.md` has. */
import { readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ANOMALIES, expectedOf } from './anomalies.js'
import { COLUMNS } from './columns.js'
import { cellOf, documented } from './page.js'

const USAGE = `npm run anomalies -- [options]

  --docs   also writes the tables and scripts of docs/anomalies.md
`

const docsFile = fileURLToPath(new URL('../../../../docs/anomalies.md', import.meta.url))
const WIDTH = 14

const { docs } = options()
process.exitCode = await report()

function options(): { docs: boolean } {
  try {
    const { values } = parseArgs({
      options: { docs: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    return values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}`)
    process.exit(2)
  }
}

async function report(): Promise<number> {
  const names = Math.max(...ANOMALIES.map(({ name }) => name.length)) + 2
  line(
    '',
    COLUMNS.map(({ title }) => title),
  )
  let passed = 0
  const failures: string[] = []
  for (const anomaly of ANOMALIES) {
    const words: string[] = []
    for (const column of COLUMNS) {
      const { outcome, seen } = await cellOf(anomaly, column)
      const expected = expectedOf(anomaly, column)
      words.push(outcome === 'prevented' ? '–' : outcome)
      if (outcome === expected) passed++
      else failures.push(`${anomaly.name}, ${column.title}: ${outcome} (${seen}), expected: ${expected}`)
    }
    line(anomaly.name, words)
  }
  if (docs) {
    writeFileSync(docsFile, await documented(readFileSync(docsFile, 'utf8')))
    process.stdout.write(`\npage: ${relative(process.cwd(), docsFile)}\n`)
  }
  for (const failure of failures) process.stdout.write(`\nfailed: ${failure}\n`)
  process.stdout.write(`\n${passed} passed, ${failures.length} failed\n`)
  return failures.length === 0 ? 0 : 1

  function line(name: string, words: readonly string[]): void {
    const cells = words.map((word) => word.padEnd(WIDTH)).join('')
    process.stdout.write(`${name.padEnd(names)}${cells.trimEnd()}\n`)
  }
}
