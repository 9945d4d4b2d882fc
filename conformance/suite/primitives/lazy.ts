/** Lazy thenables: a query that is built does nothing until somebody calls its `then`. */
import type { Group, Primitive, Stage } from '../primitive.js'

/** Three rows for a query builder; `make` makes a query that calls `see` when it is run. */
export function lazy(
  name: string,
  module: string | undefined,
  make: (stage: Stage) => Promise<() => PromiseLike<unknown>>,
): Primitive[] {
  return [
    {
      name: `${name}: when it is run`,
      package: module,
      remedies: ['bind'],
      async run(stage) {
        const build = await make(stage)
        const run = stage.as('own', () => {
          const query = build()
          return stage.bind(() => query.then(() => {}))
        })
        await stage.as('awaiter', run)
      },
    },
    {
      name: `${name}: when the handler of \`withEpoch\` returns it`,
      package: module,
      async run(stage) {
        const build = await make(stage)
        await stage.as('own', () => build())
      },
    },
    {
      name: `\`await\` of ${name}`,
      package: module,
      async run(stage) {
        const build = await make({ ...stage, see() {} })
        const query = stage.as('builder', () => ({ query: build() })).query
        await stage.as('own', async () => {
          await query
          stage.see()
        })
      },
    },
  ]
}

export const lazyThenables: Group = {
  id: 'lazy',
  primitives: lazy(
    'a thenable as Prisma makes them',
    undefined,
    async ({ see }) =>
      () =>
        prismaLike(async () => see()),
  ),
}

/** Prisma's client needs an engine and a schema; its promises are this: `then` starts the work, once. */
function prismaLike<T>(work: () => Promise<T>): PromiseLike<T> {
  let promise: Promise<T> | undefined
  return { then: (...listeners) => (promise ??= work()).then(...listeners) }
}
