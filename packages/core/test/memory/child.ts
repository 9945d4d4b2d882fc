/**
 * One case in a process of its own, with --expose-gc: `child.js KIND TITLE TIMES MOST CORE…`, where MOST is how
 * many bytes of growth each time are too many, and the cores are files of the published bundle. Prints what it found as one line of JSON.
 */
import { pathToFileURL } from 'node:url'
import { type Core, EPOCHS } from './epochs.js'
import { type Growth, growthOf } from './heap.js'
import { HOLDERS, measureHolder } from './holders.js'
import { countStorages } from './one-storage.js'
import { poll, POLLERS } from './pollers.js'

const [kind, title = '', times, most, ...cores] = process.argv.slice(2)

const found = await run(Number(times), Number(most))
process.stdout.write(`${JSON.stringify(found)}\n`, () => process.exit()) // for holders do live

async function run(count: number, bytes: number): Promise<unknown> {
  if (kind === 'storage') return countStorages(cores)
  const core = (await import(pathToFileURL(cores[0]!).href)) as Core
  if (kind === 'epochs') {
    const { each, make } = EPOCHS[title]!
    const growth = await growthOf(make(core), Math.ceil(count / each), bytes * each)
    return perEpoch(growth, each)
  }
  if (kind === 'poller') return poll(core, POLLERS[title]!, count, bytes)
  return measureHolder(core, HOLDERS[title]!, count)
}

function perEpoch({ bytes, stretches, times }: Growth, each: number): Growth {
  return { bytes: bytes / each, stretches: stretches.map((stretch) => stretch / each), times: times * each }
}
