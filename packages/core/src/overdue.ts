/**
 * Epochs that stay open too long: a promise that never settles, an iterator that nobody finishes. One sweeper for all
 * of them, which never keeps the process alive and runs only while somebody has set a `maxAgeMs`.
 */
import { carrier } from './carrier.js'
import { epochOverdue } from './diagnostics.js'
import type { Epoch } from './epoch.js'
import { siteOf } from './errors.js'
import { openEpochs } from './open-epochs.js'
import { enterClean } from './storage.js'

/** What to do with an epoch past its `maxAgeMs`: tell of it once, or tell of it and close it. */
export type IfOverdue = 'report' | 'close'

/** Notes when and where an epoch was opened, by a call of `callee`, if anybody wants to know: the clock and the stack are dear. */
export function noteBirth(
  epoch: Epoch,
  callee: (...args: never[]) => unknown,
  maxAgeMs: number | undefined = carrier.maxAgeMs,
  ifOverdue: IfOverdue = carrier.ifOverdue,
): void {
  if (maxAgeMs === undefined && !carrier.captureStacks) return
  const site = carrier.captureStacks ? siteOf(callee) : undefined
  epoch.born(
    { at: Date.now(), site },
    maxAgeMs === undefined ? undefined : { maxAgeMs, ifOverdue, reported: false },
  )
}

/** Sweeps often enough that an overdue epoch is noticed within a quarter of its age. */
export function watchAges(maxAgeMs: number): void {
  const everyMs = Math.min(Math.max(Math.ceil(maxAgeMs / 4), MIN_SWEEP_MS), MAX_SWEEP_MS)
  if (carrier.sweeper !== undefined && carrier.sweeper.everyMs <= everyMs) return
  stop()
  // In a clean context, or the timer would hold the request that happened to start it.
  const timer = enterClean(() => setInterval(sweep, everyMs))
  timer.unref?.()
  carrier.sweeper = { timer, everyMs }
}

const MIN_SWEEP_MS = 5
const MAX_SWEEP_MS = 15_000

function sweep(): void {
  const now = Date.now()
  let watched = carrier.maxAgeMs !== undefined
  for (const epoch of openEpochs) {
    const limit = epoch.ageLimit
    if (limit === undefined) continue
    const closes = limit.ifOverdue === 'close'
    if (limit.reported && !closes) continue
    watched = true
    const ageMs = now - (epoch.birth?.at ?? now)
    if (limit.reported) {
      // Closed once, and its hooks have not settled in all the time it was given once more: now without them.
      if (ageMs >= 2 * limit.maxAgeMs) epoch.close()
    } else if (ageMs >= limit.maxAgeMs) {
      limit.reported = true
      const { maxAgeMs } = limit
      const stack = epoch.birth?.site?.stack
      if (epochOverdue.hasSubscribers) epochOverdue.publish({ epoch, ageMs, maxAgeMs, closed: closes, stack })
      if (closes) epoch.close()
    }
  }
  if (!watched) stop()
}

function stop(): void {
  clearInterval(carrier.sweeper?.timer)
  carrier.sweeper = undefined
}
