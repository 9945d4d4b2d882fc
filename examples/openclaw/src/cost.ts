/**
 * What the preload costs an idle gateway. Gateways differ from one start to the next by more than it can be, so three of
 * them stand side by side, two unmodified and one with it, are called in turn, and are started anew for each round.
 */
import path from 'node:path'
import type { Cost, CostRound } from './conditions.js'
import type { Gateway } from './gateway.js'
import { Home } from './home.js'
import { list, type Plan, prepare, type Setting, startWarm } from './measurement.js'
import { median } from './quantile.js'

const MODES = ['unmodified', 'preload', 'unmodified'] as const

/** As many sessions as the plan has at most, the registry persisted: there an idle gateway scans nothing. */
export async function measureCost(
  setting: Omit<Setting, 'home'>,
  plan: Plan & { readonly rounds: number },
  folder: string,
): Promise<Cost> {
  const rows = Math.max(...plan.rows)
  const homes = MODES.map((_, index) => new Home(path.join(folder, `beside-${index}`)))
  for (const home of homes) await prepare({ ...setting, home }, { ...plan, rows: [rows] })
  const rounds: CostRound[] = []
  while (rounds.length < plan.rounds) {
    const gateways: Gateway[] = []
    try {
      for (const [index, mode] of MODES.entries()) {
        const condition = { rows, registry: 'persisted', mode } as const
        gateways.push(await startWarm({ ...setting, home: homes[index]! }, plan, condition))
      }
      setting.say(`cost: round ${rounds.length + 1} of ${plan.rounds}`)
      const [first, preload, second] = await mediansOf(gateways, plan.calls)
      rounds.push({ unmodified: [first!, second!], preload: preload! })
    } finally {
      for (const gateway of gateways) await gateway.end()
    }
  }
  return { rows, calls: plan.calls, rounds }
}

async function mediansOf(gateways: readonly Gateway[], calls: number): Promise<number[]> {
  const ms: number[][] = gateways.map(() => [])
  for (let made = 0; made < calls; made++) {
    for (const [index, gateway] of gateways.entries()) ms[index]!.push((await list(gateway)).call.ms)
  }
  return ms.map(median)
}
