/**
 * Hono's `contextStorage` middleware, called as Hono calls it, with a context of Hono's own for each request; making
 * that context is left out, because it would be paid for without the middleware too. `get` of the context, rather than
 * `var`, which makes an object of all variables at each read.
 */
import { Context } from 'hono'
import { contextStorage, getContext } from 'hono/context-storage'
import { type Contender, globals, single } from './contender.js'

type Variables = { Variables: Record<string, number> }

const keys = globals.map((_, index) => `global${index}`)
const middleware = contextStorage()
const context = new Context<Variables>(new Request('http://localhost/'))
const get = (key: string): number => getContext<Variables>().get(key)!

async function enter(pin: () => void, work: () => Promise<number>): Promise<number> {
  let result = 0
  await middleware(context, async () => {
    pin()
    result = await work()
  })
  return result
}

export const contender: Contender = {
  name: 'hono context-storage',
  one: {
    enter: 'a middleware is asynchronous',
    enterAsync: (work) => enter(() => context.set('value', single.value), work),
    read: () => get('value'),
    readByHandle(times) {
      const handle = getContext<Variables>()
      let sum = 0
      for (let index = 0; index < times; index++) sum += handle.get('value')!
      return sum
    },
    readOutside: 'a read outside throws',
    write: (value) => getContext<Variables>().set('value', value),
    nested: 'its middleware runs once per request',
  },
  ten: {
    enterAsync: (work) =>
      enter(() => {
        for (let index = 0; index < 10; index++) context.set(keys[index]!, globals[index]!.value)
      }, work),
    read: (index) => get(keys[index]!),
  },
}
