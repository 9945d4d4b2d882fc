/** Which groups are measured, how often, and in which order. */
import { contenders } from './contenders/index.js'

export interface Step {
  readonly group: string
  /** In how many processes; what a target depends on is measured in several, of which the middle one counts. */
  readonly processes: number
  /** The package that it needs. */
  readonly package?: string | undefined
  /** It needs what only Node has. */
  readonly nodeOnly?: boolean
}

/** What is profiled: the cases that are more than one function. */
export const PROFILED = ['enter', 'request'] as const
export type Profiled = (typeof PROFILED)[number]

/** What the targets are judged by. */
const TARGET_STEPS: readonly Step[] = [
  { group: 'enter:cells', processes: 3 },
  { group: 'read', processes: 3 },
  { group: 'outside', processes: 3 },
  { group: 'write', processes: 3 },
  { group: 'request:withepoch', processes: 3 },
  { group: 'bytes:10', processes: 1 },
]

export function planFor(kind: 'full' | 'check' | 'smoke'): Step[] {
  const steps: Step[] = [...TARGET_STEPS]
  if (kind !== 'check') {
    for (const group of [
      'enter:sources',
      'reuse',
      'bytes:1000',
      'bytes:10-written',
      'bytes:100-written',
      'scale',
    ]) {
      steps.push({ group, processes: 1 })
    }
    for (const name of PROFILED) steps.push({ group: `profile:${name}`, processes: 1, nodeOnly: true })
    for (const [name, contender] of Object.entries(contenders)) {
      const needs = 'package' in contender ? contender.package : undefined
      steps.push({ group: `contender:${name}`, processes: 1, package: needs })
      if (name !== 'withepoch') steps.push({ group: `request:${name}`, processes: 1, package: needs })
    }
  }
  return kind === 'smoke' ? steps.map((step) => ({ ...step, processes: 1 })) : steps
}
