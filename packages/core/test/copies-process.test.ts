/**
 * Copies of the published bundle in a process of their own: ESM beside CommonJS, a bundler's second copy, two versions. What
 * copies share in one process stands in `copies.test.ts`.
 */
import { spawnSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { builtCore } from './built-core.js'

describe('in a process of its own', () => {
  let core: string
  beforeAll(() => {
    core = builtCore()
  }, 60_000)

  function run(script: string, type: 'module' | 'commonjs' = 'module', flags: string[] = []) {
    const env = { ...process.env, CORE: core, CORE_URL: pathToFileURL(core).href, NODE_OPTIONS: '' }
    const args = [...flags, `--input-type=${type}`, '--no-warnings', '-e', script]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    return { status, stdout: stdout.trim(), stderr }
  }

  /** Scripts that open an epoch with copy `a` and look at it with copy `b`. */
  const meet = `
    const dir = b.cell('dir', 'pinned')
    const scans = []
    const scan = b.memo((key) => scans.push(key))
    const error = (() => { try { b.getEpoch() } catch (error) { return error } })()
    const seen = a.withEpoch((epoch) => {
      b.detach(() => dir.set('moved'))
      scan('k')
      a.withEpoch(() => scan('k'))
      return [dir.get(), dir.live(), b.getEpoch() === epoch, scans.length, error instanceof a.EpochError]
    })
    console.log(JSON.stringify(seen))`
  const met = JSON.stringify(['pinned', 'moved', true, 1, true])

  test('a copy keeps one thing only on the global object', () => {
    const script = `await import(process.env.CORE_URL)
      const keys = Reflect.ownKeys(globalThis).filter((key) => String(key).includes('withepoch'))
      console.log(keys.map(String).join())`
    expect(run(script)).toEqual({ status: 0, stdout: 'Symbol(withepoch.carrier)', stderr: '' })
  })

  test('an ESM import and a CommonJS require are one copy', () => {
    const esm = `import { createRequire } from 'node:module'
      import * as a from ${JSON.stringify('CORE')}
      const b = createRequire(process.env.CORE_URL)(process.env.CORE)
      ${meet}
      console.log(a.withEpoch === b.withEpoch)`.replace('"CORE"', () =>
      JSON.stringify(pathToFileURL(core).href),
    )
    expect(run(esm)).toEqual({ status: 0, stdout: `${met}\ntrue`, stderr: '' })
    const cjs = `const a = require(process.env.CORE)
      import(process.env.CORE_URL).then((b) => { ${meet}; console.log(a.withEpoch === b.withEpoch) })`
    expect(run(cjs, 'commonjs')).toEqual({ status: 0, stdout: `${met}\ntrue`, stderr: '' })
  })

  test('two copies of the bundle, loaded through a query string, meet', () => {
    const script = `const a = await import(process.env.CORE_URL)
      const b = await import(process.env.CORE_URL + '?copy=2')
      ${meet}
      console.log(a.withEpoch === b.withEpoch)`
    expect(run(script)).toEqual({ status: 0, stdout: `${met}\nfalse`, stderr: '' })
  })

  test('a copy with another protocol fails when it loads, with both versions, places and protocols', () => {
    const script = `
      Object.defineProperty(globalThis, Symbol.for('withepoch.carrier'), {
        value: { protocol: 999, version: '9.8.7', path: 'file:///app/node_modules/other/withepoch.js' },
      })
      const error = await import(process.env.CORE_URL).catch((error) => error)
      console.log(JSON.stringify([error.code, error.name, error.message]))`
    const { stdout } = run(script)
    const [code, name, message] = JSON.parse(stdout) as string[]
    expect([code, name]).toEqual(['PROTOCOL_MISMATCH', 'EpochError'])
    expect(
      message!.replace(
        /^withepoch \d+\.\d+\.\d+\S* \((\S+), protocol \d+\)/,
        'withepoch VERSION ($1, protocol N)',
      ),
    ).toBe(
      `withepoch VERSION (${pathToFileURL(core).href}, protocol N) was loaded into a process that already runs withepoch ` +
        '9.8.7 (file:///app/node_modules/other/withepoch.js, protocol 999). Two protocols cannot share one snapshot: make ' +
        'both dependents resolve to one version (npm ls withepoch).',
    )
  })

  test('a foreign value under the key is refused when the library loads, and the error says what to do', () => {
    const foreign = [
      ['null', 'null'],
      ['"text"', 'a string'],
      ['42', 'a number'],
      ['{}', 'an object (Object)'],
      ['Object.create(null)', 'an object (no constructor)'],
      ['{ protocol: "1" }', 'an object (Object)'],
      ['new Map()', 'an object (Map)'],
      ['() => 1', 'a function'],
    ]
    const script = `
      const found = []
      for (const value of [${foreign.map(([value]) => value).join(', ')}]) {
        globalThis[Symbol.for('withepoch.carrier')] = value
        const error = await import(process.env.CORE_URL + '?' + found.length).catch((error) => error)
        found.push([error.code, error.message])
      }
      console.log(JSON.stringify(found))`
    const found = JSON.parse(run(script).stdout) as Array<[string, string]>
    const normal = found.map(([code, message]) => [
      code,
      message.replace(/^withepoch \d+\.\d+\.\d+\S*/, 'withepoch VERSION'),
    ])
    expect(normal).toEqual(
      foreign.map(([, kind], index) => [
        'PROTOCOL_MISMATCH',
        `withepoch VERSION (${pathToFileURL(core).href}?${index}) found ${kind} that is not its own under ` +
          "Symbol.for('withepoch.carrier'). Remove whatever sets that key; the library keeps its process-wide state there.",
      ]),
    )
  })
})
