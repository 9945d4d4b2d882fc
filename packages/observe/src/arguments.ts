/**
 * Bad arguments, told of as the library tells of them: what was called, what was found, what to do. What an argument
 * means is its caller's business.
 */
import { constants } from 'node:os'
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

/** @throws INVALID_ARGUMENT when `options` is no object, or has an option that is not one of `known`. */
export function requireKnown(options: unknown, call: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    refuse(`${call}: options must be an object, got ${kindOf(options)}.`)
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) refuse(`${call}: unknown option "${key}". Known: ${known.join(', ')}.`)
  }
}

/** @throws INVALID_ARGUMENT when a word-valued option is none of its words. */
export function requireWord(value: unknown, call: string, option: string, words: readonly string[]): void {
  if (value === undefined || words.includes(value as string)) return
  const found = typeof value === 'string' ? `"${value}"` : kindOf(value)
  refuse(`${call}: ${option} is ${found}; it is one of ${words.join(', ')}.`)
}

/** @throws INVALID_ARGUMENT when a number is given and below `least`, or not a number. */
export function requireNumber(value: unknown, call: string, option: string, least: number): void {
  if (value === undefined || (typeof value === 'number' && value >= least)) return
  const found = typeof value === 'number' ? String(value) : kindOf(value)
  refuse(`${call}: ${option} must be a number, ${least} or more, got ${found}.`)
}

/** @throws INVALID_ARGUMENT when an option is given and of another type. */
export function requireType(value: unknown, call: string, option: string, type: 'string' | 'boolean'): void {
  if (value !== undefined && typeof value !== type) {
    refuse(`${call}: ${option} must be a ${type}, got ${kindOf(value)}.`)
  }
}

/** @throws INVALID_ARGUMENT when a signal is given that this machine does not know, or that cannot be listened for. */
export function requireSignal(value: unknown, call: string, option: string): void {
  if (value === undefined && option !== 'signal') return
  if (typeof value === 'string' && value in constants.signals && !UNHEARD.includes(value)) return
  const found = typeof value === 'string' ? `"${value}"` : kindOf(value)
  refuse(
    `${call}: ${option} must be a signal that a process can listen for, such as 'SIGUSR2', got ${found}.`,
  )
}

const UNHEARD = ['SIGKILL', 'SIGSTOP']
