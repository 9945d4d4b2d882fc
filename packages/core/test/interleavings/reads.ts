/**
 * Programs of readers and writers, and an oracle for each of their reads. The oracle knows nothing of snapshots, slots or
 * versions: it is a plain object per epoch, a deep copy of the world at the moment of entry, changed as the documentation
 * says a write or an `advance` changes it.
 *
 * A program is data, and so is the order in which waiting actors go on, so a failure shrinks to a few lines that can be
 * pasted into `replay` below. Who searches, and how long, is not known here.
 */
import { subscribe } from 'node:diagnostics_channel'
import * as fc from 'fast-check'
import {
  bind,
  bindIterable,
  cell,
  detach,
  type Epoch,
  EpochError,
  memo,
  publish,
  source,
  withEpoch,
} from 'withepoch'
import { choosing, type Order } from './order.js'

// --- the world ---

/** What there is to read. a and b are cells, p and q cells that are always published together, f and g foreign. */
const PINNED = ['a', 'b', 'p', 'q', 'f', 'g', 'list', 'copied'] as const
const LAZY = ['lazy', 'lazyCell'] as const
const NEVER = ['kill', 'killCell'] as const
type Name = (typeof PINNED)[number] | (typeof LAZY)[number] | (typeof NEVER)[number]
type Cells = 'a' | 'b' | 'p' | 'q' | 'copied' | 'lazyCell' | 'killCell'
type Value = string | readonly string[] | undefined
type World = Record<Name, Value>

const NAMES: readonly Name[] = [...PINNED, ...LAZY, ...NEVER]
const CELLS: readonly Cells[] = ['a', 'b', 'p', 'q', 'copied', 'lazyCell', 'killCell']

/** The live world as the oracle has it. Arrays are mutated in place, so a copy of it has to be a deep one. */
const world = {} as World
const foreign = { f: 'f', g: 'g', list: ['list'], version: 0, lazy: 'lazy', kill: 'kill' }
const copyOf = (value: readonly string[]): string[] => [...value]

export const real = {
  a: cell<Value>('interleavings.a', undefined),
  b: cell<Value>('interleavings.b', undefined),
  p: cell<Value>('interleavings.p', undefined),
  q: cell<Value>('interleavings.q', undefined),
  f: source<Value>('interleavings.f', () => foreign.f),
  g: source<Value>('interleavings.g', () => foreign.g),
  list: source<Value>('interleavings.list', () => foreign.list, {
    copy: (value) => copyOf(value as string[]),
    version: () => foreign.version,
  }),
  copied: cell<Value>('interleavings.copied', undefined, {
    copy: (value) => value && structuredClone(value),
  }),
  lazy: source<Value>('interleavings.lazy', () => foreign.lazy, { isolation: 'repeatable-read' }),
  lazyCell: cell<Value>('interleavings.lazyCell', undefined, { isolation: 'repeatable-read' }),
  kill: source<Value>('interleavings.kill', () => foreign.kill, { isolation: 'read-committed' }),
  killCell: cell<Value>('interleavings.killCell', undefined, { isolation: 'read-committed' }),
}

let fresh = 0
/** A value that was never there before, so that no two moments look alike by accident; undefined now and then. */
const nextValue = (name: Name): Value => {
  const n = ++fresh
  if (name === 'copied') return [`copied ${n}`]
  return n % 11 === 0 ? undefined : `${name} ${n}`
}

function resetWorld(): void {
  foreign.f = 'f'
  foreign.g = 'g'
  foreign.list = ['list']
  foreign.version++
  foreign.lazy = 'lazy'
  foreign.kill = 'kill'
  Object.assign(world, { f: 'f', g: 'g', list: foreign.list, lazy: 'lazy', kill: 'kill' })
  publish(() => {
    for (const name of CELLS) {
      const value: Value = name === 'copied' ? ['copied'] : name === 'q' ? 'p' : name
      real[name].set(value)
      world[name] = value
    }
  })
}

// --- programs ---

type Writes = 'publish' | 'local' | 'reject'
/** Of a memo; 1 is not '1'. */
type Key = 1 | '1' | 2
type Op =
  | { do: 'read'; of: Name; by: 'get' | 'handle' | 'live' | 'detach' }
  | { do: 'yield' }
  | { do: 'memo'; key: Key }
  | { do: 'load'; key: Key; awaited: boolean }
  | { do: 'set'; of: Cells }
  | { do: 'update'; of: Cells }
  | { do: 'publish'; fails: boolean; of: readonly Cells[] }
  | { do: 'advance' }
  | { do: 'stale' }
  | {
      do: 'nested'
      how: 'reuse' | 'fork' | 'fresh'
      writes?: Writes
      override?: Cells
      as?: 'generator'
      awaited: boolean
      ops: readonly Op[]
    }
  | { do: 'background'; held: boolean; ops: readonly Op[] }
  | { do: 'detached'; ops: readonly Op[] }
  | { do: 'bound'; ops: readonly Op[] }
  | { do: 'rows'; own: boolean; of: Name; pulls: number }

