/**
 * Promises, `await` and thenables: the language's own, where the context is that of whoever waits. Thenables leave an
 * epoch inside an array, because one that a handler returns is awaited by `withEpoch`.
 */
import { deferred } from '../deferred.js'
import type { Group, Primitive } from '../primitive.js'

function listened(
  method: 'then' | 'catch' | 'finally',
  listen: (promise: Promise<void>, see: () => void) => Promise<unknown>,
): Primitive {
  return {
    name: `\`promise.${method}(listener)\``,
    run({ as, see }) {
      const { promise, resolve, reject } = as('creator', () => deferred())
      as('own', () => void listen(promise, see))
      as('resolver', method === 'catch' ? () => reject(new Error('on purpose')) : resolve)
    },
  }
}

function combined(method: string, combine: (both: Array<Promise<void>>) => Promise<unknown>): Primitive {
  return {
    name: `\`await Promise.${method}\``,
    run({ as, see }) {
      const [one, other] = [deferred(), deferred()]
      void as('own', async () => {
        await combine([one.promise, other.promise])
        see()
      })
      as('resolver', one.resolve)
      as('another resolver', other.resolve)
    },
  }
}

export const promises: Group = {
  id: 'promises',
  primitives: [
    {
      name: '`await` of a promise that another resolves',
      run({ as, see }) {
        const { promise, resolve } = deferred()
        void as('own', async () => {
          await promise
          see()
        })
        as('resolver', resolve)
      },
    },
    {
      name: '`await` of a promise that another rejects: `catch`, then `finally`',
      run({ as, see }) {
        const { promise, reject } = deferred()
        void as('own', async () => {
          try {
            await promise
          } catch {
            see()
          } finally {
            see()
          }
        })
        as('resolver', () => reject(new Error('on purpose')))
      },
    },
    {
      name: '`await` of a promise that had settled',
      async run({ as, see }) {
        const promise = as('creator', async () => {})
        await promise
        await as('own', async () => {
          await promise
          see()
        })
      },
    },
    listened('then', (promise, see) => promise.then(see)),
    listened('catch', (promise, see) => promise.catch(see)),
    listened('finally', (promise, see) => promise.finally(see)),
    combined('all', (both) => Promise.all(both)),
    combined('allSettled', (both) => Promise.allSettled(both)),
    combined('any', (both) => Promise.any(both)),
    combined('race', (both) => Promise.race(both)),
    {
      name: '`await` of a thenable that another resolves',
      run({ as, see }) {
        let call!: () => void
        void as('own', async () => {
          await { then: (resolve: () => void) => void (call = resolve) }
          see()
        })
        void Promise.resolve().then(() => as('resolver', () => call()))
      },
    },
    {
      name: 'the body of `then`, of a thenable that is awaited',
      async run({ as, see }) {
        const lazy = as('creator', () => [
          {
            then(resolve: () => void) {
              see()
              resolve()
            },
          },
        ])
        await as('own', async () => {
          await lazy[0]
        })
      },
    },
    {
      name: 'the body of `then`, of a thenable that a promise is resolved with',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        const { promise, resolve } = as('creator', () => deferred<unknown>())
        const lazy = as('own', () => [
          {
            then: bind((done: () => void) => {
              see()
              done()
            }),
          },
        ])
        as('resolver', () => resolve(lazy[0]))
        await promise
      },
    },
    {
      name: 'an `async` function that goes on after another’s `await`',
      async run({ as, see }) {
        const { promise, resolve } = deferred()
        const inner = async () => {
          await promise
          see()
        }
        const running = as('own', inner)
        void as('another', async () => {
          await running
        })
        as('resolver', resolve)
        await running
      },
    },
    {
      name: '`import()` of a module that is there: what follows the `await`',
      async run({ as, see }) {
        await as('own', async () => {
          await import('node:events')
          see()
        })
      },
    },
  ],
}
