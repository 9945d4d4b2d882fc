/** What the process calls on its own: errors that nobody caught, and the garbage collector. */
import { deferred, turn } from '../deferred.js'
import type { Group } from '../primitive.js'

export const processEvents: Group = {
  id: 'process',
  primitives: [
    {
      name: 'a signal, by `process.on`',
      alone: true,
      remedies: ['bind'],
      run({ as, see, bind }) {
        as('own', () => process.on('SIGUSR2', bind(see)))
        as('sender', () => process.kill(process.pid, 'SIGUSR2'))
      },
    },
    {
      name: '`unhandledRejection`',
      alone: true,
      remedies: ['bind'],
      run({ as, see, bind }) {
        as('own', () => process.on('unhandledRejection', bind(see)))
        const { reject } = as('creator', () => deferred())
        as('rejecter', () => reject(new Error('on purpose')))
      },
    },
    {
      name: '`uncaughtException`',
      alone: true,
      remedies: ['bind'],
      run({ as, see, bind }) {
        as('own', () => process.on('uncaughtException', bind(see)))
        as('thrower', () =>
          setTimeout(() => {
            throw new Error('on purpose')
          }, 1),
        )
      },
    },
    {
      name: '`FinalizationRegistry`',
      remedies: ['bind'],
      async run({ as, see, bind, seen }) {
        const registry = as('own', () => new FinalizationRegistry(bind(see)))
        as('registrant', () => {
          for (let count = 0; count < 100; count++) registry.register({ count }, count)
        })
        let isSeen = false
        void seen.then(() => (isSeen = true))
        for (let rounds = 0; !isSeen && rounds < 1_000; rounds++) {
          collectGarbage()
          await turn()
        }
        registry.unregister(registry) // so that it outlives what it watches
      },
    },
  ],
}

function collectGarbage(): void {
  const { Bun, gc } = globalThis as { Bun?: { gc(force: boolean): void }; gc?: () => void }
  if (Bun === undefined) gc!()
  else Bun.gc(true)
}
