/**
 * The columns of the Hermitage: the ways in which a program can keep its globals and let requests read them, from plain
 * variables to epochs with everything the library offers. All of them answer to `World`, so that one script runs against
 * each. What the scripts do with a world is not known here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  cell,
  configure,
  derived,
  type Epoch,
  getEpoch,
  publish,
  type Source,
  source,
  withEpoch,
} from 'withepoch'

/** The globals of one run, by name. */
export type Values = Readonly<Record<string, unknown>>

/** A process with a few globals, and requests that read and write them. */
export interface World {
  /** What the running code sees. */
  read(name: string): unknown
  /** The global itself, for those who change it in place. */
  live(name: string): unknown
  set(name: string, value: unknown): void
  update(name: string, next: (previous: unknown) => unknown): void
  /** Runs a request, as this column runs them. */
  request(body: () => Promise<void>): Promise<void>
  /** Whether writers make their changes together, when they have all of them. */
  readonly publishes: boolean
  /** Runs several writes: together where writers publish, else just one after another. */
  together(writes: () => void): void
  /** Refuses to go on if what a decision was based on has changed, where this column has such a fence. */
  fence(names: readonly string[]): void
  /** A function of one global, whose results are kept by what they were computed from. */
  keyed(name: string, compute: (value: unknown) => unknown): () => unknown
  close(): void
}

export interface Column {
  readonly id: ColumnId
  /** The head of the column. */
  readonly title: string
  readonly says: string
  open(initial: Values, kind: Kind): World
}

/** Whose the globals are: the program's own, or another's, who replaces them behind our back. */
export type Kind = 'own' | 'foreign'

export type ColumnId = (typeof COLUMN_IDS)[number]

export const COLUMN_IDS = [
  'live',
  'pin',
  'lazy',
  'reference',
  'shallow',
  'deep',
  'publish',
  'strict',
  'validate',
] as const

/** What an epoch's column adds to plain epochs. */
interface EpochSettings {
  readonly copy?: ((value: unknown) => unknown) | undefined
  readonly publishes?: boolean
  readonly strict?: boolean
  readonly validates?: boolean
}

export const COLUMNS: readonly Column[] = [
  { id: 'live', title: 'live', says: 'Plain variables, no library.', open: liveWorld },
  {
    id: 'pin',
    title: 'one pin',
    says: 'Ten lines of `AsyncLocalStorage` that pin `x` at entry, and nothing else.',
    open: pinWorld,
  },
  {
    id: 'lazy',
    title: 'lazy pin',
    says: "A request keeps a shallow copy of what it reads first, as a cache for each request does (React's `cache`).",
    open: lazyWorld,
  },
  {
    id: 'reference',
    title: 'epoch',
    says: 'Epochs. Values are captured by reference.',
    open: epochWorld({}),
  },
  {
    id: 'shallow',
    title: 'shallow copy',
    says: 'Epochs, and a source of an object says `copy: (value) => new Map(value)` or the like.',
    open: epochWorld({ copy: shallowCopy }),
  },
  {
    id: 'deep',
    title: 'deep copy',
    says: 'Epochs, and a source of an object says `copy: (value) => structuredClone(value)`.',
    open: epochWorld({ copy: deepCopy }),
  },
  {
    id: 'publish',
    title: '+ publish',
    says: 'As before, and writers make their changes together, by `publish`.',
    open: epochWorld({ copy: deepCopy, publishes: true }),
  },
  {
    id: 'strict',
    title: '+ strict',
    says: 'As before, and `configure({ strict: true })`: a `set` that would undo a change its epoch never saw is refused. First committer wins.',
    open: epochWorld({ copy: deepCopy, publishes: true, strict: true }),
  },
  {
    id: 'validate',
    title: '+ validate',
    says: 'As before, and whoever writes what it decided from what it read calls `epoch.validate(…)` first, inside `publish`.',
    open: epochWorld({ copy: deepCopy, publishes: true, strict: true, validates: true }),
  },
]

