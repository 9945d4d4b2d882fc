/**
 * Runs inside the gateway, loaded with `--import`: the other actor of the report, made extreme. While it is switched
 * on, it sets the active workspace on every turn of the event loop, to each of the given ones in turn, at the place
 * where the program itself keeps it. It is loaded in every mode, and does nothing until it is told over IPC.
 *
 * When whoever started the gateway is gone, and be it by SIGKILL, the channel closes and the gateway ends as well.
 * It imports nothing, as Node runs it from source.
 */

/** Set these in turn, from now on. None: stop. */
export interface ActorOrder {
  readonly openclawActor?: readonly string[]
}

export interface ActorReport {
  readonly openclawActor: true
  /** How often it has set the workspace so far. */
  readonly writes: number
}

/** The program keeps the active workspace on the object under this symbol, which it makes after start-up. */
const STATE = Symbol.for('openclaw.pluginRegistryState')

let workspaces: readonly string[] = []
let writes = 0
let turning = false

function act(): void {
  const state = (globalThis as Record<symbol, unknown>)[STATE] as { workspaceDir?: string } | undefined
  if (workspaces.length === 0 || state === undefined) {
    turning = false
    return
  }
  state.workspaceDir = workspaces[writes++ % workspaces.length]!
  setImmediate(act)
}

process.on('message', (order: ActorOrder) => {
  if (order.openclawActor === undefined) return
  workspaces = order.openclawActor
  if (!turning) {
    turning = true
    setImmediate(act)
  }
  const report: ActorReport = { openclawActor: true, writes }
  process.send!(report)
})
process.on('disconnect', () => process.exit(1))
process.channel?.unref()
