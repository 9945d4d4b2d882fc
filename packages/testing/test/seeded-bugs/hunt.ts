/**
 * One hunt: the core's random searches, one after another with one seed, in a process that has seen nothing else. It
 * stops at the first program that a search objects to, for after that the process is no clean ground. `withepoch` is
 * whatever core the process was started with. The last line on stdout is the outcome as JSON.
 */
import * as fc from 'fast-check'
import { type Search, searches } from '../../../core/test/interleavings/searches.js'

/** What one process found. */
export interface Outcome {
  /** The search that objected, and in which of its runs; undefined where none did. */
  readonly found: { readonly suite: string; readonly run: number; readonly says: string } | undefined
  /** Runs made, of all searches. */
  readonly runs: number
}

/** A program that comes to no end is a finding too, long before this. */
const NO_END_MS = 60_000

const orders = fc.array(fc.nat(7), { maxLength: 60, size: 'max' })

const rejections: unknown[] = []
process.on('unhandledRejection', (error) => rejections.push(error))
process.removeAllListeners('warning')

const [seed, numRuns] = process.argv.slice(2, 4).map(Number)
/** The search that is tried first. */
const first = process.argv[4]
process.stdout.write(`${JSON.stringify(await hunt())}\n`)
process.exit(0)

async function hunt(): Promise<Outcome> {
  let runs = 0
  const inOrder = Object.entries(searches).toSorted(
    ([one], [other]) => Number(other === first) - Number(one === first),
  )
  for (const [suite, search] of inOrder) {
    const parameters = { seed: seed!, numRuns: numRuns!, endOnFailure: true, timeout: NO_END_MS }
    const result = await fc.check(propertyOf(search), parameters)
    runs += result.numRuns
    if (!result.failed) continue
    const says = result.errorInstance instanceof Error ? result.errorInstance.message : 'failed'
    return { found: { suite, run: result.numRuns, says: says.split('\n')[0]! }, runs }
  }
  return { found: undefined, runs }
}

/** That a program goes as its oracle says, gives nobody what was retired, and leaves nothing unhandled. */
function propertyOf(search: Search): fc.IAsyncProperty<[unknown, number[]]> {
  return fc.asyncProperty(search.programs, orders, async (program, order) => {
    const result = (await search.replay(program, order)) as
      | { readonly readAfterRetire?: readonly string[] }
      | undefined
    const retired = result?.readAfterRetire ?? []
    if (retired.length > 0) throw new Error(`read after it was retired: ${retired.join(', ')}`)
    if (rejections.length > 0) throw new Error(`unhandled rejection: ${String(rejections[0])}`)
  })
}
