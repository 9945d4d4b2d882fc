/**
 * nestjs-cls outside a Nest application, as its documentation shows for that: the service from the manager, `run`, and
 * `set` at the start. In an application its middleware does the same, and more.
 */
import 'reflect-metadata'
import { ClsServiceManager } from 'nestjs-cls'
import { type Contender, globals, single } from './contender.js'

const cls = ClsServiceManager.getClsService<Record<string, number>>()
const keys = globals.map((_, index) => `global${index}`)

export const contender: Contender = {
  name: 'nestjs-cls',
  one: {
    enter: (work) =>
      cls.run(() => {
        cls.set('value', single.value)
        return work()
      }),
    enterAsync: (work) =>
      cls.run(() => {
        cls.set('value', single.value)
        return work()
      }),
    read: () => cls.get('value'),
    readByHandle(times) {
      const store = cls.get()
      let sum = 0
      for (let index = 0; index < times; index++) sum += store['value']!
      return sum
    },
    readOutside: 'a read outside gives undefined, not the live value',
    write: (value) => cls.set('value', value),
    nested: (work) => cls.run({ ifNested: 'reuse' }, work),
  },
  ten: {
    enterAsync: (work) =>
      cls.run(() => {
        for (let index = 0; index < 10; index++) cls.set(keys[index]!, globals[index]!.value)
        return work()
      }),
    read: (index) => cls.get(keys[index]!),
  },
}
