/**
 * Every error the library throws on purpose, one class and one list of codes. It stands apart so that a code can
 * be looked up in one place; `docs/errors.md` has a heading per code and a test keeps the two equal. It knows
 * nothing of epochs: messages are written where the mistake is noticed.
 */

import type { Holder } from './holders.js'

/** What went wrong, as a stable word to branch on. Each has a heading in `docs/errors.md`. */
export type EpochErrorCode = (typeof EPOCH_ERROR_CODES)[number]

/** All codes, in the order of `docs/errors.md`. */
export const EPOCH_ERROR_CODES = [
  'INVALID_ARGUMENT',
  'DUPLICATE_SOURCE',
  'ASYNC_GETTER',
  'EPOCH_IN_GETTER',
  'EPOCH_IN_PUBLISH',
  'ASYNC_PUBLISH',
  'NO_EPOCH',
  'NESTED_EPOCH',
  'EPOCH_CLOSED',
  'EPOCH_STALE',
  'WRITE_REJECTED',
  'WRITE_CONFLICT',
  'MEMO_CYCLE',
  'ADOPT_REFUSED',
  'DRAIN_IN_EPOCH',
  'DRAIN_TIMEOUT',
  'RETIRE_FAILED',
  'UNSUPPORTED_RUNTIME',
  'PROTOCOL_MISMATCH',
] as const

/** `Symbol.for`, so that a second copy of the library recognises our errors (as undici and zod do). */
const BRAND = Symbol.for('withepoch.EpochError')

/**
 * An error of this library. Branch on `code`; the message is for people: what was called, on what, what was found,
 * and what to do.
 *
 * `instanceof EpochError` holds across copies of the library in one process (ESM and CommonJS, two versions).
 *
 * @example
 * try {
 *   getEpoch()
 * } catch (error) {
 *   if (error instanceof EpochError) error.code // => 'NO_EPOCH'
 * }
 */
export class EpochError extends Error {
  readonly code: EpochErrorCode
  /** With `DRAIN_TIMEOUT`: who holds an older epoch open. */
  declare readonly holders?: readonly Holder[]

  constructor(
    code: EpochErrorCode,
    message: string,
    options?: ErrorOptions & { holders?: readonly Holder[] },
  ) {
    super(message, options)
    this.code = code
    if (options?.holders !== undefined) this.holders = options.holders
    Object.defineProperty(this, BRAND, { value: true })
  }

  override get name(): string {
    return 'EpochError'
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== EpochError) return Function.prototype[Symbol.hasInstance].call(this, value) // a subclass's own affair
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true
  }
}

/** How a wrong argument is shown in a message: its type, never its content, which may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return `an object (${value.constructor?.name || 'no constructor'})`
  if (typeof value === 'undefined') return 'undefined'
  return `a ${typeof value}`
}

/** @throws INVALID_ARGUMENT when `value` is not a function. */
export function requireFunction(value: unknown, call: string, what: string): void {
  if (typeof value !== 'function') {
    throw new EpochError('INVALID_ARGUMENT', `${call}: ${what} must be a function, got ${kindOf(value)}.`)
  }
}

/** @throws INVALID_ARGUMENT when an option is not one the call knows, so that a misspelt one is not ignored. */
export function requireKnownOptions(options: unknown, call: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new EpochError('INVALID_ARGUMENT', `${call}: options must be an object, got ${kindOf(options)}.`)
  }
  for (const key in options) {
    if (!known.includes(key)) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `${call}: unknown option "${key}". Known: ${known.join(', ')}.`,
      )
    }
  }
}

/** @throws INVALID_ARGUMENT when a word-valued option is none of its words. */
export function requireWord(value: unknown, call: string, option: string, words: readonly string[]): void {
  if (value !== undefined && !words.includes(value as string)) {
    const found = typeof value === 'string' ? `"${value}"` : kindOf(value)
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${call}: ${option} is ${found}; it is one of ${words.join(', ')}.`,
    )
  }
}

/** @throws INVALID_ARGUMENT when a number of milliseconds, or of entries, is given and not above 0. */
export function requirePositive(value: unknown, call: string, option: string): void {
  if (value !== undefined && !(typeof value === 'number' && value > 0)) {
    const found = typeof value === 'number' ? String(value) : kindOf(value)
    throw new EpochError('INVALID_ARGUMENT', `${call}: ${option} must be a number above 0, got ${found}.`)
  }
}

/** Where `callee` was called from; formatted only when a message needs it, which is dear. */
export function siteOf(callee: (...args: never[]) => unknown): { stack?: string } {
  const site: { stack?: string } = {}
  Error.captureStackTrace(site, callee)
  return site
}

/**
 * The stack above the first of `callees` that is on it: the code that called us, in whatever file a bundler has put us.
 * Formatted at once, which is dear.
 */
export function callerOf(...callees: ReadonlyArray<(...args: never[]) => unknown>): string | undefined {
  for (const callee of callees) {
    const frames = framesOf(siteOf(callee).stack)
    // A property that `adopt` stands in for is one call more: `get [as language]`.
    if (/ \[as [^\]]*\] /.test(frames[0] ?? '') && frames.length > 1) frames.shift()
    if (frames.length > 0) return frames.join('\n')
  }
  return undefined
}

/** The lines of a stack that name a call. */
export function framesOf(stack: string | undefined): string[] {
  return stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
}

/** An error with nobody left to throw it to: the process hears of it as an unhandled rejection. */
export function report(error: unknown): void {
  void Promise.reject(error)
}
