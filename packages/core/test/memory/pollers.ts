/**
 * Pollers that were started inside an epoch which lives as long as they do, and open an epoch at each tick. The heap is
 * looked at from inside a tick: only a living poller holds what its ticks hold.
 */
import type { Core } from './epochs.js'
import { type Growth, HeapWatch } from './heap.js'

interface Poller {
  readonly ifNested: 'reuse' | 'fork' | 'fresh'
  /**
   * - `immediate`: one poller; each tick arms the next from inside its own epoch, and stays open until that has opened.
   * - `timeout`: fifty of those, by timers.
   * - `interval`: fifty intervals of the living epoch.
   */
  readonly by: 'immediate' | 'timeout' | 'interval'
}

export const POLLERS: Readonly<Record<string, Poller>> = {
  'fresh, each in the last': { ifNested: 'fresh', by: 'immediate' },
  'fork, each in the last': { ifNested: 'fork', by: 'immediate' },
  'reuse, each in the last': { ifNested: 'reuse', by: 'immediate' },
  'fresh, by timers, each in the last': { ifNested: 'fresh', by: 'timeout' },
  'fork, by timers, each in the last': { ifNested: 'fork', by: 'timeout' },
  'fresh, by intervals': { ifNested: 'fresh', by: 'interval' },
  'fork, by intervals': { ifNested: 'fork', by: 'interval' },
  'reuse, by intervals': { ifNested: 'reuse', by: 'interval' },
}

/** How the heap grows per tick. @throws Error when the ticks were not nested in an epoch that lives. */
export async function poll(
  { withEpoch, cell }: Core,
  { ifNested, by }: Poller,
  times: number,
  most: number,
): Promise<Growth> {
  const latest = cell('latest', { tick: 0 } as object)
  const watch = new HeapWatch(times, most)
  let ticks = 0
  /** Nobody ticks on while the heap is looked at. */
  let measuring: Promise<void> | undefined

  await withEpoch({ name: 'subscribe' }, async (living) => {
    const tick = (next?: () => Promise<void>): Promise<void> =>
      withEpoch({ name: 'tick', ifNested }, async (epoch) => {
        if (ifNested !== 'reuse' && epoch.parentId === undefined) throw new Error('a tick in no epoch')
        if (ifNested === 'reuse' && epoch !== living) throw new Error('a tick in an epoch of its own')
        ticks++
        if (ifNested === 'fresh') latest.set({ tick: ticks, bytes: Array.from({ length: 100 }, () => ticks) })
        else epoch.get(latest)
        if (ticks === watch.next) {
          measuring = watch.look().finally(() => {
            measuring = undefined
          })
        }
        await measuring
        await next?.()
      })

    if (by === 'interval') {
      await new Promise<void>((resolve, reject) => {
        const timers = Array.from({ length: 50 }, () =>
          setInterval(() => {
            if (measuring !== undefined) return
            if (watch.next !== undefined) return void tick().catch(reject)
            for (const timer of timers) clearInterval(timer)
            resolve()
          }, 1),
        )
      })
    } else {
      const arm: (fn: () => void) => unknown = by === 'timeout' ? (fn) => setTimeout(fn, 1) : setImmediate
      const chain = (reject: (error: unknown) => void, done: () => void) => {
        const once = (): Promise<void> =>
          tick(() => {
            if (watch.next === undefined) return Promise.resolve(done())
            return new Promise((opened) => {
              arm(() => {
                once().catch(reject)
                opened()
              })
            })
          })
        once().catch(reject)
      }
      const chains = Array.from(
        { length: by === 'timeout' ? 50 : 1 },
        () => new Promise<void>((resolve, reject) => chain(reject, resolve)),
      )
      await Promise.all(chains)
    }
    if (living.phase !== 'open') throw new Error('the epoch that the poller was started in has closed')
  })
  return watch.found()
}
