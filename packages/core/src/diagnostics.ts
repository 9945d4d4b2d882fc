/**
 * What the library says about itself: one `node:diagnostics_channel` channel per event, `withepoch:<noun>:<event>`.
 * Only this file knows the names. A payload is built only when somebody listens, so call sites read
 * `if (channel.hasSubscribers) channel.publish({ … })`, and what is read often asks a field of the carrier first. No payload carries a value of a source: `described` is there
 * only when the source was declared with `describe`.
 */
import { type Channel, channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type Carrier, carrier } from './carrier.js'
import type { Epoch } from './epoch.js'
import type { Source } from './source.js'

/** Payload of `withepoch:epoch:open` and `withepoch:epoch:close`; one object per epoch event. */
export interface EpochEvent {
  /** The epoch that opened or closed: id, name, parentId, version and whether it is observing; never a value. */
  readonly epoch: Epoch
}

/** Payload of the `withepoch:source:*` channels. */
export interface SourceEvent {
  /** The source that was read or written: its name; never its value. */
  readonly source: Source<unknown>
  /** The epoch that read or wrote; absent for a write from outside any epoch. */
  readonly epoch?: Epoch | undefined
  /** Write: the version the write produced. Drift, late read and conflict: the live version. */
  readonly version: number
  /** What the source's own `describe` makes of the value written, read or found; absent without `describe`. */
  readonly described?: string | undefined
}

/** Payload of `withepoch:source:write`. */
export interface WriteEvent extends SourceEvent {
  /**
   * Where the value went: `live` (the process sees it), `local` (the writing epoch alone), or `polled` (a foreign
   * global had changed when an epoch opened).
   */
  readonly to: 'live' | 'local' | 'polled'
  /** The number of the value written, as in {@link ReadEvent}; 0 when the polled getter threw. */
  readonly valueId: number
}

/** Payload of `withepoch:source:read`. */
export interface ReadEvent extends SourceEvent {
  /**
   * Which of this source's values the read got: equal numbers, equal values. Given per source, from 1, in the order in
   * which listeners first heard of them; a number says nothing of the value. 0: the read threw what the getter threw.
   */
  readonly valueId: number
  /**
   * The number of the live value at the time of the read. Another than `valueId`: the read drifted, a tear was averted.
   * For a local value, which was meant to differ, the same. 0: the getter throws now.
   */
  readonly liveValueId: number
  /**
   * Where the value came from: `pinned` (the epoch's snapshot, or its local value), `live` (outside any epoch, a
   * read-committed source, or an observing epoch), or `late` (live, because its epoch has closed).
   */
  readonly from: 'pinned' | 'live' | 'late'
}

/** Payload of `withepoch:memo:*` and `withepoch:derived:*`; `epoch` is absent for a derived read outside any. */
export interface MemoEvent {
  readonly epoch?: Epoch | undefined
  /** The memo's `name` option, else the function's name. */
  readonly memo: string
}

/** Payload of `withepoch:epoch:overdue`. */
export interface OverdueEvent extends EpochEvent {
  readonly ageMs: number
  readonly maxAgeMs: number
  /** Whether it is closed now, because `ifOverdue` is 'close'. */
  readonly closed: boolean
  /** Where it was opened; only with `configure({ captureStacks: true })`. */
  readonly stack?: string | undefined
}

/** Payload of `withepoch:group:broken` (an epoch opened while it was) and `withepoch:group:error`. */
export interface GroupEvent {
  readonly group: string
  /** Milliseconds since the values last agreed. */
  readonly brokenForMs: number
  /** Whether the epoch got the live values, because `maxLagMs` is over or they never agreed yet. */
  readonly live: boolean
  /** `error` only: what the predicate, or a member's getter, threw. */
  readonly error?: unknown
}

