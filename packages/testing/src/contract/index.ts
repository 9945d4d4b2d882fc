/**
 * The contract of an adapter: one suite that each of them passes, over real connections. An entry of its own, because a
 * service's tests have no use for it.
 */
import { kindOf, refuse, requireCount, requireFunction, requireKnown, requireObject } from '../arguments.js'
import { CASES, play, type Title } from './cases.js'
import type { Door } from './door.js'
import { LocalHost } from './host.js'

export type { Title } from './cases.js'
export type { Seen } from './service.js'
export type { AnswerRoute, BrokenRoute, Connection, Door, Route, Served, StreamRoute } from './door.js'

export interface ContractOptions {
  /** How many calls the case of many makes. @default 2000 */
  readonly calls?: number | undefined
  /** Milliseconds to wait for what has to happen, such as an epoch's end. @default 20000 */
  readonly patienceMs?: number | undefined
}

/** One case of the contract, for one adapter. */
export interface ContractCase {
  readonly title: Title
  /** Why this adapter does not have it, or cannot keep it; then there is nothing to run. */
  readonly without: string | undefined
  /** Resolves when the adapter keeps it. @throws AssertionError when it does not, and what the server throws. */
  readonly run: () => Promise<void>
}

/**
 * The cases that an adapter of withEpoch has to pass: an epoch of its own for each call, two calls at a barrier, streams,
 * clients that go, errors, and many calls while the world changes.
 *
 * Use it for an adapter of your own: one file that starts a real server, and this call.
 *
 * **Caveat** Epochs are counted in the whole process: run the cases one after the other, in a process without other epochs.
 *
 * @throws INVALID_ARGUMENT when the door or an option is not what it must be, or a case of `without` is none, or has no reason.
 * @example
 * import { test } from 'vitest'
 * import { contract } from '@withepoch/testing/contract'
 * import { door } from './door.js' // { name, start(routes) }
 *
 * for (const { title, without, run } of contract(door)) test.skipIf(without)(title, run)
 */
export function contract(door: Door, options: ContractOptions = {}): ContractCase[] {
  const call = 'contract(door, options)'
  requireObject(door, call, 'door')
  if (typeof door.name !== 'string' || door.name === '')
    refuse(call, `door.name must be a word, got ${kindOf(door.name)}.`)
  requireFunction((door as { start: unknown }).start, call, 'door.start')
  requireKnown(options, call, ['calls', 'patienceMs'])
  requireCount(options.calls, call, 'calls', 1)
  requireCount(options.patienceMs, call, 'patienceMs', 1)
  for (const [title, reason] of Object.entries(door.without ?? {})) {
    if (!Object.hasOwn(CASES, title)) refuse(call, `door.without names "${title}", which is no case.`)
    if (typeof reason !== 'string' || reason === '') refuse(call, `door.without["${title}"] must say why.`)
  }
  return (Object.keys(CASES) as Title[]).map((title) => ({
    title,
    without: door.without?.[title],
    run: () => play(door, new LocalHost(door), title, options.calls ?? 2000, options.patienceMs ?? 20_000),
  }))
}
