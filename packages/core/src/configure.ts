/** Process-wide settings; they live on the carrier, so every copy of the library obeys them. */
import { carrier } from './carrier.js'
import { EpochError, kindOf, requireKnownOptions } from './errors.js'

export interface Settings {
  /**
   * Throw where the library otherwise only tells: `EPOCH_CLOSED` at a late read, `WRITE_CONFLICT` at a write whose live
   * value has moved. For tests; in production a late read is usually harmless and an exception in a timer is not.
   *
   * @default false
   */
  strict?: boolean
}

/**
 * Changes process-wide settings.
 *
 * @returns a function that puts the former settings back.
 * @throws INVALID_ARGUMENT when a setting is unknown or of the wrong type.
 * @example
 * const restore = configure({ strict: true })
 * // run the tests
 * restore()
 */
export function configure(settings: Settings): () => void {
  requireKnownOptions(settings, 'configure(settings)', ['strict'])
  if (settings.strict !== undefined && typeof settings.strict !== 'boolean') {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `configure(settings): strict must be a boolean, got ${kindOf(settings.strict)}.`,
    )
  }
  const former = carrier.strict
  carrier.strict = settings.strict ?? former
  return function restoreSettings() {
    carrier.strict = former
  }
}
