/**
 * Ways for epochs to come and go, each of which has to leave nothing behind, however often it is done. Each makes its
 * sources and gives back what is to be repeated.
 */
import { subscribe } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type * as withepoch from 'withepoch'
import { channels } from '../channel-names.js'

export type Core = typeof withepoch

type Repeated = (index: number) => unknown

interface Way {
  /** How many epochs one repetition opens. */
  readonly each: number
  readonly make: (core: Core) => Repeated
}

export const EPOCHS: Readonly<Record<string, Way>> = {
  'reads ten sources, and computes twice': { each: 1, make: request },
  'throws or rejects': {
    each: 3,
    make: ({ withEpoch, memo, cell }) => {
      const plain = cell('plain', 0)
      const fails = memo(async (key: number) => {
        await null
        throw new Error(String(key))
      })
      return async (index) => {
        attempt(() => withEpoch(() => attemptNot(plain.get(), index)))
        await withEpoch(async () => {
          plain.get()
          await null
          throw new Error('rejected')
        }).catch(() => {})
        await withEpoch(() => fails(index)).catch(() => {})
      }
    },
  },
  'nests: reuse, fork, fresh': {
    each: 4,
    make: ({ withEpoch, cell }) => {
      const plain = cell('plain', 0)
      return (index) =>
        withEpoch({ name: 'outer' }, async () => {
          withEpoch(() => plain.get())
          await withEpoch({ ifNested: 'reuse' }, async () => (await null, plain.get()))
          await withEpoch({ ifNested: 'fork', writes: 'local' }, async () => {
            plain.set(index)
            await withEpoch({ ifNested: 'fork' }, async () => (await null, plain.get()))
          })
          await withEpoch({ ifNested: 'fresh' }, async () => {
            plain.set(index)
            await null
          })
        })
    },
  },
  'leaves timers that fire late': {
    each: 2,
    make: ({ withEpoch, cell }) => {
      const plain = cell('plain', 0)
      return async (index) => {
        await withEpoch(async () => {
          plain.set(index)
          await null
          setTimeout(() => plain.get(), 1)
          setImmediate(() => withEpoch(() => plain.get()))
        })
      }
    },
  },
  'hands out generators': {
    each: 5,
    make: ({ withEpoch, cell }) => {
      const plain = cell('plain', 0)
      return async (index) => {
        for (const _ of withEpoch(function* () {
          yield plain.get()
          yield index
        }));
        for (const _ of withEpoch(function* () {
          yield plain.get()
          yield index
        }))
          break
        withEpoch(function* () {
          yield plain.get()
        }).return()
        for await (const _ of withEpoch(async function* () {
          yield plain.get()
          await null
          yield index
        }));
        for await (const _ of withEpoch(async function* () {
          yield plain.get()
          yield index
        }))
          break
      }
    },
  },
  'asks for derived values': {
    each: 10,
    make: ({ withEpoch, cell, derived }) => {
      const plain = cell('plain', 0)
      const scan = derived(async () => (await null, { scanned: plain.get() }), { max: 10 })
      const keyed = derived((key: number) => ({ key, of: plain.get() }), { max: 10 })
      const unshared = derived(async () => (await null, plain.live()))
      const fails = derived(async (key: number) => {
        plain.get()
        await null
        throw new Error(String(key))
      })
      return async (index) => {
        plain.set(index)
        await Promise.all([withEpoch(() => scan()), withEpoch(() => scan()), withEpoch(() => unshared())])
        withEpoch(() => keyed(index))
        keyed(index)
        await withEpoch(() => fails(index)).catch(() => {})
      }
    },
  },
  'enters while a group is broken': {
    each: 1,
    make: ({ withEpoch, cell, source, group }) => {
      const state = { dir: { at: 0 }, metadata: { of: 0 } }
      const dir = source('dir', () => state.dir)
      const metadata = source('metadata', () => state.metadata)
      const plain = cell('plain', 0)
      group('plugins', [dir, metadata], { coherent: (one, other) => one.at === other.of })
      return async (index) => {
        state.dir = { at: index }
        await withEpoch(async () => {
          plain.set(index)
          await null
          return dir.get().at === metadata.get().of
        })
        if (index % 3 === 0) state.metadata = { of: index }
      }
    },
  },
  'waits for work in the background': {
    each: 1,
    make: ({ withEpoch, cell }) => {
      const plain = cell('plain', 0)
      return async (index) => {
        let background: Promise<unknown> | undefined
        withEpoch((epoch) => {
          background = (async () => {
            await null
            plain.get()
            await withEpoch(async () => plain.set(index))
          })()
          epoch.waitUntil(background)
          epoch.waitUntil(Promise.resolve())
        })
        await background
      }
    },
  },
  'runs hooks and aborts its signal': {
    each: 1,
    make: ({ withEpoch, cell }) => {
      const plain = cell('plain', 0)
      return async (index) => {
        await withEpoch(async (epoch) => {
          epoch.onClose(() => plain.get())
          epoch.onClose(async () => {
            await null
            plain.set(index)
          })
          epoch.signal.addEventListener('abort', () => plain.get())
        })
      }
    },
  },
  'overrides and writes locally': {
    each: 1,
    make: ({ withEpoch, cell, adopt }) => {
      const plain = cell('plain', 0)
      const other = cell('other', {})
      const settings = { locale: 'en' }
      adopt(settings, 'locale')
      return (index) =>
        withEpoch({ values: [[other, { index }]], writes: 'local' }, async () => {
          settings.locale = `of ${index}`
          plain.set(index)
          await null
          plain.update((before) => before + 1)
          return [settings.locale, plain.get(), other.get()]
        })
    },
  },
  'publishes, rolls back and retires': {
    each: 1,
    make: ({ withEpoch, cell, publish }) => {
      const pool = cell('pool', { index: -1 }, { retire: async () => void (await null) })
      const plain = cell('plain', 0)
      return async (index) => {
        await withEpoch(async () => {
          publish(() => {
            pool.set({ index })
            plain.set(index)
          })
          await null
          attempt(() =>
            publish(() => {
              plain.set(-1)
              throw new Error('not published')
            }),
          )
          return pool.get()
        })
      }
    },
  },
  'binds and detaches': {
    each: 1,
    make: ({ withEpoch, cell, bind, bindEmitter, bindIterable, detach }) => {
      const plain = cell('plain', 0)
      return async (index) => {
        const emitter = new EventEmitter()
        const [bound, rows] = await withEpoch(async () => {
          bindEmitter(emitter).on('row', () => plain.get())
          emitter.once('row', () => plain.get())
          detach(() => plain.set(index))
          await null
          return [bind(() => plain.get()), bindIterable([1, 2].values())] as const
        })
        bound()
        emitter.emit('row')
        for (const _ of rows) break
      }
    },
  },
  'advances, compares and validates': {
    each: 1,
    make: ({ withEpoch, cell, memo, detach }) => {
      const plain = cell('plain', 0)
      const load = memo((key: number) => ({ key }))
      return (index) =>
        withEpoch(async (epoch) => {
          load(index)
          detach(() => plain.set(index))
          attempt(() => epoch.validate(plain))
          epoch.isStale()
          epoch.advance()
          load(index)
          await null
          epoch.toJSON()
        })
    },
  },
  'is closed at maxAgeMs, and drained': {
    each: 1,
    make: ({ withEpoch, cell, drain }) => {
      const plain = cell('plain', { index: 0 })
      return (index) => {
        plain.set({ index })
        void withEpoch({ maxAgeMs: 1, ifOverdue: 'close' }, async () => {
          plain.get()
          await new Promise(() => {})
        })
        return index % 1000 === 999 ? drain({ timeoutMs: 60_000 }) : undefined
      }
    },
  },
  'declares sources anew': {
    each: 1,
    make:
      ({ withEpoch, cell, source }) =>
      (index) => {
        cell('reloaded', { index }, { ifRegistered: 'replace' })
        const released = source('released', () => index)
        withEpoch(() => released.get())
        released.release()
      },
  },
  'is watched on every channel': {
    each: 1,
    make: (core) => {
      for (const channel of channels) subscribe(channel, () => {})
      core.configure({ captureStacks: true, maxAgeMs: 3_600_000 })
      return request(core)
    },
  },
}

/** What most requests do: ten sources, two computations, awaits in between. */
function request({ withEpoch, cell, source, memo }: Core): Repeated {
  const state = [0, 1, 2, 3, 4]
  const sources = [
    ...state.map((at) => source(`global ${at}`, () => state[at])),
    ...state.map((at) => cell(`cell ${at}`, at)),
  ]
  const load = memo(async (key: number) => (await null, { key }))
  return (index) =>
    withEpoch({ name: 'request' }, async (epoch) => {
      for (const each of sources) each.get()
      await load(index)
      await load(index)
      state[index % 5] = index
      for (const each of sources) epoch.get(each)
    })
}

function attempt(fn: () => unknown): void {
  try {
    fn()
  } catch {
    // that is what it is for
  }
}

function attemptNot(_read: unknown, index: number): never {
  throw new Error(String(index))
}
