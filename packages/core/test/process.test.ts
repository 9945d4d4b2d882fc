/**
 * What only a process of its own can show: what is reported as unhandled and with which exit code, worker threads, and
 * Node's hardening flags. Each script runs in a child with the published bundle.
 */
import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { builtCore } from './built-core.js'

let core: string
beforeAll(() => {
  core = builtCore()
}, 60_000)

/** Runs `script` with the core's names in scope. */
function run(script: string, flags: string[] = []) {
  const names =
    'bind, bindEmitter, bindIterable, cell, detach, getEpoch, memo, publish, source, tryGetEpoch, withEpoch'
  const text = `import { ${names} } from ${JSON.stringify(pathToFileURL(core).href)}\n${script}`
  const env = { ...process.env, CORE_URL: pathToFileURL(core).href, NODE_OPTIONS: '' }
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--no-warnings', '--input-type=module', '-e', text],
    { env, encoding: 'utf8' },
  )
  return { status, stdout: stdout.trim(), stderr }
}

/** Counts what is reported instead of dying of it, and prints the messages at the end. */
const COUNT = `
  const reported = []
  process.on('unhandledRejection', (error) => reported.push(error.message))
  process.on('exit', () => console.log(JSON.stringify(reported)))
`
const turn = 'await new Promise((resolve) => setImmediate(resolve))'

/** Runs the cases one after the other in one child, and says what was reported as unhandled during each. */
function reportedPerCase(cases: ReadonlyArray<readonly [what: string, script: string]>): unknown {
  const parts = cases.map(
    ([what, script]) => `
      await (async () => { ${script} })()
      await new Promise((resolve) => setTimeout(resolve, 20))
      results.push([${JSON.stringify(what)}, reported.splice(0)])`,
  )
  const { stdout, stderr } = run(`
    const reported = []
    const results = []
    process.on('unhandledRejection', (error) => reported.push(error.message))
    ${parts.join('')}
    console.log(JSON.stringify(results))`)
  return stderr === '' ? JSON.parse(stdout) : stderr
}

describe('an unhandled rejection', () => {
  const cases: Array<[what: string, script: string]> = [
    ['of an unawaited withEpoch', `void withEpoch(async () => { await null; throw new Error('lost') })`],
    [
      'of an unawaited nested withEpoch',
      `withEpoch(() => void withEpoch(async () => { await null; throw new Error('lost') }))`,
    ],
    [
      'of an unawaited lazy thenable',
      `void withEpoch(() => ({ then: (_, reject) => setImmediate(() => reject(new Error('lost'))) }))`,
    ],
    [
      'of an unawaited memo',
      `const load = memo(async () => { await null; throw new Error('lost') })
      withEpoch((epoch) => { void load(); void load(); epoch.waitUntil(new Promise((resolve) => setTimeout(resolve, 5))) })`,
    ],
    ['of an unawaited memo outside an epoch', `void memo(async () => { throw new Error('lost') })()`],
    ['of waitUntil', `withEpoch((epoch) => epoch.waitUntil(Promise.reject(new Error('lost'))))`],
    [
      'of an async onClose hook',
      `withEpoch((epoch) => epoch.onClose(async () => { await null; throw new Error('lost') }))`,
    ],
    [
      'made of what an onClose hook threw',
      `withEpoch((epoch) => epoch.onClose(() => { throw new Error('lost') }))`,
    ],
    [
      'of an unawaited step of an async generator',
      `void withEpoch(async function* () { throw new Error('lost') }).next()`,
    ],
  ]

  test.each(cases.filter(([what]) => /unawaited (withEpoch|memo)$|waitUntil|threw/.test(what)))(
    '%s ends the process with status 1 and names the error',
    (_, script) => {
      const { status, stdout, stderr } = run(`${script}\nsetTimeout(() => console.log('still here'), 50)`)
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain('Error: lost')
    },
  )

  test('is reported exactly once, whatever it is of', () => {
    expect(reportedPerCase(cases)).toEqual(cases.map(([what]) => [what, ['lost']]))
  })
})

describe('a handled rejection', () => {
  const cases: Array<[what: string, script: string]> = [
    ['of withEpoch', `await withEpoch(async () => { await null; throw new Error('x') }).catch(() => {})`],
    [
      'of a nested withEpoch',
      `await withEpoch(() => withEpoch({ ifNested: 'fork' }, () => withEpoch(async () => { throw new Error('x') }))).catch(() => {})`,
    ],
    [
      'of a memo that two wait for',
      `const load = memo(async () => { await null; throw new Error('x') })
      await withEpoch(() => Promise.allSettled([load(), load()]))`,
    ],
    [
      'of an async generator',
      `try { for await (const _ of withEpoch(async function* () { throw new Error('x') })); } catch {}`,
    ],
    [
      'caught on its way into waitUntil',
      `withEpoch((epoch) => epoch.waitUntil(Promise.reject(new Error('x')).catch(() => {})))`,
    ],
  ]

  test('is not reported, whatever it is of', () => {
    expect(reportedPerCase(cases)).toEqual(cases.map(([what]) => [what, []]))
  })

  test('of the promise that an async getter returned is the library’s to handle: the process lives', () => {
    const script = `${COUNT}
      const bad = source('bad', async () => { throw new Error('db down') })
      const good = source('good', () => 1)
      const codes = []
      for (const read of [() => bad.get(), () => bad.live(), () => withEpoch(() => bad.get())]) {
        try { read() } catch (error) { codes.push(error.code) }
      }
      codes.push(await withEpoch(async () => { ${turn}; return good.get() }))
      ${turn}
      console.log(codes.join())`
    expect(run(script)).toEqual({
      status: 0,
      stdout: 'ASYNC_GETTER,ASYNC_GETTER,ASYNC_GETTER,1\n[]',
      stderr: '',
    })
  })

  test('of what publish or update refused is the library’s to handle too', () => {
    const script = `${COUNT}
      const config = cell('config', 1)
      const codes = []
      for (const write of [
        () => publish(async () => { throw new Error('x') }),
        () => config.update(async () => { throw new Error('x') }),
      ]) {
        try { write() } catch (error) { codes.push(error.code) }
      }
      ${turn}
      console.log(codes.join(), config.get())`
    expect(run(script)).toEqual({ status: 0, stdout: 'ASYNC_PUBLISH,INVALID_ARGUMENT 1\n[]', stderr: '' })
  })
})

