import { strict, assertNoOpenEpochs } from '@withepoch/testing'
import { expect, test } from 'vitest'
import { bind, cell, withEpoch } from 'withepoch'

const locale = cell('strict.locale', 'en')

test('a late read throws in a strict test, and is only live outside it', async () => {
  const lateRead = async () => (await withEpoch(async () => bind(() => locale.get())))()
  await expect(strict(lateRead)()).rejects.toMatchObject({ code: 'EPOCH_CLOSED' })
  await expect(lateRead()).resolves.toBe('en')
})

test('a strict test gets what the runner gives it, and passes when its epochs have closed', async () => {
  const got: unknown[] = []
  await strict(async (...args: [string, number]) => {
    got.push(...args)
    await withEpoch(async () => locale.get())
  })('context', 1)
  expect(got).toEqual(['context', 1])
})

test('an epoch that a strict test leaves open fails it by name, with the place where it was opened', async () => {
  let finish!: () => void
  const leaking = strict(() => {
    withEpoch({ name: 'leak' }, (epoch) => {
      epoch.waitUntil(new Promise<void>((resolve) => (finish = resolve)))
    })
  })
  const error = (await leaking().catch((reason: unknown) => reason)) as {
    holders: Array<{ name: string; stack: string }>
  }
  finish()
  expect(error).toMatchObject({ code: 'DRAIN_TIMEOUT', holders: [{ name: 'leak' }] })
  expect(error.holders[0]!.stack).toContain('strict.test.ts')
  await assertNoOpenEpochs({ withinMs: 1000 })
})

test('no open epoch is asserted from inside an epoch as well, and then names that one', async () => {
  await withEpoch({ name: 'around' }, async () => {
    await expect(assertNoOpenEpochs()).rejects.toThrow('"around"')
  })
  await assertNoOpenEpochs()
})

test('a wrong withinMs is refused', async () => {
  await expect(assertNoOpenEpochs({ withinMs: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
