/**
 * Plays the contract for the doors of one adapter: `child.ts DOORS CALLS`, or, for that whose server is to run on another
 * runtime, `child.ts DOORS CALLS RUNTIME PROGRAM`. One line of JSON for each case, as it ends.
 */
import { pathToFileURL } from 'node:url'
import { contract, type Door } from '@withepoch/testing/contract'
import { type RemoteDoor, remoteCases } from './remote-door.js'

const [file = '', calls = '', runtime, program = ''] = process.argv.slice(2)
const { doors } = (await import(pathToFileURL(file).href)) as { doors: ReadonlyArray<Door | RemoteDoor> }

// A hang of one case must not be one of all: each has its time, and then the next begins.
for (const door of doors) {
  if ('runtime' in door && door.runtime !== runtime) continue
  const cases =
    'runtime' in door
      ? await remoteCases(door, program, Number(calls))
      : contract(door, { calls: Number(calls) })
  for (const { title, without, run } of cases) {
    const outcome = without === undefined ? await outcomeOf(run) : undefined
    process.stdout.write(`${JSON.stringify({ door: door.name, title, without, ...outcome })}\n`)
  }
}
process.exit() // whatever a failed case has left

async function outcomeOf(run: () => Promise<void>): Promise<{ passed: boolean; why?: string }> {
  try {
    await run()
    return { passed: true }
  } catch (error) {
    return { passed: false, why: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
