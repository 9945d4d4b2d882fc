/** The conditions under which `sessions.list` is called, and what was measured in each. No logic. */
import type { Scans } from './timeline.js'

export const ROWS = [7, 50, 200] as const

/**
 * Whether the program has its registry of plugins on disk. It is `persisted` after `openclaw plugins registry
 * --refresh`. It is `derived` from the plugins' folders again and again if the file has never been there. `lost` is
 * between the two: it was there at the start, so the program holds what it read of it, and is gone since, so that
 * everything else is derived. What is derived the program never remembers.
 */
export const REGISTRIES = ['persisted', 'lost', 'derived'] as const

export type Registry = (typeof REGISTRIES)[number]

/** Without anything of ours but the actor, which does nothing unless told; or with the preload as well. */
export const MODES = ['unmodified', 'preload'] as const

export type Mode = (typeof MODES)[number]

/**
 * In this order within one gateway, because a turn leaves its traces:
 * `idle`, nothing has happened since the start; `still`, the actor at work, but it sets what is set anyway, which is the
 * actor's load on the event loop without a change; `actor`, the workspace set on every turn of the event loop, and in the
 * end as it was; `own-turn`, one turn in the workspace that is active, and quiet again; `after-turn`, one turn in another
 * agent's workspace, and quiet again; `turns`, all agents at work.
 */
export const LOADS = ['idle', 'still', 'actor', 'own-turn', 'after-turn', 'turns'] as const

export type Load = (typeof LOADS)[number]

export interface Call extends Scans {
  readonly ms: number
  /** One of the first under its load: its scans count, its time does not, because code that is new to it is still compiled. */
  readonly isWarmUp?: true
  /**
   * While agents are at work: what the gateway took just before for the stand-in of an undisturbed call, which lets others in
   * as often as a list of so many rows, and computes for as long as an idle one.
   */
  readonly standInMs?: number
}

/** What calls left behind, one timer each, read once their epoch had ended. */
export interface Leftovers {
  readonly read: number
  /** Of these, how often the workspace was another one by then than the call's. */
  readonly moved: number
  /** And how often the timer got another one than the process had. */
  readonly stale: number
}

/** Real turns that ended while the calls were made. */
export interface TurnCount {
  readonly done: number
  /** What went elsewhere than to the agent's own workspace, or came from there. */
  readonly wrong: readonly string[]
  /** What the program said of turns that did not end well. */
  readonly failed: readonly string[]
}

/** As the program sends it; only what is used is named. */
export interface Row {
  readonly key: string
  readonly [field: string]: unknown
}

export interface Cell {
  /** Of which run it is: another one has other sessions, so answers are compared within one. */
  readonly run: string
  readonly rows: number
  readonly registry: Registry
  readonly mode: Mode
  readonly load: Load
  readonly calls: readonly Call[]
  /** Fewer calls were made than asked for, because the time of the cell was up. */
  readonly cutShort: boolean
  readonly turns?: TurnCount
  /** How often the actor set the workspace meanwhile. */
  readonly writes: number
  readonly leftovers: Leftovers
  /** The answer to the last call. */
  readonly answer: readonly Row[]
}

/** One round of three gateways side by side, called in turn: milliseconds of a call, the median of each gateway. */
export interface CostRound {
  readonly unmodified: readonly number[]
  readonly preload: number
}

/** What the preload costs an idle gateway. */
export interface Cost {
  readonly rows: number
  readonly calls: number
  readonly rounds: readonly CostRound[]
}

/** What `--json` writes and `--from` reads. */
export interface Results {
  readonly date: string
  readonly machine: string
  readonly openclaw: string
  readonly node: string
  readonly cells: readonly Cell[]
  readonly cost?: Cost
}
