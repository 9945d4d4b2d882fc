/**
 * Programs of readers, writers and drains, and a model of the lives of values with which everything is compared after
 * each step. The model knows nothing of markers, leases or flights. It has one clock; an epoch stands at the time of its capture (a fork at its parent's), and
 *
 * - a value replaced at some time is retired exactly when no open epoch stands before that time and it is not live,
 * - a drain is over exactly when no open epoch stands before it,
 * - a derived result is what its function gives on the caller's own values at the moment of the call, and is computed
 *   once for each set of inputs.
 *
 * It stands beside `reads.ts`, whose oracle knows which value a read gives and not how long one lives. A program is data,
 * and so is the order in which waiting actors go on, so a failure shrinks to a few lines that can be pasted into `replay`.
 */
import * as fc from 'fast-check'
import { cell, derived, drain, type Epoch, publish, source, withEpoch } from 'withepoch'
import { choosing, type Order } from './order.js'

// --- the world ---

interface World {
  pool: string
  a: string
  f: string
  list: readonly string[]
}

const foreign = { f: '', list: [] as string[], changes: 0, lazy: '', kill: '' }

let fresh = 0
const next = (name: string): string => `${name}${++fresh}`

/** What one run looks at; the cells and sources are declared once, for names are unique. */
let onRetire: (old: string) => void = () => {}
const pool = cell('lifecycle.pool', 'pool', { retire: (old) => onRetire(old) })
export const a = cell('lifecycle.a', 'a')
const f = source('lifecycle.f', () => foreign.f)
const list = source('lifecycle.list', () => foreign.list, {
  copy: (value) => [...value],
  version: () => foreign.changes,
})
const lazy = source('lifecycle.lazy', () => foreign.lazy, { isolation: 'repeatable-read' })
const kill = source('lifecycle.kill', () => foreign.kill, { isolation: 'read-committed' })

// --- programs ---

type Computation = 'quick' | 'slow' | 'nested' | 'keyed'
type Op =
  | { do: 'yield' }
  | { do: 'read' }
  | { do: 'derive'; what: Computation; awaited: boolean }
  | { do: 'set'; what: 'pool' | 'a' }
  | { do: 'advance' }
  | { do: 'nested'; how: 'fork' | 'fresh'; writes: Writes; override?: 'pool' | 'a'; ops: readonly Op[] }
  | { do: 'background'; ops: readonly Op[] }
type Writes = 'publish' | 'local'
type Step =
  | 'pool'
  | 'pool again'
  | 'publish'
  | 'failing publish'
  | 'a'
  | 'foreign'
  | 'list'
  | 'derive'
  | 'yield'
export type Actor =
  | { actor: 'reader'; writes: Writes; override?: 'pool' | 'a'; ops: readonly Op[] }
  | { actor: 'writer'; steps: readonly Step[] }
  | { actor: 'drain' }

const writes = fc.constantFrom<Writes>('publish', 'local')
const cellName = fc.constantFrom('pool' as const, 'a' as const)

const { ops } = fc.letrec<{ ops: readonly Op[]; op: Op }>((tie) => ({
  op: fc.oneof(
    { maxDepth: 2, depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: fc.constant<Op>({ do: 'yield' }) },
    { weight: 2, arbitrary: fc.constant<Op>({ do: 'read' }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('derive' as const),
        what: fc.constantFrom<Computation>('quick', 'slow', 'nested', 'keyed'),
        awaited: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('set' as const), what: cellName }) },
    { weight: 2, arbitrary: fc.constant<Op>({ do: 'advance' }) },
    {
      weight: 2,
      arbitrary: fc.record(
        {
          do: fc.constant('nested' as const),
          how: fc.constantFrom('fork' as const, 'fresh' as const),
          writes,
          override: cellName,
          ops: tie('ops'),
        },
        { requiredKeys: ['do', 'how', 'writes', 'ops'] },
      ),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('background' as const), ops: tie('ops') }) },
  ),
  ops: fc.array(tie('op'), { maxLength: 6, size: 'max', depthIdentifier: 'ops' }),
}))

