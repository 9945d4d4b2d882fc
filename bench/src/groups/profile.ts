/**
 * Where the time of one case goes: the share of each function, as V8's own profiler samples it while the case runs in a
 * loop. The argument is the case. It says why a target is missed, not by how much: a profiled process is a slower one. Reads
 * and writes are not here: they are compiled into their loop, and it has all the time.
 */
import { collectGarbage } from '../isolation.js'
import type { Profiled } from '../plan.js'
import type { Slice } from '../slices.js'
import type { Run } from './group.js'

const CASES: Readonly<Record<Profiled, () => Promise<Slice>>> = {
  enter: async () => (await import('./enter.js')).entering,
  request: async () => {
    const { contender } = await import('../contenders/withepoch.js')
    if (typeof contender.ten === 'string') throw new Error('nothing to profile')
    return (await import('../slices.js')).requestSlice(contender.ten)
  },
}

/** How often the profiler looks. */
const EVERY_MICROSECONDS = 200

/** Functions with less than this are left out. */
const LEAST_PERCENT = 1

/** The process at rest, and the profiler. */
const NOT_OURS = new Set(['(program)', '(idle)', '(root)', 'post'])

export async function profileGroup(run: Run): Promise<void> {
  const load = CASES[run.argument as Profiled] as (() => Promise<Slice>) | undefined
  if (load === undefined)
    throw new Error(`No case "${run.argument}"; there are ${Object.keys(CASES).join(', ')}.`)
  const slice = await load()
  const { Session } = await import('node:inspector/promises')
  const session = new Session()
  session.connect()
  await repeat(slice, run.smoke ? 20 : 1_000) // until it has been compiled
  collectGarbage()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: EVERY_MICROSECONDS })
  await session.post('Profiler.start')
  await repeat(slice, run.smoke ? 20 : 2_000)
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()

  const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]))
  const spent = new Map<string, number>()
  let total = 0
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const frame = nodes.get(id)
    const time = profile.timeDeltas?.[index] ?? 0
    if (frame === undefined || NOT_OURS.has(frame.functionName)) continue
    total += time
    const name = nameOf(frame)
    spent.set(name, (spent.get(name) ?? 0) + time)
  }
  for (const [name, time] of spent) {
    const percent = (100 * time) / total
    if (percent >= LEAST_PERCENT) run.facts[name] = percent
  }
}

function nameOf({ functionName, url }: { functionName: string; url: string }): string {
  if (functionName === '(garbage collector)') return 'garbage collector'
  if (url.startsWith('node:')) return `${functionName} of Node`
  return url.includes('/withepoch/') ? functionName || '(anonymous)' : 'the loop itself'
}

async function repeat(slice: Slice, ms: number): Promise<void> {
  const until = performance.now() + ms
  while (performance.now() < until) await slice(1_000)
}
