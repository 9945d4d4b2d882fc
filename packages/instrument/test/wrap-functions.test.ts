/** Functions of modules on disk, bundled and not, are wrapped at load; one that is not there is told of. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wrapFunctions } from '../src/index.js'
import { nodes, Program } from './program.js'

const STATE = `
  let current = 'first'
  export function getCurrent() { return current }
  export function setCurrent(to) { current = to }
`
/** Pins what the two functions keep. */
const PIN = `
  const pinned = wrapFunctions(['getCurrent', 'setCurrent'], ({ getCurrent, setCurrent }, { url, copy }) => {
    console.log('copy ' + copy)
    const current = cell('program.current.' + copy, getCurrent())
    return {
      getCurrent: () => current.get(),
      setCurrent(to) { setCurrent(to); current.set(to) },
    }
  })
  globalThis.program = { withEpoch, detach, pinned }
`
/** A request that reads, lets others work, and reads again. */
const REQUEST = `
  const { withEpoch, detach } = globalThis.program
  export const request = (get, set, to) => withEpoch(async () => {
    const before = get()
    await detach(async () => set(to))
    return [before, get()].join(' ')
  })
`

let program: Program
beforeAll(async () => {
  program = await Program.create()
}, 60_000)
afterAll(() => program.remove())

describe.each(nodes)('on $name', ({ path: node }) => {
  const run = (preload: string, main: string, flags?: string[]) => {
    const ran = program.run(node, preload, main, flags)
    expect(ran).toMatchObject({ status: 0 })
    return ran
  }

  test('of a bundled chunk, whatever it is called and however it exports them', () => {
    program.write({
      'src/state.js': STATE,
      'src/request.js': REQUEST,
      'src/list.js': `
        import { getCurrent, setCurrent } from './state.js'
        import { request } from './request.js'
        export const list = () => request(getCurrent, setCurrent, 'second')
        console.log(await list(), getCurrent())`,
      'src/other.js': `export { getCurrent as g } from './state.js'; export { request } from './request.js'`,
    })
    const files = program.bundle(['src/list.js', 'src/other.js'], 'bundled')
    const chunk = files.find(
      (file) => file.startsWith('chunk-') && program.read(`bundled/${file}`).includes('function setCurrent'),
    )
    const before = program.read(`bundled/${chunk}`)
    const { lines } = run(`${PIN}; process.on('exit', () => console.log(pinned.found))`, 'bundled/list.mjs')
    expect(lines.slice(0, 2)).toEqual(['copy 1', 'first first second'])
    expect(lines.slice(2).join('')).toContain(program.url(`bundled/${chunk}`))
    expect(program.read(`bundled/${chunk}`)).toBe(before)
  })

  test('that are private, and called only within their module', () => {
    program.write({
      'private.mjs': `
        let current = 'first'
        function getCurrent() { return current }
        const setCurrent = (to) => { current = to }
        ${REQUEST}
        console.log(await request(() => getCurrent(), (to) => setCurrent(to), 'second'), getCurrent())`,
    })
    expect(run(PIN, 'private.mjs').lines).toEqual(['copy 1', 'first first second'])
  })

  test('of CommonJS, by require and by import, and of each copy by itself', () => {
    program.write({
      'state.cjs': `'use strict'\n${STATE.replaceAll('export ', '')}\nmodule.exports = { get: getCurrent, set: setCurrent }`,
      'request.mjs': REQUEST,
      'copies.mjs': `
        import { createRequire } from 'node:module'
        import { request } from './request.mjs'
        const require = createRequire(import.meta.url)
        const first = require('./state.cjs')
        console.log(await request(first.get, first.set, 'second'), first.get())
        delete require.cache[require.resolve('./state.cjs')]
        const second = require('./state.cjs')
        console.log(second.get(), await request(second.get, second.set, 'third'), first.get())
        const { default: third } = await import('./state.cjs?again')
        console.log(third === second, third.get())
        `,
    })
    const { lines } = run(PIN, 'copies.mjs')
    expect(lines.slice(0, 4)).toEqual(['copy 1', 'first first second', 'copy 2', 'first first first second'])
    expect(lines.at(-1)).toBe('true third')
  })

  test('of a module that is evaluated again under another URL', () => {
    program.write({
      'state.mjs': STATE,
      'again.mjs': `
        const one = await import('./state.mjs'), two = await import('./state.mjs?reload')
        one.setCurrent('second')
        console.log(one.getCurrent(), two.getCurrent())
        console.log(globalThis.program.pinned.found.map((url) => url.split('/').at(-1)).join(' '))`,
    })
    const { lines } = run(PIN, 'again.mjs')
    expect(lines).toEqual(['copy 1', 'copy 2', 'second first', 'state.mjs state.mjs?reload'])
  })

  test('called before their module has run, in a cycle', () => {
    program.write({
      'cycle.mjs': `
        import './in-cycle.mjs'
        var current = 'first'
        export function getCurrent() { return current }
        export function setCurrent(to) { current = to }
        console.log(getCurrent())`,
      'in-cycle.mjs': `import { getCurrent } from './cycle.mjs'; console.log('early ' + getCurrent())`,
    })
    const wrap = `wrapFunctions(['getCurrent', 'setCurrent'], ({ getCurrent }) => ({ getCurrent: () => 'wrapped ' + getCurrent() }))`
    expect(run(wrap, 'cycle.mjs').lines).toEqual(['early wrapped undefined', 'wrapped first'])
  })

  test('keeps lines, names, parameters, this, new and asynchrony', () => {
    program.write({
      'shapes.mjs': [
        '#!/usr/bin/env node',
        `'use strict'`,
        'export async function later(a, b) { await null; return [this, a + b].join(" ") }',
        'export default function* rows(n) { for (let i = 0; i < n; i++) yield i }',
        'function Counter(from) { this.from = from }',
        'const arrow = (a, b, c) => a, plain = function named(a) { return [this, a].join(" ") }',
        'class Sub extends Counter {}',
        'const promise = later.call("self", 1, 2)',
        'console.log(promise instanceof Promise, await promise)',
        'console.log([...rows(3)].join(), new Counter(1).from, new Sub(2) instanceof Sub, new Sub(2).from)',
        'console.log(arrow.name, arrow.length, plain.name, plain.length, plain.call("self", 7), arrow(1))',
        'console.log(new Error().stack.split("\\n")[1].match(/:(\\d+):/)[1])',
      ].join('\n'),
    })
    const wrap = `
      const names = ['later', 'rows', 'Counter', 'arrow', 'plain']
      wrapFunctions(names, ({ later, rows, Counter, arrow, plain }) => ({ later, rows, Counter, arrow, plain }))
      wrapFunctions(['later', 'plain'], () => ({}))`
    expect(run(wrap, 'shapes.mjs').lines).toEqual([
      'true self 3',
      '0,1,2 1 true 2',
      'arrow 3 named 1 self 7 1',
      '12',
    ])
  })

  test('a variable that is not set yet is none, for the wrapper as for the module', () => {
    program.write({
      'unset.mjs': `
        export function getCurrent() { return 'got' }
        console.log(getCurrent())
        const setCurrent = () => 'set'
        console.log(setCurrent())`,
    })
    const wrap = `
      wrapFunctions(['getCurrent', 'setCurrent'], ({ getCurrent, setCurrent }) => {
        try { setCurrent() } catch (error) { console.log(error.name) }
        return { setCurrent: () => 'wrapped ' + setCurrent() }
      })`
    expect(run(wrap, 'unset.mjs').lines).toEqual(['ReferenceError', 'got', 'wrapped set'])
  })

  test('only where the URL matches, and not in a module that only imports them', () => {
    program.write({
      'one/state.mjs': STATE,
      'two/state.mjs': STATE,
      'urls.mjs': `
        import { getCurrent, setCurrent } from './one/state.mjs'
        import * as two from './two/state.mjs'
        import * as again from './two/state.mjs?again'
        console.log(getCurrent(), two.getCurrent(), again.getCurrent())`,
    })
    const wrap = `wrapFunctions(['getCurrent', 'setCurrent'], () => ({ getCurrent: () => 'wrapped' }), { url: /\\/two\\//g })`
    expect(run(wrap, 'urls.mjs').lines).toEqual(['first wrapped wrapped'])
  })

  test('are given back by release, and none is taken after it', () => {
    program.write({
      'state.mjs': STATE,
      'released.mjs': `
        const { getCurrent } = await import('./state.mjs')
        const before = getCurrent()
        globalThis.program.release()
        const { getCurrent: other } = await import('./state.mjs?after')
        console.log(before, getCurrent(), other())`,
    })
    const wrap = `globalThis.program = wrapFunctions(['getCurrent', 'setCurrent'], () => ({ getCurrent: () => 'wrapped' }))`
    const { lines, stderr } = run(wrap, 'released.mjs')
    expect(lines).toEqual(['wrapped first first'])
    expect(stderr).toBe('')
  })

  test('of a worker thread too, where the preload runs as well', () => {
    program.write({
      'state.mjs': STATE,
      'worker.mjs': `
        import { Worker, isMainThread } from 'node:worker_threads'
        import { getCurrent } from './state.mjs'
        console.log(isMainThread, getCurrent())
        if (isMainThread) new Worker(new URL(import.meta.url))`,
    })
    const wrap = `wrapFunctions(['getCurrent', 'setCurrent'], () => ({ getCurrent: () => 'wrapped' }))`
    expect(run(wrap, 'worker.mjs').lines.toSorted()).toEqual(['false wrapped', 'true wrapped'])
  })

  describe('what is not found', () => {
    test('is told of at exit, with the module that came closest', () => {
      program.write({
        'state.mjs': STATE,
        'renamed.mjs': `import { getCurrent } from './state.mjs'; console.log(getCurrent())`,
      })
      const wrap = `wrapFunctions(['getCurrent', 'clearCurrent'], () => ({}))`
      const { lines, stderr } = run(wrap, 'renamed.mjs')
      expect(lines).toEqual(['first'])
      expect(stderr).toContain(
        '[FUNCTIONS_NOT_FOUND] wrapFunctions: no module with the functions getCurrent, clearCurrent',
      )
      expect(stderr).toContain(
        `${program.url('state.mjs')} came closest, but it has no function clearCurrent.`,
      )
    })

    test('is told of while the program runs, once', () => {
      program.write({
        'service.mjs': `
          process.on('warning', ({ name, code, message }) => {
            console.log(name, code, message.includes('was loaded yet'), message.includes('None was close'))
            clearInterval(running)
          })
          const running = setInterval(() => {}, 1000)`,
      })
      const wrap = `wrapFunctions(['nowhere'], () => ({}), { warnAfterMs: 1 })`
      const { lines, stderr } = run(wrap, 'service.mjs')
      expect(lines).toEqual(['EpochWarning FUNCTIONS_NOT_FOUND true true'])
      expect(stderr.match(/FUNCTIONS_NOT_FOUND/g)).toHaveLength(1)
    })

    test('or is no function at the top of its module', () => {
      program.write({ 'nested.mjs': `export const make = () => { function inner() {} return inner }` })
      const { stderr } = run(`wrapFunctions(['inner'], () => ({}))`, 'nested.mjs')
      expect(stderr).toContain('inner is no function at its top level')
    })

    test('or is in a module that cannot be parsed, which fails as it would', () => {
      program.write({ 'broken.mjs': `function inner() {} function (` })
      const { status, stderr } = program.run(node, `wrapFunctions(['inner'], () => ({}))`, 'broken.mjs')
      expect(status).toBe(1)
      expect(stderr).toContain('it could not be parsed')
    })
  })

  test.each<[string, string, string]>([
    ['nothing', 'undefined', 'must return an object of functions by name, got undefined'],
    ['something else', '{ getCurrent: 7 }', '"getCurrent" must be a function, got a number'],
    ['more', '{ getOther: () => 1 }', 'returned a function "getOther" that it was not asked for'],
  ])('a wrapper that returns %s fails the module, and says so', (_, returned, message) => {
    program.write({ 'state.mjs': STATE })
    const wrap = `wrapFunctions(['getCurrent', 'setCurrent'], () => (${returned}))`
    const { status, stderr } = program.run(node, wrap, 'state.mjs')
    expect(status).toBe(1)
    expect(stderr).toContain(message)
    expect(stderr).toContain(`code: 'INVALID_ARGUMENT'`)
  })
})

