/**
 * A process in which all happens that the package tells of, on secret values: for tests that look at everything that is
 * exported.
 */
import { adopt, bind, type Cell, derived, drain, group, memo, source, withEpoch } from 'withepoch'
import { aCell, aName, elsewhere } from './a-cell.js'
import { after, type Telemetry } from './telemetry.js'

export interface Happened {
  /** The sources that were read late and had drifted; of `shown` and `careless` values are described. */
  readonly sources: ReadonlyArray<{ readonly name: string }>
  readonly shown: Cell<string>
  /** How many values, arguments, results and errors `secret` was asked for. */
  readonly secrets: number
}

/** `secret` makes each value that must not be seen. */
export async function doEverything({ tracer }: Telemetry, secret: () => string): Promise<Happened> {
  let secrets = 0
  const next = () => (secrets++, secret())
  const key = aCell(next(), { retire: () => {} })
  const nested = aCell({ token: next() })
  const copied = aCell(new Map([[next(), next()]]), { copy: (map) => new Map(map) })
  const shown = aCell('shown-value', { describe: (value) => value })
  const careless = aCell(next(), {
    describe(value) {
      throw new Error(`cannot describe ${value}`)
    },
  })
  let foreign = next()
  const getter = source(aName(), () => foreign)
  const legacy = { language: next() }
  const adopted = adopt(legacy, 'language', { name: aName() })
  const failing = source(aName(), (): string => {
    throw new Error(next())
  })
  const pair = group('test.everything', [key, nested], {
    coherent: (...values: unknown[]) => values.length > 2,
  })
  after(() => [getter, adopted, failing, pair].forEach((each) => each.release()))
  const sources = [key, nested, copied, shown, careless, getter, adopted]
  const scan = memo((argument: string) => `${argument} ${next()}`, { name: 'scan' })
  const catalogue = derived((argument: string) => `${argument} ${key.get()}`, { name: 'catalogue' })

  const readLate = await tracer.startActiveSpan('request', async (span) => {
    const late = await withEpoch({ name: 'page', values: [[careless, next()]], maxAgeMs: 1 }, async () => {
      elsewhere(() => {
        key.set(next())
        nested.set({ token: next() })
        copied.set(new Map([[next(), next()]]))
        shown.set('shown-afterwards')
        careless.set(next())
        foreign = next()
        legacy.language = next()
      })
      await new Promise((resolve) => setTimeout(resolve, 40)) // overdue meanwhile
      for (const each of sources) each.get()
      try {
        failing.get()
      } catch {
        // what the getter threw at capture
      }
      scan(next())
      catalogue(next())
      key.set(next()) // a conflict
      return bind(() => sources.map((each) => each.get()))
    })
    late()
    span.end()
    return withEpoch({ name: 'other' }, () => bind(() => sources.map((each) => each.get())))
  })
  tracer.startActiveSpan('after', (span) => {
    span.end()
    readLate()
  })
  await withEpoch({ name: 'fails' }, () => Promise.reject(new Error(next()))).catch(() => {})
  await drain()
  return { sources, shown, secrets }
}
