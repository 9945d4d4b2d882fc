/** Ten hand-written pins: one AsyncLocalStorage for each global, entered one inside the other. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Contender, globals } from './contender.js'

const pins = globals.map(() => new AsyncLocalStorage<{ value: number }>())

function withPinned<R>(work: () => R, index = 0): R {
  const pin = pins[index]
  if (pin === undefined) return work()
  const inner = (): R => withPinned(work, index + 1)
  return pin.getStore() ? inner() : pin.run({ value: globals[index]!.value }, inner)
}

function read(index: number): number {
  const pinned = pins[index]!.getStore()
  return pinned ? pinned.value : globals[index]!.value
}

const readFirst = (): number => read(0)

export const contender: Contender = {
  name: 'ten hand-written pins',
  one: {
    enter: (work) => withPinned(work),
    enterAsync: (work) => withPinned(work),
    read: readFirst,
    readByHandle: 'has no handle',
    readOutside: read,
    write(value) {
      pins[0]!.getStore()!.value = value
    },
    nested: (work) => withPinned(work),
  },
  ten: { enterAsync: (work) => withPinned(work), read },
}
