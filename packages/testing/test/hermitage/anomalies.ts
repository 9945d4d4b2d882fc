/**
 * The anomalies of the isolation literature, as scripts over the globals of a process, with what each column is to make
 * of them. The names are those of Adya's thesis and of Martin Kleppmann's Hermitage, whose scripts for databases these
 * follow. This file is data; how a script is run stands in `script.ts`, the columns in `columns.ts`.
 */
import type { Column, ColumnId, Kind, Values } from './columns.js'
import {
  abort,
  type Actor,
  begin,
  change,
  commit,
  type Context,
  decide,
  read,
  replace,
  type Run,
  type Step,
  step,
  write,
} from './script.js'

/** `refused`: it did not happen, because an actor was refused a step with an error. */
export type Outcome = 'occurs' | 'refused' | 'prevented'

export interface Anomaly {
  /** As in the literature, where it has a name there. */
  readonly name: string
  /** What goes wrong, in one sentence. */
  readonly says: string
  readonly initial: Values
  readonly kind?: Kind
  readonly steps: readonly Step[]
  /** Whether it went wrong. */
  readonly occurs: (run: Run) => boolean
  /** Where it is to occur, and where it is to be prevented by refusing a step. In all other columns nothing happens. */
  readonly expected: { readonly occurs: readonly ColumnId[]; readonly refused?: readonly ColumnId[] }
  /** What it means for whoever uses the library. */
  readonly forYou: string
}

/** What is to come of it in one column. */
export function expectedOf({ expected }: Anomaly, { id }: Column): Outcome {
  if (expected.occurs.includes(id)) return 'occurs'
  return expected.refused?.includes(id) === true ? 'refused' : 'prevented'
}

/** The columns without the library, and those in which writers do not publish. */
const WITHOUT: readonly ColumnId[] = ['live', 'pin', 'lazy']
const UNPUBLISHED: readonly ColumnId[] = [...WITHOUT, 'reference', 'shallow', 'deep']

/** The last values that an actor has seen. */
const last = (run: Run, actor: Actor, count: number): readonly unknown[] => run.seen(actor).slice(-count)
const differ = (values: readonly unknown[]): boolean => new Set(values).size > 1

type Rows = ReadonlyMap<string, { active: boolean }>

const listActive = (actor: Actor): Step =>
  step(actor, 'lists the active entries of x', ({ world }) =>
    [...(world.read('x') as Rows)].filter(([, { active }]) => active).map(([name]) => name),
  )

/** Adds to the newest value in one step, as `x++` does where nothing is pinned. */
const addAtOnce = (actor: Actor, amount: number): Step =>
  decide(actor, `sets x to x + ${amount}, in one tick`, ['x'], ({ world }) =>
    world.set('x', (world.read('x') as number) + amount),
  )

const addToWhatItRead = (actor: Actor): Step =>
  decide(actor, 'sets x to what it read, plus 1', ['x'], ({ world, has }) =>
    world.set('x', (has['x'] as number) + 1),
  )

const withdraw = (actor: Actor, from: 'x' | 'y'): Step =>
  decide(actor, `sets ${from} to -50, if x + y was 100`, ['x', 'y'], ({ world, has }) => {
    if ((has['x'] as number) + (has['y'] as number) === 100) world.set(from, -50)
  })

const addFirst = (actor: Actor, row: string): Step =>
  decide(actor, `adds ${row} to x by update, if x was empty`, ['x'], ({ world, has }) => {
    if ((has['x'] as unknown[]).length === 0) world.update('x', (rows) => [...(rows as string[]), row])
  })

const manifestOf = (dir: unknown): string => `manifest of ${String(dir)}`

/** A cache with one place, as programs have them: whoever finds the directory changed fills it anew. */
const ownCache = (actor: Actor): Step =>
  step(actor, 'takes the manifest of x from the cache of the process', ({ world, shared }) => {
    const current = world.live('x')
    if (shared.get('for') !== current) shared.set('for', current).set('manifest', manifestOf(current))
    return shared.get('manifest')
  })

const keyedCache = (actor: Actor): Step =>
  step(actor, 'takes the manifest of x from a cache keyed by the x it sees', (context) => keyed(context)())

function keyed({ world, shared }: Context): () => unknown {
  if (!shared.has('keyed')) shared.set('keyed', world.keyed('x', manifestOf))
  return shared.get('keyed') as () => unknown
}

