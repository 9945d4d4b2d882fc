/**
 * `retire`, the option of a cell: called once for each replaced value, when no open epoch can see it any more, in the
 * order of replacement, and its errors are never lost. A real resource under load stands in `retire-pool.test.ts`,
 * waiting for it in `drain.test.ts`, random interleavings in `lifecycle-interleavings.test.ts`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import {
  adopt,
  cell,
  type CellOptions,
  detach,
  drain,
  type Epoch,
  group,
  holders,
  publish,
  type Source,
  tryGetEpoch,
  withEpoch,
} from 'withepoch'
import { runInProcess } from './published-core.js'
import { hold } from './held-epoch.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('retire')
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A cell whose retired values are written down. */
function logged(options: CellOptions<string> = {}, log: string[] = []) {
  return { log, pool: cell(unique('pool'), 'A', { retire: (old) => void log.push(old), ...options }) }
}

describe('a replaced value', () => {
  test('may have others written while it is retired, live, whatever wrote in its place', () => {
    const closed = cell(unique('closed'), 'none')
    const pool = cell(unique('writing'), 'A', { retire: (old) => closed.set(old) })
    withEpoch({ writes: 'local' }, () => detach(() => pool.set('B')))
    expect([closed.get(), closed.live()]).toEqual(['A', 'A'])
    pool.release()
  })

  test('is retired at once where nobody is open', () => {
    const { log, pool } = logged()
    pool.set('B')
    expect(log).toEqual(['A'])
    pool.update((old) => `${old}C`)
    expect(log).toEqual(['A', 'B'])
  })

  test('is retired when the last epoch that was open at the replacement closes, whichever it is', async () => {
    const { log, pool } = logged()
    const [first, second, third] = [hold(), hold(), hold()]
    pool.set('B')
    const late = hold()
    await second.end()
    await third.end()
    expect([log, first.epoch.get(pool)]).toEqual([[], 'A'])
    await first.end()
    expect([log, late.epoch.get(pool)]).toEqual([['A'], 'B'])
    await late.end()
    expect(log).toEqual(['A'])
  })

  test('is retired in the order of replacement, each when its own readers are gone', async () => {
    const { log, pool } = logged()
    const ofA = hold()
    pool.set('B')
    const ofB = hold()
    pool.set('C')
    const ofC = hold()
    pool.set('D')
    await ofB.end()
    expect(log).toEqual([])
    await ofA.end()
    expect(log).toEqual(['A', 'B'])
    await ofC.end()
    expect(log).toEqual(['A', 'B', 'C'])
  })

  test('of several cells is retired in the order of all replacements', async () => {
    const log: string[] = []
    const { pool: one } = logged({}, log)
    const { pool: two } = logged({ retire: (old) => void log.push(`2 ${old}`) })
    const reader = hold()
    one.set('B')
    two.set('B')
    one.set('C')
    await reader.end()
    expect(log).toEqual(['A', '2 A', 'B'])
  })

  test('is retired once however often it was live, and not while it is live again', async () => {
    const { log, pool } = logged()
    const first = hold()
    pool.set('B')
    pool.set('A')
    const second = hold()
    await first.end()
    expect(log).toEqual(['B'])
    pool.set('C')
    expect([log, second.epoch.get(pool)]).toEqual([['B'], 'A'])
    await second.end()
    expect(log).toEqual(['B', 'A'])
  })

  test('that comes back while an earlier retirement of it waits is retired after its last time', async () => {
    const { log, pool } = logged()
    const first = hold()
    pool.set('B')
    pool.set('A')
    const second = hold()
    pool.set('C')
    await first.end()
    expect([log, second.epoch.get(pool)]).toEqual([['B'], 'A'])
    await second.end()
    expect(log).toEqual(['B', 'A'])
  })

  test('is not retired by a write of the same value', () => {
    const { log, pool } = logged()
    pool.set('A')
    expect(log).toEqual([])
  })

  test('in a publish is retired when that has succeeded, and not if it throws', () => {
    const { log, pool } = logged()
    expect(() =>
      publish(() => {
        pool.set('B')
        throw new Error('changed its mind')
      }),
    ).toThrow('changed its mind')
    expect([log, pool.live()]).toEqual([[], 'A'])
    publish(() => {
      pool.set('B')
      pool.set('C')
      expect(log).toEqual([])
      expect(() =>
        publish(() => {
          pool.set('D')
          throw new Error('the inner one only')
        }),
      ).toThrow('the inner one only')
    })
    expect([log, pool.live()]).toEqual([['A', 'B'], 'C'])
  })

  test('written by an epoch itself is retired when that epoch closes', () => {
    const { log, pool } = logged()
    withEpoch(() => {
      pool.set('B')
      expect([log, pool.get()]).toEqual([[], 'B'])
    })
    expect(log).toEqual(['A'])
  })

  test('that was never live, a local write or an override, is its maker’s to close', () => {
    const { log, pool } = logged()
    withEpoch({ writes: 'local' }, () => pool.set('B'))
    withEpoch({ values: [[pool, 'C']] }, () => pool.get())
    expect([log, pool.live()]).toEqual([[], 'A'])
  })

  test('of an adopted property is retired too', async () => {
    const log: unknown[] = []
    const library = { pool: 'A' }
    const pool = adopt(library, 'pool', { name: unique('adopted'), retire: (old) => void log.push(old) })
    const reader = hold()
    library.pool = 'B'
    expect([log, reader.epoch.get(pool as Source<string>)]).toEqual([[], 'A'])
    await reader.end()
    expect(log).toEqual(['A'])
    pool.release()
  })

  test.each(['snapshot', 'repeatable-read', 'read-committed'] as const)(
    'of a %s cell waits for all who were open, whether or not they have read it',
    async (isolation) => {
      const { log, pool } = logged({ isolation })
      const [reader, other] = [hold(), hold()]
      expect(reader.epoch.get(pool)).toBe('A')
      pool.set('B')
      await other.end()
      expect(log).toEqual([])
      await reader.end()
      expect(log).toEqual(['A'])
    },
  )

  test('of a cell with `copy` is retired as the original, not the copy', async () => {
    const log: unknown[] = []
    const [one, two] = [{ name: 'one' }, { name: 'two' }]
    const pool = cell(unique('copied'), one, {
      copy: (value) => ({ ...value }),
      retire: (old) => void log.push(old),
    })
    const reader = hold()
    pool.set(two)
    expect(reader.epoch.get(pool)).toEqual(one)
    await reader.end()
    expect(log).toHaveLength(1)
    expect(log[0]).toBe(one)
  })
})

