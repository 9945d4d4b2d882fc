/**
 * When a replaced value may be closed: once no open epoch can see it any more. Epoch-based reclamation, for pools,
 * registries and clients that are swapped under load. The waiting is the list of open epochs' (`open-epochs.ts`); this
 * file knows what a value still in use looks like, and where errors go.
 */
import { carrier } from './carrier.js'
import { sourceRetire } from './diagnostics.js'
import { Epoch } from './epoch.js'
import { report } from './errors.js'
import { openEpochs } from './open-epochs.js'
import { root } from './snapshot.js'
import type { Source } from './source.js'
import { callThrough, enter, enterClean, isThenable, toPromise } from './storage.js'

/** What `retire` runs under: no epoch, like the detached one, but `drain`, which waits for it, knows it. */
const inRetire = (carrier.inRetire ??= new Epoch(undefined, 'retire', 'publish', undefined))

/** The replaced values of one cell that are waiting to be retired. */
export class Retirement<T> {
  readonly #cell: Source<T>
  readonly #retire: (old: T) => unknown
  /** How often each value stands in the queue: one that was live twice is retired once, after its last time. */
  readonly #waiting = new Map<T, number>()

  constructor(cell: Source<T>, retire: (old: T) => unknown) {
    this.#cell = cell
    this.#retire = retire
  }

  /** `old` has just been replaced. */
  replaced(old: T): void {
    const times = this.#waiting.get(old) ?? 0
    if (times === 0) carrier.retireBacklog++
    this.#waiting.set(old, times + 1)
    this.#wait(old)
  }

  #wait(old: T): void {
    // A group that is broken goes on handing out its last coherent values: first it has to move on, and only then is
    // the list of those who may have got it complete.
    const holder = root.holderOf(this.#cell.slot, old)
    if (holder === undefined) openEpochs.whenOlderClosed(() => this.#unseen(old))
    else holder.whenMoved(() => this.#wait(old))
  }

  #unseen(old: T): void {
    const times = (this.#waiting.get(old) ?? 1) - 1
    if (times > 0) return void this.#waiting.set(old, times)
    this.#waiting.delete(old)
    carrier.retireBacklog--
    try {
      if (this.#isLive(old)) return // again; its next replacement brings it back here
      if (sourceRetire.hasSubscribers) sourceRetire.publish(this.#cell.event(undefined, old))
      // In nobody's context: it is called by whoever happens to be the last reader.
      const result = enterClean(() => enter(inRetire, callThrough, this.#retire, [old]))
      if (isThenable(result)) track(toPromise(result))
    } catch (error) {
      fail(error)
    }
  }

  /** A getter of somebody else's may throw, and then gives nobody the old value. */
  #isLive(old: T): boolean {
    try {
      return Object.is(this.#cell.liveNow(), old)
    } catch {
      return false
    }
  }
}

function track(retiring: Promise<unknown>): void {
  const tracked = retiring.catch(fail).then(() => {
    carrier.retiring.delete(tracked)
  })
  carrier.retiring.add(tracked)
}

/** A `drain` that is under way rejects with it; with none, the process hears of it as an unhandled rejection. */
function fail(error: unknown): void {
  if (carrier.drains.size === 0) report(error)
  for (const errors of carrier.drains) errors.push(error)
}
