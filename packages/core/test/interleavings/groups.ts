/**
 * Programs around a group: random members (owned, adopted, foreign, mixed), random writers that stop between their
 * steps, publications that succeed or are undone, readers that enter, advance, fork and come before the members do. The
 * oracle knows nothing of slots and snapshots. It keeps the live values, the last state that agreed when something
 * looked, and for each epoch what it must go on seeing.
 *
 * Every change writes one number, never used before, to all members; they belong together while they are equal. A
 * program is data and so is the order of its steps, so a failure shrinks to what can be pasted into `replay` below.
 */
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { adopt, cell, detach, type Epoch, group, publish, type Source, source, withEpoch } from 'withepoch'
import { choosing, type Order } from './order.js'

// --- members ---

/** A member holds its number bare, or in an array where the point is that arrays are copied. */
type Value = number | readonly number[]
const numberIn = (value: Value): number => (typeof value === 'number' ? value : value[0]!)

interface Member {
  readonly source: Source<Value>
  /** Whether a write goes through us, so that the group looks at it. */
  readonly owned: boolean
  write(n: number): void
}

const again = { ifRegistered: 'replace' } as const
let fresh = 0
/** Numbers that were retired in the run under way: nobody may be given one of them any more. */
const retired = new Set<string>()
const retire = (name: string) => (old: Value) => void retired.add(`${name} ${numberIn(old)}`)

const KINDS = {
  cell(name: string, n: number): Member {
    const source = cell<Value>(name, n, { ...again, retire: retire(name) })
    return { source, owned: true, write: (next) => source.set(next) }
  },
  copiedCell(name: string, n: number): Member {
    const source = cell<Value>(name, [n], { ...again, copy: (value) => [...(value as number[])] })
    return { source, owned: true, write: (next) => source.set([next]) }
  },
  adopted(name: string, n: number): Member {
    const object: { key: Value } = { key: n }
    const source = adopt(object, 'key', { ...again, name, retire: retire(name) })
    return { source, owned: true, write: (next) => void (object.key = next) }
  },
  accessor(name: string, n: number): Member {
    let value: Value = n
    const object = {
      get key(): Value {
        return value
      },
      set key(next: Value) {
        value = next
      },
    }
    const source = adopt(object, 'key', { ...again, name })
    return { source, owned: true, write: (next) => void (object.key = next) }
  },
  /** The accessor again, but its writer goes behind it. */
  behind(name: string, n: number): Member {
    let value: Value = n
    const object = {
      get key(): Value {
        return value
      },
    }
    const source: Source<Value> = adopt(object, 'key', { ...again, name })
    return { source, owned: false, write: (next) => void (value = next) }
  },
  /** Half of its writes replace the container. */
  path(name: string, n: number): Member {
    const world = { state: { key: n } }
    const source = adopt<Value>(world, ['state', 'key'], { ...again, name }) as Source<Value>
    const write = (next: number) =>
      void (next % 2 === 0 ? (world.state = { key: next }) : (world.state.key = next))
    return { source, owned: true, write }
  },
  foreign(name: string, n: number): Member {
    let value: Value = n
    return { source: source(name, () => value, again), owned: false, write: (next) => void (value = next) }
  },
  /** Changed in place, and copied when its version has moved. */
  mutated(name: string, n: number): Member {
    const list = [n]
    let version = 0
    const made = source<Value>(name, () => list, {
      ...again,
      copy: (value) => [...(value as number[])],
      version: () => version,
    })
    const write = (next: number) => {
      list[0] = next
      version++
    }
    return { source: made, owned: false, write }
  },
} as const
type Kind = keyof typeof KINDS

// --- programs ---

/** What a reader does between two waits. */
type Step = 'read' | 'advance' | 'fork' | 'fresh'
type Actor =
  /** Writes one number to the members in this order, waiting after each; one that is not listed is never written. */
  | { readonly does: 'write'; readonly order: readonly number[]; readonly inEpoch: boolean }
  /** Writes all members in one step; if it fails, only those that can be undone. */
  | { readonly does: 'publish'; readonly fails: boolean }
  | { readonly does: 'read'; readonly steps: readonly Step[] }

export interface Program {
  readonly kinds: readonly Kind[]
  /** Whether the members agree to begin with. */
  readonly agreeing: boolean
  /** What an epoch does that was opened before anything was declared, if there is one. */
  readonly early: readonly Step[] | undefined
  readonly actors: readonly Actor[]
}

const steps = (minLength: number) =>
  fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant<Step>('read') },
      { weight: 2, arbitrary: fc.constant<Step>('advance') },
      { weight: 1, arbitrary: fc.constant<Step>('fork') },
      { weight: 1, arbitrary: fc.constant<Step>('fresh') },
    ),
    { minLength, maxLength: 5 },
  )
export const programs: fc.Arbitrary<Program> = fc.record({
  kinds: fc.array(fc.constantFrom(...(Object.keys(KINDS) as Kind[])), { minLength: 2, maxLength: 3 }),
  agreeing: fc.oneof(
    { weight: 4, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  early: fc.option(steps(1), { freq: 2, nil: undefined }),
  actors: fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          does: fc.constant('write' as const),
          order: fc.shuffledSubarray([0, 1, 2], { minLength: 1 }),
          inEpoch: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ does: fc.constant('publish' as const), fails: fc.boolean() }) },
      { weight: 3, arbitrary: fc.record({ does: fc.constant('read' as const), steps: steps(1) }) },
    ),
    { minLength: 2, maxLength: 6, size: 'max' },
  ),
})

