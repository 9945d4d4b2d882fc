/**
 * What is tested: a handler, the sources that it reads, and what else goes on. This file says what an adopter writes and
 * refuses what cannot be run; how it is run is `run.ts`'s business.
 */
import type { Arbitrary } from 'fast-check'
import type { Source } from 'withepoch'
import { kindOf, refuse, requireCount, requireFunction, requireKnown, requireObject } from './arguments.js'
import type { TaskScheduler } from './scheduler.js'

/** One part of the world that a handler reads. */
export interface WorldEntry<T> {
  /** The source; or several whose values belong together, and then a value is a tuple of theirs. */
  source: Source<T> | ReadonlyArray<Source<unknown>>
  /** What values it can have. Needed to search; to replay a schedule it is not. */
  values?: Arbitrary<T>
  /**
   * Makes a value live, so that the source holds just that when it returns; another is refused. Needed unless the source
   * is a cell. A generator function is a writer that stops half-way: others
   * may go on at each `yield`.
   */
  set?: (value: T) => unknown
}

/** What the kit gives to a handler, besides its input. */
export interface CallContext {
  /** What I/O can be made to wait on. With `drive: 'exact'` it decides who goes on. */
  readonly scheduler: TaskScheduler
  /** A point at which others can go on. */
  readonly pause: (label?: string) => Promise<void>
}

/** What the kit gives to an actor. */
export interface ActorContext<V> {
  /** Lets others go on; false when the calls are over, so that `while (await pause())` ends. */
  readonly pause: (label?: string) => Promise<boolean>
  /** Makes a value of an entry of `sources` live. Say it here, or the kit does not know of it. */
  readonly set: <K extends keyof V & string>(name: K, value: V[K]) => void
  readonly scheduler: TaskScheduler
}

/** A handler, what it reads, and what goes on around it. */
export interface Subject<I = unknown, R = unknown, V extends object = Record<string, unknown>> {
  /** For reports. @default the handler's name */
  name?: string
  /**
   * The code under test, as its callers call it: with its `withEpoch` inside. Its answer must depend on its input and the
   * sources alone. An iterator, a stream or a `Response` that it returns is read to its end; that is the
   * answer then.
   */
  handler: (input: I, context: CallContext) => R
  /** What the handler reads, by names for reports. */
  sources: { [K in keyof V]: WorldEntry<V[K]> }
  /** What the handler is given. @default undefined */
  input?: Arbitrary<I>
  /** What else goes on, by names for reports; each runs once, beside the calls. */
  actors?: Record<string, (context: ActorContext<V>) => unknown>
  /** Called before each run, and before each run on a frozen world: empties caches that outlive a call. */
  reset?: () => unknown
  /** Whether two answers are the same. @default deep and strict equality */
  equals?: (answer: unknown, frozen: unknown) => boolean
  /** Real milliseconds for all calls of a run; beyond, they hang. Minimum: 1. @default 5000 */
  timeoutMs?: number
  /** Real milliseconds to wait, after the calls, for epochs that something holds open. Minimum: 0. @default 100 */
  settleMs?: number
}

/** Those of a search are known to all, so that one object can be searched with and replayed. */
const OPTIONS: readonly string[] = [
  'name',
  'handler',
  'sources',
  'input',
  'actors',
  'reset',
  'equals',
  'timeoutMs',
  'settleMs',
  'drive',
  'maxCalls',
  'maxMoves',
  'ifVacuous',
  'scheduler',
]

/** The subject of any types, as the kit handles it. */
export type AnySubject = Subject<unknown, unknown, Record<string, unknown>>

/** @throws INVALID_ARGUMENT when it cannot be run. */
export function requireSubject(value: unknown, call: string): asserts value is AnySubject {
  requireObject(value, call, 'the subject')
  requireKnown(value, call, OPTIONS)
  const { handler, sources, actors, reset, equals, timeoutMs, settleMs } = value as Partial<AnySubject>
  requireFunction(handler, call, 'handler')
  requireObject(sources, call, 'sources')
  if (Object.keys(sources).length === 0)
    refuse(call, 'sources is empty. Name those that the handler reads: without any there is nothing to tear.')
  for (const [name, entry] of Object.entries(sources)) {
    requireObject(entry, call, `sources.${name}`)
    requireKnown(entry, `${call}, sources.${name}`, ['source', 'values', 'set'])
    const list = sourcesOf(entry)
    if (list.length === 0) refuse(call, `sources.${name}.source is an empty array.`)
    for (const source of list)
      if (typeof (source as Partial<Source<unknown>> | null)?.live !== 'function')
        refuse(call, `sources.${name}.source must be a source, got ${kindOf(source)}.`)
    if (entry.set !== undefined) requireFunction(entry.set, call, `sources.${name}.set`)
    else if (!list.every(isCell))
      refuse(
        call,
        `sources.${name} is not a cell, so the kit cannot write it. Give it a set(value) that does.`,
      )
  }
  if (actors !== undefined) {
    requireObject(actors, call, 'actors')
    for (const [name, actor] of Object.entries(actors)) requireFunction(actor, call, `actors.${name}`)
  }
  if (reset !== undefined) requireFunction(reset, call, 'reset')
  if (equals !== undefined) requireFunction(equals, call, 'equals')
  requireCount(timeoutMs, call, 'timeoutMs', 1)
  requireCount(settleMs, call, 'settleMs', 0)
}

export function sourcesOf(entry: WorldEntry<unknown>): ReadonlyArray<Source<unknown>> {
  return Array.isArray(entry.source)
    ? (entry.source as ReadonlyArray<Source<unknown>>)
    : [entry.source as Source<unknown>]
}

export function isCell(source: unknown): source is Source<unknown> & { set(value: unknown): void } {
  return typeof (source as { set?: unknown }).set === 'function'
}

/**
 * Whether it may change under a call: one that is pinned later than at entry, or never, is not to give the value of the
 * entry, so it stays as it is while a call is under way.
 */
export function isPinnedAtEntry(entry: WorldEntry<unknown>): boolean {
  return sourcesOf(entry).every(({ isolation }) => isolation === 'snapshot')
}

/** What it is called in reports. */
export function nameOf({ name, handler }: { name?: string; handler: unknown }): string {
  return name ?? ((handler as { name?: string }).name || 'The handler')
}
