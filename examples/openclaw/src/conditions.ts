/** The conditions under which `sessions.list` is called, and what was measured in each. No logic. */
import type { Registry } from './home.js'
import type { Scans } from './timeline.js'
import type { TurnCount } from './turns.js'

export const ROWS = [7, 50, 200] as const

export const REGISTRIES = ['persisted', 'derived'] as const satisfies readonly Registry[]

/** Without anything of ours but the actor, which does nothing unless told; or with the preload as well. */
export const MODES = ['unmodified', 'preload'] as const

export type Mode = (typeof MODES)[number]

/**
 * In this order within one gateway, because a turn leaves its traces:
 * `idle`, nothing has happened since the start; `after-turn`, one turn in another agent's workspace, and quiet again;
 * `turns`, all agents at work; `actor`, the workspace set on every turn of the event loop.
 */
export const LOADS = ['idle', 'after-turn', 'turns', 'actor'] as const

export type Load = (typeof LOADS)[number]

export interface Call extends Scans {
  readonly ms: number
}

/** As the program sends it; only what is used is named. */
export interface Row {
  readonly key: string
  readonly [field: string]: unknown
}

export interface Cell {
  readonly rows: number
  readonly registry: Registry
  readonly mode: Mode
  readonly load: Load
  readonly calls: readonly Call[]
  /** Fewer calls were made than asked for, because the time of the cell was up. */
  readonly cutShort: boolean
  /** Real turns that ended while the calls were made. */
  readonly turns?: TurnCount
  /** How often the actor set the workspace meanwhile. */
  readonly writes?: number
  /** The answer to the last call. */
  readonly answer: readonly Row[]
}