type Step = 'foreign' | 'list' | 'pair' | 'half-done pair' | 'set' | 'update' | 'failing publish' | 'yield'
export type Actor =
  | { actor: 'reader'; writes: Writes; override?: Cells; as?: 'generator'; ops: readonly Op[] }
  | { actor: 'writer'; steps: readonly Step[] }

const cellName = fc.constantFrom(...CELLS)
const key = fc.constantFrom<Key>(1, '1', 2)
const generator = fc.constant('generator' as const)
const writes = fc.constantFrom<Writes>('publish', 'publish', 'local', 'local', 'reject')
/** Overrides and local writes of a source that is never pinned are refused, so no program has them. */
const pinnable = fc.constantFrom(...CELLS.filter((name) => name !== 'killCell'))

const { ops } = fc.letrec<{ ops: readonly Op[]; op: Op }>((tie) => ({
  op: fc.oneof(
    { maxDepth: 3, depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: fc.constant<Op>({ do: 'yield' }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        // Those that are not pinned at entry need two reads each, so they come twice as often.
        of: fc.constantFrom(...NAMES, ...LAZY, ...NEVER),
        by: fc.constantFrom(
          'get' as const,
          'get' as const,
          'handle' as const,
          'live' as const,
          'detach' as const,
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('memo' as const), key }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('load' as const), key, awaited: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('set' as const), of: cellName }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('update' as const), of: cellName }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('publish' as const),
        fails: fc.boolean(),
        of: fc.array(cellName, { maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant<Op>({ do: 'advance' }) },
    { weight: 1, arbitrary: fc.constant<Op>({ do: 'stale' }) },
    {
      weight: 2,
      arbitrary: fc.record(
        {
          do: fc.constant('nested' as const),
          how: fc.constantFrom('reuse' as const, 'reuse' as const, 'fork' as const, 'fresh' as const),
          writes,
          override: pinnable,
          as: generator,
          awaited: fc.boolean(),
          ops: tie('ops'),
        },
        { requiredKeys: ['do', 'how', 'awaited', 'ops'] },
      ),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('background' as const), held: fc.boolean(), ops: tie('ops') }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('detached' as const), ops: tie('ops') }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('bound' as const), ops: tie('ops') }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('rows' as const),
        own: fc.boolean(),
        of: fc.constantFrom(...NAMES),
        pulls: fc.integer({ min: 1, max: 3 }),
      }),
    },
  ),
  ops: fc.array(tie('op'), { maxLength: 8, size: 'max', depthIdentifier: 'ops' }),
}))

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { withCrossShrink: true },
  fc.record(
    { actor: fc.constant('reader' as const), writes, override: pinnable, as: generator, ops },
    { requiredKeys: ['actor', 'writes', 'ops'] },
  ),
  fc.record({
    actor: fc.constant('writer' as const),
    steps: fc.array(
      fc.constantFrom<Step>(
        'foreign',
        'list',
        'pair',
        'half-done pair',
        'set',
        'update',
        'failing publish',
        'yield',
      ),
      { maxLength: 6, size: 'max' },
    ),
  }),
)

export const programs: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 5, size: 'max' })

// --- the oracle ---

/** What one epoch is to see: a deep copy of the world, and what its own writes and reads made of it. */
interface View {
  readonly seen: Partial<World>
  /** For `isStale`: the captured value of what is overridden or locally written; absent: never captured. */
  readonly captured: Map<Name, { value: Value } | undefined>
  readonly writes: Writes
  /** Counts the times what a memo computed was to be dropped. */
  memos: number
  /** The memo's result of this count. */
  memoised?: { at: number; value: unknown }
}

const snapshot = (name: Name): Value => structuredClone(world[name]) as Value

function open(way: Writes): View {
  const seen: Partial<World> = {}
  for (const name of PINNED) seen[name] = snapshot(name)
  return { seen, captured: new Map(), writes: way, memos: 0 }
}

function forkOf(parent: View, way: Writes): View {
  return { seen: structuredClone(parent.seen), captured: new Map(parent.captured), writes: way, memos: 0 }
}

