/**
 * What is left of an epoch when it has closed, in children with --expose-gc: a forgotten timer, a pooled emitter or a
 * cached promise keeps a husk, not the snapshot, the overrides or the memos; epochs leave nothing behind, however many
 * there were and however they nest; and there is one AsyncLocalStorage, whatever is done.
 */
import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { builtCore } from './built-core.js'

let core: string
beforeAll(() => {
  core = builtCore()
}, 60_000)

/** Runs `script` with the core's names in scope and returns what it reports. */
async function run(script: string): Promise<unknown> {
  const names = 'bind, bindEmitter, bindIterable, cell, detach, memo, source, tryGetEpoch, withEpoch'
  const text = `
    import { setImmediate as turn } from 'node:timers/promises'
    import { ${names} } from ${JSON.stringify(pathToFileURL(core).href)}
    const kept = []
    /** Waits, with collections, until \`done()\` or for so long that it will never be. */
    async function collect(done) {
      for (let round = 0; round < 30 && !done(); round++) {
        await turn()
        gc()
      }
    }
    ${script}`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--no-warnings', '--input-type=module', '-e', text],
    { env: { ...process.env, NODE_OPTIONS: '' } },
  )
  return JSON.parse(stdout)
}

/** What work of an epoch may leave behind for ever, by what it is; each keeps one thing of the epoch it stands in. */
const LEFTOVERS = {
  nothing: `kept.push(index)`,
  'a forgotten interval': `kept.push(setInterval(() => global.name, 1e6))`,
  'a pooled emitter with bound listeners': `kept.push(bindEmitter(new EventEmitter()).on('row', () => global.name))`,
  'a cached promise': `kept.push(turn().then(() => global.name))`,
  'a promise that never settles': `kept.push((async () => { await new Promise((resolve) => { pending.push(resolve) }) })())`,
  'a bound function': `kept.push(bind(() => global.name))`,
  'a bound iterator': `kept.push(bindIterable([1].values()))`,
  'the handle of the epoch': `kept.push(epoch)`,
  'the signal of the epoch': `kept.push(epoch.signal)`,
  'the handle of a fork': `kept.push(withEpoch({ ifNested: 'fork' }, (fork) => (fork.get(global), fork)))`,
  'a poller that opens epochs of its own': `kept.push(setInterval(() => withEpoch({ ifNested: 'fresh' }, () => 1), 1))`,
}

describe('of 20 closed epochs', () => {
  // Each epoch is pinned to a payload of its own in every place that can hold one.
  test('every payload is collected, although something of each epoch is kept for ever', async () => {
    const rounds = Object.entries(LEFTOVERS).map(
      ([what, keep]) => `
      results[${JSON.stringify(what)}] = await round(async (epoch, index) => { ${keep} })`,
    )
    const results = await run(`
      import { EventEmitter } from 'node:events'
      const pending = []
      const results = {}
      let counts = {}
      const registry = new FinalizationRegistry(({ counts, kind }) => counts[kind]++)
      function payload(kind) {
        const made = { kind, bytes: new Array(1000).fill(kind) }
        registry.register(made, { counts, kind })
        return made
      }
      let current
      const global = source('global', () => current)
      const override = cell('override', undefined)
      const written = cell('written', undefined)
      const load = memo(async (key) => { await null; return payload('memoised') })
      // In a function of its own: closures made in one function keep each other's variables alive.
      function hook(epoch) {
        const cleanup = payload('hook')
        epoch.onClose(() => cleanup.kind)
      }
      function one(index, keep) {
        const handler = async (epoch) => {
          written.set(payload('written'))
          global.get()
          await load(payload('argument'))
          hook(epoch)
          await keep(epoch, index)
          await turn()
        }
        return withEpoch({ values: [[override, payload('overridden')]], writes: 'local', ifNested: 'fresh' }, handler)
      }
      async function round(keep) {
        counts = { captured: 0, overridden: 0, written: 0, memoised: 0, argument: 0, hook: 0 }
        const counted = counts
        for (let index = 0; index < 20; index++) {
          current = payload('captured')
          await detach(() => one(index, keep))
        }
        current = undefined
        withEpoch(() => {}) // the root polls the global: the last payload is live until then
        await collect(() => Object.values(counted).every((count) => count === 20))
        if (kept.length !== 20) throw new Error('kept ' + kept.length)
        for (const each of kept.splice(0)) { clearInterval(each); still.push(each) }
        return counted
      }
      const still = []
      ${rounds.join('')}
      console.log(JSON.stringify(results))
      process.exit()`)
    const all = { captured: 20, overridden: 20, written: 20, memoised: 20, argument: 20, hook: 20 }
    expect(results).toEqual(Object.fromEntries(Object.keys(LEFTOVERS).map((what) => [what, all])))
  })

  // A timer that a computation armed holds the computation's scope, as well as the epoch.
  test.concurrent('an interval that a memoised function armed', async () => {
    expect(
      await run(`
        let count = 0
        const registry = new FinalizationRegistry(() => count++)
        const load = memo(async () => {
          await null
          kept.push(setInterval(() => {}, 1e6))
          const result = { bytes: new Array(1000).fill(1) }
          registry.register(result)
          return result
        })
        for (let index = 0; index < 20; index++) await detach(() => withEpoch(async () => { await load() }))
        await collect(() => count === 20)
        console.log(JSON.stringify([kept.length, count]))
        process.exit()`),
    ).toEqual([20, 20])
  })
})