/** A line that strips types by itself. */
const stripping = nodes.filter(({ name }) => /2[4-9]/.test(name))
test.each(stripping)('on $name, of TypeScript that Node itself strips', ({ path: node }) => {
  program.write({
    'typed.mts': `
      interface State { dir: string }
      let current: State = { dir: '/a' }
      export function getCurrent(this: void): State { return current }
      const setCurrent = (to: State): void => { current = to }
      setCurrent({ dir: '/b' })
      console.log(getCurrent().dir as string)`,
  })
  const wrap = `wrapFunctions(['getCurrent', 'setCurrent'], ({ setCurrent }) => ({ setCurrent: ({ dir }) => setCurrent({ dir: dir + '!' }) }))`
  expect(program.run(node, wrap, 'typed.mts').lines).toEqual(['/b!'])
})

test.each<[string, unknown[]]>([
  ['no names', [[], () => ({})]],
  ['a name twice', [['a', 'a'], () => ({})]],
  ['what is no name', [['a.b'], () => ({})]],
  ['no wrapper', [['a'], undefined]],
  ['an unknown option', [['a'], () => ({}), { path: /x/ }]],
  ['a URL that is text', [['a'], () => ({}), { url: 'dist' }]],
  ['a time that is none', [['a'], () => ({}), { warnAfterMs: 0 }]],
])('refuses %s', (_, args) => {
  expect(() => (wrapFunctions as (...args: unknown[]) => unknown)(...args)).toThrow(
    expect.objectContaining({ name: 'EpochError', code: 'INVALID_ARGUMENT' }),
  )
})

test.runIf(process.version.startsWith('v20.'))('refuses Node 20, with what to do instead', () => {
  expect(() => wrapFunctions(['a'], () => ({}))).toThrow(
    expect.objectContaining({
      code: 'UNSUPPORTED_RUNTIME',
      message: expect.stringMatching(/Node 20\..*22\.15.*adopt for a property/s),
    }),
  )
})