describe('who can still see a value is', () => {
  test('a fork of an older epoch, opened after the replacement, and a fork of that', async () => {
    const { log, pool } = logged()
    const parent = hold()
    pool.set('B')
    const seen: string[] = []
    let endFork!: () => void
    const read = async (): Promise<void> => {
      await turn()
      seen.push(pool.get())
      await new Promise<void>((resolve) => {
        endFork = resolve
      })
      seen.push(pool.get())
    }
    const { promise } = parent.inside(() => ({
      promise: withEpoch({ ifNested: 'fork' }, () => withEpoch({ ifNested: 'fork' }, read)),
    }))
    await parent.end()
    await turn()
    expect([log, seen]).toEqual([[], ['A']])
    endFork()
    await promise
    expect([log, seen]).toEqual([['A'], ['A', 'A']])
  })

  test('not an epoch that has advanced', async () => {
    const { log, pool } = logged()
    const [stays, moves] = [hold(), hold()]
    pool.set('B')
    await stays.end()
    expect(log).toEqual([])
    moves.epoch.advance()
    expect([log, moves.epoch.get(pool)]).toEqual([['A'], 'B'])
    pool.set('C')
    expect(log).toEqual(['A'])
    await moves.end()
    expect(log).toEqual(['A', 'B'])
  })

  test('an epoch that opened between an older one and its fork', async () => {
    const { log, pool } = logged()
    const [parent, between] = [hold({ name: 'parent' }), hold({ name: 'between' })]
    const fork = parent.inside(() => hold({ name: 'fork', ifNested: 'fork' }))
    expect(holders().open.map(({ name }) => name)).toEqual(['parent', 'fork', 'between'])
    pool.set('B')
    await fork.end()
    await parent.end()
    expect([log, between.epoch.get(pool)]).toEqual([[], 'A'])
    await between.end()
    expect(log).toEqual(['A'])
  })

  test('a fork of one that has advanced since', async () => {
    const { log, pool } = logged()
    const parent = hold()
    let fork!: Epoch
    let endFork!: () => void
    const { promise } = parent.inside(() => ({
      promise: withEpoch({ ifNested: 'fork' }, (epoch) => {
        fork = epoch
        return new Promise<void>((resolve) => {
          endFork = resolve
        })
      }),
    }))
    pool.set('B')
    parent.epoch.advance()
    expect([log, fork.get(pool), parent.epoch.get(pool)]).toEqual([[], 'A', 'B'])
    endFork()
    await promise
    expect(log).toEqual(['A'])
    await parent.end()
  })

  test('a younger epoch, although a retire has opened one and closed it meanwhile', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => void withEpoch(() => log.push(`${old} ${pool.get()}`)),
    })
    const first = hold()
    pool.set('B')
    const second = hold({ name: 'second' })
    await first.end()
    expect([log, holders().open.map(({ name }) => name)]).toEqual([['A B'], ['second']])
    pool.set('C')
    expect([log, second.epoch.get(pool)]).toEqual([['A B'], 'B'])
    await second.end()
    expect(log).toEqual(['A B', 'B C'])
  })

  test('an epoch that has advanced and kept the value as an override', async () => {
    const { log, pool } = logged()
    const reader = hold({ values: [[pool, 'A']] })
    pool.set('B')
    reader.epoch.advance()
    const seen = [reader.epoch.get(pool), [...log]]
    await reader.end()
    expect([seen, log]).toEqual([['A', []], ['A']])
  })

  test('an epoch that is closing: its hooks still read it', async () => {
    const { log, pool } = logged()
    const reader = hold()
    let go!: () => void
    const seen: string[] = []
    reader.epoch.onClose(async () => {
      await new Promise<void>((resolve) => {
        go = resolve
      })
      seen.push(reader.epoch.get(pool))
    })
    pool.set('B')
    await reader.end()
    expect([log, reader.epoch.phase]).toEqual([[], 'closing'])
    go()
    await turn()
    expect([log, seen, reader.epoch.phase]).toEqual([['A'], ['A'], 'closed'])
  })

  test('an epoch held open by waitUntil or by an iterator that is not done', async () => {
    const { log, pool } = logged()
    let finish!: () => void
    const rows = withEpoch(function* () {
      yield pool.get()
      yield pool.get()
    })
    withEpoch((epoch) =>
      epoch.waitUntil(
        new Promise<void>((resolve) => {
          finish = resolve
        }),
      ),
    )
    expect(rows.next().value).toBe('A')
    pool.set('B')
    finish()
    await turn()
    expect([log, rows.next().value]).toEqual([[], 'A'])
    expect([rows.next().done, log]).toEqual([true, ['A']])
  })

  test('one who gets a group’s last coherent values: it is retired when the group has moved on', () => {
    const log: string[] = []
    const { pool } = logged({}, log)
    const of = cell(unique('of'), 'A')
    const pair = group(unique('pair'), [pool, of], { coherent: (one, other) => one === other })
    pool.set('B') // half-way: epochs still get A
    expect([withEpoch(() => pool.get()), log]).toEqual(['A', []])
    of.set('B')
    expect([withEpoch(() => pool.get()), log]).toEqual(['B', ['A']])
    pair.release()
  })
})

