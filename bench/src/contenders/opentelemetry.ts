/**
 * OpenTelemetry's context with its AsyncLocalStorage manager, as an SDK registers it: `with` a context that `setValue`
 * made, read from the active one by a key.
 */
import { context, createContextKey } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type Contender, globals, single } from './contender.js'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const key = createContextKey('value')
const keys = globals.map((_, index) => createContextKey(`global${index}`))

export const contender: Contender = {
  name: 'OpenTelemetry context',
  one: {
    enter: (work) => context.with(context.active().setValue(key, single.value), work),
    enterAsync: (work) => context.with(context.active().setValue(key, single.value), work),
    read: () => context.active().getValue(key) as number,
    readByHandle(times) {
      const handle = context.active()
      let sum = 0
      for (let index = 0; index < times; index++) sum += handle.getValue(key) as number
      return sum
    },
    readOutside: 'a read outside gives undefined, not the live value',
    write: 'a context is immutable: a change is another `with`',
    nested: (work) => context.with(context.active(), work),
  },
  ten: {
    enterAsync: (work) => {
      let filled = context.active()
      for (let index = 0; index < 10; index++) filled = filled.setValue(keys[index]!, globals[index]!.value)
      return context.with(filled, work)
    },
    read: (index) => context.active().getValue(keys[index]!) as number,
  },
}
