/**
 * Who keeps the process from moving on: the epochs that are open, the work that read after its epoch's end, and what
 * waits for them. Asked for on demand, by `drain` when its time is up, or by a person who wonders. It only looks; nothing
 * is waited for or changed here.
 */
import { carrier } from './carrier.js'
import type { Epoch } from './epoch.js'
import { framesOf } from './errors.js'
import { openEpochs } from './open-epochs.js'

/** One epoch that is open. */
export interface Holder {
  readonly id: number
  readonly name: string
  readonly phase: 'open' | 'closing' | 'closed'
  /**
   * Milliseconds since it was opened. Exact with `captureStacks` or `maxAgeMs`, which take the time at entry; without
   * them the clock is not read at entry, and this is the time since `drain`, or `holders`, first met it: a lower bound.
   */
  readonly ageMs: number
  /** Where it was opened; only with `configure({ captureStacks: true })`. */
  readonly stack?: string | undefined
}

/** Work that read a source after its epoch had closed: one entry for each epoch and source. */
export interface LateReader {
  /** The id of the epoch that has closed. */
  readonly id: number
  /** Its name. */
  readonly name: string
  /** The name of the source. */
  readonly source: string
  /** How often. */
  readonly reads: number
  /** Milliseconds since the last of them. */
  readonly lastAgoMs: number
  /** Where the first of them was; only with `configure({ captureStacks: true })`. */
  readonly stack?: string | undefined
}

/** What `holders` returns: plain data, for `JSON.stringify`. */
export interface Holders {
  /** The open epochs, oldest snapshot first. */
  readonly open: readonly Holder[]
  /** Who read late, the last one first, the last 100 of them; only with `configure({ lateReaders: true })`. */
  readonly late: readonly LateReader[]
  /** How many `retire` calls have not settled. */
  readonly retiring: number
  /** How many replaced values wait for their last reader before they are retired. */
  readonly retireBacklog: number
  /** All of it as text for people, with stacks. */
  toString(): string
}

/**
 * Who holds epochs open, who read late, and how much waits to be retired; now, and without waiting for any of it.
 *
 * Use it when a `drain` takes long, memory grows, or a shutdown hangs: print it, or hand it out as JSON.
 *
 * **Caveat** Stacks and exact ages need `configure({ captureStacks: true })`, late readers `configure({ lateReaders: true })`,
 * from before it happened.
 *
 * @returns plain data. `String(holders())` is the same as text.
 * @example
 * let finish
 * const done = withEpoch({ name: 'export' }, () => new Promise((resolve) => (finish = resolve)))
 * holders().open.map(({ name, phase }) => `${name} is ${phase}`) // => ['export is open']
 * finish()
 * await done
 */
export function holders(): Holders {
  const now = Date.now()
  const late = (carrier.lateReaders?.entries() ?? []).map(({ lastAt, stack, ...entry }): LateReader => {
    return { ...entry, lastAgoMs: now - lastAt, ...(stack === undefined ? {} : { stack }) }
  })
  const report = {
    open: Array.from(openEpochs, (epoch) => holderOf(epoch, firstMet(epoch, now))),
    late,
    retiring: carrier.retiring.size,
    retireBacklog: carrier.retireBacklog,
  }
  return Object.defineProperty(report, 'toString', { value: () => textOf(report) })
}

/** @internal the entry for one epoch, of which it is known that it was open at `since` */
export function holderOf(epoch: Epoch, since: number): Holder {
  const { id, name, phase, birth } = epoch
  const stack = birth?.site?.stack
  return {
    id,
    name,
    phase,
    ageMs: Date.now() - (birth?.at ?? since),
    ...(stack === undefined ? {} : { stack }),
  }
}

/** When an epoch whose birth nobody noted was first met here. */
const met = new WeakMap<Epoch, number>()

function firstMet(epoch: Epoch, now: number): number {
  const at = met.get(epoch) ?? now
  met.set(epoch, at)
  return at
}

/** The report for people, one line each, with the stacks below. */
function textOf({ open, late, retiring, retireBacklog }: Holders): string {
  return [
    `${count(open.length, 'open epoch')}, oldest snapshot first${open.length > 0 ? ':' : ''}`,
    ...open.map(({ id, name, phase, ageMs, stack }) =>
      entry(`#${id} ${JSON.stringify(name)} ${phase}, ${ageMs} ms`, stack),
    ),
    `${count(late.length, 'late reader')}, the last first${late.length > 0 ? ':' : ''}`,
    ...late.map(({ id, name, source, reads, lastAgoMs, stack }) =>
      entry(
        `#${id} ${JSON.stringify(name)} read ${JSON.stringify(source)} ${count(reads, 'time')}, ${lastAgoMs} ms ago`,
        stack,
      ),
    ),
    `${count(retireBacklog, 'replaced value')} waiting to be retired, ${count(retiring, 'retire call')} under way`,
  ].join('\n')
}

function entry(line: string, stack: string | undefined): string {
  return [`  ${line}`, ...framesOf(stack).map((frame) => `      ${frame.trim()}`)].join('\n')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