describe('retire', () => {
  test('runs with no epoch and in no request’s context, whoever was the last reader', async () => {
    const tracing = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: async () => {
        seen.push(tryGetEpoch(), tracing.getStore())
        await turn()
        seen.push(tryGetEpoch(), tracing.getStore())
      },
    })
    await tracing.run('trace of the last reader', () =>
      withEpoch(async () => {
        detach(() => pool.set('B'))
        await turn()
      }),
    )
    await drain()
    expect(seen).toEqual([undefined, undefined, undefined, undefined])
  })

  test('sees the new value, and may itself replace values: those come after the ones that wait already', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => {
        log.push(`${old}, live is ${pool.get()}`)
        if (old === 'A') pool.set('D')
      },
    })
    const reader = hold()
    pool.set('B')
    pool.set('C')
    await reader.end()
    expect(log).toEqual(['A, live is C', 'B, live is D', 'C, live is D'])
  })

  test('may open an epoch and close it', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => void withEpoch(() => log.push(`${old} ${pool.get()}`)),
    })
    const reader = hold()
    pool.set('B')
    pool.set('C')
    await reader.end()
    expect(log).toEqual(['A C', 'B C'])
  })

  test('that throws harms neither the writer, nor the reader, nor the other values', async () => {
    const log: string[] = []
    const pool = cell(unique('pool'), 'A', {
      retire: (old) => {
        log.push(old)
        throw new Error(`cannot close ${old}`)
      },
    })
    const reported = await unhandledDuring(async () => {
      const reader = hold()
      pool.set('B')
      pool.set('C')
      await reader.end()
      pool.set('D')
    })
    expect([log, pool.live()]).toEqual([['A', 'B', 'C'], 'D'])
    expect(reported).toEqual(log.map((old) => new Error(`cannot close ${old}`)))
  })

  test('whose promise rejects is reported as an unhandled rejection where no drain is under way', async () => {
    const pool = cell(unique('pool'), 'A', {
      retire: async (old) => {
        await turn()
        throw new Error(`cannot close ${old}`)
      },
    })
    expect(await unhandledDuring(async () => (pool.set('B'), await turn()))).toEqual([
      new Error('cannot close A'),
    ])
  })

  test('whose cell cannot be looked at any more gets the old value, and the reader’s result stands', async () => {
    const { pool, log } = logged({ isolation: 'read-committed' })
    const reported = await unhandledDuring(async () => {
      const result = await withEpoch(async () => {
        await turn()
        detach(() => pool.set('B'))
        Object.defineProperty(pool, 'liveNow', {
          value: () => {
            throw new Error('the container is gone')
          },
        })
        return 'result'
      })
      expect(result).toBe('result')
    })
    expect([reported, log]).toEqual([[], ['A']])
  })

  test('whose property cannot be read any more holds up neither its reader, nor a drain, nor other values', async () => {
    const log: unknown[] = []
    const retire = (old: unknown): void => void log.push(old)
    let [value, broken] = ['A', false]
    const app = {
      get pool() {
        if (broken) throw new Error('the getter')
        return value
      },
      set pool(next: string) {
        value = next
      },
    }
    const pool = adopt(app, 'pool', { name: unique('pool'), retire })
    const other = cell(unique('other'), 1, { retire })
    const reader = hold()
    app.pool = 'B'
    other.set(2)
    const drained = drain({ timeoutMs: 1_000 })
    broken = true
    await reader.end()
    await drained
    broken = false
    pool.release()
    expect(log).toEqual(['A', 1])
  })

  test('must be a function', () => {
    const name = unique('bad')
    expect(() => cell(name, 1, { retire: 'close' as never })).toThrow(
      `cell("${name}", …): retire must be a function, got a string.`,
    )
  })

  test('is announced on withepoch:source:retire, with the value only as its source describes it', () => {
    const events: unknown[] = []
    const listen = (message: unknown): void => {
      const { source, epoch, described } = message as {
        source: Source<unknown>
        epoch: unknown
        described: unknown
      }
      events.push([source.name, epoch, described])
    }
    const { pool: open } = logged({ describe: (value) => `pool ${value}` })
    const { pool: secret } = logged()
    subscribe('withepoch:source:retire', listen)
    open.set('B')
    secret.set('B')
    unsubscribe('withepoch:source:retire', listen)
    expect(events).toEqual([
      [open.name, undefined, 'pool A'],
      [secret.name, undefined, undefined],
    ])
  })

  test('is described for those alone who listen', () => {
    const described: string[] = []
    const { pool } = logged({ describe: (value) => (described.push(value), value) })
    const { hasSubscribers } = channel('withepoch:source:retire')
    pool.set('B')
    expect(described.includes('A')).toBe(hasSubscribers)
  })
})

describe('in a process', () => {
  const imports = 'cell, derived, drain, withEpoch'

  test('a failing retire ends it with status 1 and the error, as any unhandled rejection', async () => {
    const script = `
      const pool = cell('pool', 'A', { retire: () => { throw new Error('cannot close') } })
      await withEpoch(async () => { await null })
      pool.set('B')
      setTimeout(() => console.log('still here'), 50)`
    const { status, stdout, stderr } = await runInProcess(imports, script)
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain('Error: cannot close')
  })

  test('a computation’s late write is refused although no epoch is open any more', async () => {
    const script = `
      const limit = cell('limit', 1)
      derived(() => {
        setImmediate(() => {
          try { limit.set(2) } catch (error) { console.log(error.code) }
          console.log(limit.get())
        })
      })()`
    expect(await runInProcess(imports, script)).toEqual({
      status: 0,
      stdout: 'WRITE_REJECTED\n1',
      stderr: '',
    })
  })
})
