/**
 * No value leaves the library by a side door: planted secrets appear in no inspection, serialisation, clone, error or
 * channel payload, unless their source says how to describe them.
 */
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  bind,
  bindEmitter,
  bindIterable,
  type Cell,
  cell,
  configure,
  derived,
  detach,
  type Epoch,
  group,
  holders,
  memo,
  publish,
  source,
  type Source,
  withEpoch,
} from 'withepoch'
import { EventEmitter } from 'node:events'
import { listenTo } from './channel-listener.js'
import { channels } from './channel-names.js'
import { deferred } from './deferred.js'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const SECRET = 's3cr3t'
const unique = uniqueNames('secrets')
const secret = (label: string): { token: string } => ({ token: `${SECRET}-${label}` })

/** Everything that a log line, a serialiser or a debugger's printout would make of it. */
function shown(value: unknown): string {
  const views = [
    () => inspect(value, { showHidden: true, depth: Infinity, getters: true }),
    () => inspect(value, { showHidden: true, depth: Infinity, customInspect: false }),
    () =>
      inspect(value, {
        showHidden: true,
        depth: Infinity,
        customInspect: false,
        showProxy: true,
        getters: true,
      }),
    () => inspect({ nested: [value] }, { depth: Infinity }),
    () => JSON.stringify(value),
    () => JSON.stringify({ nested: [value] }),
    () => String(value),
    () => `${Object.prototype.toString.call(value)}`,
    () => inspect(structuredClone(value), { showHidden: true, depth: Infinity }),
    () => inspect({ ...(value as object) }, { depth: Infinity, customInspect: false }),
    () =>
      inspect(Object.getOwnPropertyDescriptors(value), {
        showHidden: true,
        depth: Infinity,
        customInspect: false,
      }),
  ]
  return views
    .map((view) => {
      try {
        return String(view())
      } catch (error) {
        return String(error)
      }
    })
    .join('\n')
}

/** As a logger sees an error: message, stack, cause, every own property. */
const shownError = (error: unknown): string =>
  [
    (error as Error).message,
    (error as Error).stack,
    inspect(error, { showHidden: true, depth: Infinity }),
    shown(error),
  ].join('\n')

/** Where the secret stands in a view, with a little around it: a failure need not print all of it. */
const leaks = (view: string): string[] =>
  view.match(new RegExp(`.{0,40}${SECRET}.{0,20}`, 'g'))?.slice(0, 3) ?? []

interface Planted {
  readonly sources: Array<Source<unknown>>
  readonly config: Cell<unknown>
  readonly load: (key: string) => unknown
  readonly epoch: Epoch
}

/** An epoch full of secrets: captured, overridden, written, memoised, failed. */
function withSecrets<R>(run: (planted: Planted) => R, writes: 'publish' | 'local' = 'local'): R {
  const config = cell<unknown>(unique('config'), secret('cell'))
  const sources: Array<Source<unknown>> = [
    config,
    source<unknown>(unique('global'), () => secret('source')),
    source<unknown>(unique('copied'), () => secret('copied'), {
      copy: (value) => ({ ...(value as object) }),
    }),
    source<unknown>(unique('lazy'), () => secret('lazy'), { isolation: 'repeatable-read' }),
    source<unknown>(unique('live'), () => secret('live'), { isolation: 'read-committed' }),
    cell<unknown>(unique('own'), secret('own cell'), { isolation: 'repeatable-read' }),
    cell<unknown>(unique('override'), 'public'),
  ]
  const override = sources.at(-1)!
  const load = memo((key: string) => ({ key, token: `${SECRET}-memo` }), { name: 'load' })
  return withEpoch(
    { name: 'planted', ifNested: 'fresh', writes, values: [[override, secret('override')]] },
    (epoch) => {
      for (const each of sources) each.get()
      config.set(secret('written'))
      load(`${SECRET}-key`)
      return run({ sources, config, load, epoch })
    },
  )
}

