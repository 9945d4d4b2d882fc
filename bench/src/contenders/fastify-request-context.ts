/**
 * @fastify/request-context: registered with a real Fastify, with `defaultStoreValues` as a function, which is how a
 * value is pinned at the start of a request. What is timed is the hook it installs, called as Fastify calls it; Fastify's own
 * routing is left out, because it would be paid for without the plugin too.
 */
import { fastifyRequestContext, requestContext } from '@fastify/request-context'
import { fastify } from 'fastify'
import { type Contender, globals, single } from './contender.js'

type Hook = (request: object, reply: object, done: (error?: Error) => void) => void

const keys = globals.map((_, index) => `global${index}`)
const context = requestContext as unknown as {
  get(key: string): number
  set(key: string, value: number): void
  getStore(): Record<string, number>
}

const hookOne = await hookOf(() => ({ value: single.value }))
const hookTen = await hookOf(() => Object.fromEntries(keys.map((key, index) => [key, globals[index]!.value])))

export const contender: Contender = {
  name: '@fastify/request-context',
  one: {
    enter: (work) => enter(hookOne, work),
    enterAsync: (work) => enter(hookOne, work),
    read: () => context.get('value'),
    readByHandle(times) {
      const store = context.getStore()
      let sum = 0
      for (let index = 0; index < times; index++) sum += store['value']!
      return sum
    },
    readOutside: 'a read outside gives undefined, not the live value',
    write: (value) => context.set('value', value),
    nested: 'its hook runs once per request',
  },
  ten: { enterAsync: (work) => enter(hookTen, work), read: (index) => context.get(keys[index]!) },
}

function enter<R>(hook: Hook, work: () => R): R {
  let result: R | undefined
  hook({ raw: undefined }, {}, () => {
    result = work()
  })
  return result as R
}

/** The `onRequest` hook that the plugin adds to an application. */
async function hookOf(defaultStoreValues: () => Record<string, number>): Promise<Hook> {
  const app = fastify()
  const hooks: Hook[] = []
  const addHook = app.addHook.bind(app) as unknown as (name: string, hook: unknown) => typeof app
  const collecting = (name: string, hook: unknown): typeof app => {
    if (name === 'onRequest') hooks.push(hook as Hook)
    return addHook(name, hook)
  }
  Object.assign(app, { addHook: collecting })
  await app.register(fastifyRequestContext, { defaultStoreValues: defaultStoreValues as never })
  await app.ready()
  if (hooks.length !== 1)
    throw new Error(`@fastify/request-context added ${hooks.length} onRequest hooks, expected 1.`)
  return hooks[0]!
}
