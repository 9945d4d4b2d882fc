/** What a run of the benchmark found: written as JSON, and read again by the page and the documentation. */
import type { ChildResult, PairResult } from './protocol.js'
import { quantile } from './quantile.js'

/** One group on one runtime: as many results as processes that measured it, or why there is none. */
export interface GroupResult {
  readonly group: string
  readonly processes: readonly ChildResult[]
  readonly reason?: string
}

export interface RuntimeResult {
  readonly id: string
  readonly title: string
  readonly contextKind: string
  readonly groups: readonly GroupResult[]
}

export interface Results {
  readonly date: string
  readonly machine: string
  readonly kind: 'full' | 'check' | 'smoke'
  readonly minutes: number
  readonly contenders: Readonly<Record<string, string>>
  readonly runtimes: readonly RuntimeResult[]
}

/**
 * One case: of the processes that measured it, the one in the middle. Compilers do not always come to the same code, so
 * one process may be off in all its rounds.
 */
export function findPair(runtime: RuntimeResult, group: string, name: string): PairResult | undefined {
  const found = (groupOf(runtime, group)?.processes ?? [])
    .flatMap((process) => process.pairs.filter((pair) => pair.case === name))
    .sort((a, b) => a.ratio - b.ratio)
  return found[Math.floor((found.length - 1) / 2)]
}

/** A number that a group found beside its pairs; of several processes, the median. */
export function findFact(runtime: RuntimeResult, group: string, name: string): number | undefined {
  const found = (groupOf(runtime, group)?.processes ?? []).flatMap(({ facts }) => {
    const fact = facts[name]
    return typeof fact === 'number' ? [fact] : []
  })
  return found.length === 0 ? undefined : quantile(found, 0.5)
}

/** The curves of the scale group by name: `[size, cost]`. */
export function curvesOf(runtime: RuntimeResult): Map<string, ReadonlyArray<readonly [number, number]>> {
  const facts = groupOf(runtime, 'scale')?.processes[0]?.facts ?? {}
  return new Map(
    Object.entries(facts).flatMap(([name, fact]) =>
      typeof fact !== 'number' && name.startsWith('curve: ')
        ? [[name.slice('curve: '.length), fact] as const]
        : [],
    ),
  )
}

/** Why there is a dash, where there is one. */
export function findReason(runtime: RuntimeResult, group: string, name: string): string | undefined {
  const result = groupOf(runtime, group)
  return result?.reason ?? result?.processes[0]?.dashes[name]
}

export function groupOf(runtime: RuntimeResult, group: string): GroupResult | undefined {
  return runtime.groups.find((result) => result.group === group)
}