/** Where `console.log` and `util.inspect` look; by its registered name, which spares the import of `node:util`. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

export const epochOpen: Channel = channel('withepoch:epoch:open')
export const epochClose: Channel = channel('withepoch:epoch:close')
export const epochOverdue: Channel = channel('withepoch:epoch:overdue')
export const sourceRead: Channel = channel('withepoch:source:read')
export const sourceWrite: Channel = channel('withepoch:source:write')
export const sourceWriteConflict: Channel = channel('withepoch:source:write-conflict')
export const sourceDrift: Channel = channel('withepoch:source:drift')
export const sourceLateRead: Channel = channel('withepoch:source:late-read')
export const sourceRetire: Channel = channel('withepoch:source:retire')
export const groupBroken: Channel = channel('withepoch:group:broken')
export const groupError: Channel = channel('withepoch:group:error')
export const memoHit: Channel = channel('withepoch:memo:hit')
export const memoMiss: Channel = channel('withepoch:memo:miss')
export const derivedHit: Channel = channel('withepoch:derived:hit')
export const derivedMiss: Channel = channel('withepoch:derived:miss')

/** What a channel hangs on: those whose fields say whether somebody listens, one of each realm of the process. */
const CARRIERS: unique symbol = Symbol.for('withepoch.carriers/1') as never

type Carriers = Set<WeakRef<Carrier>>

/** Which field of a carrier tells of which channels. */
const HEARD = [
  ['readsHeard', [sourceRead, sourceLateRead, sourceDrift]],
  ['writesHeard', [sourceWrite]],
  ['memosHeard', [memoHit, memoMiss]],
] as const

/**
 * Has the carrier say by plain fields whether anybody listens, and count one epoch more while
 * somebody listens to reads: to ask even two channels at every read costs a fifth of a read outside any epoch. Channels
 * belong to the process and a carrier to one realm of it (a `vm` context, as test runners use), so a channel knows them
 * all, weakly.
 */
function tellOfListeners(): void {
  if (carrier.toldOfListeners) return
  carrier.toldOfListeners = true
  if (!hearsOfListeners()) {
    carrier.open++
    for (const [field, channels] of HEARD)
      Object.defineProperty(carrier, field, { get: () => isHeard(channels) })
    return
  }
  const shared = sourceRead as Channel & { [CARRIERS]?: Carriers }
  const known = shared[CARRIERS]
  const carriers = known ?? new Set()
  if (known === undefined) {
    Object.defineProperty(shared, CARRIERS, { value: carriers })
    for (const [, channels] of HEARD) for (const one of channels) onListeners(one, () => tellAll(carriers))
  }
  carriers.add(new WeakRef(carrier))
  tell(carrier)
}

function tellAll(carriers: Carriers): void {
  for (const reference of carriers) {
    const one = reference.deref()
    if (one === undefined) carriers.delete(reference)
    else tell(one)
  }
}

function tell(one: Carrier): void {
  const before = Number(one.readsHeard)
  for (const [field, channels] of HEARD) one[field] = isHeard(channels)
  one.open += Number(one.readsHeard) - before
}

function isHeard(channels: readonly Channel[]): boolean {
  return channels.some((one) => one.hasSubscribers)
}

/** Calls `changed` after each change of who listens. Node moves a channel to another prototype with its first listener. */
function onListeners(one: Channel, changed: () => void): void {
  for (const method of ['subscribe', 'unsubscribe', 'bindStore', 'unbindStore'] as const) {
    one[method] = (...args: unknown[]): never => {
      try {
        return Reflect.apply(Reflect.get(Reflect.getPrototypeOf(one) as object, method), one, args) as never
      } finally {
        changed()
      }
    }
  }
}

/** Whether this runtime's `subscribe` and `unsubscribe` go by the methods of the channel; where not, every read asks. */
function hearsOfListeners(): boolean {
  const name = 'withepoch:listeners:check'
  const heard: boolean[] = []
  const one = channel(name)
  onListeners(one, () => heard.push(one.hasSubscribers))
  const listener = (): void => {}
  subscribe(name, listener)
  unsubscribe(name, listener)
  return heard.includes(true) && heard.at(-1) === false
}

tellOfListeners()
