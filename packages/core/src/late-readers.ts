/**
 * Who went on reading after the end of their epoch, remembered for a person to look at (`holders.ts`). It is a listener
 * of `withepoch:source:late-read` like anybody's, so that a process that does not want it pays nothing. It keeps names,
 * never an epoch.
 */
import { carrier } from './carrier.js'
import { sourceLateRead, type SourceEvent } from './diagnostics.js'
import type { Epoch } from './epoch.js'
import { callerOf } from './errors.js'

/** A late read is always some epoch's. */
type LateRead = SourceEvent & { readonly epoch: Epoch }

/** @internal */
export interface LateReads {
  readonly id: number
  readonly name: string
  readonly source: string
  reads: number
  lastAt: number
  readonly stack: string | undefined
}

/** How many entries are kept; the one that was quiet for longest goes first. */
const KEPT = 100

export class LateReaders {
  /** By epoch and source, the last to read at the end. */
  readonly #entries = new Map<string, LateReads>()
  readonly #listener = (message: unknown): void => this.#note(message as LateRead)

  listen(): void {
    sourceLateRead.subscribe(this.#listener)
  }

  stop(): void {
    sourceLateRead.unsubscribe(this.#listener)
  }

  /** The last to read first. */
  entries(): LateReads[] {
    return Array.from(this.#entries.values()).reverse()
  }

  #note({ epoch, source }: LateRead): void {
    const key = `${epoch.id} ${source.name}`
    const entry = this.#entries.get(key) ?? {
      id: epoch.id,
      name: epoch.name,
      source: source.name,
      reads: 0,
      lastAt: 0,
      // oxlint-disable-next-line typescript/unbound-method -- named to find them on the stack, not called
      stack: carrier.captureStacks ? callerOf(source.get, epoch.get) : undefined,
    }
    entry.reads++
    entry.lastAt = Date.now()
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > KEPT) this.#entries.delete(this.#entries.keys().next().value as string)
  }
}

/** Begins or ends to remember; what was remembered is forgotten then. */
export function rememberLateReaders(wanted: boolean): void {
  if (wanted === (carrier.lateReaders !== undefined)) return
  carrier.lateReaders?.stop()
  carrier.lateReaders = wanted ? new LateReaders() : undefined
  carrier.lateReaders?.listen()
}