describe('a planted secret', () => {
  test('is there to be found: what the epoch returns shows it', () => {
    withSecrets(({ config, load, epoch }) => {
      expect(leaks(shown(config.get()))).not.toEqual([])
      expect(leaks(shown(epoch.get(config)))).not.toEqual([])
      expect(leaks(shown(load(`${SECRET}-key`)))).not.toEqual([])
    })
  })

  test('is in no view of the epoch, open, closing or closed', () => {
    const phases: string[] = []
    const epoch = withSecrets((planted) => {
      const { id, version } = planted.epoch
      expect(inspect(planted.epoch)).toBe(`Epoch { epoch #${id} "planted", open, version ${version} }`)
      expect(Object.prototype.toString.call(planted.epoch)).toBe('[object Epoch]')
      const look = (): void => {
        phases.push(planted.epoch.phase)
        expect(leaks(shown(planted.epoch))).toEqual([])
      }
      look()
      planted.epoch.onClose(look)
      return planted.epoch
    })
    expect(leaks(shown(epoch))).toEqual([])
    expect([...phases, epoch.phase]).toEqual(['open', 'closing', 'closed'])
    expect(inspect(epoch)).toBe(`Epoch { epoch #${epoch.id} "planted", closed, version - }`)
    expect(JSON.parse(JSON.stringify(epoch))).toEqual({ id: epoch.id, name: 'planted', phase: 'closed' })
  })

  test('is in no view of an epoch beside which others are open', () => {
    withSecrets(({ epoch }) =>
      withSecrets((inner) => {
        withEpoch({ ifNested: 'fork' }, (fork) => expect(leaks(shown(fork))).toEqual([]))
        expect(leaks(shown(inner.epoch))).toEqual([])
        expect(leaks(shown(epoch))).toEqual([])
      }),
    )
  })

  test('is in no view of a source or cell, and each shows its name', () => {
    withSecrets(({ sources }) => {
      for (const each of sources) {
        expect(leaks(shown(each))).toEqual([])
        expect(inspect(each)).toContain(each.name)
        expect(JSON.parse(JSON.stringify(each))).toEqual({ source: each.name })
      }
    })
  })

  test('is in no view of memos and bound functions, emitters and iterables, nor of the carrier', () => {
    withSecrets(({ load }) => {
      const bound = bind(() => load('x'))
      const emitter = bindEmitter(new EventEmitter()).on('row', () => load('y')) as EventEmitter
      const rows = bindIterable([1].values())
      const carrier = (globalThis as Record<symbol, unknown>)[Symbol.for('withepoch.carrier')]
      expect(carrier).toBeTypeOf('object')
      for (const each of [load, bound, emitter, rows, carrier]) expect(leaks(shown(each))).toEqual([])
    })
  })

  test('is in no view of holders(), as data or as text, with late readers and stacks', () => {
    const restore = configure({ lateReaders: true, captureStacks: true })
    onTestFinished(restore)
    withSecrets(({ config }) => {
      withSecrets(({ epoch }) => epoch).get(config)
      const report = holders()
      expect([report.open.length > 0, report.late.length]).toEqual([true, 1])
      expect(leaks(shown(report))).toEqual([])
      expect(leaks(String(report))).toEqual([])
    })
  })

  test('is in no error: message, stack, cause and properties', () => {
    const errors: unknown[] = []
    const attempt = (run: () => unknown): void => {
      try {
        run()
      } catch (error) {
        errors.push(error)
      }
    }
    strict()
    const token: unknown = `${SECRET}-argument`
    const planted = withSecrets((inside) => inside)
    attempt(() => planted.epoch.get(planted.config)) // EPOCH_CLOSED
    attempt(() => planted.epoch.validate(planted.config)) // EPOCH_CLOSED
    withSecrets(({ epoch, config }) => {
      detach(() => config.set(secret('moved')))
      attempt(() => epoch.validate(config)) // EPOCH_STALE
      attempt(() => epoch.validate()) // EPOCH_STALE, all of them
      attempt(() => withEpoch({ ifNested: 'throw' }, () => {})) // NESTED_EPOCH
      attempt(() => epoch.get(token as never)) // INVALID_ARGUMENT
      attempt(() => epoch.waitUntil(token as never))
      attempt(() => epoch.onClose(token as never))
      attempt(() => withEpoch({ ifNested: 'fork', writes: 'reject' }, () => config.set(secret('rejected')))) // WRITE_REJECTED
    })
    withSecrets(({ config }) => {
      detach(() => config.set(secret('moved')))
      attempt(() => config.set(secret('conflicting'))) // WRITE_CONFLICT
      attempt(() => config.update(async () => secret('promised') as never)) // INVALID_ARGUMENT
    }, 'publish')
    attempt(() => withEpoch({ values: [[secret('reversed'), planted.config]] as never }, () => {}))
    attempt(() => withEpoch({ values: { token } as never }, () => {}))
    attempt(() => withEpoch({ name: secret('name') as never }, () => {}))
    attempt(() => withEpoch(token as never))
    attempt(() => source(secret('name') as never, () => 1))
    attempt(() => source(unique('no getter'), token as never))
    attempt(() => source(unique('async'), async () => secret('promised')).get()) // ASYNC_GETTER
    attempt(() => cell(planted.config.name, secret('duplicate'))) // DUPLICATE_SOURCE
    attempt(() => publish(async () => secret('published'))) // ASYNC_PUBLISH
    attempt(() => memo(token as never))
    attempt(() => bind(token as never))
    attempt(() => detach(token as never))
    attempt(() => bindEmitter(secret('emitter') as never))
    attempt(() => bindIterable(secret('iterable') as never))
    attempt(() => configure({ strict: token as never }))
    const cyclic: (key: string) => unknown = memo((key: string) => cyclic(key), { name: 'cyclic' })
    attempt(() => withEpoch(() => cyclic(`${SECRET}-key`))) // MEMO_CYCLE

    const codes = errors.map((error) => (error as { code?: string }).code)
    expect(new Set(codes)).toEqual(
      new Set([
        'EPOCH_CLOSED',
        'EPOCH_STALE',
        'NESTED_EPOCH',
        'INVALID_ARGUMENT',
        'WRITE_REJECTED',
        'WRITE_CONFLICT',
        'ASYNC_GETTER',
        'DUPLICATE_SOURCE',
        'ASYNC_PUBLISH',
        'MEMO_CYCLE',
      ]),
    )
    expect(errors).toHaveLength(27)
    for (const error of errors) expect(leaks(shownError(error))).toEqual([])
  })

  test('is in the reason of no aborted signal', () => {
    const { signal } = withSecrets(({ epoch }) => ({ signal: epoch.signal }))
    expect(signal.aborted).toBe(true)
    expect(leaks(shownError(signal.reason))).toEqual([])
  })
})

