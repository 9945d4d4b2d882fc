/** The ten lines that one writes by hand, as in the README: pins one global, joins an outer pin, is live outside. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Contender, single } from './contender.js'

const pin = new AsyncLocalStorage<{ value: number }>()

function withPinned<R>(work: () => R): R {
  return pin.getStore() ? work() : pin.run({ value: single.value }, work)
}

function read(): number {
  const pinned = pin.getStore()
  return pinned ? pinned.value : single.value
}

export const contender: Contender = {
  name: 'hand-written pin',
  one: {
    enter: withPinned,
    enterAsync: withPinned,
    read,
    readByHandle: 'has no handle',
    readOutside: read,
    write(value) {
      pin.getStore()!.value = value
    },
    nested: withPinned,
  },
  ten: 'pins one value; ten of them are the next column',
}
