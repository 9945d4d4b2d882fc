/**
 * An epoch that stays open until the test ends it. It is not ended by itself: what is left open when a test is over is
 * that test's business.
 */
import { bind, type Epoch, type EpochOptions, withEpoch } from 'withepoch'

export interface Held {
  readonly epoch: Epoch
  /** Runs `fn` inside. */
  readonly inside: <R>(fn: () => R) => R
  readonly end: () => Promise<void>
}

/** Opens an epoch that stays open until it is told to end. */
export function hold(options: EpochOptions = {}): Held {
  let held!: Omit<Held, 'end'>
  let end!: () => void
  const done = withEpoch({ ifNested: 'fresh', ...options }, (epoch) => {
    held = { epoch, inside: bind((fn) => fn()) as Held['inside'] }
    return new Promise<void>((resolve) => {
      end = resolve
    })
  })
  return { ...held, end: () => (end(), done) }
}
