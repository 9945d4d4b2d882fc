/**
 * Failures that were found once, in a JSON file beside the test: a search that fails writes its schedule there, and the
 * next one begins with it. A schedule that cannot be written down is kept by seed and path.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { refuse } from './arguments.js'
import { fromJson, toJson } from './literal.js'
import type { Schedule } from './schedule.js'

/** One failure; by its schedule, or, where that cannot be written down, only by what fast-check makes it again from. */
export interface StoredFailure {
  readonly schedule?: Schedule | undefined
  readonly seed: number
  readonly path: string
}

/** @throws INVALID_ARGUMENT when there is a file and it holds something else. */
export function readFailures(file: string, call: string): StoredFailure[] {
  if (!existsSync(file)) return []
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    refuse(call, `the file of failures, ${file}, is not JSON (${(error as Error).message}).`)
  }
  const isFailure = (each: unknown): boolean =>
    Number.isInteger((each as StoredFailure | null)?.seed) && typeof (each as StoredFailure).path === 'string'
  if (!Array.isArray(json) || !json.every(isFailure))
    refuse(
      call,
      `the file of failures, ${file}, must hold an array of failures, each with its seed and path.`,
    )
  return json.map((each: { schedule?: unknown; seed: number; path: string }) => ({
    seed: each.seed,
    path: each.path,
    schedule: each.schedule === undefined ? undefined : (fromJson(each.schedule) as Schedule),
  }))
}

/** Adds one, unless it is there. */
export function storeFailure(file: string, failure: StoredFailure, call: string): void {
  const failures = readFailures(file, call)
  const isKnown = failures.some(({ schedule, seed, path }) =>
    schedule === undefined
      ? seed === failure.seed && path === failure.path
      : isDeepStrictEqual(schedule, failure.schedule),
  )
  if (isKnown) return
  const json = [...failures, failure].map(({ schedule, seed, path }) => ({
    seed,
    path,
    schedule: schedule === undefined ? undefined : toJson(schedule),
  }))
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(json, undefined, 2)}\n`)
}