test('an onClose error does not change the result, nor keep the other hooks from running', () => {
  const script = `${COUNT}
    const result = withEpoch((epoch) => {
      epoch.onClose(() => console.log('the other hook'))
      epoch.onClose(() => { throw new Error('cleanup') })
      return 'result'
    })
    console.log(result)`
  expect(run(script).stdout).toBe('the other hook\nresult\n["cleanup"]')
})

test('the process ends when its work does: nothing of the library keeps it alive', () => {
  const script = `
    const config = cell('config', 1)
    void withEpoch((epoch) => { epoch.signal; return new Promise(() => {}) })
    withEpoch(() => config.get())
    console.log('done')`
  expect(run(script)).toEqual({ status: 0, stdout: 'done', stderr: '' })
})

test('a worker thread has state of its own: sources, epochs and ids', () => {
  const script = `
    import { Worker } from 'node:worker_threads'
    const config = cell('config', 'of main')
    const seen = await withEpoch(async (epoch) => {
      const worker = new Worker(\`
        const { parentPort } = require('node:worker_threads')
        import(process.env.CORE_URL).then(({ cell, tryGetEpoch, withEpoch }) => {
          const config = cell('config', 'of worker')
          const id = withEpoch((epoch) => epoch.id)
          parentPort.postMessage([tryGetEpoch() === undefined, config.get(), id])
        })\`, { eval: true, execArgv: [] })
      const fromWorker = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
      return [...fromWorker, config.get(), epoch.id]
    })
    console.log(JSON.stringify(seen))`
  expect(run(script)).toEqual({
    status: 0,
    stdout: JSON.stringify([true, 'of worker', 1, 'of main', 1]),
    stderr: '',
  })
})

describe('under', () => {
  /** A use of every part, whose output says whether each did its work. */
  const everything = `
    import { EventEmitter } from 'node:events'
    const state = { dir: '/a' }
    const dir = source('dir', () => state.dir, { describe: String })
    const odd = source('__proto__', () => 'inert')
    const config = cell('config', { debug: false }, { copy: (value) => ({ ...value }), version: () => 1 })
    const limit = cell('limit', 1)
    const load = memo(async (key) => ({ key }))
    const emitter = bindEmitter(new EventEmitter())
    const seen = await withEpoch({ name: 'all', values: [[limit, 5]] }, async (epoch) => {
      state.dir = '/b'
      await null
      emitter.once('row', () => limit.get())
      epoch.onClose(() => {})
      publish(() => limit.set(6))
      const rows = bindIterable((function* () { yield limit.get() })())
      return [
        dir.get(), dir.live(), odd.get(), limit.get(), config.get().debug, epoch.signal.aborted,
        (await load('k')) === (await load('k')), detach(() => tryGetEpoch() === undefined), bind(getEpoch)() === epoch,
        [...rows][0], emitter.emit('row'),
      ]
    })
    const rows = withEpoch(async function* () { yield dir.get(); yield dir.get() })
    for await (const row of rows) seen.push(row)
    try { getEpoch() } catch (error) { seen.push(error.name, error.code, String(error).startsWith('EpochError: ')) }
    console.log(JSON.stringify(seen))`
  const expected = JSON.stringify([
    '/a',
    '/b',
    'inert',
    6,
    false,
    false,
    true,
    true,
    true,
    6,
    true,
    '/b',
    '/b',
    'EpochError',
    'NO_EPOCH',
    true,
  ])

  const [major] = process.versions.node.split('.').map(Number)
  // Node 20 and 22 (before 22.13) know the permission model by its first name only; both accept it still.
  const permission = major! < 24 ? '--experimental-permission' : '--permission'

  test.each<[string, (bundle: string) => string[]]>([
    ['no flag', () => []],
    ['--frozen-intrinsics', () => ['--frozen-intrinsics']],
    ['--disable-proto=throw', () => ['--disable-proto=throw']],
    ['--disable-proto=delete', () => ['--disable-proto=delete']],
    ['--disallow-code-generation-from-strings', () => ['--disallow-code-generation-from-strings']],
    [permission, (bundle) => [permission, `--allow-fs-read=${realpathSync(join(bundle, '..', '..'))}/*`]],
    ['--throw-deprecation', () => ['--throw-deprecation', '--pending-deprecation']],
    ['--unhandled-rejections=strict', () => ['--unhandled-rejections=strict']],
  ])('%s everything works', (_, flags) => {
    expect(run(everything, flags(core))).toEqual({ status: 0, stdout: expected, stderr: '' })
  })
})