describe('a channel payload', () => {
  /** Something for every channel to tell of. */
  async function everything(options?: { describe: (value: unknown) => string }): Promise<void> {
    const config = cell<unknown>(unique('told'), secret('before'), options)
    let polled = secret('polled')
    const global = source<unknown>(unique('polled'), () => polled, options)
    const load = memo((key: string) => secret(key), { name: 'load' })
    const epoch = withEpoch((inside) => {
      load(SECRET)
      load(SECRET)
      polled = secret('polled later')
      detach(() => config.set(secret('outside')))
      config.get()
      global.get()
      config.set(secret('conflict'))
      withEpoch({ ifNested: 'fork', writes: 'local' }, () => config.set(secret('local')))
      return inside
    })
    withEpoch(() => {})
    epoch.get(config)

    const pool = cell<unknown>(unique('pool'), secret('pool'), { ...options, retire: () => {} })
    const settings = cell<unknown>(unique('settings'), secret('settings'), options)
    let broken = false
    const pair = group(unique('pair'), [pool, settings], {
      coherent: (first, second) => {
        if (broken) throw new Error('the predicate failed')
        return first !== second
      },
    })
    broken = true
    pool.set(secret('other pool'))
    withEpoch(() => {})
    pair.release()
    const shared = derived(() => secret(String(settings.get() !== undefined)), { name: 'shared' })
    withEpoch(() => shared())
    withEpoch(() => shared())

    const overdue = deferred<void>()
    listenTo('withepoch:epoch:overdue', () => overdue.resolve())
    await withEpoch({ maxAgeMs: 1 }, () => overdue.promise)
  }

  function listen(): Array<{ channel: string; payload: unknown; view: string }> {
    const heard: Array<{ channel: string; payload: unknown; view: string }> = []
    let looking = false
    for (const channel of channels) {
      listenTo(channel, (payload) => {
        if (looking) return // were looking at a payload to make an event, it would be looked at for ever
        looking = true
        heard.push({ channel, payload, view: shown(payload) })
        looking = false
      })
    }
    return heard
  }

  test('of any channel shows no value of a source that does not describe itself', async () => {
    const heard = listen()
    await everything()
    expect(new Set(heard.map(({ channel }) => channel))).toEqual(new Set(channels))
    expect(heard.flatMap(({ channel, view }) => leaks(view).map((leak) => `${channel}: ${leak}`))).toEqual([])
  })

  test('shows what the source makes of it, and nothing more', async () => {
    const heard = listen()
    await everything({ describe: (value) => `token of ${(value as { token: string }).token.length} letters` })
    const described = heard
      .map(({ payload }) => (payload as { described?: string }).described)
      .filter((each) => each !== undefined)
    expect(described.length).toBeGreaterThan(5)
    for (const each of described) expect(each).toMatch(/^token of \d+ letters$/)
    expect(heard.flatMap(({ channel, view }) => leaks(view).map((leak) => `${channel}: ${leak}`))).toEqual([])
  })

  test('says so when describe throws, and the read is unharmed', async () => {
    const heard = listen()
    await everything({
      describe: () => {
        throw new Error(`${SECRET}-describe`)
      },
    })
    const described = heard.map(({ payload }) => (payload as { described?: string }).described)
    expect(described).toContain('(describe threw)')
    expect(heard.flatMap(({ channel, view }) => leaks(view).map((leak) => `${channel}: ${leak}`))).toEqual([])
  })
})
