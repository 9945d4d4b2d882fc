/**
 * Runs inside the gateway, loaded with `--import`: the other actor of the report, made extreme. While it is switched
 * on, it sets the active workspace on every turn of the event loop, to each of the given ones in turn, at the place
 * where the program itself keeps it. It is loaded in every mode, and does nothing until it is told over IPC.
 *
 * It also looks after what calls leave behind: at the end of each epoch it starts a timer in the call's own async context,
 * which reads the workspace when the epoch is over. What that gets has to be what the process has by then. An unmodified
 * gateway has no epochs, and nobody starts a timer.
 *
 * When whoever started the gateway is gone, and be it by SIGKILL, the channel closes and the gateway ends as well.
 * It imports nothing but parts of Node, as Node runs it from source.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Leftovers } from './conditions.js'

/** A call that computes `sliceMs` milliseconds in each of its slices, and lets others in between them. */
export interface StandInCall {
  readonly slices: number
  readonly sliceMs: number
}

export interface ActorOrder {
  /** Set these in turn, from now on. None: stop, and set what there was before. */
  readonly openclawActor?: readonly string[]
  readonly standIn?: StandInCall
}

export interface ActorReport {
  readonly openclawActor: true
  /** How often it has set the workspace so far. */
  readonly writes: number
  readonly leftovers: Leftovers
}

/** The program keeps the active workspace on the object under this symbol, which it makes after start-up. */
const STATE = Symbol.for('openclaw.pluginRegistryState')

/** Long enough for the epoch to be over, and for the actor to have set another workspace. */
const LATER_MS = 5

/** Runs in the context that there was at start-up, which is nobody's call. */
const outside = AsyncLocalStorage.snapshot()

const leftovers = { read: 0, moved: 0, stale: 0 }

let workspaces: readonly string[] = []
let before: string | undefined
let writes = 0
let turning = false

function stateOf(): { workspaceDir?: string } | undefined {
  return (globalThis as Record<symbol, unknown>)[STATE] as { workspaceDir?: string } | undefined
}

function act(): void {
  const state = stateOf()
  if (workspaces.length === 0 || state === undefined) {
    turning = false
    if (state !== undefined) state.workspaceDir = before
    return
  }
  state.workspaceDir = workspaces[writes++ % workspaces.length]!
  setImmediate(act)
}

subscribe('withepoch:epoch:close', () => {
  const state = stateOf()
  const inCall = state?.workspaceDir
  setTimeout(() => {
    const got = state?.workspaceDir
    const live = outside(() => state?.workspaceDir)
    leftovers.read++
    if (live !== inCall) leftovers.moved++
    if (got !== live) leftovers.stale++
  }, LATER_MS)
})

async function standInFor({ slices, sliceMs }: StandInCall): Promise<void> {
  for (let slice = 0; slice < slices; slice++) {
    if (slice > 0) await new Promise((resolve) => setImmediate(resolve))
    const until = performance.now() + sliceMs
    while (performance.now() < until);
  }
}

process.on('message', async ({ openclawActor, standIn }: ActorOrder) => {
  if (standIn !== undefined) await standInFor(standIn)
  else if (openclawActor !== undefined) {
    workspaces = openclawActor
    if (!turning && workspaces.length > 0) {
      turning = true
      before = stateOf()?.workspaceDir
      setImmediate(act)
    }
  } else return
  process.send!({ openclawActor: true, writes, leftovers } satisfies ActorReport)
})
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
