/**
 * What the types promise. `expectTypeOf` and `@ts-expect-error` speak to the compiler: this file is checked by
 * `npm run typecheck`, where a wrong type or an error that does not come is a failure. Running it shows only that the
 * same calls work; what must not compile stands in functions that nobody calls.
 */
import { expect, expectTypeOf, test } from 'vitest'
import {
  bind,
  bindEmitter,
  bindIterable,
  type Cell,
  cell,
  configure,
  detach,
  type Epoch,
  EpochError,
  type EpochErrorCode,
  type EpochOptions,
  getEpoch,
  type Isolation,
  type Memo,
  memo,
  type Override,
  publish,
  type Source,
  source,
  tryGetEpoch,
  withEpoch,
  type Writes,
} from 'withepoch'
import { EventEmitter } from 'node:events'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('types')

/** Keeps code that must not compile, or must not run, out of the run. */
function neverCalled(code: () => unknown): void {
  expect(code).toBeTypeOf('function')
}

test('withEpoch returns what the handler returns: a value, a promise, an iterator', async () => {
  const value = withEpoch(() => 1)
  expectTypeOf(value).toEqualTypeOf<number>()
  expect(value).toBe(1)

  const promise = withEpoch(async () => 'a')
  expectTypeOf(promise).toEqualTypeOf<Promise<string>>()
  expect(await promise).toBe('a')

  const nothing = withEpoch(() => {})
  expectTypeOf(nothing).toEqualTypeOf<void>()
  expect(nothing).toBe(undefined)

  const rows = withEpoch(function* () {
    yield 1
    return 'done'
  })
  expectTypeOf(rows).toEqualTypeOf<Generator<number, string, unknown>>()
  expect([...rows]).toEqual([1])

  const stream = withEpoch(async function* () {
    yield 1
  })
  expectTypeOf(stream).toEqualTypeOf<AsyncGenerator<number, void, unknown>>()
  for await (const row of stream) expect(row).toBe(1)
})

test('a thenable that the handler returns comes back as a promise', async () => {
  // oxlint-disable-next-line unicorn/no-thenable -- a thenable is the point
  const lazy: PromiseLike<number> = { then: (...args) => Promise.resolve(3).then(...args) }
  const promise = withEpoch(() => lazy)
  expectTypeOf(promise).toEqualTypeOf<Promise<number>>()
  expect(promise).toBeInstanceOf(Promise)
  expect(await promise).toBe(3)
})

test('withEpoch with options has the same overloads, and its handler gets the epoch', async () => {
  const value = withEpoch({ name: 'a' }, (epoch) => {
    expectTypeOf(epoch).toEqualTypeOf<Epoch>()
    return epoch.id
  })
  expectTypeOf(value).toEqualTypeOf<number>()
  expect(value).toBeTypeOf('number')

  const promise = withEpoch({ name: 'a', ifNested: 'fresh', writes: 'local' }, async () => [1, 'a'] as const)
  expectTypeOf(promise).toEqualTypeOf<Promise<readonly [1, 'a']>>()
  expect(await promise).toEqual([1, 'a'])

  neverCalled(() => {
    // @ts-expect-error a handler is needed
    void withEpoch({ name: 'a' })
    // @ts-expect-error it gets one argument, the epoch
    void withEpoch((epoch: Epoch, other: number) => [epoch, other])
    // @ts-expect-error no such option
    void withEpoch({ ifnested: 'fork' }, () => 1)
    // @ts-expect-error no such way of nesting
    void withEpoch({ ifNested: 'inherit' }, () => 1)
    // @ts-expect-error no such way with writes
    void withEpoch({ writes: 'readonly' }, () => 1)
    // @ts-expect-error a name is a string
    void withEpoch({ name: 7 }, () => 1)
  })
})