describe('growth', () => {
  /**
   * Heap growth in bytes per repetition, after as many to warm up: the least of three rounds. What leaks grows in each of
   * them; what the engine keeps for itself, code and feedback, does not.
   */
  const growth = (before: string, body: string, times: number): Promise<unknown> =>
    run(`
      ${before}
      const heap = () => { gc(); gc(); return process.memoryUsage().heapUsed }
      const repeat = async (times) => { for (let index = 0; index < times; index++) { ${body} } }
      await repeat(${times} / 5)
      await turn()
      const rounds = []
      for (let round = 0; round < 3; round++) {
        const start = heap()
        await repeat(${times} / 2)
        await turn()
        rounds.push((heap() - start) / (${times} / 2))
      }
      console.log(JSON.stringify(Math.min(...rounds)))`)

  test.concurrent('of 100,000 epochs, with a write, a memo and an await each, is less than 10 bytes each', async () => {
    const before = `
      const config = cell('config', 0)
      const global = source('global', () => config.live())
      const load = memo((key) => ({ key }))`
    const body = `await withEpoch({ name: 'request' }, async (epoch) => {
      load(index); global.get(); config.set(index); epoch.onClose(() => {}); await null })`
    expect(await growth(before, body, 100_000)).toBeLessThan(10)
  })

  test.concurrent('of 50,000 epochs that throw, fork, generate or are given up is less than 10 bytes each', async () => {
    const body = `
      try { withEpoch(() => { throw index }) } catch {}
      withEpoch(() => withEpoch({ ifNested: 'fork', writes: 'local' }, () => config.set(index)))
      for (const _ of withEpoch(function* () { yield 1; yield 2 })) break
      withEpoch(function* () { yield 1 }).return()`
    expect(await growth(`const config = cell('config', 0)`, body, 50_000)).toBeLessThan(10)
  })

  test.concurrent('of a poller that opens an epoch inside the last, 5,000 ticks deep, is less than 50 bytes a tick', async () => {
    // Measured inside a tick: only a living poller holds what its ticks hold.
    const script = `
      const config = cell('config', 0)
      const heap = () => { gc(); gc(); return process.memoryUsage().heapUsed }
      const measured = []
      withEpoch({ name: 'subscribe' }, () => {
        const tick = (number) => withEpoch({ name: 'tick', ifNested: 'fresh' }, (epoch) => {
          config.set({ number, bytes: new Array(100).fill(number) })
          if (number % 5_000 === 0) measured.push(heap())
          if (number < 10_000) setImmediate(tick, number + 1)
          else console.log(JSON.stringify([epoch.parentId === epoch.id - 1, (measured[1] - measured[0]) / 5_000]))
        })
        setImmediate(tick, 1)
      })`
    const [nested, bytes] = (await run(script)) as [boolean, number]
    expect(nested).toBe(true)
    expect(bytes).toBeLessThan(50)
  })

  test.concurrent('of sources that are registered anew under the same names is less than 20 bytes each', async () => {
    const body = `
      cell('reloaded', { index }, { ifRegistered: 'replace' })
      source('released', () => index).release()
      withEpoch(() => {})`
    expect(await growth('', body, 20_000)).toBeLessThan(20)
  })
})

test.concurrent('the process has exactly one AsyncLocalStorage from the library, whatever it does and however many copies', async () => {
  // Counted where instances show on every Node: each entry of an AsyncLocalStorage passes through its prototype.
  const script = `
    const { AsyncLocalStorage } = await import('node:async_hooks')
    const seen = new Set()
    for (const method of ['run', 'enterWith']) {
      const original = AsyncLocalStorage.prototype[method]
      AsyncLocalStorage.prototype[method] = function (...args) { seen.add(this); return Reflect.apply(original, this, args) }
    }
    const core = ${JSON.stringify('CORE')}
    for (const copy of ['', '?two', '?three']) {
      const { withEpoch, memo, bind, detach, bindIterable } = await import(core + copy)
      const load = memo(async () => 1)
      for (let index = 0; index < 100; index++) {
        await withEpoch(async (epoch) => {
          await load()
          detach(bind(() => 1))
          withEpoch({ ifNested: 'fork' }, () => 1)
          for (const _ of bindIterable([1].values()));
          epoch.onClose(() => {})
          epoch.waitUntil(Promise.resolve())
        })
      }
    }
    console.log(JSON.stringify(seen.size))`.replace('"CORE"', () => JSON.stringify(pathToFileURL(core).href))
  expect(await run(script)).toBe(1)
})
