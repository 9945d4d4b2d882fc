import { expect, test } from 'vitest'
import { bind, cell, detach, getEpoch, memo, publish, source, tryGetEpoch, withEpoch } from 'withepoch'

test('smoke', async () => {
  let dir = '/a'
  const d = source('smoke.dir', () => dir)
  const c = cell('smoke.c', 1)
  const u = cell<number | undefined>('smoke.u', undefined)
  const seen = await withEpoch({ name: 'x', values: [[c, 5]] }, async (epoch) => {
    dir = '/b'
    detach(() => c.set(2))
    await null
    expect(u.get()).toBe(undefined)
    detach(() => u.set(3))
    expect(u.get()).toBe(undefined)
    expect(epoch.isStale()).toBe(true)
    expect(getEpoch()).toBe(epoch)
    return [d.get(), d.live(), c.get(), c.live(), epoch.get(d)]
  })
  expect(seen).toEqual(['/a', '/b', 5, 2, '/a'])
  expect(tryGetEpoch()).toBe(undefined)
  const rows = withEpoch(function* () {
    yield d.get()
    dir = '/c'
    yield d.get()
  })
  expect([...rows]).toEqual(['/b', '/b'])
  let n = 0
  const m = memo(async (k: string) => `${k}${++n}`)
  expect(await withEpoch(() => Promise.all([m('a'), m('a'), m('b')]))).toEqual(['a1', 'a1', 'b2'])
  expect(() =>
    publish(() => {
      c.set(9)
      throw new Error('x')
    }),
  ).toThrow('x')
  expect(c.get()).toBe(2)
  const f = withEpoch(() => bind(() => c.get()))
  expect(f()).toBe(2)
  const a: (x: number) => Promise<number> = memo(
    async (x: number) => {
      await null
      return b(x)
    },
    { name: 'a' },
  )
  const b: (x: number) => Promise<number> = memo(
    async (x: number) => {
      await null
      return a(x)
    },
    { name: 'b' },
  )
  await expect(withEpoch(() => a(1))).rejects.toThrow('a → b → a')
})
