/** Process-wide settings; they live on the carrier, so every copy of the library obeys them. */
import { carrier } from './carrier.js'
import { EpochError, kindOf, requireKnownOptions, requirePositive, requireWord } from './errors.js'
import { rememberLateReaders } from './late-readers.js'
import { type IfOverdue, watchAges } from './overdue.js'

export interface Settings {
  /**
   * Throw where the library otherwise only tells: `EPOCH_CLOSED` at a late read, `WRITE_CONFLICT` at a write whose live
   * value has moved. For tests; in production a late read is usually harmless and an exception in a timer is not.
   *
   * @default false
   */
  strict?: boolean | undefined
  /**
   * Open epochs that pin nothing, from here on: their reads are live, as they would be without the library, and
   * `withepoch:source:read` tells what would have torn. To see the bug before you cure it. Overrides and local writes are
   * still read, because they are meant; memos and derived values call through.
   *
   * @default false
   */
  observe?: boolean | undefined
  /**
   * Remember where and when each epoch was opened, for `drain`, `holders` and the `withepoch:epoch:overdue` channel. Costs a stack
   * trace per epoch, about 30 times the rest of opening one: for finding a leak, not for every day.
   *
   * @default false
   */
  captureStacks?: boolean | undefined
  /**
   * Remember who reads after the end of their epoch, for `holders`: the last 100 of them, by name. Costs only at such a
   * read. What was remembered is forgotten when it is turned off.
   *
   * @default false
   */
  lateReaders?: boolean | undefined
  /**
   * Milliseconds after which an epoch that is still open is overdue, unless it has a `maxAgeMs` of its own. Reads the
   * clock once per epoch. `undefined` turns it off.
   *
   * @default undefined
   */
  maxAgeMs?: number | undefined
  /**
   * What to do with an overdue epoch. `report`: one event on `withepoch:epoch:overdue`. `close`: that, and close it,
   * whatever still holds it; its later reads are late ones.
   *
   * @default 'report'
   */
  ifOverdue?: IfOverdue | undefined
}

const SETTINGS = ['strict', 'observe', 'captureStacks', 'lateReaders', 'maxAgeMs', 'ifOverdue'] as const

/**
 * Changes process-wide settings; those not named stay as they are.
 *
 * @returns a function that takes these settings back, and leaves alone what others have set, before or since.
 * @throws INVALID_ARGUMENT when a setting is unknown or of the wrong type; nothing is changed.
 * @example
 * const restore = configure({ strict: true })
 * // run the tests
 * restore()
 */
export function configure(settings: Settings): () => void {
  const call = 'configure(settings)'
  requireKnownOptions(settings, call, SETTINGS)
  for (const name of ['strict', 'observe', 'captureStacks', 'lateReaders'] as const) {
    if (settings[name] !== undefined && typeof settings[name] !== 'boolean') {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${call}: ${name} must be a boolean, got ${kindOf(settings[name])}.`,
      )
    }
  }
  requirePositive(settings.maxAgeMs, call, 'maxAgeMs')
  requireWord(settings.ifOverdue, call, 'ifOverdue', ['report', 'close'])
  const layer: Record<string, unknown> = {}
  for (const name of SETTINGS) {
    if (settings[name] !== undefined || (name === 'maxAgeMs' && name in settings))
      layer[name] = settings[name]
  }
  carrier.settings.add(layer)
  apply()
  return function restoreSettings() {
    if (carrier.settings.delete(layer)) apply()
  }
}

const DEFAULTS = {
  strict: false,
  observe: false,
  captureStacks: false,
  lateReaders: false,
  maxAgeMs: undefined,
  ifOverdue: 'report',
} as const

/** Of several calls the last one to name a setting counts, so that they may be taken back in any order. */
function apply(): void {
  const { strict, lateReaders, ...others } = Object.assign(
    {},
    DEFAULTS,
    ...carrier.settings,
  ) as Required<Settings>
  setStrict(strict!)
  rememberLateReaders(lateReaders!)
  Object.assign(carrier, others)
  if (carrier.maxAgeMs !== undefined) watchAges(carrier.maxAgeMs)
}

/** In strict mode a late read must be refused though nobody is open, so reads have to look. */
function setStrict(strict: boolean): void {
  carrier.open += Number(strict) - Number(carrier.strict)
  carrier.strict = strict
}
