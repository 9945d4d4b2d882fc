/**
 * unctx with `asyncContext` and Node's AsyncLocalStorage, without its build-time transform: `call` for synchronous
 * work, `callAsync` for asynchronous, `use` to read. The instance is made anew for each request.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createContext } from 'unctx'
import { type Contender, globals, single } from './contender.js'

const one = createContext<{ value: number }>({ asyncContext: true, AsyncLocalStorage })
const ten = createContext<number[]>({ asyncContext: true, AsyncLocalStorage })

export const contender: Contender = {
  name: 'unctx',
  one: {
    enter: (work) => one.call({ value: single.value }, work),
    enterAsync: (work) => one.callAsync({ value: single.value }, work),
    read: () => one.use().value,
    readByHandle(times) {
      const instance = one.use()
      let sum = 0
      for (let index = 0; index < times; index++) sum += instance.value
      return sum
    },
    readOutside: 'a read outside throws',
    write(value) {
      one.use().value = value
    },
    nested: (work) => one.call(one.use(), work),
  },
  ten: {
    enterAsync: (work) =>
      ten.callAsync(
        globals.map((each) => each.value),
        work,
      ),
    read: (index) => ten.use()[index]!,
  },
}
