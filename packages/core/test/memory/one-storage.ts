/**
 * How many AsyncLocalStorages the library makes, in however many copies and whatever is done with it. One that is
 * abandoned makes each later `await` of the process dearer, on lines that keep the context by async_hooks.
 */
import async_hooks, { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Core } from './epochs.js'
import { EPOCHS } from './epochs.js'

export interface StorageFound {
  readonly copies: number
  readonly constructed: number
  /** Where the first of them were constructed. */
  readonly by: readonly string[]
}

/** Uses of each exported name. A name that is missing here is an error, so that no feature goes unwatched. */
const USES: Readonly<Record<string, (core: Core, index: number) => unknown>> = {
  source: ({ source }, index) => source('storage.source', () => index, { ifRegistered: 'replace' }).get(),
  cell: ({ cell }, index) =>
    cell('storage.cell', index, { ifRegistered: 'replace', retire: () => {} }).set(index + 1),
  adopt: ({ adopt, withEpoch }, index) => {
    const settings = { locale: 'en' }
    const locale = adopt(settings, 'locale', { name: `storage.adopt ${index}` })
    withEpoch({ writes: 'local' }, () => void (settings.locale = 'fr'))
    locale.release()
  },
  publish: ({ publish, cell }, index) =>
    publish(() => cell('storage.publish', 0, { ifRegistered: 'replace' }).set(index)),
  group: ({ group, cell, withEpoch }, index) => {
    const side = (at: number) => cell(`storage.group ${at}`, index, { ifRegistered: 'replace' })
    const pair = [side(0), side(1)] as const
    const plugins = group(`storage.group ${index}`, pair, { coherent: (one, other) => one === other })
    pair[0].set(index + 1)
    withEpoch(() => pair[0].get())
    plugins.release()
  },
  withEpoch: ({ withEpoch }) => withEpoch({ maxAgeMs: 60_000 }, async (epoch) => (await null, epoch.signal)),
  getEpoch: ({ withEpoch, getEpoch }) => withEpoch(() => getEpoch().waitUntil(Promise.resolve())),
  tryGetEpoch: ({ tryGetEpoch }) => tryGetEpoch(),
  memo: ({ withEpoch, memo }) => withEpoch(() => memo(async () => await null)()),
  derived: ({ withEpoch, derived }) => withEpoch(() => derived(async () => await null)()),
  bind: ({ withEpoch, bind }) => withEpoch(() => bind(() => 1))(),
  bindEmitter: ({ withEpoch, bindEmitter }) => {
    const emitter = new EventEmitter()
    withEpoch(() => bindEmitter(emitter).on('row', () => {}))
    emitter.emit('row')
  },
  bindIterable: ({ withEpoch, bindIterable }) => [...withEpoch(() => bindIterable([1, 2]))],
  detach: ({ withEpoch, detach }) => withEpoch(() => detach(async () => await null)),
  drain: ({ drain }) => drain({ timeoutMs: 60_000 }),
  holders: ({ holders }) => String(holders()),
  configure: ({ configure }) => configure({ captureStacks: true })(),
  EpochError: ({ EpochError }) => new EpochError('NO_EPOCH', 'made'),
}

/** Uses every name of the library a thousand times, in each of `copies`, and every way for epochs to come and go. */
export async function countStorages(copies: readonly string[]): Promise<StorageFound> {
  const by: string[] = []
  let constructed = 0
  class Counted<T> extends AsyncLocalStorage<T> {
    constructor(...args: ConstructorParameters<typeof AsyncLocalStorage>) {
      super(...args)
      if (++constructed > 10) return
      const caller = new Error().stack?.split('\n').slice(2, 4) ?? []
      by.push(caller.map((line) => line.trim()).join(' '))
    }
  }
  Object.defineProperty(async_hooks, 'AsyncLocalStorage', { value: Counted, configurable: true })
  syncBuiltinESMExports()
  const require = createRequire(import.meta.url)
  const functions = new Set<unknown>()
  for (const copy of copies) {
    // With the query, the same file is loaded once more.
    const core = (
      copy.endsWith('.cjs') ? require(copy) : await import(pathToFileURL(copy).href + `?${functions.size}`)
    ) as Core
    functions.add(core.withEpoch)
    const missing = Object.keys(core).filter((name) => !Object.hasOwn(USES, name))
    if (missing.length > 0) throw new Error(`one-storage.ts has no use of ${missing.join(', ')}: add one.`)
    for (let index = 0; index < 1000; index++) {
      for (const use of Object.values(USES)) await use(core, index)
    }
    for (const [title, { make }] of Object.entries(EPOCHS)) {
      if (title.startsWith('is closed')) continue // it drains, which `drain` above has done
      const body = make(anew(core, functions.size, title))
      for (let index = 0; index < 100; index++) await body(index)
    }
  }
  if (functions.size !== copies.length) throw new Error('The copies of the library are one and the same.')
  return { copies: functions.size, constructed, by }
}

/** The library with names of its own for each copy and case, because names are unique in the process. */
function anew(core: Core, copy: number, title: string): Core {
  const name = (given: string): string => `${given} (${title}, ${copy})`
  return {
    ...core,
    source: (given, getter, options) => core.source(name(given), getter, options),
    cell: (given, initial, options) => core.cell(name(given), initial, options),
    group: (given, sources, options) => core.group(name(given), sources, options),
    adopt: ((object: object, key: PropertyKey) =>
      core.adopt(object, key as never, { name: name(String(key)) })) as unknown as Core['adopt'],
  }
}