test('values is a list of pairs, each value of its own source’s type', () => {
  const language = cell(unique('language'), 'en')
  const limit = cell(unique('limit'), 1)
  const dir = source(unique('dir'), (): string | undefined => '/a')
  const seen = withEpoch(
    {
      values: [
        [language, 'fr'],
        [limit, 10],
        [dir, undefined],
      ],
    },
    () => [language.get(), limit.get(), dir.get()],
  )
  expect(seen).toEqual(['fr', 10, undefined])

  neverCalled(() => {
    // @ts-expect-error a number for a string
    void withEpoch({ values: [[language, 7]] }, () => 1)
    void withEpoch(
      {
        values: [
          [language, 'fr'],
          // @ts-expect-error a string for a number, in the second pair
          [limit, 'ten'],
        ],
      },
      () => 1,
    )
    // @ts-expect-error undefined where the source has none
    void withEpoch({ values: [[limit, undefined]] }, () => 1)
    // @ts-expect-error a pair has a value
    void withEpoch({ values: [[limit]] }, () => 1)
    // @ts-expect-error a name is no source
    void withEpoch({ values: [['limit', 1]] }, () => 1)
  })
})

test('overrides can be collected in a list, of one type or of several', () => {
  const limit = cell(unique('limit'), 1)
  const list: Array<Override<number>> = [[limit, 2]]
  const overrides: Array<Override<never>> = []
  expect(withEpoch({ values: list }, () => limit.get())).toBe(2)
  expect(withEpoch({ values: overrides }, () => limit.get())).toBe(1)
  const options: EpochOptions = { name: 'a', ifNested: undefined, values: undefined, writes: undefined }
  expect(withEpoch(options, () => limit.get())).toBe(1)
})

test('a source has the type that its getter returns, to read only', () => {
  const dir = source(unique('dir'), () => '/a')
  expectTypeOf(dir).toEqualTypeOf<Source<string>>()
  expectTypeOf(dir.get()).toEqualTypeOf<string>()
  expectTypeOf(dir.live()).toEqualTypeOf<string>()
  expectTypeOf(dir.isolation).toEqualTypeOf<Isolation>()
  expect(dir).not.toHaveProperty('set')

  const list = source(unique('list'), () => [1], {
    copy: (value) => {
      expectTypeOf(value).toEqualTypeOf<number[]>()
      return [...value]
    },
    version: () => 1,
    describe: (value) => `${value.length} items`,
  })
  expectTypeOf(list.get()).toEqualTypeOf<number[]>()

  neverCalled(() => {
    // @ts-expect-error a source has no set
    dir.set('/b')
    // @ts-expect-error a copy is of the same type
    source('x', () => [1], { copy: () => 'copy' })
    // @ts-expect-error describe says a string
    source('x', () => [1], { describe: (value) => value.length })
    // @ts-expect-error a name is needed
    source(() => 1)
  })
})

test('a cell is a source that can be written, with its own type', () => {
  const limit = cell(unique('limit'), 1)
  expectTypeOf(limit).toEqualTypeOf<Cell<number>>()
  expectTypeOf(limit).toExtend<Source<number>>()
  expectTypeOf<Parameters<typeof limit.set>>().toEqualTypeOf<[value: number]>()
  limit.update((previous) => {
    expectTypeOf(previous).toEqualTypeOf<number>()
    return previous + 1
  })
  expect(limit.get()).toBe(2)

  const optional = cell<string | undefined>(unique('optional'), undefined)
  expectTypeOf(optional.get()).toEqualTypeOf<string | undefined>()

  neverCalled(() => {
    // @ts-expect-error a string for a number
    limit.set('ten')
    // @ts-expect-error update returns a number
    limit.update((previous) => `${previous}`)
    // @ts-expect-error update is synchronous
    limit.update(async (previous) => previous)
  })
})

