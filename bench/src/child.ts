/**
 * One process: measures one group of cases on the runtime that runs it, and prints what came out as one line of JSON.
 * Started by `main.ts`, with the group's name and the budget's; it knows nothing of other groups or runtimes.
 */
import { contextKind } from './isolation.js'
import { groups } from './groups/index.js'
import { BUDGETS, checksum } from './pair.js'
import { type ChildResult, type Facts, type PairResult, RESULT_MARK } from './protocol.js'

const [group = '', budget = ''] = process.argv.slice(2)
const [groupName = '', argument = ''] = group.split(':')
const run = groups[groupName]
if (run === undefined)
  throw new Error(`No group "${groupName}"; there are ${Object.keys(groups).join(', ')}.`)
if (!(budget in BUDGETS))
  throw new Error(`No budget "${budget}"; there are ${Object.keys(BUDGETS).join(', ')}.`)

const pairs: PairResult[] = []
const dashes: Record<string, string> = {}
const facts: Record<string, Facts[string]> = {}
const start = performance.now()
await run({
  argument,
  budget: BUDGETS[budget as keyof typeof BUDGETS],
  smoke: budget === 'smoke',
  pairs,
  dashes,
  facts,
})
const result: ChildResult = {
  group,
  runtime: runtimeName(),
  contextKind,
  pairs,
  dashes,
  facts,
  ms: Math.round(performance.now() - start),
  checksum: checksum(),
}
console.log(RESULT_MARK + JSON.stringify(result))
// Some groups leave epochs open on purpose, or a library leaves a timer.
process.exit(0)

function runtimeName(): string {
  const { Bun, Deno } = globalThis as { Bun?: { version: string }; Deno?: { version: { deno: string } } }
  if (Bun !== undefined) return `Bun ${Bun.version}`
  if (Deno !== undefined) return `Deno ${Deno.version.deno}`
  return `Node ${process.versions.node}`
}
