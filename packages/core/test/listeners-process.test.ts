/**
 * Whether anybody listens, in a process of its own: listeners that were there before the library, and real realms, which
 * share the channels and nothing else. What is kept, and how it follows, stands in `listeners.test.ts`.
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

  function run(script: string): unknown {
    const env = { ...process.env, CORE_URL: pathToFileURL(core).href, NODE_OPTIONS: '' }
    const args = [
      '--experimental-vm-modules',
      '--expose-gc',
      '--input-type=module',
      '--no-warnings',
      '-e',
      script,
    ]
    const { stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    expect(stderr).toBe('')
    return JSON.parse(stdout)
  }

  const prelude = `
    import dc from 'node:diagnostics_channel'
    import { readFileSync } from 'node:fs'
    import vm from 'node:vm'
    const url = new URL(process.env.CORE_URL)
    const listener = (event) => heard.push(event.source.name)
    const heard = []`

  test('a listener that was there before the library is heard', () => {
    const script = `${prelude}
      dc.subscribe('withepoch:source:read', listener)
      const { cell } = await import(url)
      cell('early', 1).get()
      console.log(JSON.stringify(heard))`
    expect(run(script)).toEqual(['early'])
  })

  /** A realm of its own, as a test runner makes one for each file: the same channels, another global object. */
  const realm = `
    async function realm() {
      const context = vm.createContext({ process, console })
      const module = new vm.SourceTextModule(readFileSync(url, 'utf8'), {
        context, identifier: String(url), initializeImportMeta: (meta) => { meta.url = String(url) } })
      await module.link(async (name) => {
        const found = await import(name)
        const names = Object.keys(found)
        return new vm.SyntheticModule(names, function () {
          for (const key of names) this.setExport(key, found[key])
        }, { context })
      })
      await module.evaluate()
      return { core: module.namespace, carrier: context[Symbol.for('withepoch.carrier')] }
    }`

  test('a listener is heard in every realm of the process, whenever that was made', () => {
    const script = `${prelude} ${realm}
      const first = await realm()
      dc.subscribe('withepoch:source:read', listener)
      const second = await realm()
      const read = () => [first, second].map(({ core }, index) => core.cell('cell ' + index, 1, { ifRegistered: 'replace' }).get())
      const open = () => [first, second].map(({ carrier }) => carrier.open)
      read()
      const seen = [open()]
      dc.unsubscribe('withepoch:source:read', listener)
      read()
      seen.push(open())
      console.log(JSON.stringify({ heard, seen, apart: first.carrier !== second.carrier }))`
    expect(run(script)).toEqual({
      heard: ['cell 0', 'cell 1'],
      seen: [
        [1, 1],
        [0, 0],
      ],
      apart: true,
    })
  })
})