test('epoch.get has the source’s type; validate takes sources of any types', () => {
  const limit = cell(unique('limit'), 1)
  const dir = source(unique('dir'), () => '/a')
  withEpoch((epoch) => {
    expectTypeOf(epoch.get(limit)).toEqualTypeOf<number>()
    expectTypeOf(epoch.get(dir)).toEqualTypeOf<string>()
    epoch.validate(limit, dir)
    expectTypeOf(epoch.isStale()).toEqualTypeOf<boolean>()
    expectTypeOf(epoch.parentId).toEqualTypeOf<number | undefined>()
    expectTypeOf(epoch.version).toEqualTypeOf<number | undefined>()
    expectTypeOf(epoch.phase).toEqualTypeOf<'open' | 'closing' | 'closed'>()
    expectTypeOf(epoch.signal).toEqualTypeOf<AbortSignal>()
    expect([epoch.get(limit), epoch.get(dir)]).toEqual([1, '/a'])
  })

  neverCalled(() => {
    withEpoch((epoch) => {
      // @ts-expect-error a name is no source
      epoch.get('limit')
      // @ts-expect-error what is waited for has a then
      epoch.waitUntil(1)
      // @ts-expect-error read only
      epoch.name = 'other'
    })
  })
})

test('getEpoch is an epoch, tryGetEpoch perhaps', () => {
  expectTypeOf(getEpoch).toEqualTypeOf<() => Epoch>()
  expectTypeOf(tryGetEpoch).toEqualTypeOf<() => Epoch | undefined>()
  expect(tryGetEpoch()).toBe(undefined)
})

test('memo keeps the signature of its function, and adds clear', async () => {
  const scan = memo(async (dir: string, deep: boolean = false) => `${dir} ${deep}`)
  expectTypeOf(scan).toExtend<Memo<[dir: string, deep?: boolean], Promise<string>>>()
  expectTypeOf(scan('/a')).toEqualTypeOf<Promise<string>>()
  expectTypeOf<typeof scan.clear>().toEqualTypeOf<() => void>()
  expectTypeOf(scan).parameter(0).toEqualTypeOf<string>()
  expect(await scan('/a')).toBe('/a false')

  const byKey = memo((row: { id: number }) => row.id, {
    key: (row) => {
      expectTypeOf(row).toEqualTypeOf<{ id: number }>()
      return [row.id]
    },
    name: 'byKey',
  })
  expectTypeOf(byKey({ id: 1 })).toEqualTypeOf<number>()
  expect(byKey({ id: 1 })).toBe(1)

  neverCalled(() => {
    // @ts-expect-error a directory is a string
    void scan(7)
    // @ts-expect-error no such option
    memo(() => 1, { keys: () => 1 })
    // @ts-expect-error a key is computed from the arguments
    memo((a: string) => a, { key: (a: number) => a })
  })
})

test('bind, detach and publish keep what they are given', async () => {
  const add = bind((a: number, b: number) => a + b)
  expectTypeOf(add).parameters.toEqualTypeOf<[a: number, b: number]>()
  expectTypeOf(add).returns.toEqualTypeOf<number>()
  expect(add(1, 2)).toBe(3)

  const method = bind(function (this: { base: number }, n: number) {
    return this.base + n
  })
  expectTypeOf(method).toEqualTypeOf<(this: { base: number }, n: number) => number>()
  expect(method.call({ base: 1 }, 2)).toBe(3)

  const later = detach(async () => 1)
  expectTypeOf(later).toEqualTypeOf<Promise<number>>()
  expect(await later).toBe(1)
  expectTypeOf(publish(() => 'a')).toEqualTypeOf<string>()

  class Request extends EventEmitter {
    url = '/'
  }
  const request = bindEmitter(new Request())
  expectTypeOf(request).toEqualTypeOf<Request>()
  expect(request.url).toBe('/')
  const rows = bindIterable([1, 2].values())
  for (const row of rows) expectTypeOf(row).toEqualTypeOf<number>()
})

test('configure returns a function that restores, and errors have a known code', () => {
  const restore = configure({})
  expectTypeOf(restore).toEqualTypeOf<() => void>()
  restore()
  const code: EpochErrorCode = 'NO_EPOCH'
  let caught: unknown
  try {
    getEpoch()
  } catch (error) {
    caught = error
  }
  if (caught instanceof EpochError) expectTypeOf(caught.code).toEqualTypeOf<EpochErrorCode>()
  expect(caught).toMatchObject({ code, name: 'EpochError' })
  expectTypeOf<Writes>().toEqualTypeOf<'publish' | 'local' | 'reject'>()

  neverCalled(() => {
    // @ts-expect-error no such setting
    configure({ strickt: true })
  })
})
