/**
 * The cases: what each is called, how often it is done, and when what was found is as promised. The page and the command
 * both go by this list; what a case does stands in the file of its kind.
 */
import { EPOCHS } from './epochs.js'
import type { Growth } from './heap.js'
import { type HolderFound, HOLDERS, PAYLOAD_BYTES } from './holders.js'
import type { StorageFound } from './one-storage.js'
import { POLLERS } from './pollers.js'

export type Kind = 'epochs' | 'poller' | 'holder' | 'storage'

/** `brief` is for the tests of these tests, which break the library and look whether it is noticed. */
export type Size = 'full' | 'quick' | 'brief'

export interface Case {
  readonly kind: Kind
  readonly title: string
}

/** What a case found on one line of Node; `reasons` says why it is not as promised. */
export interface Result extends Case {
  readonly line: string
  readonly found: Growth | HolderFound | StorageFound | undefined
  readonly reasons: readonly string[]
}

export const CASES: readonly Case[] = [
  ...Object.keys(EPOCHS).map((title): Case => ({ kind: 'epochs', title })),
  ...Object.keys(POLLERS).map((title): Case => ({ kind: 'poller', title })),
  ...Object.keys(HOLDERS).map((title): Case => ({ kind: 'holder', title })),
  { kind: 'storage', title: 'every exported name, in three copies' },
]

/** How often: epochs, ticks, requests that leave a holder. */
const TIMES: Readonly<Record<Size, Readonly<Record<Kind, number>>>> = {
  full: { epochs: 300_000, poller: 50_000, holder: 1000, storage: 1 },
  quick: { epochs: 30_000, poller: 10_000, holder: 500, storage: 1 },
  brief: { epochs: 6000, poller: 3000, holder: 50, storage: 1 },
}

export function timesOf(one: Case, size: Size): number {
  const isMain = one.title === CASES[0]!.title
  return size === 'full' && isMain ? 1_000_000 : TIMES[size][one.kind]
}

/**
 * Bytes that the heap may grow by per epoch, and per tick. The quick form is too short to tell a byte from the engine's
 * own growth; it goes by a word, which is the least that anything can leak.
 */
export const MOST_GROWTH: Readonly<Record<Size, number>> = { full: 1, quick: 8, brief: 24 }

/** Bytes that a holder may cost in an epoch, beyond what it costs where there is none. */
const MOST_HUSK = 768

/** What the library's own code and feedback add to that, shared out among fewer holders. */
const HUSK_SLACK: Readonly<Record<Size, number>> = { full: 0, quick: 512, brief: 8192 }

/** What is not as promised, in words; nothing when all is. */
export function judge(
  { kind, title }: Case,
  found: Growth | HolderFound | StorageFound,
  size: Size,
): string[] {
  if (kind === 'epochs' || kind === 'poller') {
    const { bytes } = found as Growth
    return bytes < MOST_GROWTH[size] ? [] : [`grows by ${bytes.toFixed(2)} bytes each time`]
  }
  if (kind === 'storage') {
    const { constructed, by } = found as StorageFound
    return constructed === 1 ? [] : [`made ${constructed} AsyncLocalStorages: ${by.slice(0, 3).join('; ')}`]
  }
  const holder = found as HolderFound
  const husk = huskOf(holder)
  const most = (HOLDERS[title]?.allowed?.[0] ?? MOST_HUSK) + HUSK_SLACK[size]
  return [
    ...Object.entries(holder.values).flatMap(([what, { made, gone }]) =>
      gone === made ? [] : [`${made - gone} of ${made} values (${what}) are still held`],
    ),
    ...(Object.keys(holder.values).length > 0 ? [] : ['no values were made']),
    ...(husk <= most
      ? []
      : [`it costs ${Math.round(husk)} bytes more than with no epoch, of ${most} allowed`]),
    ...(HOLDERS[title]?.control === true && heldByStorage(holder) < PAYLOAD_BYTES
      ? ['a plain AsyncLocalStorage did not keep its store: nothing was measured']
      : []),
  ]
}

/** Bytes that a holder costs in an epoch, beyond what it costs where there is none. */
export function huskOf({ inEpoch, alone }: HolderFound): number {
  return inEpoch - alone
}

/** The same in a plain AsyncLocalStorage. */
export function heldByStorage({ inStorage, alone }: HolderFound): number {
  return inStorage - alone
}
