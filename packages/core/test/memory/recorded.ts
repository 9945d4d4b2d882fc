/** A run's results as they are kept: `recorded.json` has the last full run of each line, from which `docs/memory.md` has its tables. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Result } from './cases.js'

export interface Line {
  /** The name of its package in `runtimes/`. */
  readonly name: string
  readonly version: string
}

export interface Recorded {
  readonly date: string
  readonly machine: string
  readonly results: readonly Result[]
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const file = `${repository}packages/core/test/memory/recorded.json`

export function readRecorded(): Recorded {
  return JSON.parse(readFileSync(file, 'utf8')) as Recorded
}

/** Keeps a full run's results in the place of former ones of the same lines. @returns what is recorded now. */
export function record(run: Recorded): Recorded {
  const measured = new Set(run.results.map(({ line }) => line))
  const former = existsSync(file) ? readRecorded().results.filter(({ line }) => !measured.has(line)) : []
  writeFileSync(file, `${JSON.stringify({ ...run, results: [...former, ...run.results] }, rounded, 1)}\n`)
  return readRecorded()
}

/** The lines of Node that `runtimes/` has packages of. */
export function listedLines(): Line[] {
  const { dependencies } = JSON.parse(readFileSync(`${repository}runtimes/package.json`, 'utf8')) as {
    dependencies: Record<string, string>
  }
  return Object.entries(dependencies).flatMap(([name, from]) =>
    name.startsWith('node-') ? [{ name, version: from.split('@').at(-1)! }] : [],
  )
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value
}