const isNever = (name: Name): boolean => name === 'kill' || name === 'killCell'

function expected(view: View | undefined, name: Name): Value {
  if (view === undefined || isNever(name)) return world[name]
  if (!(name in view.seen)) view.seen[name] = snapshot(name) // repeatable-read: its first read is now
  return view.seen[name]
}

function writeLocally(view: View, name: Name, value: Value): void {
  if (!view.captured.has(name))
    view.captured.set(name, name in view.seen ? { value: view.seen[name] } : undefined)
  view.seen[name] = value
}

function writtenBy(view: View | undefined, name: Cells, value: Value): void {
  if (view === undefined) {
    world[name] = value
  } else if (view.writes === 'local') {
    writeLocally(view, name, value)
  } else {
    world[name] = value
    if (isNever(name)) return
    view.captured.delete(name)
    view.seen[name] = structuredClone(value) as Value
  }
}

function advanced(view: View): void {
  const own = [...view.captured.keys()].map((name) => [name, view.seen[name]] as const)
  for (const name of Object.keys(view.seen) as Name[]) delete view.seen[name]
  Object.assign(view.seen, open(view.writes).seen)
  for (const [name, value] of own) {
    view.captured.set(name, name in view.seen ? { value: view.seen[name] } : undefined)
    view.seen[name] = value
  }
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify([one]) === JSON.stringify([other])

function hasMoved(view: View, name: Name): boolean {
  if (!(name in view.seen)) return false
  const captured = view.captured.has(name) ? view.captured.get(name) : { value: view.seen[name] }
  return captured !== undefined && !same(captured.value, world[name])
}

const isStale = (view: View): boolean =>
  (Object.keys(view.seen) as Name[]).some((name) => hasMoved(view, name))

// --- running one program ---

/** What a memo returns: each time it computes another object. */
const pair = memo((of: Key) => ({ of, a: real.a.get(), g: real.g.get() }), { name: 'pair' })

/** Writes that were told to undo a change which the epoch had not seen. */
let conflicts = 0
subscribe('withepoch:source:write-conflict', () => conflicts++)

/** The code of what `call` throws. */
function refusal(call: () => unknown): string {
  try {
    call()
    return 'none'
  } catch (error) {
    return error instanceof EpochError ? error.code : String(error)
  }
}

/** Runs a program in an order, and gives the number of reads that were compared. Throws if one is not the oracle's. */
export async function replay(actors: readonly Actor[], order: Order): Promise<number> {
  const choose = choosing(order)
  resetWorld()
  const failures: unknown[] = []
  const waiting: Array<() => void> = []
  const running: Array<Promise<void>> = []
  const epochs = new Set<Epoch>()
  const forgotten: Array<() => void> = []
  let reads = 0
  const pause = () => new Promise<void>((resolve) => void waiting.push(resolve))
  const check = (what: string, found: unknown, wanted: unknown) => {
    reads++
    if (!same(found, wanted))
      failures.push(`${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`)
  }

  const load = memo(
    async (of: Key) => {
      const result = { of, a: real.a.get(), g: real.g.get() }
      await pause()
      return result
    },
    { name: 'load' },
  )

  const checkMemo = (view: View | undefined, of: Key) => {
    const first = pair(of)
    check('memo', first, { of, a: expected(view, 'a'), g: expected(view, 'g') })
    if (view !== undefined && pair(of) !== first) failures.push('memo: computed twice')
  }

  /** A `set`, of which the process is told if it undoes what its epoch has not seen. */
  const set = (view: View | undefined, name: Cells, value: Value) => {
    const before = conflicts
    const wanted = view?.writes === 'publish' && hasMoved(view, name)
    real[name].set(value)
    check(`conflicts of ${name}`, conflicts - before, wanted ? 1 : 0)
    writtenBy(view, name, value)
  }

  const publishAll = (view: View | undefined, names: readonly Cells[], fails: boolean) => {
    const former = structuredClone(world)
    const before = view && { ...forkOf(view, view.writes) }
    try {
      publish(() => {
        for (const name of names) {
          if (view?.writes === 'local' && isNever(name)) continue
          const value = nextValue(name)
          set(view, name, value)
          check(`${name} in publish`, real[name].get(), expected(view, name))
          const enter = () => withEpoch({ ifNested: 'fresh' }, () => {})
          check('an epoch in publish', refusal(enter), 'EPOCH_IN_PUBLISH')
        }
        if (fails) throw new Error('changed its mind')
      })
    } catch {
      for (const name of names) world[name] = former[name]
      if (view === undefined || before === undefined) return
      for (const name of names) {
        // What was pinned by a read inside stays so only where the read was the epoch's own, not of its own write.
        if (name in before.seen) view.seen[name] = before.seen[name]
        else delete view.seen[name]
        if (before.captured.has(name)) view.captured.set(name, before.captured.get(name))
        else view.captured.delete(name)
      }
    }
  }

  async function runOps(
    list: readonly Op[],
    view: View | undefined,
    epoch: Epoch | undefined,
  ): Promise<void> {
    for (const op of list) {
      if (epoch !== undefined) check('phase while somebody is inside', epoch.phase, 'open')
      if (op.do === 'yield') {
        await pause()
      } else if (op.do === 'read') {
        const one = real[op.of]
        if (op.by === 'get') check(`${op.of}.get()`, one.get(), expected(view, op.of))
        if (op.by === 'handle' && epoch !== undefined)
          check(`epoch.get(${op.of})`, epoch.get(one), expected(view, op.of))
        if (op.by === 'live') check(`${op.of}.live()`, one.live(), world[op.of])
        if (op.by === 'detach')
          check(
            `detached ${op.of}.get()`,
            detach(() => one.get()),
            world[op.of],
          )
      } else if (op.do === 'memo') {
        checkMemo(view, op.key)
      } else if (op.do === 'load') {
        const wanted = { of: op.key, a: expected(view, 'a'), g: expected(view, 'g') }
        const first = load(op.key)
        if (view !== undefined && load(op.key) !== first) failures.push('load: another flight')
        const landed = first.then((found) => check('load', found, wanted))
        running.push(landed)
        if (op.awaited) await landed
      } else if ((op.do === 'set' || op.do === 'update') && view?.writes === 'reject') {
        refused(op.of, () =>
          op.do === 'set' ? real[op.of].set('refused') : real[op.of].update(() => 'refused'),
        )
        check(`${op.of} after a refused write`, real[op.of].get(), expected(view, op.of))
      } else if (op.do === 'set') {
        if (view?.writes === 'local' && isNever(op.of)) continue
        checkMemo(view, 1)
        set(view, op.of, nextValue(op.of))
        check(`${op.of} after set`, real[op.of].get(), expected(view, op.of))
        checkMemo(view, 1)
      } else if (op.do === 'update') {
        if (view?.writes === 'local' && isNever(op.of)) continue
        const wanted = view?.writes === 'local' ? expected(view, op.of) : world[op.of]
        const value = nextValue(op.of)
        real[op.of].update((previous) => {
          check(`previous of ${op.of}`, previous, wanted)
          return value
        })
        writtenBy(view, op.of, value)
      } else if (op.do === 'publish') {
        publishAll(view, op.of, op.fails)
      } else if (op.do === 'advance') {
        if (view === undefined || epoch === undefined) continue
        checkMemo(view, 1)
        epoch.advance()
        advanced(view)
        checkMemo(view, 1)
      } else if (op.do === 'stale') {
        if (view !== undefined && epoch !== undefined) check('isStale()', epoch.isStale(), isStale(view))
      } else if (op.do === 'nested') {
        const way = op.writes ?? (op.how === 'fresh' ? 'publish' : (view?.writes ?? 'publish'))
        const work = enterEpoch(op.how, way, op.override, op.as, op.ops, view)
        if (op.awaited) await work
        else running.push(work)
      } else if (op.do === 'detached') {
        await detach(() => runOps(op.ops, undefined, undefined))
      } else if (op.do === 'bound') {
        const inside = bind(() => runOps(op.ops, view, epoch))
        await detach(() => inside())
      } else if (op.do === 'rows') {
        await pull(op, view)
      } else if (op.held || epoch === undefined) {
        const work = runOps(op.ops, view, epoch)
        running.push(work)
        epoch?.waitUntil(work)
      } else {
        // Nobody holds the epoch for this: it reads when all is over, and then it reads live.
        const over = new Promise<void>((resolve) => forgotten.push(resolve))
        const way = view?.writes
        running.push(
          over.then(() => {
            check('phase of an epoch after the end', epoch.phase, 'closed')
            for (const name of NAMES) check(`late ${name}`, real[name].get(), world[name])
            const value = nextValue('b')
            const code = { publish: 'none', local: 'EPOCH_CLOSED', reject: 'WRITE_REJECTED' }[
              way ?? 'publish'
            ]
            const late = refusal(() => real.b.set(value))
            check('a late write', late, code)
            if (code === 'none') world.b = value
            check('live after a late write', real.b.live(), world.b)
            const inner = withEpoch((opened) => {
              check('phase of an epoch opened late', opened.phase, 'open')
              for (const name of NAMES)
                check(`${name} in an epoch opened late`, real[name].get(), world[name])
              return opened
            })
            epochs.add(inner)
          }),
        )
      }
    }
  }

  async function enterEpoch(
    ifNested: 'reuse' | 'fork' | 'fresh',
    way: Writes,
    override: Cells | undefined,
    as: 'generator' | undefined,
    list: readonly Op[],
    outer: View | undefined,
  ): Promise<void> {
    const given = override === undefined ? undefined : nextValue(override)
    const values = override === undefined ? [] : ([[real[override], given]] as const)
    const enter = (epoch: Epoch): View => {
      epochs.add(epoch)
      const joins =
        outer !== undefined && ifNested === 'reuse' && way === outer.writes && override === undefined
      const view = joins
        ? outer
        : outer === undefined || ifNested === 'fresh'
          ? open(way)
          : forkOf(outer, way)
      if (override !== undefined) writeLocally(view, override, given)
      return view
    }
    const options = { ifNested, writes: way, values } as const
    if (as === undefined) return withEpoch(options, (epoch) => runOps(list, enter(epoch), epoch))
    // Pulled from out here, one op at a time, each of which is to run in there.
    const rows = withEpoch(options, (epoch) => {
      const view = enter(epoch)
      return (async function* () {
        for (const op of list) yield await runOps([op], view, epoch)
      })()
    })
    for await (const _ of rows) await pause()
  }

  /** Rows that others pull, from outside: of this epoch, or of one that the generator has for itself. */
  async function pull({ own, of, pulls }: Op & { do: 'rows' }, outer: View | undefined): Promise<void> {
    const rows = function* (): Generator<Value> {
      for (;;) yield real[of].get()
    }
    const view = own ? open('publish') : outer
    const bound = own
      ? withEpoch({ ifNested: 'fresh' }, (epoch) => {
          epochs.add(epoch)
          return rows()
        })
      : bindIterable(rows())
    for (let row = 0; row < pulls; row++) {
      check(`row of ${of}`, detach(() => bound.next()).value, expected(view, of))
      await pause()
    }
    bound.return(undefined)
  }

  function refused(name: Cells, write: () => void): void {
    try {
      write()
      failures.push(`${name}: a write was let through although writes are rejected`)
    } catch (error) {
      check(`what refuses to write ${name}`, (error as { code?: string }).code, 'WRITE_REJECTED')
    }
  }

  async function runWriter(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step === 'yield') await pause()
      if (step === 'foreign') {
        foreign.f = world.f = `f ${++fresh}`
        foreign.g = world.g = `g ${++fresh}`
        foreign.lazy = world.lazy = `lazy ${++fresh}`
        foreign.kill = world.kill = `kill ${++fresh}`
      }
      if (step === 'list') {
        foreign.list.push(`${++fresh}`) // world.list is the same array: it is mutated in place
        foreign.version++
      }
      if (step === 'pair') publishAll(undefined, ['p', 'q'], false)
      if (step === 'half-done pair') {
        publishAll(undefined, ['p'], false)
        await pause()
        publishAll(undefined, ['q'], false)
      }
      if (step === 'set')
        for (const name of ['a', 'copied', 'killCell'] as const) set(undefined, name, nextValue(name))
      if (step === 'update') {
        for (const name of ['b', 'lazyCell'] as const) {
          const value = nextValue(name)
          real[name].update(() => value)
          world[name] = value
        }
      }
      if (step === 'failing publish') publishAll(undefined, ['a', 'b', 'p', 'copied', 'lazyCell'], true)
    }
  }

  for (const one of actors) {
    running.push(
      one.actor === 'writer'
        ? pause().then(() => runWriter(one.steps))
        : pause().then(() => enterEpoch('fresh', one.writes, one.override, one.as, one.ops, undefined)),
    )
  }
  while (waiting.length > 0) {
    const [resume] = waiting.splice(choose(waiting.length), 1)
    resume!()
    await new Promise(setImmediate)
  }
  for (const resume of forgotten) resume()
  for (let settled = 0; settled < running.length;) {
    settled = running.length
    await Promise.all(running)
  }
  for (const epoch of epochs) check('phase when all is done', epoch.phase, 'closed')
  if (failures.length > 0) throw new Error(failures.join('\n'))
  return reads
}
