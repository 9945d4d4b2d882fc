/**
 * Bad input to the kit, refused before anything is run: what was called, what was found, what it must be. The errors are
 * the core's, so that one `catch` knows them.
 */
import { EpochError } from 'withepoch'

export function refuse(call: string, what: string): never {
  throw new EpochError('INVALID_ARGUMENT', `${call}: ${what}`)
}

/** How a wrong argument is shown in a message: its type, never its content. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'undefined'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return `an object (${value.constructor?.name || 'no constructor'})`
  return `a ${typeof value}`
}

export function requireFunction(value: unknown, call: string, what: string): void {
  if (typeof value !== 'function') refuse(call, `${what} must be a function, got ${kindOf(value)}.`)
}

export function requireObject(value: unknown, call: string, what: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuse(call, `${what} must be an object, got ${kindOf(value)}.`)
}

/** A misspelt option must not be ignored. */
export function requireKnown(options: object, call: string, known: readonly string[]): void {
  for (const key of Object.keys(options))
    if (!known.includes(key)) refuse(call, `unknown option "${key}". Known: ${known.join(', ')}.`)
}

/** A whole number, `least` or more, or nothing. */
export function requireCount(value: unknown, call: string, option: string, least: number): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= least)) return
  const found = typeof value === 'number' ? String(value) : kindOf(value)
  refuse(call, `${option} must be a whole number, ${least} or more, got ${found}.`)
}
