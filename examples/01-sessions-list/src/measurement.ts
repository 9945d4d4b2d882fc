/**
 * The measurement: real clients call a real gateway, idle and busy, in every mode, and each call says how many scans it
 * made and whose manifests resolved its rows. It also records one call per mode for the picture. It does not know how
 * its numbers are shown.
 */
import { z } from 'zod'
import { type Actor, loadRegistry, startActors } from './actors.js'
import { type Mode, modes, startGateway } from './gateway.js'
import { setActivePluginRegistry } from './plugin-registry.js'
import { RpcClient } from './rpc-client.js'
import { recordTimeline } from './timeline.js'
import { workspaceLetter, type Workspaces } from './workspaces.js'

const loads = ['idle', 'busy'] as const
export type Load = (typeof loads)[number]

/** One line of the table. */
export type Cell = {
  rows: number
  mode: Mode
  load: Load
  /** Manifest scans per call: the worst call's; for the live mode the median call's. */
  scans: number
  /** Distinct workspaces whose manifests resolved the rows of one answer: the same choice. */
  workspaces: number
  /** Median over the calls, as the client sees it. */
  ms: number
  /** `ms` over that of the idle gateway with the same rows and mode. */
  ratioToIdle: number
}

export type MeasureOptions = {
  workspaces: Workspaces
  rows: readonly number[]
  /** How many calls each cell is made of. */
  calls: number
  onCall?: (done: number, total: number, now: { mode: Mode; load: Load; rows: number }) => void
}

/**
 * They take turns: one call at a time, so that a call's milliseconds and scans are its own. Beside each other, the live
 * mode's calls would profit from each other's scans.
 */
export const CLIENTS = 2

export async function measure(options: MeasureOptions): Promise<Cell[]> {
  const { workspaces, rows, calls, onCall } = options
  const total = modes.length * rows.length * loads.length * calls
  let done = 0
  const cells: Cell[] = []
  for (const mode of modes) {
    await withGateway({ mode, workspaces, clients: CLIENTS }, async (clients) => {
      for (const count of rows) {
        let idleMs = 0
        for (const load of loads) {
          await listOnce(clients[0]!, count) // warms up, and is not counted
          const made = await underLoad(load, workspaces, async () => {
            const results: Call[] = []
            while (results.length < calls) {
              onCall?.(done, total, { mode, load, rows: count })
              results.push(await listOnce(clients[results.length % CLIENTS]!, count))
              done += 1
            }
            return results
          })
          const cell = summarise(made, { mode, load, rows: count })
          if (load === 'idle') idleMs = cell.ms
          cells.push({ ...cell, ms: round(cell.ms), ratioToIdle: round(cell.ms / idleMs) })
        }
      }
    })
  }
  return cells.toSorted((a, b) => a.rows - b.rows)
}

/**
 * Records two busy calls per mode into a file; the picture shows the second of each, for which the actors are in full
 * swing when it comes in.
 */
export async function recordCalls(workspaces: Workspaces, rows: number, file: string): Promise<void> {
  const recorder = recordTimeline(file)
  try {
    for (const mode of modes) {
      recorder.mode = mode
      await withGateway({ mode, workspaces, clients: 1 }, async ([client]) => {
        await underLoad('busy', workspaces, async () => {
          await listOnce(client!, rows)
          await listOnce(client!, rows)
        })
      })
    }
  } finally {
    await recorder.stop()
  }
}

type Call = { scans: number; workspaces: number; ms: number }

const Answer = z.object({
  provenance: z.object({ scans: z.number(), workspaceDirs: z.array(z.string()) }),
})

async function listOnce(client: RpcClient, rows: number): Promise<Call> {
  const startMs = performance.now()
  const answer = await client.call('sessions.list', { limit: rows, provenance: true })
  const ms = performance.now() - startMs
  const { scans, workspaceDirs } = Answer.parse(answer).provenance
  if (workspaceDirs.length !== rows) {
    throw new Error(
      `sessions.list answered ${workspaceDirs.length} rows, asked for ${rows}. Is the store too small?`,
    )
  }
  return { scans, workspaces: new Set(workspaceDirs).size, ms }
}

async function withGateway(
  { mode, workspaces, clients }: { mode: Mode; workspaces: Workspaces; clients: number },
  use: (clients: readonly RpcClient[]) => Promise<void>,
): Promise<void> {
  setActivePluginRegistry(loadRegistry(workspaces.workspaceDirs[0]!), 'start')
  const gateway = await startGateway({ mode, store: workspaces.store })
  const connected: RpcClient[] = []
  try {
    while (connected.length < clients) connected.push(await RpcClient.connect(gateway.url))
    await use(connected)
  } finally {
    await Promise.all(connected.map((client) => client.close()))
    await gateway.close()
  }
}

/** Does `work` beside the actors, or, idle, with nobody else about. */
async function underLoad<T>(load: Load, workspaces: Workspaces, work: () => Promise<T>): Promise<T> {
  if (load === 'idle') return work()
  const actors = startActors(actorsOf(workspaces))
  try {
    return await work()
  } finally {
    await actors.stop()
  }
}

/** Agents and crons alternate in the lane: agents for the first three workspaces, crons for the others. */
function actorsOf({ workspaceDirs }: Workspaces): Actor[] {
  const actors = workspaceDirs.map((workspaceDir, n): Actor => {
    const kind = n < 3 ? 'agent' : 'cron'
    return { name: `${kind} ${workspaceLetter(workspaceDir)}`, kind, workspaceDir }
  })
  return [0, 3, 1, 4, 2].flatMap((n) => actors[n] ?? [])
}

function summarise(
  calls: readonly Call[],
  cell: Pick<Cell, 'mode' | 'load' | 'rows'>,
): Omit<Cell, 'ratioToIdle'> {
  const pick = cell.mode === 'live' ? median : (values: readonly number[]) => Math.max(...values)
  return {
    ...cell,
    scans: pick(calls.map((call) => call.scans)),
    workspaces: pick(calls.map((call) => call.workspaces)),
    ms: median(calls.map((call) => call.ms)),
  }
}

/** The lower middle for an even count: a value that was seen. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length / 2) - 1]!
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
