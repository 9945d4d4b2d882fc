/**
 * A program like the one of the report, bundled by a real bundler and cured by a preload alone: its state is created late,
 * its metadata is private to a chunk, its calls run in scopes of its own, and an actor sets both on every turn of the loop.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nodes, Program } from './program.js'

const FILES = {
  'gateway/state.js': `
    const key = Symbol.for('gateway.state')
    if (!Object.hasOwn(globalThis, key)) globalThis[key] = { dir: '/a' }
    export const state = globalThis[key]`,
  'gateway/metadata.js': `
    let current = { dir: '/a' }
    export function getMetadata() { return current }
    export function setMetadata(to) { current = to }
    export let scans = 0
    export function scan(dir) { scans++; return dir }`,
  'gateway/scope.js': `
    import { AsyncLocalStorage } from 'node:async_hooks'
    const key = Symbol.for('gateway.requests')
    if (!Object.hasOwn(globalThis, key)) globalThis[key] = new AsyncLocalStorage()
    export const requests = globalThis[key]`,
  'gateway/turn.js': `
    import { state } from './state.js'
    export async function runTurn(dir) {
      state.dir = dir
      await new Promise((resolve) => setImmediate(resolve))
      return state.dir
    }`,
  'gateway/call.js': `
    import { getMetadata, scan } from './metadata.js'
    import { requests } from './scope.js'
    import { state } from './state.js'
    import { runTurn } from './turn.js'
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    export const list = () => requests.run({ method: 'list' }, async () => {
      const rows = new Set()
      for (let row = 0; row < 20; row++) {
        await turn()
        const pair = state.dir + ' ' + getMetadata().dir
        rows.add(getMetadata().dir === state.dir ? pair : pair + ' ' + scan(state.dir))
      }
      return rows.size
    })
    export const start = (dir) => requests.run({ method: 'start' }, async () => ({ running: runTurn(dir) }))
    export const leave = () => requests.run({ method: 'leave' }, async () => {
      const later = turn().then(turn).then(() => state.dir)
      return { later }
    })`,
  'gateway/main.js': `
    await null
    const { list, start, leave } = await import('./call.js')
    const { setMetadata, scans } = await import('./metadata.js').then((module) => ({ ...module, scans: () => module.scans }))
    const { state } = await import('./state.js')
    let acting = true, step = 0
    const act = () => {
      if (!acting) return
      const dir = '/' + 'abc'[step++ % 3]
      state.dir = dir
      setImmediate(() => { setMetadata({ dir }); setImmediate(act) })
    }
    act()
    let torn = 0, most = 0
    for (let call = 0; call < 20; call++) {
      const before = scans()
      if (await list() > 1) torn++
      most = Math.max(most, scans() - before)
    }
    console.log('torn', torn > 0, 'scanned', most > 1)
    acting = false
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { running } = await start('/own')
    console.log('turn', await running, state.dir)
    const { later } = await leave()
    state.dir = '/later'
    console.log('left', await later)`,
  'gateway/other.js': `export { getMetadata } from './metadata.js'; export { requests } from './scope.js'; export { runTurn } from './turn.js'`,
}

const CURE = `
  whenGlobalExists(Symbol.for('gateway.requests'), (requests) => epochPerScope(requests, { name: ({ method }) => method }))
  const dir = adopt(globalThis, [Symbol.for('gateway.state'), 'dir'], { name: 'gateway.dir' })
  wrapFunctions(['getMetadata', 'setMetadata'], ({ getMetadata, setMetadata }) => {
    const metadata = cell('gateway.metadata', getMetadata())
    group('gateway.active', [dir, metadata], { coherent: (dir, metadata) => metadata.dir === dir })
    return { getMetadata: () => metadata.get(), setMetadata(to) { setMetadata(to); metadata.set(to) } }
  })
  wrapFunctions(['scan'], ({ scan }) => ({ scan: memo(scan) }))
  wrapFunctions(['runTurn'], ({ runTurn }) => ({ runTurn: (...args) => detach(() => runTurn(...args)) }))`

let program: Program
beforeAll(async () => {
  program = await Program.create()
  program.write(FILES)
  program.bundle(['gateway/main.js', 'gateway/other.js'], 'dist')
}, 60_000)
afterAll(() => program.remove())

describe.each(nodes)('on $name', ({ path: node }) => {
  test('it tears as it is', () => {
    expect(program.run(node, '', 'dist/main.mjs').lines).toEqual([
      'torn true scanned true',
      'turn /own /own',
      'left /later',
    ])
  })

  test('a preload cures it: no call tears or scans twice, turns write the world, what is left behind reads it', () => {
    const { lines, stderr } = program.run(node, CURE, 'dist/main.mjs')
    expect(lines).toEqual(['torn false scanned false', 'turn /own /own', 'left /later'])
    expect(stderr).toBe('')
  })
})
