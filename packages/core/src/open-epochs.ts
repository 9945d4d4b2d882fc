/**
 * Who is open, oldest snapshot first: a doubly linked list through the epochs themselves, so that opening and closing
 * cost the same however many are open. A marker stands between what was open before a moment and what came after; when
 * it reaches the front, every epoch older than that moment has closed. `drain` and `retire` both wait that way, which
 * is the epoch-based reclamation of lock-free data structures.
 *
 *     oldest ─► epoch 3 ─► epoch 7 ─► marker (retire pool A) ─► epoch 9 ─► newest
 */
import { carrier } from './carrier.js'
import { epochOpen } from './diagnostics.js'
import type { Epoch } from './epoch.js'

/** A place in the list: an epoch, or a marker. */
interface Link {
  prev: Link | undefined
  next: Link | undefined
}

/** A wait for older epochs to close. */
export interface Wait {
  cancel(): void
  /** Those still waited for, oldest snapshot first. */
  holders(): Epoch[]
}

class Marker implements Link {
  prev: Link | undefined = undefined
  next: Link | undefined = undefined
  readonly reached: Array<() => void> = []
}

export class OpenEpochs {
  #oldest: Link | undefined
  #newest: Link | undefined

  add(epoch: Epoch): void {
    this.#open(epoch, this.#newest)
  }

  /** A fork sees its parent's snapshot, so it stands beside it. */
  addAfter(epoch: Epoch, parent: Epoch): void {
    this.#open(epoch, parent)
  }

  remove(epoch: Epoch): void {
    this.#unlink(epoch)
    carrier.open--
    this.#reachMarkers()
  }

  /** For an epoch that moved to the newest snapshot. */
  toNewest(epoch: Epoch): void {
    this.#unlink(epoch)
    this.#link(epoch, this.#newest)
    this.#reachMarkers()
  }

  /**
   * Calls `reached` once every epoch that is open now has closed or moved on: at once when there is none.
   *
   * The wait can be called off, and asked who is still waited for.
   */
  whenOlderClosed(reached: () => void): Wait {
    if (this.#newest === undefined) {
      reached()
      return { cancel() {}, holders: () => [] }
    }
    const marker = this.#newest instanceof Marker ? this.#newest : new Marker()
    if (marker !== this.#newest) this.#link(marker, this.#newest)
    marker.reached.push(reached)
    return {
      cancel() {
        const index = marker.reached.indexOf(reached)
        if (index >= 0) marker.reached.splice(index, 1)
      },
      holders: () => {
        const holders: Epoch[] = []
        for (let link = marker.prev; link !== undefined; link = link.prev) {
          if (!(link instanceof Marker)) holders.push(link as Epoch)
        }
        return holders.reverse()
      },
    }
  }

  /** The open epochs, oldest snapshot first. */
  *[Symbol.iterator](): Generator<Epoch> {
    for (let link = this.#oldest; link !== undefined; link = link.next)
      if (!(link instanceof Marker)) yield link as Epoch
  }

  #open(epoch: Epoch, after: Link | undefined): void {
    this.#link(epoch, after)
    carrier.open++
    if (epochOpen.hasSubscribers) epochOpen.publish({ epoch })
  }

  #reachMarkers(): void {
    while (this.#oldest instanceof Marker) {
      const marker = this.#oldest
      // It keeps its place until all are told, so that a wait that begins in one of these calls is told after the others.
      for (let reached = marker.reached.shift(); reached !== undefined; reached = marker.reached.shift())
        reached()
      if (this.#oldest === marker) this.#unlink(marker)
    }
  }

  #link(link: Link, after: Link | undefined): void {
    const next = after === undefined ? this.#oldest : after.next
    link.prev = after
    link.next = next
    if (after === undefined) this.#oldest = link
    else after.next = link
    if (next === undefined) this.#newest = link
    else next.prev = link
  }

  #unlink(link: Link): void {
    const { prev, next } = link
    if (prev === undefined) this.#oldest = next
    else prev.next = next
    if (next === undefined) this.#newest = prev
    else next.prev = prev
    link.prev = undefined
    link.next = undefined
  }
}

export const openEpochs: OpenEpochs = (carrier.openEpochs ??= new OpenEpochs())
