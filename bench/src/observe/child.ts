/**
 * One process: the core against a copy of it without channels, first with nobody listening, then with a listener that does
 * nothing, then observed. Prints one line of JSON. In this order, because a channel that has had a listener is slower for
 * good on some Nodes.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { pathToFileURL } from 'node:url'
import { storagesOf } from '../isolation.js'
import { BUDGETS, checksum, measurePair } from '../pair.js'
import { type PairResult, RESULT_MARK } from '../protocol.js'
import type { casesOf, Core } from './cases.js'

const [folder = '', budgetName = 'full'] = process.argv.slice(2)
const budget = BUDGETS[budgetName as keyof typeof BUDGETS]
const urlOf = (file: string): string => pathToFileURL(`${folder}/${file}`).href

const [ours, ourStorages] = await storagesOf(() => side('core.js', 'ours'))
const [bare, bareStorages] = await storagesOf(() => side('bare.js', 'bare'))

const pairs: PairResult[] = []
await measure('nobody listens')

const listener = (): void => {}
subscribe('withepoch:source:read', listener)
await measure('a listener of reads')
unsubscribe('withepoch:source:read', listener)

const { observe } = (await import(urlOf('observe.js'))) as {
  observe: (options: object) => { stop(): void }
}
for (const mode of ['pinned', 'live']) {
  const observation = observe({ mode })
  await measure(`observed, ${mode}`)
  observation.stop()
}
console.log(
  RESULT_MARK + JSON.stringify({ runtime: `Node ${process.versions.node}`, pairs, checksum: checksum() }),
)

async function side(file: string, name: string): Promise<ReturnType<typeof casesOf>> {
  const cases = (await import(`./cases.js?${name}`)) as { casesOf: typeof casesOf }
  return cases.casesOf((await import(urlOf(file))) as Core)
}

async function measure(condition: string): Promise<void> {
  for (const [name, slice] of Object.entries(ours)) {
    pairs.push(
      await measurePair(
        `${condition}: ${name}`,
        { name: 'core', slice, storages: ourStorages },
        { name: 'core without channels', slice: bare[name]!, storages: bareStorages },
        budget,
      ),
    )
  }
}
