/** Timers and the queues of the event loop. */
import { setImmediate as immediate, setInterval as ticks, setTimeout as wait } from 'node:timers/promises'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { Group } from '../primitive.js'

export const timers: Group = {
  id: 'timers',
  primitives: [
    { name: '`setTimeout`', run: ({ as, see }) => void as('own', () => setTimeout(see, 1)) },
    {
      name: '`setInterval`',
      run({ as, see, after }) {
        const timer = as('own', () => setInterval(see, 1))
        after(() => clearInterval(timer))
      },
    },
    { name: '`setImmediate`', run: ({ as, see }) => void as('own', () => setImmediate(see)) },
    { name: '`queueMicrotask`', run: ({ as, see }) => as('own', () => queueMicrotask(see)) },
    { name: '`process.nextTick`', run: ({ as, see }) => as('own', () => process.nextTick(see)) },
    {
      name: '`timer.refresh()` by another',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const timer = as('own', () => setTimeout(bind(see), 1))
        as('refresher', () => timer.refresh())
      },
    },
    {
      name: '`timers/promises`: `setTimeout`',
      run: ({ as, see }) =>
        as('own', async () => {
          await wait(1)
          see()
        }),
    },
    {
      name: '`timers/promises`: `setImmediate`',
      run: ({ as, see }) =>
        as('own', async () => {
          await immediate()
          see()
        }),
    },
    {
      name: '`timers/promises`: `for await` of `setInterval`',
      run: ({ as, see }) =>
        as('own', async () => {
          for await (const _ of ticks(1)) {
            see()
            break
          }
        }),
    },
    {
      name: '`AsyncResource.bind`, of Node itself',
      run({ as, see }) {
        const bound = as('own', () => AsyncResource.bind(see))
        as('caller', bound)
      },
    },
    {
      name: '`AsyncLocalStorage.snapshot`, of Node itself',
      run({ as, see }) {
        const inside = as('own', () => AsyncLocalStorage.snapshot())
        as('caller', () => inside(see))
      },
    },
  ],
}