const actor: fc.Arbitrary<Actor> = fc.oneof(
  { withCrossShrink: true },
  {
    weight: 4,
    arbitrary: fc.record(
      { actor: fc.constant('reader' as const), writes, override: cellName, ops },
      { requiredKeys: ['actor', 'writes', 'ops'] },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      actor: fc.constant('writer' as const),
      steps: fc.array(
        fc.constantFrom<Step>(
          'pool',
          'pool',
          'pool again',
          'publish',
          'failing publish',
          'a',
          'foreign',
          'list',
          'derive',
          'yield',
          'yield',
        ),
        { maxLength: 6, size: 'max' },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.constant<Actor>({ actor: 'drain' }) },
)

export const programs: fc.Arbitrary<Actor[]> = fc.array(actor, { minLength: 1, maxLength: 6, size: 'max' })

// --- the model ---

/** What one epoch, or one derived call, sees. */
interface View extends World {
  /** The time of its capture. */
  since: number
  /** Cells whose value is the epoch's own: with any, `advance` leaves it where it stands. */
  readonly own: Set<'pool' | 'a'>
  /** Pinned at the first read, and a value of the time since the capture. */
  lazy: string | undefined
  lazyFrom: number
  readonly writes: Writes
  leases: number
  /** Of a derived call, which is over a little before its caller goes on. */
  readonly isCall: boolean
  /** How often it has advanced. */
  advances: number
}

/** How often programs did what makes them worth running, since the process began. */
export const tally = { runs: 0, retired: 0, drained: 0, derived: 0, shared: 0 }

/** Runs a program in an order. Throws if anything is not as the model has it. */
export async function replay(actors: readonly Actor[], order: Order): Promise<void> {
  const choose = choosing(order)
  const failures: string[] = []
  const waiting: Array<() => void> = []
  const running: Array<Promise<unknown>> = []
  const pause = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve))
  const check = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      failures.push(`${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`)
  }

  let clock = 0
  const open = new Set<View>()
  const epochs = new Set<Epoch>()
  const replacedAt = new Map<string, number>()
  const retired: string[] = []
  const drains: Array<{ at: number; over: boolean }> = []
  const olderThan = (time: number): boolean => [...open].some((view) => view.since < time)

  onRetire = () => {}
  foreign.list = [next('item')]
  foreign.changes++
  const killed = [(foreign.kill = next('kill'))]
  const lazies = [(foreign.lazy = next('lazy'))]
  const world: World = { pool: next('pool'), a: next('a'), f: (foreign.f = next('f')), list: foreign.list }
  pool.set(world.pool)
  a.set(world.a)
  onRetire = (old) => {
    retired.push(old)
    // The moment itself, not only the next step: nobody who is open may be able to read it.
    for (const view of open)
      if (view.pool === old && !view.isCall) failures.push(`retired while it can be read: ${old}`)
  }

  function capture(way: Writes): View {
    const own = new Set<'pool' | 'a'>()
    return {
      ...world,
      list: [...world.list],
      since: ++clock,
      own,
      lazy: undefined,
      lazyFrom: lazies.length - 1,
      writes: way,
      leases: 1,
      isCall: false,
      advances: 0,
    }
  }

  function forked(parent: View, way: Writes): View {
    return { ...parent, own: new Set(parent.own), writes: way, leases: 1 }
  }

  function release(view: View): void {
    if (--view.leases === 0) open.delete(view)
  }

  function replaced(value: string): void {
    if (value === world.pool) return
    replacedAt.set(world.pool, ++clock)
    replacedAt.delete(value)
    world.pool = value
  }

  function seesLazy(view: View, value: string): void {
    if (view.lazy === undefined) {
      view.lazy = value
      if (lazies.indexOf(value) < view.lazyFrom) failures.push(`lazy: ${value} is older than the epoch`)
    } else {
      check('lazy', value, view.lazy)
    }
  }

  // --- derived: made anew for each program, so that what is computed can be counted ---

  const computed: string[] = []
  const quick = derived((key: string) => {
    const result = `${key} ${f.get()} ${a.get()}`
    computed.push(`quick ${result}`)
    return result
  })
  const slow = derived(async () => {
    await pause()
    const first = pool.get()
    await pause()
    const result = `${first} ${a.get()} ${pool.get()}`
    computed.push(`slow ${result}`)
    return result
  })
  const nested = derived(async () => {
    const first = f.get()
    await pause()
    const result = `${first} ${list.get().join('+')} ${await slow()} ${quick('one')}`
    computed.push(`nested ${result}`)
    return result
  })
  const keyed = derived(async (key: number) => {
    const seen = kill.get()
    await pause()
    return { key, kill: [seen, kill.get()], lazy: lazy.get(), f: f.get() }
  })
  const expected: Record<Exclude<Computation, 'keyed'>, (view: World) => string> = {
    quick: (view) => `one ${view.f} ${view.a}`,
    slow: (view) => `${view.pool} ${view.a} ${view.pool}`,
    nested: (view) => `${view.f} ${view.list.join('+')} ${expected.slow(view)} ${expected.quick(view)}`,
  }

  /** One call; while it is pending it counts as an epoch that stands where its caller stood. */
  async function derive(what: Computation, caller: View | undefined, again = false): Promise<void> {
    tally.derived += what === 'quick' ? 2 : 1
    const view = { ...(caller === undefined ? capture('publish') : forked(caller, 'publish')), isCall: true }
    open.add(view)
    try {
      if (what === 'quick') {
        check('quick', quick('one'), expected.quick(view))
        check('quick of another key', quick('two'), expected.quick(view).replace('one', 'two'))
      } else if (what === 'keyed') {
        const killedBefore = killed.length - 1
        const result = await keyed(1)
        check('f of keyed', result.f, view.f)
        for (const one of result.kill) {
          // Computed from an older value: only if that was live again, and values here never come back.
          if (killed.indexOf(one) < killedBefore) failures.push(`kill: ${one} was not live during the call`)
        }
        if (caller !== undefined && open.has(caller) && caller.advances === view.advances)
          seesLazy(caller, result.lazy)
        else if (lazies.indexOf(result.lazy) < view.lazyFrom)
          failures.push(`lazy: ${result.lazy} is older than the call`)
      } else {
        const wanted = expected[what](view)
        check(what, await (what === 'slow' ? slow() : nested()), wanted)
      }
    } finally {
      release(view)
    }
    // What was kept of it, whoever computed it, has to be right for a call that comes after.
    if (again) await derive(what, caller)
  }

  // --- running one program ---

  async function runOps(these: readonly Op[], view: View, epoch: Epoch): Promise<void> {
    for (const op of these) {
      if (op.do === 'yield') {
        await pause()
      } else if (op.do === 'read') {
        check('pool', pool.get(), view.pool)
        check('a', epoch.get(a), view.a)
        check('f', f.get(), view.f)
        check('list', list.get(), view.list)
        check('kill', kill.get(), foreign.kill)
        seesLazy(view, lazy.get())
      } else if (op.do === 'derive') {
        const call = derive(op.what, view, op.awaited)
        running.push(call)
        if (op.awaited) await call
      } else if (op.do === 'set') {
        const value = next(op.what)
        if (view.writes === 'local') {
          view.own.add(op.what)
        } else {
          if (op.what === 'pool') replaced(value)
          else world.a = value
          view.own.delete(op.what)
        }
        view[op.what] = value
        const cellOf = op.what === 'pool' ? pool : a
        cellOf.set(value)
      } else if (op.do === 'advance') {
        const own = [...view.own].map((name) => [name, view[name]] as const)
        Object.assign(view, world, { list: [...world.list], lazy: undefined, lazyFrom: lazies.length - 1 })
        for (const [name, value] of own) view[name] = value
        view.advances++
        // While a drain waits, an epoch keeps its place: to a drain it is over when it has closed.
        if (own.length === 0 && !drains.some(({ at }) => olderThan(at))) view.since = ++clock
        epoch.advance()
      } else if (op.do === 'nested') {
        await enter(op.how, op.writes, op.override, op.ops, view)
      } else {
        view.leases++
        const work = runOps(op.ops, view, epoch).finally(() => view.leases--)
        running.push(work)
        epoch.waitUntil(work)
      }
    }
  }

  async function enter(
    how: 'fork' | 'fresh',
    way: Writes,
    override: 'pool' | 'a' | undefined,
    these: readonly Op[],
    outer: View | undefined,
  ): Promise<void> {
    const view = outer === undefined || how === 'fresh' ? capture(way) : forked(outer, way)
    // Of the pool the live value: an override with what will be retired one day.
    const given = override === 'pool' ? world.pool : next('a')
    if (override !== undefined) {
      view[override] = given
      view.own.add(override)
    }
    open.add(view)
    const values = override === undefined ? [] : ([[override === 'pool' ? pool : a, given]] as const)
    await withEpoch({ ifNested: how, writes: way, values }, async (epoch) => {
      epochs.add(epoch)
      // The promise of the handler settles some microtasks after its last step, and in between another may advance. The
      // very moment is the epoch's to say; that it is neither too early nor never is checked.
      epoch.onClose(() => {
        if (view.leases > 0) failures.push(`closed while ${view.leases} held it`)
        open.delete(view)
      })
      await runOps(these, view, epoch)
      view.leases--
    })
  }

  async function write(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step === 'yield') await pause()
      if (step === 'pool' || step === 'pool again') {
        const waitingOnes = [...replacedAt.keys()].filter((value) => !retired.includes(value))
        const value = (step === 'pool again' ? waitingOnes.at(-1) : undefined) ?? next('pool')
        replaced(value)
        pool.set(value)
      }
      if (step === 'publish') {
        const value = next('pool')
        replaced(value)
        world.a = next('a')
        publish(() => {
          pool.set(value)
          a.set(world.a)
        })
      }
      if (step === 'failing publish') {
        const undone = new Error('undone')
        try {
          publish(() => {
            pool.set(next('pool'))
            a.set(next('a'))
            throw undone
          })
        } catch (error) {
          if (error !== undone) throw error
        }
      }
      if (step === 'a') a.set((world.a = next('a')))
      if (step === 'foreign') {
        world.f = foreign.f = next('f')
        lazies.push((foreign.lazy = next('lazy')))
        killed.push((foreign.kill = next('kill')))
      }
      if (step === 'list') {
        foreign.list.push(next('item')) // world.list is the same array: it is mutated in place
        foreign.changes++
      }
      if (step === 'derive') running.push(derive('slow', undefined), derive('quick', undefined))
    }
  }

  function compare(): void {
    const due = [...replacedAt].filter(([, at]) => !olderThan(at)).map(([value]) => value)
    check('retired', retired.toSorted(), due.toSorted())
    for (const { at, over } of drains) check('a drain is over', over, !olderThan(at))
  }

  for (const one of actors) {
    running.push(
      pause().then(() => {
        if (one.actor === 'reader') return enter('fresh', one.writes, one.override, one.ops, undefined)
        if (one.actor === 'writer') return write(one.steps)
        const drained = { at: ++clock, over: false }
        drains.push(drained)
        return drain().then(() => {
          drained.over = true
        })
      }),
    )
  }
  while (waiting.length > 0) {
    const [resume] = waiting.splice(choose(waiting.length), 1)
    resume!()
    await new Promise(setImmediate)
    compare()
  }
  for (let settled = 0; settled < running.length;) {
    settled = running.length
    await Promise.all(running)
  }
  compare()
  onRetire = () => {}

  check(
    'open at the end',
    [open.size, [...epochs].map(({ phase }) => phase)],
    [0, [...epochs].map(() => 'closed')],
  )
  const inOrder = [...replacedAt].toSorted(([, one], [, other]) => one - other).map(([value]) => value)
  check('retired, in order', retired, inOrder)
  check(
    'computed twice',
    computed.filter((each, index) => computed.indexOf(each) !== index),
    [],
  )
  tally.runs++
  tally.retired += retired.length
  tally.drained += drains.length
  tally.shared += computed.length
  if (failures.length > 0) throw new Error([...new Set(failures)].join('\n'))
}
