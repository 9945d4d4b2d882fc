/**
 * An epoch that pins nothing: it marks off a call, and its reads are live, as they would be without the library. Who
 * listens to `withepoch:source:read` learns which of them would have torn. A class of its own, so that an epoch that
 * pins pays nothing for it; when one is opened is decided in `with-epoch.ts`.
 *
 * It does capture: what was live at entry is what `isStale` and `validate` compare with, so a fence stays a fence.
 */
import type { Cell } from './cell.js'
import { Epoch, requireSource, type Writes } from './epoch.js'
import type { Source } from './source.js'

export class ObservedEpoch extends Epoch {
  override get observing(): boolean {
    return true
  }

  /** Not by the short way, which is for what is pinned. */
  override get<T>(source: Source<T>): T {
    requireSource(source, 'epoch.get(source)')
    return this.read(source)
  }

  /** A local value is read, because it was meant: an override, or a write that nobody else is to see. */
  override read<T>(source: Source<T>): T {
    if (!this.isHeld()) return this.readLate(source)
    return this.hasLocal(source) ? super.read(source) : source.readLive('live', this)
  }

  /** Live as all of them, so it is no mistake and no news: only who listens to reads hears of it. */
  override readLate<T>(source: Source<T>): T {
    return source.readLive(source.isolation === 'read-committed' ? 'live' : 'late', this)
  }

  override refuseLate(): void {}

  /** It has seen every change, so it undoes none unseen. After the end too, its writes are told of as its own. */
  override write<T>(cell: Cell<T>, value: T): void {
    if (!this.isHeld() && this.writeMode === 'publish') cell.writeLive(value, this)
    else super.write(cell, value, true)
  }

  /** What would be kept for the whole epoch would be older than its reads: memos and derived values call through. */
  override memoTables(): undefined {}

  override fork(name: string, writes: Writes): Epoch {
    return this.spawn((values) => new ObservedEpoch(values, name, writes, this))
  }
}
