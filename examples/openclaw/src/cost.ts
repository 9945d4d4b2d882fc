/**
 * What the preload costs an idle gateway. Gateways differ from one start to the next by more than it can be, so three of
 * them stand side by side, two unmodified and one with it, are called in turn, and are started anew for each round, each
 * time in another order: the one that was started last is the fastest.
 */
import path from 'node:path'
import type { Cost, CostRound } from './conditions.js'
import type { Gateway } from './gateway.js'
import { Home } from './home.js'
import { list, type Plan, prepare, type Setting, startQuiet, warm } from './measurement.js'
import { median } from './quantile.js'

const MODES = ['unmodified', 'preload', 'unmodified'] as const

/** A round is over fast, beside the three starts. */
const CALLS = 100

/** As many sessions as the plan has at most, the registry persisted: there an idle gateway scans nothing. */
export async function measureCost(
  setting: Omit<Setting, 'home'>,
  plan: Pick<Plan, 'rows' | 'preload'> & { readonly rounds: number },
  folder: string,
): Promise<Cost> {
  const rows = Math.max(...plan.rows)
  const homes = MODES.map((_, index) => new Home(path.join(folder, `beside-${index}`)))
  for (const home of homes) await prepare({ ...setting, home }, { rows: [rows] })
  const rounds: CostRound[] = []
  while (rounds.length < plan.rounds) {
    const gateways: Array<Gateway | undefined> = []
    try {
      const order = [0, 1, 2].map((place) => (place + rounds.length) % 3)
      for (const index of order) {
        const condition = { rows, registry: 'persisted', mode: MODES[index]! } as const
        gateways[index] = await startQuiet({ ...setting, home: homes[index]! }, plan, condition)
      }
      const inOrder = order.map((index) => gateways[index]!)
      setting.say(`cost: round ${rounds.length + 1} of ${plan.rounds}`)
      for (const gateway of inOrder) await warm(gateway)
      const times = await timesInTurn(inOrder, CALLS)
      const [first, preload, second] = gateways.map((gateway) => median(times.get(gateway!)!))
      rounds.push({ unmodified: [first!, second!], preload: preload! })
    } finally {
      for (const gateway of gateways) await gateway?.end()
    }
  }
  return { rows, calls: CALLS, rounds }
}

/** Milliseconds of each call, by gateway; they are called in turn. */
async function timesInTurn(gateways: readonly Gateway[], calls: number): Promise<Map<Gateway, number[]>> {
  const times = new Map(gateways.map((gateway) => [gateway, [] as number[]]))
  for (let made = 0; made < calls; made++) {
    for (const gateway of gateways) times.get(gateway)!.push((await list(gateway)).call.ms)
  }
  return times
}
