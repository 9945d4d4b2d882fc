/** The application's own storage is the door: what its `run` starts is an epoch, what it leaves behind is not. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { assertNoOpenEpochs } from '@withepoch/testing'
import { afterEach, expect, test } from 'vitest'
import { cell, detach, tryGetEpoch, withEpoch } from 'withepoch'
import { epochPerScope } from '../src/index.js'

interface Scope {
  method: string
  context?: object
}

const locale = cell('test.epochPerScope.locale', 'en')
afterEach(async () => {
  locale.set('en')
  await assertNoOpenEpochs({ withinMs: 20_000 })
})

const write = (value: string) => detach(() => locale.set(value))
const nameOf = () => tryGetEpoch()?.name

test('each scope is an epoch, named by its store, and still a scope', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { name: ({ method }) => `call ${method}` })
  const answer = calls.run(
    { method: 'list' },
    async (first: number, second: number) => {
      const before = locale.get()
      await turn()
      return [nameOf(), calls.getStore()?.method, first + second, before, locale.get()]
    },
    1,
    2,
  )
  write('fr')
  expect(await answer).toEqual(['call list', 'list', 3, 'en', 'en'])
  expect(nameOf()).toBe(undefined)
})

test('two overlapping scopes have an epoch each', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls)
  const read = async () => {
    await turn()
    return [tryGetEpoch()!.id, locale.get()] as const
  }
  const first = calls.run({ method: 'a' }, read)
  write('fr')
  const second = calls.run({ method: 'b' }, read)
  const [[firstId, before], [secondId, after]] = await Promise.all([first, second])
  expect([before, after]).toEqual(['en', 'fr'])
  expect(firstId).not.toBe(secondId)
})

test('a scope that is none of `when` opens none', () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { when: ({ context }) => context !== undefined })
  expect(calls.run({ method: 'tick' }, nameOf)).toBe(undefined)
  expect(calls.run({ method: 'list', context: {} }, nameOf)).toBe('scope')
})

test('it ends when the result has settled: what a call left behind reads live', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls)
  let left: Promise<unknown> | undefined
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  await calls.run({ method: 'start' }, async () => {
    left = gate.then(() => [locale.get(), calls.getStore()?.method, nameOf()])
    await turn()
  })
  write('fr')
  open()
  expect(await left).toEqual(['fr', 'start', undefined])
})

test('a scope inside one is part of it, and does not hold it open', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { name: ({ method }) => method })
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  let left: Promise<unknown> | undefined
  const inner = await calls.run({ method: 'outer' }, async () => {
    write('fr')
    left = calls.run({ method: 'plugin' }, async () => {
      await gate
      return [calls.getStore()?.method, nameOf(), locale.get()]
    })
    return calls.run({ method: 'inner' }, () => [calls.getStore()?.method, nameOf(), locale.get()])
  })
  expect(inner).toEqual(['inner', 'outer', 'en'])
  await assertNoOpenEpochs()
  open()
  expect(await left).toEqual(['plugin', undefined, 'fr'])
})

test('a scope that a call left behind opens, after its end, is a call of its own', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { name: ({ method }) => method })
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  let left: Promise<unknown> | undefined
  await calls.run({ method: 'first' }, async () => {
    left = gate.then(() => calls.run({ method: 'second' }, nameOf))
  })
  open()
  expect(await left).toBe('second')
})

test('one inside an epoch of somebody else, or detached from its call, is fresh', () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { name: ({ method }) => method })
  const [outer, inner] = withEpoch({ name: 'server start' }, () => {
    write('fr')
    return [locale.get(), calls.run({ method: 'call' }, () => [nameOf(), locale.get()])]
  })
  expect([outer, inner]).toEqual(['en', ['call', 'fr']])
  expect(calls.run({ method: 'call' }, () => detach(() => calls.run({ method: 'turn' }, nameOf)))).toBe(
    'turn',
  )
})

test('two storages are two doors', () => {
  const [requests, jobs] = [new AsyncLocalStorage<Scope>(), new AsyncLocalStorage<Scope>()]
  epochPerScope(requests, { name: 'request' })
  epochPerScope(jobs, { name: 'job' })
  expect(requests.run({ method: '' }, () => jobs.run({ method: '' }, nameOf))).toBe('job')
})

test('errors pass through, thrown or rejected, and end it', async () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls)
  const error = new Error('of the call')
  const fail = () => {
    throw error
  }
  expect(() => calls.run({ method: '' }, fail)).toThrow(error)
  await expect(calls.run({ method: '' }, async () => fail())).rejects.toBe(error)
})

test('passes what an epoch can have', () => {
  const calls = new AsyncLocalStorage<Scope>()
  epochPerScope(calls, { values: [[locale, 'de']], writes: 'local' })
  const read = calls.run({ method: '' }, () => {
    const before = locale.get()
    locale.set('it')
    return [before, locale.get()]
  })
  expect([...read, locale.get()]).toEqual(['de', 'it', 'en'])
})

test('gives `run` back, also under a later wrapper', () => {
  const calls = new AsyncLocalStorage<Scope>()
  const release = epochPerScope(calls)
  expect(Object.keys(calls)).not.toContain('run')
  const ours = calls.run.bind(calls)
  calls.run = ((...args: Parameters<typeof ours>) => ours(...args)) as typeof calls.run
  release()
  expect(calls.run({ method: '' }, nameOf)).toBe(undefined)

  const others = new AsyncLocalStorage<Scope>()
  epochPerScope(others)()
  expect(Object.hasOwn(others, 'run')).toBe(false)
})

test.each<[string, unknown, unknown]>([
  ['no storage', {}, {}],
  ['an unknown option', new AsyncLocalStorage(), { whenever: () => true }],
  ['a predicate that is no function', new AsyncLocalStorage(), { when: true }],
  ['a name that is neither', new AsyncLocalStorage(), { name: 7 }],
  ['a frozen storage', Object.freeze(new AsyncLocalStorage()), {}],
])('refuses %s', (_, storage, options) => {
  expect(() => epochPerScope(storage as AsyncLocalStorage<unknown>, options as object)).toThrow(
    expect.objectContaining({ name: 'EpochError', code: 'INVALID_ARGUMENT' }),
  )
})