// --- without the library ---

function liveWorld(initial: Values): World {
  return plainWorld(
    initial,
    (_name, value) => value,
    (body) => body(),
  )
}

function pinWorld(initial: Values): World {
  const storage = new AsyncLocalStorage<{ x: unknown }>()
  const world = plainWorld(
    initial,
    (name, value) => (name === 'x' && storage.getStore() !== undefined ? storage.getStore()!.x : value),
    (body) => storage.run({ x: world.live('x') }, body),
  )
  return world
}

function lazyWorld(initial: Values): World {
  const storage = new AsyncLocalStorage<Map<string, unknown>>()
  const see = (name: string, value: unknown): unknown => {
    const seen = storage.getStore()
    if (seen === undefined) return value
    if (!seen.has(name)) seen.set(name, shallowCopy(value))
    return seen.get(name)
  }
  return plainWorld(initial, see, (body) => storage.run(new Map(), body))
}

/** Variables, and what a request makes of reading them. */
function plainWorld(
  initial: Values,
  see: (name: string, value: unknown) => unknown,
  request: World['request'],
): World {
  const values: Record<string, unknown> = { ...initial }
  const read = (name: string): unknown => see(name, values[name])
  return {
    read,
    live: (name) => values[name],
    set: (name, value) => void (values[name] = value),
    update: (name, next) => void (values[name] = next(values[name])),
    request,
    publishes: false,
    together: (writes) => writes(),
    fence: () => {},
    keyed(name, compute) {
      const results = new Map<unknown, unknown>()
      return () => {
        const value = read(name)
        if (!results.has(value)) results.set(value, compute(value))
        return results.get(value)
      }
    },
    close: () => {},
  }
}

// --- with it ---

/** Names are unique in the process, so each world has a number. */
let worlds = 0

function epochWorld(settings: EpochSettings): (initial: Values, kind: Kind) => World {
  const { copy, publishes = false, strict = false, validates = false } = settings
  return (initial, kind) => {
    const restore = configure({ strict })
    const prefix = `hermitage.${++worlds}`
    const declare = kind === 'own' ? own : foreign
    const globals = Object.fromEntries(
      Object.entries(initial).map(([name, value]) => [
        name,
        declare(`${prefix}.${name}`, value, { copy: typeof value === 'object' ? copy : undefined }),
      ]),
    )
    const of = (name: string): Global => globals[name]!
    return {
      read: (name) => of(name).source.get(),
      live: (name) => of(name).source.live(),
      set: (name, value) => of(name).set(value),
      update: (name, next) => of(name).update(next),
      request: (body) => withEpoch({ ifNested: 'fresh', name: 'request' }, body),
      publishes,
      together: (writes) => (publishes ? publish(writes) : writes()),
      fence(names) {
        const epoch: Epoch = getEpoch()
        if (validates) epoch.validate(...names.map((name) => of(name).source))
      },
      keyed: (name, compute) => derived(() => compute(of(name).source.get())),
      close() {
        for (const { source: each } of Object.values(globals)) each.release()
        restore()
      },
    }
  }
}

interface Global {
  readonly source: Source<unknown>
  set(value: unknown): void
  update(next: (previous: unknown) => unknown): void
}

type Copy = { readonly copy: EpochSettings['copy'] }

function own(name: string, value: unknown, { copy }: Copy): Global {
  const made = cell(name, value, copy && { copy })
  return { source: made, set: (next) => made.set(next), update: (next) => made.update(next) }
}

function foreign(name: string, value: unknown, { copy }: Copy): Global {
  let current = value
  return {
    source: source(name, () => current, copy && { copy }),
    set: (next) => void (current = next),
    update: (next) => void (current = next(current)),
  }
}

function shallowCopy(value: unknown): unknown {
  if (value instanceof Map) return new Map(value)
  return Array.isArray(value) ? [...(value as unknown[])] : value
}

function deepCopy(value: unknown): unknown {
  return structuredClone(value)
}
