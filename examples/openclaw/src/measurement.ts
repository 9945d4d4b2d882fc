/** Runs the conditions on real gateways, one gateway for each combination of rows, registry and mode. */
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Call, type Cell, type Load, type Mode, type Registry, type Row } from './conditions.js'
import type { StandInCall } from './actor.js'
import { Gateway } from './gateway.js'
import { type Agent, AGENTS, type Home, MODELS } from './home.js'
import type { Installation } from './installation.js'
import { start } from './leftovers.js'
import { median } from './quantile.js'
import { scansByCall } from './timeline.js'
import { timesOf } from './times.js'
import { BusyAgents, takeTurn, turnsSession } from './turns.js'

/** Between two calls while agents are at work, so that the calls meet different moments of their turns. */
const PAUSE_MS = 200

/** How long a gateway lists sessions under each load before times count: what has run a few times runs faster. */
const WARM_MS = 3000

/** Until the timers that calls have left behind have run. */
const LEFTOVERS_MS = 100

/** Real turns that have to end during a cell before it may end itself. */
const LEAST_TURNS = 8

export interface Plan {
  readonly rows: readonly number[]
  readonly registries: readonly Registry[]
  readonly modes: readonly Mode[]
  readonly loads: readonly Load[]
  readonly calls: number
  /** Of each gateway: two starts of the same one differ by more than half at times. */
  readonly starts: number
  /** After which an unmodified gateway's cell makes no further call. */
  readonly budgetMs: number
  readonly preload: string
}

export interface Setting {
  readonly installation: Installation
  readonly home: Home
  readonly modelPort: number
  /** For whoever waits. */
  readonly say: (what: string) => void
}

/** The registry, as the program itself writes it, and the sessions, made over the gateway. */
export async function prepare(setting: Setting, plan: Pick<Plan, 'rows'>): Promise<void> {
  const { installation, home, modelPort, say } = setting
  await home.clear(modelPort)
  say('the program writes its registry of plugins')
  await refreshRegistry(installation, home)
  await home.saveRegistry()
  const gateway = await Gateway.start(installation, home)
  let made = 0
  for (const rows of plan.rows.toSorted((a, b) => a - b)) {
    for (; made < rows; made++) {
      say(`session ${made + 1} of ${Math.max(...plan.rows)}`)
      const agent: Agent = AGENTS[made % AGENTS.length]!
      const label = `session ${made + 1}`
      const key = made < AGENTS.length ? { key: turnsSession(agent) } : {}
      const model = `openai/${MODELS[made % MODELS.length]}`
      await gateway.client.call('sessions.create', { agentId: agent, label, model, ...key })
    }
    await home.saveSessions(rows)
  }
  await gateway.end()
}

export async function* measure(setting: Setting, plan: Plan): AsyncGenerator<Cell> {
  const run = new Date().toISOString()
  /** Of the fastest gateway so far, by rows. */
  let idleMs: Readonly<Record<number, number>> = {}
  for (const registry of plan.registries) {
    for (const rows of plan.rows) {
      for (const mode of plan.modes) {
        const byLoad = new Map<Load, Cell>()
        for (let start = 1; start <= plan.starts; start++) {
          const condition = { run, registry, rows, mode }
          const part = partOf(plan, start)
          if (part.loads.length === 0) continue
          for await (const cell of measureGateway(setting, part, condition, idleMs)) {
            const ms = median(timesOf(cell))
            if (cell.load === 'idle') idleMs = { ...idleMs, [rows]: Math.min(ms, idleMs[rows] ?? Infinity) }
            const former = byLoad.get(cell.load)
            byLoad.set(cell.load, former === undefined ? cell : together(former, cell))
          }
        }
        yield* byLoad.values()
      }
    }
  }
}

/** Beside what agents compute a start makes no difference, and they leave traces: turns are taken in the last one. */
function partOf(plan: Plan, start: number): Plan {
  const loads = start === plan.starts ? plan.loads : plan.loads.filter((load) => load !== 'turns')
  return { ...plan, loads }
}

/** Of two starts of one condition; the answer is the later one's. */
function together(former: Cell, later: Cell): Cell {
  const { leftovers, turns } = later
  return {
    ...later,
    calls: [...former.calls, ...later.calls],
    cutShort: former.cutShort || later.cutShort,
    writes: former.writes + later.writes,
    leftovers: {
      read: former.leftovers.read + leftovers.read,
      moved: former.leftovers.moved + leftovers.moved,
      stale: former.leftovers.stale + leftovers.stale,
    },
    ...(turns && {
      turns: {
        done: (former.turns?.done ?? 0) + turns.done,
        wrong: [...(former.turns?.wrong ?? []), ...turns.wrong],
        failed: [...(former.turns?.failed ?? []), ...turns.failed],
      },
    }),
  }
}

type Condition = Pick<Cell, 'run' | 'rows' | 'registry' | 'mode'>

async function* measureGateway(
  setting: Setting,
  plan: Plan,
  condition: Condition,
  idleMs: Readonly<Record<number, number>>,
): AsyncGenerator<Cell> {
  const { home, say } = setting
  const { registry, rows, mode } = condition
  const title = `${rows} rows, ${registry}, ${mode}`
  const gateway = await startQuiet(setting, plan, condition)
  try {
    if (registry === 'lost') await home.loseRegistry()
    for (const load of plan.loads) {
      // Of a line, spread over the starts; but turns are taken in the last one only.
      const parts = load === 'turns' ? 1 : plan.starts
      const budgetMs = mode === 'unmodified' ? plan.budgetMs / parts : Infinity
      const calls = Math.ceil(plan.calls / parts)
      const before = await gateway.actor([])
      const cell = await underLoad(load, gateway, home, (turns) =>
        callOften(gateway, { calls, budgetMs, turns, standIn: standInOf(rows, idleMs[rows] ?? 0) }, (made) =>
          say(`${title}, ${load}: call ${made + 1} of ${calls}`),
        ),
      )
      await sleep(LEFTOVERS_MS)
      const { writes, leftovers } = await gateway.actor([])
      yield {
        ...condition,
        load,
        ...cell,
        writes: writes - before.writes,
        leftovers: {
          read: leftovers.read - before.leftovers.read,
          moved: leftovers.moved - before.leftovers.moved,
          stale: leftovers.stale - before.leftovers.stale,
        },
      }
    }
  } finally {
    await gateway.end()
  }
}

