/** Plays the contract for the doors of one adapter: `child.ts DOORS CALLS`. One line of JSON for each case, as it ends. */
import { pathToFileURL } from 'node:url'
import { contract, type Door } from '@withepoch/testing/contract'

const [file = '', calls = ''] = process.argv.slice(2)
const { doors } = (await import(pathToFileURL(file).href)) as { doors: readonly Door[] }

// A hang of one case must not be one of all: each has its time, and then the next begins.
for (const door of doors) {
  for (const { title, without, run } of contract(door, { calls: Number(calls) })) {
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
