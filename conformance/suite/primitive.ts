/**
 * What a primitive is to this suite: one way in which Node, a platform or a package calls back, played by actors that
 * are each in an epoch of their own, so that the callback's epoch says whose context it was called in.
 *
 * One `run` serves several cells. The stage's `bind`, `bindEmitter`, `bindIterable` and `detach` hand through what they
 * are given, except the one whose cell it is; so what the plain cell does and what the remedy changes stand in one place.
 */
import type { EventEmitter } from 'node:events'
import type { Epoch } from 'withepoch'

/** The library's ways to carry an epoch where a primitive does not. */
export type Remedy = 'bind' | 'bindEmitter' | 'bindIterable' | 'detach'

/** The cells of one primitive. */
export type Way = 'plain' | Remedy

export interface Stage {
  /** Runs `fn` in a new epoch named `actor`, which stays open until the cell is done. */
  readonly as: <R>(actor: string, fn: () => R) => R
  /** The same, in an epoch that ends as the handler says. */
  readonly briefly: <R>(actor: string, fn: (epoch: Epoch) => R) => R
  /** Notes whose epoch the running code is in. Takes anything, so that it can be a listener itself. */
  readonly see: (...ignored: unknown[]) => void
  /** Notes an actor that another thread has seen. */
  readonly note: (actor: string) => void
  /** Settles when `see` or `note` has first been called. */
  readonly seen: Promise<void>
  readonly bind: <A extends unknown[], R>(fn: (...args: A) => R) => (...args: A) => R
  readonly bindEmitter: <E extends EventEmitter>(emitter: E) => E
  readonly bindIterable: <I extends Iterable<unknown> | AsyncIterable<unknown>>(iterable: I) => I
  readonly detach: <R>(fn: () => R) => R
  /** Is called when the cell is done, the last one first; a promise is awaited. */
  readonly after: (cleanUp: () => unknown) => void
}

export interface Primitive {
  /** What is called and what is seen, as a row of a table says it. */
  readonly name: string
  /** The npm package, where it is not part of the runtime. */
  readonly package?: string
  readonly remedies?: readonly Remedy[]
  /** What one would expect without knowing better. @default 'own', the epoch of whoever registered or awaits */
  readonly intuitive?: string
  /** In a process of its own: it ends the process, or disturbs the test runner. */
  readonly alone?: boolean
  /** Why the running runtime cannot play it; undefined where it can. */
  readonly unsupported?: () => string | undefined
  run(stage: Stage): unknown
}

export interface Group {
  readonly id: string
  readonly primitives: readonly Primitive[]
}

/** The ways of a primitive, plain first. */
export function waysOf({ remedies = [] }: Primitive): Way[] {
  return ['plain', ...remedies]
}
