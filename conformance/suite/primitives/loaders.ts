/**
 * Shared loaders: work that is done once for many runs in the context of whoever came first, and goes on after that
 * epoch has closed. In each row the first caller starts it and another shares it.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import DataLoader from 'dataloader'
import { createPool } from 'generic-pool'
import { LRUCache } from 'lru-cache'
import pMemoize from 'p-memoize'
import { Pool as TarnPool } from 'tarn'
import type { Group, Primitive, Stage } from '../primitive.js'
import { someFile } from '../some-file.js'
import { notInWorkerd } from '../workerd.js'

/** Two rows: the loader's body, which two callers share, and what follows the `await` of the second. */
function shared(
  name: string,
  module: string | undefined,
  make: (body: () => Promise<number>, after: Stage['after']) => () => PromiseLike<unknown>,
): Primitive[] {
  return [
    {
      name: `${name}: the loader’s body`,
      package: module,
      remedies: ['detach'],
      async run({ as, see, detach, after }) {
        const load = make(() => detach(async () => (see(), 1)), after)
        await Promise.all([as('first caller', async () => load()), as('second caller', async () => load())])
      },
    },
    {
      name: `\`await\` of ${name}, shared with another`,
      package: module,
      async run({ as, see, after }) {
        const load = make(async () => 1, after)
        const first = as('first caller', async () => load())
        await as('own', async () => {
          await load()
          see()
        })
        await first
      },
    },
  ]
}

/** A module that says, when it is loaded, by whom. */
function lazyModule(name: string, { see, after }: Stage): string {
  Object.assign(globalThis, { [Symbol.for('conformance.see')]: see })
  return someFile(after, name, "globalThis[Symbol.for('conformance.see')]()\n")
}

const modulesAreFixed = notInWorkerd('its modules are given when it starts')

export const loaders: Group = {
  id: 'loaders',
  primitives: [
    ...shared('DataLoader `load`', 'dataloader', (body) => {
      const loader = new DataLoader(async (keys: readonly number[]) => {
        await body()
        return keys
      })
      let key = 0
      return () => loader.load(key++)
    }),
    ...shared('lru-cache `fetch`', 'lru-cache', (body) => {
      const cache = new LRUCache<string, number>({ max: 1, fetchMethod: body })
      return () => cache.fetch('key')
    }),
    ...shared('p-memoize', 'p-memoize', (body) => pMemoize(body)),
    ...shared('`let promise; promise ??= load()`', undefined, (body) => {
      let promise: Promise<number> | undefined
      return () => (promise ??= body())
    }),
    {
      name: 'generic-pool: the body of `create`',
      package: 'generic-pool',
      remedies: ['detach'],
      async run({ as, see, detach, after }) {
        const create = () => detach(async () => (see(), {}))
        const pool = createPool({ create, destroy: async () => {} }, { max: 1 })
        after(async () => {
          await pool.drain()
          await pool.clear()
        })
        await as('first caller', async () => pool.release(await pool.acquire()))
      },
    },
    {
      name: 'generic-pool: the body of `create`, for one that waits, called by whoever destroys',
      package: 'generic-pool',
      remedies: ['detach'],
      async run({ as, see, detach, after }) {
        let creations = 0
        const create = () =>
          detach(async () => {
            if (++creations === 2) see()
            return {}
          })
        const pool = createPool({ create, destroy: async () => {} }, { max: 1 })
        after(async () => {
          await pool.drain()
          await pool.clear()
        })
        const first = await as('releaser', async () => pool.acquire())
        const waiting = as('own', async () => pool.release(await pool.acquire()))
        await as('releaser', async () => pool.destroy(first))
        await waiting
      },
    },
    {
      name: 'tarn: the body of `create`',
      package: 'tarn',
      remedies: ['detach'],
      async run({ as, see, detach, after }) {
        const create = () => detach(async () => (see(), {}))
        const pool = new TarnPool<object>({ create, destroy() {}, min: 0, max: 1 })
        after(() => pool.destroy())
        await as('first caller', async () => pool.release(await pool.acquire().promise))
      },
    },
    {
      name: '`import()`: the body of a module that is first needed in a request',
      unsupported: modulesAreFixed,
      remedies: ['detach'],
      async run(stage) {
        const url = pathToFileURL(lazyModule('lazy.mjs', stage)).href
        await stage.as('first caller', () => stage.detach(() => import(url)))
      },
    },
    {
      name: '`require()`: the body of a module that is first needed in a request',
      unsupported: modulesAreFixed,
      remedies: ['detach'],
      run(stage) {
        const path = lazyModule('lazy.cjs', stage)
        stage.as('first caller', () => stage.detach(() => createRequire(import.meta.url)(path)))
      },
    },
  ],
}
