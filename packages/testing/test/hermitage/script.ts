/**
 * Scripts of two or three actors, step by step, as in the Hermitage. A step is a sentence and what it does. Actors that
 * begin are requests: each runs in one asynchronous function, and waits before each of its steps for the step to be
 * released; the others are writers, who are in no request. Each step settles before the next is released, so the order
 * of the script is the order of what happens, on every run and every Node.
 */
import { EpochError } from 'withepoch'
import type { Column, Kind, Values, World } from './columns.js'

/** T1, T2, T3 are requests, W1 and W2 writers. */
export type Actor = 'T1' | 'T2' | 'T3' | 'T4' | 'W1' | 'W2'

export interface Step {
  readonly actor: Actor
  readonly says: string
  /** What it does; undefined for the beginning of a request. What it returns, unless it is undefined, has been seen. */
  readonly does: ((context: Context) => unknown) | undefined
}

/** What a step has to work with. */
export interface Context {
  readonly world: World
  /** What the actor has read last, by name. */
  readonly has: Record<string, unknown>
  /** What the actor has changed and not yet made final: what to do, and how to put it back. */
  readonly changes: Array<{ readonly make: () => void; readonly undo: () => void }>
  /** Whatever else the actors of one run share. */
  readonly shared: Map<string, unknown>
}

/** What one run came to. */
export interface Run {
  /** What the actor's steps returned, in order. */
  seen(actor: Actor): readonly unknown[]
  /** The error's code, where one of the actor's steps was refused; those after it are not taken. */
  refused(actor: Actor): string | undefined
  /** All of it, in words: `T1: 1, 2`. */
  readonly inWords: string
}

// --- steps ---

/** The request begins. */
export const begin = (actor: Actor): Step => ({ actor, says: 'begins', does: undefined })

export const step = (actor: Actor, says: string, does: (context: Context) => unknown): Step => ({
  actor,
  says,
  does,
})

export const read = (actor: Actor, name: string): Step =>
  step(actor, `reads ${name}`, ({ world, has }) => (has[name] = world.read(name)))

/** One write, complete in itself. */
export const write = (actor: Actor, name: string, value: unknown): Step =>
  step(actor, `sets ${name} to ${show(value)}`, ({ world }) => world.set(name, value))

/** Two writes without an `await` between. */
export const replace = (actor: Actor, values: Values): Step => {
  const pairs = Object.entries(values)
  const all = pairs.map(([name, value]) => `${name} to ${show(value)}`).join(' and ')
  return step(actor, `sets ${all}, in one tick`, ({ world }) =>
    world.together(() => pairs.forEach(([name, value]) => world.set(name, value))),
  )
}

/** One of several writes that belong together, with an `await` after it. Made at `commit` where writers publish. */
export const change = (actor: Actor, name: string, value: unknown): Step =>
  step(actor, `sets ${name} to ${show(value)}, and is not done`, ({ world, changes }) => {
    const before = world.live(name)
    const make = (): void => world.set(name, value)
    changes.push({ make, undo: () => world.set(name, before) })
    if (!world.publishes) make()
  })

/** The writer is done with its changes. */
export const commit = (actor: Actor): Step =>
  step(actor, 'is done', ({ world, changes }) => {
    const made = changes.splice(0)
    if (world.publishes) world.together(() => made.forEach(({ make }) => make()))
  })

/** The writer gives up: it puts back what it changed, or, where writers publish, its publication throws. */
export const abort = (actor: Actor): Step =>
  step(actor, 'fails, and undoes what it did', ({ world, changes }) => {
    const made = changes.splice(0)
    const failure = new Error('gave up')
    try {
      if (world.publishes) {
        world.together(() => {
          for (const { make } of made) make()
          throw failure
        })
      }
    } catch (error) {
      if (error !== failure) throw error
    }
    if (!world.publishes) for (const { undo } of made.reverse()) undo()
  })

/** A write of what was decided from values read before; fenced where the column has a fence. */
export const decide = (
  actor: Actor,
  says: string,
  basedOn: readonly string[],
  write: (context: Context) => void,
): Step =>
  step(actor, says, (context) => {
    const { world } = context
    world.together(() => {
      world.fence(basedOn)
      write(context)
    })
  })

// --- running ---

export async function run(steps: readonly Step[], initial: Values, kind: Kind, column: Column): Promise<Run> {
  const world = column.open(initial, kind)
  const shared = new Map<string, unknown>()
  const actors = new Map<Actor, ReturnType<typeof newcomer>>()
  const contextOf = (actor: Actor) => {
    const known = actors.get(actor) ?? newcomer(world, shared)
    actors.set(actor, known)
    return known
  }
  const gates = steps.map(() => deferred())
  const requests: Array<Promise<void>> = []

  const take = (at: number): void => {
    const { actor, does } = steps[at]!
    const known = contextOf(actor)
    if (known.refused !== undefined) return
    try {
      const found = does?.(known.context)
      if (found === undefined) return // a write
      known.seen.push(show(found)) // in words at once: it may change in place
      known.values.push(found)
    } catch (error) {
      if (!(error instanceof EpochError)) throw error
      known.refused = error.code
    }
  }

  try {
    for (const [at, { actor, does }] of steps.entries()) {
      const own = steps.flatMap((each, index) => (each.actor === actor && index > at ? [index] : []))
      if (does === undefined) {
        requests.push(
          world.request(async () => {
            for (const index of own) {
              await gates[index]!.promise
              take(index)
            }
          }),
        )
      } else if (steps.some((each) => each.actor === actor && each.does === undefined)) {
        gates[at]!.release()
      } else {
        take(at)
      }
      await new Promise(setImmediate) // all that this step set off has run
    }
    await Promise.all(requests)
  } finally {
    world.close()
  }
  return {
    seen: (actor) => actors.get(actor)?.values ?? [],
    refused: (actor) => actors.get(actor)?.refused,
    inWords: Array.from(actors)
      .filter(([, { seen, refused }]) => seen.length > 0 || refused !== undefined)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([actor, { seen, refused }]) => `${actor}: ${[...seen, ...(refused ? [refused] : [])].join(', ')}`)
      .join('; '),
  }
}

function newcomer(world: World, shared: Map<string, unknown>) {
  const context: Context = { world, has: {}, changes: [], shared }
  return { context, seen: [] as string[], values: [] as unknown[], refused: undefined as string | undefined }
}

function deferred(): { promise: Promise<void>; release: () => void } {
  let release!: () => void
  const promise = new Promise<void>((resolve) => {
    release = resolve
  })
  return { promise, release }
}

/** A value as the scripts write it. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  return String(value)
}
