/**
 * Where the async-local look-up is spared: it costs more than a read, so nobody is to pay for it while there is nothing to
 * find. Look-ups are counted, not timed. A file of its own, because an epoch with local writes makes every later write look.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel } from 'node:diagnostics_channel'
import { expect, test, vi } from 'vitest'
import { cell, source, withEpoch } from 'withepoch'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('look-ups')
const watched = ['read', 'late-read'].some((event) => channel(`withepoch:source:${event}`).hasSubscribers)

/** How often `fn` looks for its context. */
function lookUps(fn: () => unknown): number {
  const getStore = vi.spyOn(AsyncLocalStorage.prototype, 'getStore')
  try {
    fn()
    return getStore.mock.calls.length
  } finally {
    getStore.mockRestore()
  }
}

test('outside, a read looks for no epoch while none is open, a live one never', () => {
  for (const each of [cell(unique('c'), 1), source(unique('s'), () => 1)]) {
    withEpoch(() => each.get())
    expect([lookUps(() => each.get()), lookUps(() => each.live())]).toEqual([watched ? 1 : 0, 0])
    expect(withEpoch(() => [lookUps(() => each.get()), lookUps(() => each.live())])).toEqual([1, 0])
  }
})

test('outside, a write looks for no epoch until there was one whose writes are its own', () => {
  const c = cell(unique('c'), 1)
  withEpoch(() => c.get())
  const before = [lookUps(() => c.set(2)), lookUps(() => c.set(3))]
  withEpoch({ writes: 'local' }, () => c.set(4))
  expect([before, lookUps(() => c.set(5)), lookUps(() => c.set(6))]).toEqual([[0, 0], 1, 1])
})
