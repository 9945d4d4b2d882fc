/** The library's own calls: what they promise must hold on every runtime. */
import { EventEmitter } from 'node:events'
import { bind, bindEmitter, bindIterable, cell, derived, detach, drain, memo, withEpoch } from 'withepoch'
import { deferred, turn } from '../deferred.js'
import type { Group } from '../primitive.js'

let cells = 0

export const library: Group = {
  id: 'library',
  primitives: [
    {
      name: '`withEpoch`: a handler that awaits',
      run: ({ as, see }) =>
        as('own', async () => {
          see()
          await turn()
          see()
        }),
    },
    {
      name: '`withEpoch`: a handler that joins',
      run: ({ as, see }) =>
        as('own', () =>
          withEpoch(async () => {
            await turn()
            see()
          }),
        ),
    },
    {
      name: '`withEpoch`: what the caller goes on with',
      async run({ as, see }) {
        await as('own', async () => {
          await as('inner', turn)
          see()
        })
      },
    },
    {
      name: '`bind`',
      run({ as, see }) {
        const bound = as('own', () => bind(see))
        as('caller', bound)
      },
    },
    {
      name: '`bind`: what it starts',
      async run({ as, see }) {
        const bound = as('own', () =>
          bind(async () => {
            await turn()
            see()
          }),
        )
        await as('caller', bound)
      },
    },
    {
      name: '`bindEmitter`',
      run({ as, see }) {
        const emitter = bindEmitter(new EventEmitter())
        as('own', () => emitter.once('event', see))
        as('emitter', () => emitter.emit('event'))
      },
    },
    {
      name: '`bindIterable`',
      async run({ as, see }) {
        // In an array, because an iterator that a handler returns is bound by `withEpoch`.
        const [rows] = as(
          'own',
          () =>
            [
              bindIterable(
                (async function* () {
                  await turn()
                  see()
                  yield 1
                })(),
              ),
            ] as const,
        )
        await as('puller', () => rows.next())
      },
    },
    {
      name: '`detach`',
      intuitive: 'none',
      run: ({ as, see }) => as('own', () => detach(see)),
    },
    {
      name: '`detach`: what it starts',
      intuitive: 'none',
      run: ({ as, see }) =>
        as('own', () =>
          detach(async () => {
            await turn()
            see()
            await turn()
            see()
          }),
        ),
    },
    {
      name: '`memo`: the computation',
      async run({ as, see }) {
        const compute = memo(async () => {
          await turn()
          see()
        })
        await as('own', () => Promise.all([compute(), compute()]))
      },
    },
    {
      name: '`memo`: what follows the `await` of a shared flight',
      async run({ as, see }) {
        const compute = memo(turn)
        await as('own', async () => {
          const first = compute()
          await compute()
          see()
          await first
        })
      },
    },
    {
      name: '`derived`: what follows the `await`, where two epochs share the computation',
      async run({ as, see }) {
        const input = cell(`conformance.input.${cells++}`, 1)
        const compute = derived(async () => {
          await turn()
          return input.get()
        })
        const first = as('first caller', async () => compute())
        await as('own', async () => {
          await compute()
          see()
        })
        await first
      },
    },
    {
      name: '`epoch.onClose`: the hook',
      async run({ as, briefly, see }) {
        const { promise, resolve } = deferred()
        briefly('own', (epoch) => {
          epoch.onClose(see)
          epoch.waitUntil(promise)
        })
        as('releaser', resolve)
      },
    },
    {
      name: '`epoch.signal`: `abort`',
      remedies: ['bind'],
      async run({ as, briefly, see, bind }) {
        const { promise, resolve } = deferred()
        const { signal } = briefly('ending', (epoch) => {
          epoch.waitUntil(promise)
          return epoch
        })
        as('own', () => signal.addEventListener('abort', bind(see)))
        as('releaser', resolve)
      },
    },
    {
      name: '`retire`: the call, when the last reader closes',
      intuitive: 'none',
      async run({ as, briefly, see }) {
        const pool = cell(`conformance.pool.${cells++}`, 1, { retire: see })
        const reader = deferred()
        const reading = withEpoch(async () => {
          pool.get()
          await reader.promise
        })
        briefly('writer', () => pool.set(2))
        as('releaser', reader.resolve)
        await reading
      },
    },
    {
      name: '`drain`: what follows the `await`',
      intuitive: 'none',
      async run({ as, see }) {
        const reader = deferred()
        const reading = withEpoch(() => reader.promise)
        const drained = drain({ timeoutMs: 10_000 }).then(see)
        as('releaser', reader.resolve)
        await Promise.all([reading, drained])
      },
    },
  ],
}
