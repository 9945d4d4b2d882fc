/**
 * Waiting until nobody sees the past: for shutdown, and for whoever has to know that a reload has taken hold
 * everywhere. Nothing is stopped or blocked by it; epochs opened meanwhile are not waited for.
 */
import { carrier } from './carrier.js'
import { EpochError, kindOf, report, requireKnownOptions } from './errors.js'
import { holderOf } from './holders.js'
import { openEpochs, type Wait } from './open-epochs.js'
import { currentEpoch, currentScope } from './storage.js'

export interface DrainOptions {
  /** Milliseconds after which to give up. Default: `Infinity`. Minimum: 0. */
  timeoutMs?: number | undefined
  /** Gives up when aborted; `drain` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

/**
 * Resolves when every epoch older than this call has closed, and every value that was replaced before it has been
 * retired, save those that a broken `group` goes on handing out.
 *
 * Use it after a reload, to know that nobody works with the old state any more, and before exit.
 *
 * **Caveat** On timeout nothing is forced: the epochs go on, later ones too. Give overdue epochs a `maxAgeMs` for that.
 *
 * @throws DRAIN_IN_EPOCH when called inside an epoch or by a `retire`, which would wait for itself.
 * @throws DRAIN_TIMEOUT when `timeoutMs` has passed; `error.holders` says who holds on.
 * @throws RETIRE_FAILED when a `retire` failed meanwhile; `error.cause` is its error, or an AggregateError of several.
 * @throws INVALID_ARGUMENT when an option is unknown or not what it must be.
 * @example
 * const pool = cell('docs.drain.pool', { closed: false }, { retire: (old) => { old.closed = true } })
 * const old = pool.live()
 * pool.set({ closed: false })
 * await drain({ timeoutMs: 5_000 })
 * old.closed // => true
 */
export async function drain(options: DrainOptions = {}): Promise<void> {
  requireKnownOptions(options, 'drain(options)', ['timeoutMs', 'signal'])
  const { timeoutMs = Infinity, signal } = options
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0)) {
    const found = typeof timeoutMs === 'number' ? String(timeoutMs) : kindOf(timeoutMs)
    throw new EpochError(
      'INVALID_ARGUMENT',
      `drain(options): timeoutMs must be a number, 0 or more, got ${found}.`,
    )
  }
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `drain(options): signal must be an AbortSignal, got ${kindOf(signal)}.`,
    )
  }
  if (currentScope()?.owner() === carrier.inRetire) {
    throw new EpochError(
      'DRAIN_IN_EPOCH',
      'drain() was called by a retire function, which it would wait for. Start it outside, or in a retire do not wait for it.',
    )
  }
  const inside = currentEpoch()
  if (inside !== undefined) {
    throw new EpochError(
      'DRAIN_IN_EPOCH',
      `drain() was called inside epoch #${inside.id} "${inside.name}", which would wait for itself. Call it outside, ` +
        'or start it in detach(() => drain()) and do not await it here.',
    )
  }
  signal?.throwIfAborted()

  const calledAt = Date.now()
  const errors: unknown[] = []
  carrier.drains.add(errors)
  let waits = true
  carrier.draining++
  const passed = (): void => {
    if (waits) carrier.draining--
    waits = false
  }
  let stop = (): void => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const wait = openEpochs.whenOlderClosed(() => {
        passed()
        void retired().then(resolve)
      })
      const give = (reason: unknown): void => {
        wait.cancel()
        reject(reason as Error)
      }
      const abort = (): void => give(signal?.reason)
      const timer = timeoutMs > MAX_TIMER_MS ? undefined : setTimeout(() => give(timedOut(wait)), timeoutMs)
      signal?.addEventListener('abort', abort)
      stop = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', abort)
      }
    })
  } catch (reason) {
    carrier.drains.delete(errors)
    for (const error of errors) if (!isCollected(error)) report(error)
    throw reason
  } finally {
    passed()
    stop()
    carrier.drains.delete(errors)
  }
  if (errors.length > 0) {
    const cause = errors.length === 1 ? errors[0] : new AggregateError(errors)
    throw new EpochError(
      'RETIRE_FAILED',
      `drain(): every older epoch has closed, but ${errors.length} retire call(s) failed. The error is the cause.`,
      { cause },
    )
  }

  function timedOut(wait: Wait): EpochError {
    const holders = wait.holders().map((epoch) => holderOf(epoch, calledAt))
    const named = holders
      .slice(0, NAMED_HOLDERS)
      .map(({ id, name, ageMs }) => `#${id} ${JSON.stringify(name)} (${ageMs} ms)`)
    const more = holders.length - named.length
    const who = named.join(', ') + (more > 0 ? ` and ${more} more` : '')
    return new EpochError(
      'DRAIN_TIMEOUT',
      `drain({ timeoutMs: ${timeoutMs} }): ` +
        (holders.length > 0
          ? `${holders.length} older epoch(s) still open: ${who}. Nothing was changed.`
          : `every older epoch has closed, but ${carrier.retiring.size} retire call(s) have not settled.`) +
        backlog() +
        lateReads() +
        ' Wait longer, or give epochs a maxAgeMs.',
      { holders },
    )
  }
}

/** What the wait holds up. */
function backlog(): string {
  return carrier.retireBacklog === 0 ? '' : ` ${carrier.retireBacklog} replaced value(s) wait to be retired.`
}

/** Who goes on after its end: it holds nothing up, but is often what was forgotten. */
function lateReads(): string {
  const late = carrier.lateReaders?.entries() ?? []
  if (late.length === 0) return ''
  const named = late
    .slice(0, NAMED_HOLDERS)
    .map(({ id, name, source }) => `#${id} ${JSON.stringify(name)} (${source})`)
  return ` Read after their end: ${named.join(', ')}${late.length > NAMED_HOLDERS ? ' and more' : ''}.`
}

/** How many of them the message names; `holders` has all. */
const NAMED_HOLDERS = 10

/** The longest delay that a timer takes; past it, `setTimeout` would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Whether another drain under way will tell of it: one that gives up leaves the rest to the process. */
function isCollected(error: unknown): boolean {
  for (const errors of carrier.drains) if (errors.includes(error)) return true
  return false
}

/** Retiring may replace and so retire more. */
async function retired(): Promise<void> {
  while (carrier.retiring.size > 0) await Promise.all(carrier.retiring)
}
