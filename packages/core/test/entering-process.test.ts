/**
 * By which of two ways an epoch is entered, in a process of its own each: by an AsyncResource where the context is a frame
 * (Node 24 and 26) and the check at load finds that it gives the caller's context back; by `run` otherwise. Whichever it
 * is, the context is the epoch's inside, the caller's after it, also by an exception, and other libraries' values stay.
 */
import { execFileSync } from 'node:child_process'
import { AsyncLocalStorage } from 'node:async_hooks'
import { pathToFileURL } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { builtCore } from './built-core.js'

let core: string
beforeAll(() => {
  core = pathToFileURL(builtCore()).href
}, 60_000)

const isFrame = !('_enable' in AsyncLocalStorage.prototype)

/** Loads the library after `before`, runs `after`, and enters: how often by a resource, and what was seen where. */
function entering(before: string, after = ''): unknown {
  const script = `
    import { AsyncLocalStorage, AsyncResource, executionAsyncId, triggerAsyncId } from 'node:async_hooks'
    const others = new AsyncLocalStorage()
    let byResource = 0
    const { runInAsyncScope } = AsyncResource.prototype
    AsyncResource.prototype.runInAsyncScope = function (...args) {
      byResource++
      return Reflect.apply(runInAsyncScope, this, args)
    }
    ${before}
    const { tryGetEpoch, withEpoch } = await import(${JSON.stringify(core)})
    ${after}
    byResource = 0
    const seen = []
    const look = (where) => seen.push([where, tryGetEpoch()?.name, others.getStore()])
    const caller = executionAsyncId()
    let trigger
    others.run('theirs', () => {
      withEpoch({ name: 'outer' }, () => {
        look('inside')
        trigger = byResource === 0 || triggerAsyncId() === caller ? 'the caller' : 'another'
        try {
          withEpoch({ name: 'inner', ifNested: 'fresh' }, () => {
            look('nested')
            throw new Error('out')
          })
        } catch {
          look('after the nested one threw')
        }
      })
      look('after')
    })
    look('outside')
    console.log(JSON.stringify({ byResource, trigger, seen }))`
  const flags = ['--no-warnings', '--input-type=module', '-e', script]
  return JSON.parse(
    execFileSync(process.execPath, flags, { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }),
  )
}

const seen = [
  ['inside', 'outer', 'theirs'],
  ['nested', 'inner', 'theirs'],
  ['after the nested one threw', 'outer', 'theirs'],
  ['after', null, 'theirs'],
  ['outside', null, null],
]
const trigger = 'the caller' // what a tool that follows async ids finds

test('by a resource where the context is a frame, by run where it is not', () => {
  expect(entering('')).toEqual({ byResource: isFrame ? 2 : 0, trigger, seen })
})

test('by run where a resource does not give the caller’s context back', () => {
  const broken = `AsyncResource.prototype.runInAsyncScope = function (fn, thisArg, ...args) {
    byResource++
    return Reflect.apply(fn, thisArg, args)
  }`
  expect(entering(broken)).toEqual({ byResource: 0, trigger, seen })
})

test('by run where a context may not be entered without an end', () => {
  const refused = `const { enterWith } = AsyncLocalStorage.prototype
    AsyncLocalStorage.prototype.enterWith = () => { throw new Error('refused') }`
  expect(entering(refused, 'AsyncLocalStorage.prototype.enterWith = enterWith')).toEqual({
    byResource: 0,
    trigger,
    seen,
  })
})
