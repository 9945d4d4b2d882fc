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

/** A place that is in the list, and so has both: before the oldest the newest, after the newest the oldest. */
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
  /**
   * Holds the list, which is a ring. A place of our own at its ends would be an old object that points at each new epoch, twice,
   * and the collector has to note each such pointer: a tenth of an entry.
   */
  #newest: Linked | undefined

  add(epoch: Epoch): void {
    this.addAfter(epoch, this.#newest)
  }

  /** A fork sees its parent's snapshot, so it stands beside it. */
  addAfter(epoch: Epoch, parent: Link | undefined): void {
    const linked = link(epoch, parent as Linked | undefined)
    if (this.#newest === parent) this.#newest = linked
    carrier.open++
    if (epochOpen.hasSubscribers) epochOpen.publish({ epoch })
  }

  remove(epoch: Epoch): void {
    this.#unlink(epoch as Link as Linked)
    carrier.open--
    this.reachMarkers()
  }

  /** For an epoch that moved to the newest snapshot. */
  toNewest(epoch: Epoch): void {
    this.#unlink(epoch as Link as Linked)
    this.#newest = link(epoch, this.#newest)
    this.reachMarkers()
  }

  /**
   * Calls `reached` once every epoch that is open now has closed or moved on: at once when there is none.
   *
   * The wait can be called off, and asked who is still waited for.
   */
  whenOlderClosed(reached: () => void): Wait {
    const newest = this.#newest
    if (newest === undefined) {
      reached()
      return { cancel() {}, holders: () => [] }
    }
    const marker = newest instanceof Marker ? newest : new Marker()
    if (marker !== newest) this.#newest = link(marker, newest)
    marker.reached.push(reached)
    return {
      cancel() {
        const index = marker.reached.indexOf(reached)
        if (index >= 0) marker.reached.splice(index, 1)
      },
      holders: () => (marker.next === undefined ? [] : this.#upTo(marker)),
    }
  }

  /** Those that are open now, oldest snapshot first; who opens or closes meanwhile changes nothing. */
  [Symbol.iterator](): Iterator<Epoch> {
    return this.#upTo(this.#newest).values()
  }

  /** @internal */
  reachMarkers(): void {
    for (let oldest = this.#newest?.next; oldest instanceof Marker; oldest = this.#newest?.next) {
      // It keeps its place until all are told, so that a wait that begins in one of these calls is told after the others.
      for (let reached = oldest.reached.shift(); reached !== undefined; reached = oldest.reached.shift())
        reached()
      if (this.#newest?.next === oldest) this.#unlink(oldest)
    }
  }

  /** The epochs from the oldest to this place. */
  #upTo(last: Link | undefined): Epoch[] {
    const epochs: Epoch[] = []
    for (let each = this.#newest?.next; each !== undefined; each = each === last ? undefined : each.next)
      if (!(each instanceof Marker)) epochs.push(each as Link as Epoch)
    return epochs
  }

  #unlink(link: Linked): void {
    const { prev, next } = link
    if (next === link) this.#newest = undefined
    else {
      prev.next = next
      next.prev = prev
      if (this.#newest === link) this.#newest = prev
    }
    const none: Link = link
    none.prev = undefined
    none.next = undefined
  }
}

/** Puts a place after another one; by itself where there is none. */
function link(link: Link, after: Linked | undefined): Linked {
  const linked = link as Linked
  const next = after?.next ?? linked
  linked.prev = after ?? linked
  linked.next = next
  next.prev = linked
  linked.prev.next = linked
  return linked
}

export const openEpochs: OpenEpochs = (carrier.openEpochs ??= new OpenEpochs())
