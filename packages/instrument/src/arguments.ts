/**
 * Bad arguments, told of as the library tells of them: what was called, what was found, what to do. What an argument
 * means is its caller's business.
 */
import { EpochError } from 'withepoch'

export function refuse(message: string): never {
  throw new EpochError('INVALID_ARGUMENT', message)
}

/** How a wrong argument is shown: its type, never its content. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`
}

/** @throws INVALID_ARGUMENT when `value` is not a function. */
export function requireFunction(value: unknown, call: string, what: string): void {
  if (typeof value !== 'function') refuse(`${call}: ${what} must be a function, got ${kindOf(value)}.`)
}

/** @throws INVALID_ARGUMENT when `options` is no object, or has an option that is not one of `known`. */
export function requireKnown(options: unknown, call: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    refuse(`${call}: options must be an object, got ${kindOf(options)}.`)
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) refuse(`${call}: unknown option "${key}". Known: ${known.join(', ')}.`)
  }
}
