/**
 * The one object per process that every copy of the library shares: ESM and CommonJS, two versions, a test runner's
 * module reload, a bundler's second copy. State must not be module-scoped, or the copies would disagree; it hangs
 * here, under one `Symbol.for` key with a protocol number, and the first copy to load makes it. This file knows the
 * meeting rules; what the parts do is their own files' business.
 *
 * A later copy uses the parts as it finds them: it calls their methods, never its own class's, so private fields stay
 * private and two versions can meet as long as the protocol is the same.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { EpochError, kindOf } from './errors.js'
import type { Epoch, Scope } from './epoch.js'
import type { LateReaders } from './late-readers.js'
import type { OpenEpochs } from './open-epochs.js'
import type { IfOverdue } from './overdue.js'
import type { Root } from './snapshot.js'

/** Raised whenever a part's methods change in a way that an older copy could not work with. */
const PROTOCOL = 1

const KEY = Symbol.for('withepoch.carrier')

declare const __VERSION__: string | undefined

export interface Carrier {
  readonly protocol: number
  /** Version and place of the copy that made this carrier, for messages. */
  readonly version: string
  readonly path: string
  /**
   * How many epochs are open, one more in strict mode, and one more while somebody listens to reads: reads skip the
   * async-local look-up while it is 0.
   */
  open: number
  /** Whether anybody listens to reads, late reads or drift; `diagnostics.ts` keeps these. */
  readsHeard: boolean
  /** Whether anybody listens to writes. */
  writesHeard: boolean
  memosHeard: boolean
  toldOfListeners: boolean
  /** True while a source's getter runs: whatever it reads is live. */
  sampling: boolean
  /** Strict mode: a late read and a conflicting write throw. */
  strict: boolean
  /** Whether epochs that are opened now pin nothing. */
  observe: boolean
  /** True while listeners hear of a read: what they read themselves is not told, or it would be told of for ever. */
  telling: boolean
  /** Whether any epoch was ever opened whose writes are not published, or are observed: then a write must look for it. */
  guardWrites: boolean
  /** What calls of `configure` have set and not taken back, the oldest first. What counts of it stands here too. */
  readonly settings: Set<object>
  captureStacks: boolean
  maxAgeMs: number | undefined
  ifOverdue: IfOverdue
  lastId: number
  /** How many derived computations are under way: live reads then look whether they are part of one. */
  deriving: number
  /** The `retire` calls that have not settled. */
  readonly retiring: Set<Promise<void>>
  /** How many replaced values wait for their last reader. */
  retireBacklog: number
  /** How many `drain` calls wait for epochs to close: one that advances then keeps its place. */
  draining: number
  /** The `drain` calls under way; each collects the errors of `retire`. */
  readonly drains: Set<unknown[]>
  sweeper: { readonly timer: ReturnType<typeof setInterval>; readonly everyMs: number } | undefined
  storage?: AsyncLocalStorage<Scope>
  root?: Root
  openEpochs?: OpenEpochs
  detached?: Epoch
  inRetire?: Epoch
  /** Those who read late, while they are to be remembered. */
  lateReaders?: LateReaders | undefined
}

export const carrier: Carrier = join()

/** @throws PROTOCOL_MISMATCH when the process already holds a carrier that this copy cannot work with. */
function join(): Carrier {
  const version = typeof __VERSION__ === 'string' ? __VERSION__ : 'source'
  const path = import.meta.url
  const found = (globalThis as Record<symbol, unknown>)[KEY] as Carrier | undefined
  if (found === undefined) {
    const made: Carrier = {
      protocol: PROTOCOL,
      version,
      path,
      open: 0,
      readsHeard: false,
      writesHeard: false,
      memosHeard: false,
      toldOfListeners: false,
      sampling: false,
      strict: false,
      observe: false,
      telling: false,
      guardWrites: false,
      settings: new Set(),
      captureStacks: false,
      maxAgeMs: undefined,
      ifOverdue: 'report',
      lastId: 0,
      deriving: 0,
      draining: 0,
      retiring: new Set(),
      retireBacklog: 0,
      drains: new Set(),
      sweeper: undefined,
    }
    Object.defineProperty(globalThis, KEY, {
      value: made,
      enumerable: false,
      configurable: false,
      writable: false,
    })
    return made
  }
  if (typeof found !== 'object' || found === null || typeof found.protocol !== 'number') {
    throw new EpochError(
      'PROTOCOL_MISMATCH',
      `withepoch ${version} (${path}) found ${kindOf(found)} that is not its own under Symbol.for('withepoch.carrier'). ` +
        'Remove whatever sets that key; the library keeps its process-wide state there.',
    )
  }
  if (found.protocol !== PROTOCOL) {
    throw new EpochError(
      'PROTOCOL_MISMATCH',
      `withepoch ${version} (${path}, protocol ${PROTOCOL}) was loaded into a process that already runs ` +
        `withepoch ${found.version} (${found.path}, protocol ${found.protocol}). Two protocols cannot share one ` +
        'snapshot: make both dependents resolve to one version (npm ls withepoch).',
    )
  }
  return found
}
