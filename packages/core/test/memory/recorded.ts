/** A run's results as they are kept: `recorded.json` has what full runs found last, from which `docs/memory.md` has its tables. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Case, Result } from './cases.js'

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

export function isRecorded(line: string, { kind, title }: Case): boolean {
  if (!existsSync(file)) return false
  return readRecorded().results.some(
    (result) => result.line === line && result.kind === kind && result.title === title,
  )
}

/** Keeps results of full runs in the place of former ones of the same cases and lines. */
export function record(run: Recorded): void {
  const key = ({ line, kind, title }: Result): string => `${line} ${kind} ${title}`
  const measured = new Set(run.results.map(key))
  const former = existsSync(file) ? readRecorded().results.filter((result) => !measured.has(key(result))) : []
  writeFileSync(file, `${JSON.stringify({ ...run, results: [...former, ...run.results] }, rounded, 1)}\n`)
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
