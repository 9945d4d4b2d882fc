/**
 * Generators and what is made of them: the body runs in the context of whoever pulls. They leave the own epoch inside an
 * array, because an iterator that a handler returns is bound by `withEpoch`.
 */
import { Duplex, Readable } from 'node:stream'
import { withEpoch } from 'withepoch'
import { turn } from '../deferred.js'
import type { Group } from '../primitive.js'
import { notInWorkerd } from '../workerd.js'

export const generators: Group = {
  id: 'generators',
  primitives: [
    {
      name: 'generator: its body',
      remedies: ['bindIterable'],
      run({ as, see, bindIterable }) {
        const [rows] = as(
          'own',
          () =>
            [
              bindIterable(
                (function* () {
                  see()
                  yield 1
                  see()
                  yield 2
                })(),
              ),
            ] as const,
        )
        as('puller', () => rows.next())
        as('second puller', () => rows.next())
      },
    },
    {
      name: 'generator: its `finally`, when the consumer leaves',
      remedies: ['bindIterable'],
      run({ as, see, bindIterable }) {
        const [rows] = as(
          'own',
          () =>
            [
              bindIterable(
                (function* () {
                  try {
                    yield 1
                  } finally {
                    see()
                  }
                })(),
              ),
            ] as const,
        )
        as('puller', () => {
          for (const _ of rows) break
        })
      },
    },
    {
      name: 'async generator: its body',
      remedies: ['bindIterable'],
      async run({ as, see, bindIterable }) {
        const [rows] = as(
          'own',
          () =>
            [
              bindIterable(
                (async function* () {
                  see()
                  yield 1
                  await turn()
                  see()
                  yield 2
                })(),
              ),
            ] as const,
        )
        await as('puller', () => rows.next())
        await as('second puller', () => rows.next())
      },
    },
    {
      name: 'async generator: what follows `for await` in the consumer',
      async run({ as, see }) {
        const rows = (async function* () {
          yield 1
        })()
        await as('own', async () => {
          for await (const _ of rows) see()
        })
      },
    },
    {
      name: 'generator that the handler of `withEpoch` is',
      run({ as, see }) {
        const rows = as('own', function* () {
          see()
          yield 1
        })
        as('puller', () => [...rows])
      },
    },
    {
      name: 'async generator that the handler of `withEpoch` returns',
      async run({ as, see }) {
        const rows = as('own', () =>
          (async function* () {
            yield 1
            see()
          })(),
        )
        await as('puller', async () => {
          for await (const _ of rows);
        })
      },
    },
    {
      name: 'generator in a joined epoch',
      run({ as, see }) {
        const rows = as('own', () =>
          withEpoch(function* () {
            see()
            yield 1
          }),
        )
        as('puller', () => [...rows])
      },
    },
    {
      name: '`Readable.from(generator)`: the generator’s body',
      remedies: ['bindIterable'],
      async run({ as, see, bindIterable }) {
        const readable = as('own', () =>
          Readable.from(
            bindIterable(
              (async function* () {
                see()
                yield 'row'
              })(),
            ),
          ),
        )
        await as('puller', async () => {
          for await (const _ of readable);
        })
      },
    },
    {
      name: '`Duplex.from(async function*)`: its body, by the time of a write',
      unsupported: notInWorkerd('its `Duplex.from` takes no function'),
      remedies: ['bindIterable'],
      async run({ as, see, bindIterable }) {
        const duplex = as('own', () =>
          Duplex.from((source: AsyncIterable<unknown>) =>
            bindIterable(
              (async function* () {
                for await (const chunk of source) {
                  see()
                  yield chunk
                }
              })(),
            ),
          ),
        )
        const end = as('reader', async () => {
          for await (const _ of duplex);
        })
        as('writer', () => duplex.end('row'))
        await end
      },
    },
  ],
}
