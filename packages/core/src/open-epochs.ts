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

/** A place in the list: an epoch, or a marker. Undefined where it is in no list. */
interface Link {
  prev: Link | undefined
  next: Link | undefined
}

/** A place that is in the list. */
interface Linked extends Link {
  prev: Linked
  next: Linked
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
  /** Closes the list to a ring, so that no place in it is a special case: after it the oldest, before it the newest. */
  readonly #ends: Linked

  constructor() {
    const ends: Link = { prev: undefined, next: undefined }
    this.#ends = ends.prev = ends.next = ends as Linked
  }

  add(epoch: Epoch): void {
    this.addAfter(epoch, this.#ends.prev)
  }

  /** A fork sees its parent's snapshot, so it stands beside it. */
  addAfter(epoch: Epoch, parent: Link): void {
    link(epoch, parent)
    carrier.open++
    if (epochOpen.hasSubscribers) epochOpen.publish({ epoch })
  }

  remove(epoch: Epoch): void {
    unlink(epoch)
    carrier.open--
    this.reachMarkers()
  }

  /** For an epoch that moved to the newest snapshot. */
  toNewest(epoch: Epoch): void {
    unlink(epoch)
    link(epoch, this.#ends.prev)
    this.reachMarkers()
  }

  /**
   * Calls `reached` once every epoch that is open now has closed or moved on: at once when there is none.
   *
   * The wait can be called off, and asked who is still waited for.
   */
  whenOlderClosed(reached: () => void): Wait {
    const newest: Link = this.#ends.prev
    if (newest === this.#ends) {
      reached()
      return { cancel() {}, holders: () => [] }
    }
    const marker = newest instanceof Marker ? newest : new Marker()
    if (marker !== newest) link(marker, newest)
    marker.reached.push(reached)
    return {
      cancel() {
        const index = marker.reached.indexOf(reached)
        if (index >= 0) marker.reached.splice(index, 1)
      },
      holders: () => {
        const holders: Epoch[] = []
        for (let each = marker.prev; each !== undefined && each !== this.#ends; each = each.prev) {
          if (!(each instanceof Marker)) holders.push(each as Epoch)
        }
        return holders.reverse()
      },
    }
  }

  /** The open epochs, oldest snapshot first. */
  *[Symbol.iterator](): Generator<Epoch> {
    for (
      let each: Link | undefined = this.#ends.next;
      each !== undefined && each !== this.#ends;
      each = each.next
    )
      if (!(each instanceof Marker)) yield each as Epoch
  }

  /** @internal */
  reachMarkers(): void {
    for (let oldest: Link = this.#ends.next; oldest instanceof Marker; oldest = this.#ends.next) {
      // It keeps its place until all are told, so that a wait that begins in one of these calls is told after the others.
      for (let reached = oldest.reached.shift(); reached !== undefined; reached = oldest.reached.shift())
        reached()
      if (this.#ends.next === oldest) unlink(oldest)
    }
  }
}

function link(link: Link, after: Link): void {
  const { next } = after as Linked
  link.prev = after
  link.next = next
  after.next = link
  next.prev = link as Linked
}

function unlink(link: Link): void {
  const { prev, next } = link as Linked
  prev.next = next
  next.prev = prev
  link.prev = undefined
  link.next = undefined
}

export const openEpochs: OpenEpochs = (carrier.openEpochs ??= new OpenEpochs())
