/**
 * A core of its own for each test file, although many files, of many mutants, share one worker thread: the modules are
 * loaded anew, and the key under which copies of the library meet is another in each file. So no file sees what another
 * has left open, and code that runs when the library is loaded is run, and mutated, each time. What else a file could
 * find of another's is put back.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { channel, type ChannelListener } from 'node:diagnostics_channel'
import { inject, TestRunner, vi } from 'vitest'
import { channels } from '../../packages/core/test/channel-names.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Stryker's: from when on the mutant is switched on. Absent while it only looks which tests run what. */
    mutantActivation?: 'static' | 'runtime'
  }
}

const CARRIER = 'withepoch.carrier'
const CARRIERS = 'withepoch.carriers/1'
/** On which a core looks whether it hears of listeners. */
const CHECKED = 'withepoch:listeners:check'
const EVENTS = ['warning', 'unhandledRejection', 'uncaughtException']

/** What is kept of a thread, from before its first test file. */
interface Thread {
  readonly symbolFor: (key: string) => symbol
  readonly process: PropertyDescriptorMap
  readonly listeners: ReadonlySet<unknown>
  files: number
}

const home = globalThis as unknown as { mutatedThread?: Thread } & Record<symbol, unknown>
const thread = (home.mutatedThread ??= {
  symbolFor: Symbol.for.bind(Symbol),
  process: Object.getOwnPropertyDescriptors(process),
  listeners: new Set(EVENTS.flatMap((event) => process.rawListeners(event))),
  files: 0,
})

const carrierOf = (file: number): symbol => thread.symbolFor(`${CARRIER} of test file ${file}`)

// The former core's storage would go on being told of every promise.
const former = home[carrierOf(thread.files)] as { storage?: { disable: () => void } } | undefined
former?.storage?.disable()

for (const key of Reflect.ownKeys(process)) {
  const before = thread.process[key as string]
  const now = Object.getOwnPropertyDescriptor(process, key)!
  if (before?.get === now.get && Object.is(before?.value, now.value)) continue
  if (before === undefined) Reflect.deleteProperty(process, key)
  else Object.defineProperty(process, key, before)
}
for (const key of Reflect.ownKeys(globalThis)) {
  // oxlint-disable-next-line typescript/unbound-method -- it is looked at, not called
  const standIn = Object.getOwnPropertyDescriptor(globalThis, key)?.get
  if (standIn !== undefined && Object.hasOwn(standIn, thread.symbolFor('withepoch.adopted'))) {
    Reflect.deleteProperty(globalThis, key)
  }
}
for (const event of EVENTS) {
  for (const listener of process.rawListeners(event)) {
    if (!thread.listeners.has(listener)) process.off(event, listener as () => void)
  }
}

/** What Node keeps of who listens, while somebody does. */
interface Active {
  readonly _subscribers?: readonly ChannelListener[]
  readonly _stores?: ReadonlyMap<AsyncLocalStorage<unknown>, unknown>
}

// A test that failed, or a core that a mutant kept from it, may not have taken its listeners back.
for (const one of [...channels, CHECKED].map((name) => channel(name))) {
  for (const method of ['subscribe', 'unsubscribe', 'bindStore', 'unbindStore'] as const) {
    Reflect.deleteProperty(one, method) // the former core's
  }
  const { _subscribers: listeners = [], _stores: stores = new Map() } = one as Active
  for (const listener of listeners) one.unsubscribe(listener)
  for (const store of stores.keys()) one.unbindStore(store)
}

const file = ++thread.files
// Channels belong to the thread, and know the carriers that are to be told of listeners by a symbol of their own.
Symbol.for = (key) => {
  if (key === CARRIER) return carrierOf(file)
  return thread.symbolFor(key === CARRIERS ? `${CARRIERS} of test file ${file}` : key)
}
vi.resetModules()

// What runs while the library is loaded is mutated for the whole of a file. What a test file calls while its tests are
// collected, or leaves to go on between two, is neither that nor any test's: those mutants are tried with their tests.
const stryker = (globalThis as { __stryker__?: { activeMutant?: string | undefined } }).__stryker__
if (stryker !== undefined) {
  Reflect.deleteProperty(stryker, 'currentTestId')
  // One that is not to be switched on before the tests would leave the last mutant of this thread on until then.
  if (inject('mutantActivation') !== 'static') stryker.activeMutant = undefined
}
await import('../../packages/core/src/index.js')
let testId: string | undefined
if (stryker !== undefined) {
  Object.defineProperty(stryker, 'currentTestId', {
    configurable: true,
    get: () => testId ?? 'no test',
    set: (id: string | undefined) => {
      testId = id
    },
  })
}

vi.mock('../../packages/core/test/published-core.js', () => ({
  runInProcess: () =>
    TestRunner.getCurrentTest()!.context.skip('no mutant is switched on in another process'),
}))
