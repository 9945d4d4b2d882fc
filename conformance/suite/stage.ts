/**
 * Plays one cell: opens the actors' epochs, gives `run` the one remedy that is real, and reports whose epoch was seen.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { bind, bindEmitter, bindIterable, cell, detach, type Epoch, tryGetEpoch, withEpoch } from 'withepoch'
import type { Primitive, Stage, Way } from './primitive.js'

/** Whose values the running code reads. Each actor's epoch overrides it; the live value is nobody's. */
const who = cell('conformance.who', 'none')

/** Long enough for a busy machine. A cell that needs it has failed. */
const CELL_TIMEOUT_MS = 20_000

const asItIs = <T>(value: T): T => value

/** The actors that `see` was called by, in order, as one word for the golden file; or why it cannot be played here. */
export async function play(primitive: Primitive, way: Way): Promise<string> {
  const reason = primitive.unsupported?.()
  if (reason !== undefined) return `unsupported: ${reason}`
  const seen: string[] = []
  const cleanUps: Array<() => unknown> = []
  const epochs: Epoch[] = []
  let firstSeen!: () => void
  let over!: () => void
  const isOver = new Promise<void>((resolve) => (over = resolve))
  const stage: Stage = {
    as: (actor, fn) =>
      withEpoch({ name: actor, ifNested: 'fresh', values: [[who, actor]] }, (epoch) => {
        epochs.push(epoch)
        epoch.waitUntil(isOver)
        return fn()
      }),
    briefly: (actor, fn) => withEpoch({ name: actor, ifNested: 'fresh', values: [[who, actor]] }, fn),
    see: () => stage.note(whoIsHere()),
    note: (actor) => {
      seen.push(actor)
      firstSeen()
    },
    seen: new Promise((resolve) => (firstSeen = resolve)),
    bind: way === 'bind' ? bind : asItIs,
    bindEmitter: way === 'bindEmitter' ? bindEmitter : asItIs,
    bindIterable: way === 'bindIterable' ? bindIterable : asItIs,
    detach: way === 'detach' ? detach : (fn) => fn(),
    after: (cleanUp) => void cleanUps.unshift(cleanUp),
  }
  try {
    await inTime(async () => {
      if (whoIsHere() !== 'none')
        throw new Error(`starts in the epoch of ${whoIsHere()}, left by another cell`)
      await primitive.run(stage)
      await stage.seen
    })
    return [...new Set(seen)].join(', ')
  } finally {
    over()
    await inTime(async () => {
      for (const cleanUp of cleanUps) await cleanUp()
      await allClosed(epochs)
    })
  }
}

/** What the values say and what the handle says must be the same actor; if not, no golden file has such a word. */
function whoIsHere(): string {
  const value = who.get()
  const name = tryGetEpoch()?.name ?? 'none'
  return value === name ? value : `${value} in the epoch of ${name}`
}

/** No epoch stays open once its actor is done: the next cell would find it. */
async function allClosed(epochs: readonly Epoch[]): Promise<void> {
  for (let waits = 0; waits < 1_000; waits++) {
    if (epochs.every(({ phase }) => phase === 'closed')) return
    await wait(1)
  }
  const open = epochs.filter(({ phase }) => phase !== 'closed').map(({ name }) => name)
  throw new Error(`still open when all is done: ${open.join(', ')}`)
}

async function inTime(work: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('was not called back in time')), CELL_TIMEOUT_MS)
  })
  try {
    await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** What a remedy's cell must show: who it was bound to, or nobody. */
export function remedied(way: Way): string | undefined {
  if (way === 'plain') return undefined
  return way === 'detach' ? 'none' : 'own'
}