/** A gateway in a home laid out anew that has done what it does after a start. */
export async function startQuiet(
  { installation, home, modelPort, say }: Setting,
  { preload }: Pick<Plan, 'preload'>,
  { registry, rows, mode }: Pick<Cell, 'rows' | 'registry' | 'mode'>,
): Promise<Gateway> {
  const title = `${rows} rows, ${registry}, ${mode}`
  say(`${title}: starting the gateway`)
  await home.clear(modelPort)
  await home.restoreSessions(rows)
  if (registry !== 'derived') await home.restoreRegistry()
  const gateway = await Gateway.start(installation, home, mode === 'preload' ? preload : undefined)
  try {
    // The first call of a gateway loads what it needs only then, the same in all modes.
    await list(gateway)
    say(`${title}: waiting until the gateway is quiet`)
    await gateway.quiet()
    return gateway
  } catch (error) {
    await gateway.end()
    throw error
  }
}

type Calls = Pick<Cell, 'calls' | 'cutShort' | 'answer'>

async function underLoad(
  load: Load,
  gateway: Gateway,
  home: Home,
  calls: (turns?: BusyAgents) => Promise<Calls>,
): Promise<Calls & Pick<Cell, 'turns'>> {
  switch (load) {
    case 'idle':
      return calls()
    case 'own-turn':
    case 'after-turn': {
      const wrong = await takeTurn(gateway.client, home, AGENTS[load === 'own-turn' ? 0 : 1])
      await gateway.quiet()
      return { ...(await calls()), turns: { done: 1, wrong: wrong === undefined ? [] : [wrong], failed: [] } }
    }
    case 'turns': {
      const agents = new BusyAgents(gateway.client, home)
      const made = await calls(agents)
      return { ...made, turns: await agents.stop() }
    }
    case 'still':
    case 'actor': {
      const agents = load === 'still' ? AGENTS.slice(0, 1) : AGENTS
      await gateway.actor(agents.map((agent) => home.workspace(agent)))
      return calls()
    }
  }
}

async function callOften(
  gateway: Gateway,
  {
    calls,
    budgetMs,
    turns,
    standIn,
  }: { calls: number; budgetMs: number; turns: BusyAgents | undefined; standIn: StandInCall },
  onCall: (made: number) => void,
): Promise<Calls> {
  const until = performance.now() + WARM_MS + budgetMs
  // Beside turns it would be lost in what they compute.
  const first = turns === undefined ? await warm(gateway) : { calls: [], answer: [] }
  const made = [...first.calls]
  let { answer } = first
  const timed = (): number => timesOf({ calls: made }).length
  while (timed() < calls || (turns && turns.done < LEAST_TURNS)) {
    if (timed() > 0 && performance.now() > until) break
    onCall(timed())
    const standInMs = turns && (await callStandIn(gateway, standIn))
    if (turns) await sleep(PAUSE_MS)
    const { call, rows } = await list(gateway)
    made.push({ ...call, ...(standInMs !== undefined && { standInMs }) })
    answer = rows
    if (turns) await sleep(PAUSE_MS)
  }
  return { calls: made, cutShort: timed() < calls, answer }
}

/** Lists sessions until what that runs has been compiled. A call that takes longer than that is compiled while it runs. */
export async function warm(gateway: Gateway): Promise<Pick<Cell, 'calls' | 'answer'>> {
  const until = performance.now() + WARM_MS
  const calls: Call[] = []
  let answer: readonly Row[] = []
  while (performance.now() < until) {
    const { call, rows } = await list(gateway)
    calls.push(call.ms < WARM_MS ? { ...call, isWarmUp: true } : call)
    answer = rows
  }
  return { calls, answer }
}

/** The program builds ten rows, lets others in, builds ten more. */
const ROWS_A_SLICE = 10

function standInOf(rows: number, idleMs: number): StandInCall {
  const slices = Math.ceil(rows / ROWS_A_SLICE)
  return { slices, sliceMs: idleMs / slices }
}

async function callStandIn(gateway: Gateway, standIn: StandInCall): Promise<number> {
  const started = performance.now()
  await gateway.standIn(standIn)
  return performance.now() - started
}

export async function list(gateway: Gateway): Promise<{ call: Call; rows: readonly Row[] }> {
  await gateway.events()
  const started = performance.now()
  const answer = (await gateway.client.call('sessions.list', { limit: 1000 })) as { sessions: Row[] }
  const ms = performance.now() - started
  const [scans, ...others] = scansByCall(await gateway.events())
  if (scans === undefined || others.length > 0) {
    throw new Error(
      `the timeline shows ${others.length + (scans ? 1 : 0)} calls of sessions.list instead of one`,
    )
  }
  return { call: { ms, ...scans }, rows: answer.sessions }
}

async function refreshRegistry({ node, openclaw }: Installation, home: Home): Promise<void> {
  const child = start(node, [openclaw, 'plugins', 'registry', '--refresh'], {
    env: home.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream!.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`openclaw plugins registry --refresh failed:\n${output}`)
}
