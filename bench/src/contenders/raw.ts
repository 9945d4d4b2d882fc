/** AsyncLocalStorage with a store object and nothing else: what all the others are made of, and measured against. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Contender, globals, single } from './contender.js'

const one = new AsyncLocalStorage<{ value: number }>()
const ten = new AsyncLocalStorage<number[]>()

export const contender: Contender = {
  name: 'raw AsyncLocalStorage',
  one: {
    enter: (work) => one.run({ value: single.value }, work),
    enterAsync: (work) => one.run({ value: single.value }, work),
    read: () => one.getStore()!.value,
    readByHandle(times) {
      const store = one.getStore()!
      let sum = 0
      for (let index = 0; index < times; index++) sum += store.value
      return sum
    },
    readOutside: 'a read outside gives undefined, not the live value',
    write(value) {
      one.getStore()!.value = value
    },
    nested: 'knows no joining: a nested run is a new store',
  },
  ten: {
    enterAsync: (work) =>
      ten.run(
        globals.map((each) => each.value),
        work,
      ),
    read: (index) => ten.getStore()![index]!,
  },
}