export const ANOMALIES: readonly Anomaly[] = [
  {
    name: 'P2 fuzzy read',
    says: 'A request reads one value twice and gets two.',
    initial: { x: 1, y: 1 },
    steps: [begin('T1'), read('T1', 'y'), write('W1', 'y', 2), read('T1', 'y')],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: ['live', 'pin'] },
    forYou:
      'The bug that this library starts from. SQL calls it a nonrepeatable read. One pin cures one value: here it has x, and y is read.',
  },
  {
    name: 'G0 dirty write',
    says: 'Two writers change the same two values, each with an `await` between, and what is left is of both.',
    initial: { x: 0, y: 0 },
    steps: [
      change('W1', 'x', 1),
      change('W2', 'x', 2),
      change('W2', 'y', 2),
      commit('W2'),
      change('W1', 'y', 1),
      commit('W1'),
      begin('T1'),
      read('T1', 'x'),
      read('T1', 'y'),
    ],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: UNPUBLISHED },
    forYou: 'No reader can mend what writers mix. Prepare first, then `publish` all of it.',
  },
  {
    name: 'G1a aborted read',
    says: 'A request sees a value of a writer that then gives up.',
    initial: { x: 'old' },
    steps: [
      change('W1', 'x', 'aborted'),
      begin('T1'),
      read('T1', 'x'),
      abort('W1'),
      read('T1', 'x'),
      begin('T2'),
      read('T2', 'x'),
    ],
    occurs: (run) => [...run.seen('T1'), ...run.seen('T2')].includes('aborted'),
    expected: { occurs: UNPUBLISHED },
    forYou:
      'An epoch makes it worse: what it has captured it keeps to its end. A `publish` that throws was never there.',
  },
  {
    name: 'G1b intermediate read, begun in the middle',
    says: 'A request that begins between two writes of one writer sees the first.',
    initial: { x: 'old' },
    steps: [
      change('W1', 'x', 'half'),
      begin('T1'),
      read('T1', 'x'),
      change('W1', 'x', 'whole'),
      commit('W1'),
    ],
    occurs: (run) => run.seen('T1').includes('half'),
    expected: { occurs: UNPUBLISHED },
    forYou:
      'As before: a snapshot of a half-done state is a half-done state. Where the writers are not yours, a `group` waits for the state that belongs together.',
  },
  {
    name: 'G1b intermediate read, begun before',
    says: 'A request that began before the writer sees its first write.',
    initial: { x: 'old' },
    steps: [
      begin('T1'),
      change('W1', 'x', 'half'),
      read('T1', 'x'),
      change('W1', 'x', 'whole'),
      commit('W1'),
    ],
    occurs: (run) => run.seen('T1').includes('half'),
    expected: { occurs: ['live', 'lazy'] },
    forYou: 'Entry is the moment that counts. A pin at the first read is too late.',
  },
  {
    name: 'G1c circular information flow',
    says: 'Two requests each see what the other has written, so neither came first.',
    initial: { x: 0, y: 'y0', z: 'z0' },
    steps: [
      begin('T1'),
      begin('T2'),
      write('T1', 'y', 'y1'),
      write('T2', 'z', 'z2'),
      read('T1', 'z'),
      read('T2', 'y'),
    ],
    occurs: (run) => run.seen('T1').includes('z2') && run.seen('T2').includes('y1'),
    expected: { occurs: WITHOUT },
    forYou: 'Nothing to do: an epoch sees what was written before it, and what it writes itself.',
  },
  {
    name: 'OTV observed transaction vanishes',
    says: 'A request sees a writer’s change in one value, and in another what that change has replaced.',
    initial: { x: 0, y: 0 },
    steps: [
      change('W1', 'x', 1),
      change('W1', 'y', 1),
      commit('W1'),
      change('W2', 'x', 2),
      begin('T1'),
      read('T1', 'x'),
      read('T1', 'y'),
      change('W2', 'y', 2),
      commit('W2'),
    ],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: UNPUBLISHED },
    forYou: 'As G1b: `publish`, or a `group`.',
  },
  {
    name: 'PMP predicate-many-preceders',
    says: 'A filter over a collection that grows in place gives another result the second time: a phantom.',
    initial: { x: new Map([['a', { active: true }]]) },
    steps: [
      begin('T1'),
      listActive('T1'),
      step('W1', 'adds b to x, in place', ({ world }) => {
        ;(world.live('x') as Map<string, { active: boolean }>).set('b', { active: true })
      }),
      listActive('T1'),
    ],
    occurs: (run) => differ(run.seen('T1').map(String)),
    expected: { occurs: ['live', 'pin', 'reference'] },
    forYou:
      'A snapshot of a reference is not a snapshot of what it refers to. Replace the collection, or say `copy`.',
  },
  {
    name: 'PMP in depth',
    says: 'The same, where an entry of the collection is changed in place.',
    initial: { x: new Map([['a', { active: true }]]) },
    steps: [
      begin('T1'),
      listActive('T1'),
      step('W1', 'makes a of x inactive, in place', ({ world }) => {
        ;(world.live('x') as Rows).get('a')!.active = false
      }),
      listActive('T1'),
    ],
    occurs: (run) => differ(run.seen('T1').map(String)),
    expected: { occurs: ['live', 'pin', 'lazy', 'reference', 'shallow'] },
    forYou:
      'A copy has to go as deep as the changes do. `version` makes a deep one cheap: it is then made once for each change.',
  },
  {
    name: 'P4 lost update',
    says: 'Two requests read a value, wait, and write what they made of it: one of the two is lost.',
    initial: { x: 0 },
    steps: [
      begin('T1'),
      begin('T2'),
      read('T1', 'x'),
      read('T2', 'x'),
      addToWhatItRead('T1'),
      addToWhatItRead('T2'),
      begin('T3'),
      read('T3', 'x'),
    ],
    occurs: (run) => run.seen('T3')[0] !== written(run, { T1: 1, T2: 1 }),
    expected: { occurs: [...UNPUBLISHED, 'publish'], refused: ['strict', 'validate'] },
    forYou:
      'No `await` helps here; `update(previous => next)` does. Without strict mode the lost update is told of on `withepoch:source:write-conflict`.',
  },
  {
    name: 'P4 in one tick',
    says: 'Requests add to a value in one synchronous step, which is safe with plain variables; where the read is an old one, updates are lost.',
    initial: { x: 0 },
    steps: [
      begin('T1'),
      begin('T2'),
      begin('T3'),
      addAtOnce('T1', 1),
      addAtOnce('T2', 1),
      addAtOnce('T3', 2),
      begin('T4'),
      read('T4', 'x'),
    ],
    occurs: (run) => run.seen('T4')[0] !== written(run, { T1: 1, T2: 1, T3: 2 }),
    expected: { occurs: ['pin', 'reference', 'shallow', 'deep', 'publish'], refused: ['strict', 'validate'] },
    forYou:
      'The one anomaly that pinning **creates**. Look for `set(get() + 1)` when you bring epochs to a program, and make it `update`. T2 writes what is live already, and is told all the same.',
  },
  {
    name: 'P4 by update',
    says: 'Two requests read a value, wait, and change it by a function of the newest one.',
    initial: { x: 0 },
    steps: [
      begin('T1'),
      begin('T2'),
      read('T1', 'x'),
      read('T2', 'x'),
      step('T1', 'updates x by adding 1', ({ world }) => addByUpdate(world)),
      step('T2', 'updates x by adding 1', ({ world }) => addByUpdate(world)),
      begin('T3'),
      read('T3', 'x'),
    ],
    occurs: (run) => run.seen('T3')[0] !== written(run, { T1: 1, T2: 1 }),
    expected: { occurs: [] },
    forYou: 'The cure for both kinds of lost update.',
  },
  {
    name: 'G-single read skew',
    says: 'A request reads two values that were replaced together, one before and one after.',
    initial: { x: 1, y: 1 },
    steps: [begin('T1'), read('T1', 'x'), replace('W1', { x: 2, y: 2 }), read('T1', 'y')],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: WITHOUT },
    forYou:
      'One pin for each value does not help either, if they are filled at different moments. An epoch captures all at once.',
  },
  {
    name: 'G-single read skew, y first',
    says: 'The same, with the values read in the other order.',
    initial: { x: 1, y: 1 },
    steps: [begin('T1'), read('T1', 'y'), replace('W1', { x: 2, y: 2 }), read('T1', 'x')],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: ['live', 'lazy'] },
    forYou: 'With one pin it depends on the order of the reads whether you are safe.',
  },
  {
    name: 'G-single read skew, somebody else’s globals',
    says: 'The same, with globals that the program does not own, read by getters.',
    initial: { x: 1, y: 1 },
    kind: 'foreign',
    steps: [begin('T1'), read('T1', 'x'), replace('W1', { x: 2, y: 2 }), read('T1', 'y')],
    occurs: (run) => differ(run.seen('T1')),
    expected: { occurs: WITHOUT },
    forYou: 'Declared with `source`, or taken over with `adopt`, they are captured as your own are.',
  },
  {
    name: 'G-single by a cache of the process',
    says: 'A request reads a value, and beside it what others have computed from another.',
    initial: { x: '/a' },
    steps: [
      begin('T1'),
      read('T1', 'x'),
      write('W1', 'x', '/b'),
      begin('T2'),
      ownCache('T2'),
      ownCache('T1'),
    ],
    occurs: skewed,
    expected: {
      occurs: [...UNPUBLISHED, 'publish', 'strict', 'validate'],
    },
    forYou:
      'An epoch pins the values that you declared, not the caches that were filled from them. Make such a cache a `derived` or a `memo`, or a source, or put both into a `group`.',
  },
  {
    name: 'G-single by derived',
    says: 'The same, with a cache that is keyed by the value the request sees: a `derived` in the columns that have the library.',
    initial: { x: '/a' },
    steps: [
      begin('T1'),
      read('T1', 'x'),
      write('W1', 'x', '/b'),
      begin('T2'),
      keyedCache('T2'),
      keyedCache('T1'),
    ],
    occurs: skewed,
    expected: { occurs: ['live'] },
    forYou: 'A key is only as good as the read of it: read live, it moves between two reads of one request.',
  },
  {
    name: 'long fork',
    says: 'Two requests disagree on the order of two independent writes.',
    initial: { x: 0, y: 0 },
    steps: [
      begin('T1'),
      begin('T2'),
      read('T1', 'x'),
      read('T2', 'y'),
      write('W1', 'x', 1),
      write('W2', 'y', 1),
      read('T1', 'y'),
      read('T2', 'x'),
    ],
    occurs: (run) => {
      const [first, second] = [run.seen('T1'), run.seen('T2')]
      return first[0] === 0 && first[1] === 1 && second[0] === 0 && second[1] === 1
    },
    expected: { occurs: ['live', 'lazy'] },
    forYou: 'All epochs capture from one line of versions, so they agree.',
  },
  {
    name: 'internal',
    says: 'A request does not read what it has just written.',
    initial: { x: 1 },
    steps: [begin('T1'), read('T1', 'x'), write('T1', 'x', 2), read('T1', 'x')],
    occurs: (run) => run.seen('T1').at(-1) !== 2,
    expected: { occurs: ['pin', 'lazy'] },
    forYou:
      'A pin that only reads hides a request’s own writes from it. An epoch reads its own writes, whatever its `writes` say.',
  },
  {
    name: 'real time',
    says: 'A request that begins after a write is complete does not see it.',
    initial: { x: 1, y: 1 },
    steps: [
      begin('T1'),
      read('T1', 'x'),
      write('T1', 'x', 2),
      write('W1', 'y', 2),
      begin('T2'),
      read('T2', 'x'),
      read('T2', 'y'),
    ],
    occurs: (run) => run.seen('T2').some((value) => value !== 2),
    expected: { occurs: [] },
    forYou: 'A new request sees the newest values, for snapshots are not kept from one to the next.',
  },
  {
    name: 'G2-item write skew',
    says: 'Two requests read the same two values, each changes the one that the other did not, and together they break the rule that each of them kept: x + y is not below 0.',
    initial: { x: 50, y: 50 },
    steps: [
      begin('T1'),
      begin('T2'),
      read('T1', 'x'),
      read('T1', 'y'),
      read('T2', 'x'),
      read('T2', 'y'),
      withdraw('T1', 'x'),
      withdraw('T2', 'y'),
      begin('T3'),
      read('T3', 'x'),
      read('T3', 'y'),
    ],
    occurs: (run) => {
      const [x, y] = last(run, 'T3', 2) as [number, number]
      return x + y < 0
    },
    expected: { occurs: [...UNPUBLISHED, 'publish', 'strict'], refused: ['validate'] },
    forYou:
      'Snapshot isolation permits it, in databases as here. `epoch.validate(x, y)` before the write is the fence.',
  },
  {
    name: 'G2 predicate write skew',
    says: 'Two requests find a collection empty, and each adds the row that was to be the only one.',
    initial: { x: [] },
    steps: [
      begin('T1'),
      begin('T2'),
      read('T1', 'x'),
      read('T2', 'x'),
      addFirst('T1', 'a'),
      addFirst('T2', 'b'),
      begin('T3'),
      read('T3', 'x'),
    ],
    occurs: (run) => (run.seen('T3')[0] as unknown[]).length > 1,
    expected: { occurs: [...UNPUBLISHED, 'publish', 'strict'], refused: ['validate'] },
    forYou:
      '`update` loses no row, and does not ask whether the row should have been added. `epoch.validate(x)` does.',
  },
]

/** What is to be in the value, if the additions of all who were not refused are there. */
function written(run: Run, amounts: Partial<Record<Actor, number>>): number {
  const entries = Object.entries(amounts) as Array<[Actor, number]>
  return entries.reduce((sum, [actor, amount]) => sum + (run.refused(actor) === undefined ? amount : 0), 0)
}

/** Whether T1 was given the manifest of another directory than the one that it had read. */
function skewed(run: Run): boolean {
  const [dir, manifest] = run.seen('T1')
  return manifest !== manifestOf(dir)
}

function addByUpdate(world: Context['world']): void {
  world.update('x', (x) => (x as number) + 1)
}
