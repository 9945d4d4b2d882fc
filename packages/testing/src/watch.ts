/**
 * What was loaded, by whom, and how often. A watched loader tells whoever is running it; nobody runs outside a test, and
 * then it only calls through. It also knows which call of a run the code belongs to, by the one AsyncLocalStorage of the
 * kit: a handler that opens no epoch at all is still one call.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { isDeepStrictEqual } from 'node:util'
import { tryGetEpoch } from 'withepoch'
import { requireCount, requireFunction, requireKnown } from './arguments.js'

export interface WatchOptions<A extends unknown[]> {
  /** What a load is known by, instead of its arguments; compared deeply. */
  key?: (...args: A) => unknown
  /** For reports. @default the function's name */
  name?: string
  /**
   * How often one epoch may load one key. More than once is right where the epoch writes or advances in between, which
   * drops its memos. Minimum: 1.
   *
   * @default 1
   */
  max?: number
}

/** @internal One key of one loader in one epoch, or in one call where there is no epoch. */
export interface Loads {
  readonly of: unknown
  readonly loader: string
  readonly key: unknown
  readonly byKey: boolean
  readonly by: string
  readonly max: number
  count: number
}

/** @internal What a run notes; `call` is where its code runs. */
export const callContext: AsyncLocalStorage<{ readonly label: string; readonly loads: Loads[] }> =
  new AsyncLocalStorage()

/**
 * Makes a loader one that the kit counts: during a run no epoch may call it twice with the same arguments, objects being
 * compared by identity and primitives by value, as `memo` does. A call that opens no epoch counts as one.
 *
 * Put it around the expensive function itself, inside the memo: `memo(watch(scan))`. Outside a run it calls through.
 *
 * **Caveat** What `derived` computes belongs to no call, and is not counted.
 *
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be.
 * @example
 * const scan = watch(async (dir) => `plugins of ${dir}`, { name: 'scan' })
 * await scan('/a') // => 'plugins of /a'
 */
export function watch<A extends unknown[], R>(
  fn: (...args: A) => R,
  options: WatchOptions<A> = {},
): (...args: A) => R {
  const call = 'watch(fn, options)'
  requireFunction(fn, call, 'fn')
  requireKnown(options, call, ['key', 'name', 'max'])
  if (options.key !== undefined) requireFunction(options.key, call, 'key')
  requireCount(options.max, call, 'max', 1)
  const { key, max = 1 } = options
  const loader = options.name ?? (fn.name || 'loader')
  return function watched(...args: A): R {
    const run = callContext.getStore()
    if (run !== undefined) {
      const epoch = tryGetEpoch()
      const by = epoch === undefined ? run.label : `epoch #${epoch.id} "${epoch.name}" of ${run.label}`
      const load = {
        of: watched,
        loader,
        key: key === undefined ? args : key(...args),
        byKey: key !== undefined,
        by,
        max,
      }
      const same = run.loads.find((other) => isSame(other, load))
      if (same === undefined) run.loads.push({ ...load, count: 1 })
      else same.count++
    }
    return fn(...args)
  }
}

function isSame(one: Loads, other: Omit<Loads, 'count'>): boolean {
  if (one.of !== other.of || one.by !== other.by) return false
  if (other.byKey) return isDeepStrictEqual(one.key, other.key)
  const [args, others] = [one.key as unknown[], other.key as unknown[]]
  return args.length === others.length && args.every((arg, index) => sameValueZero(arg, others[index]))
}

function sameValueZero(one: unknown, other: unknown): boolean {
  return one === other || Object.is(one, other)
}