// --- running one program ---

export interface Result {
  reads: number
  /** Entries that found the group broken: without any, nothing was tried. */
  brokenEntries: number
  /** What an epoch was given although it had been retired. */
  readonly readAfterRetire: string[]
}

/** Runs the actors step by step, in the order given. Throws at the first read that is not the oracle's. */
export async function replay(program: Program, order: Order): Promise<Result> {
  const choose = choosing(order)
  const { kinds, agreeing, early, actors } = program
  retired.clear()
  const result: Result = { reads: 0, brokenEntries: 0, readAfterRetire: [] }
  let lastNumber = 0

  // the oracle
  const live: number[] = kinds.map((_, index) => (agreeing ? 0 : -1 - index))
  let agreed: readonly number[] | undefined
  const agree = (values: readonly number[]): boolean => values.every((value) => value === values[0])
  const look = (): void => {
    if (agree(live)) agreed = [...live]
  }
  const captured = (): readonly number[] => {
    look()
    return agree(live) ? [...live] : (agreed ?? [...live])
  }

  // the steps
  const waiting = new Map<number, () => void>()
  let parked = (): void => {}
  const wait = (actor: number): Promise<void> =>
    new Promise((resume) => {
      waiting.set(actor, resume)
      parked()
    })
  const started: Array<Promise<void>> = []
  const start = (run: () => Promise<void>): Promise<void> =>
    new Promise((resolve) => {
      parked = resolve
      started.push(run().finally(() => parked()))
    })

  const members: Member[] = []
  const write = (member: number, n: number, publishing = false): void => {
    members[member]!.write(n)
    live[member] = n
    if (members[member]!.owned && !publishing) look()
  }

  /** One epoch of a reader, and those it opens inside. `expected` is undefined until it has captured anything. */
  async function read(
    epoch: Epoch,
    actor: number,
    steps: readonly Step[],
    given?: readonly number[],
  ): Promise<void> {
    let expected = given
    for (const [index, step] of steps.entries()) {
      await wait(actor)
      if (step === 'advance') {
        epoch.advance()
        expected = captured()
      } else if (step === 'fork' || step === 'fresh') {
        const inner = step === 'fork' ? expected : captured()
        const run = (nested: Epoch): Promise<void> =>
          read(nested, actor, ['read', ...steps.slice(index + 1)], inner)
        return withEpoch({ ifNested: step }, run)
      }
      expected ??= captured()
      const seen = members.map(({ source }) => numberIn(source.get()))
      result.reads++
      if (!isDeepStrictEqual(seen, expected))
        throw new Error(`read ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`)
      for (const [member, n] of seen.entries()) {
        const read = `${members[member]!.source.name} ${n}`
        if (retired.has(read)) result.readAfterRetire.push(read)
      }
    }
  }

  async function act(actor: Actor, index: number): Promise<void> {
    if (actor.does === 'read') {
      await wait(index)
      const expected = captured()
      return withEpoch({ ifNested: 'fresh' }, (epoch) => read(epoch, index, actor.steps, expected))
    }
    await wait(index)
    if (actor.does === 'publish') {
      const n = ++lastNumber
      const before = [...live]
      const undone = new Error('undone')
      try {
        publish(() => {
          for (const [member, { owned }] of members.entries())
            if (owned || !actor.fails) write(member, n, true)
          if (actor.fails) throw undone
        })
        look()
      } catch (error) {
        if (error !== undone) throw error
        live.splice(0, live.length, ...before)
      }
      return
    }
    const n = ++lastNumber
    const steps = async (): Promise<void> => {
      for (const member of actor.order.filter((each) => each < members.length)) {
        // In an epoch of its own, or carried into nobody's: the world is the same.
        if (actor.inEpoch) detach(() => write(member, n))
        else write(member, n)
        await wait(index)
      }
    }
    if (!actor.inEpoch) return steps()
    captured() // an entry looks
    return withEpoch({ ifNested: 'fresh' }, steps)
  }

  if (early !== undefined) {
    const index = actors.length
    await start(() => withEpoch({ ifNested: 'fresh' }, (epoch) => read(epoch, index, early)))
  }
  // An epoch that comes before its sources must find nothing under their names from an earlier run.
  const prefix = early === undefined ? 'group.interleavings' : `group.interleavings.${++fresh}`
  for (const [index, kind] of kinds.entries()) {
    members.push(KINDS[kind](`${prefix}.${kind}.${index}`, live[index]!))
  }
  const declared = group(
    'group.interleavings',
    members.map(({ source }) => source),
    { coherent: (...values: readonly Value[]) => agree(values.map(numberIn)) },
  )
  look()
  try {
    for (const [index, actor] of actors.entries()) await start(() => act(actor, index))
    while (waiting.size > 0) {
      const next = [...waiting.keys()][choose(waiting.size)]!
      const resume = waiting.get(next)!
      waiting.delete(next)
      await new Promise<void>((resolve) => {
        parked = resolve
        resume()
      })
    }
    await Promise.all(started)
  } finally {
    result.brokenEntries = declared.brokenEntries
    declared.release()
    for (const { source } of members) source.release()
  }
  return result
}
