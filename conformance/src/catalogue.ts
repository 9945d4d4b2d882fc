/** The rows and their ways, as the suite itself lists them, with the versions of the packages. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildFolder } from './build.js'
import type { Row } from './golden.js'
import { run } from './process.js'

export type Catalogue = ReadonlyArray<{
  readonly id: string
  readonly rows: ReadonlyArray<Omit<Row, 'ways'> & { readonly ways: readonly string[] }>
}>

/** Why no row of a group is in the bundle that workerd runs. */
export const notInWorkerd: Readonly<Record<string, string>> = {
  queries: 'SQLite is WebAssembly here, and it compiles none while it runs',
  http: 'no server can be made there, and it may call nothing outside',
  handles: 'it has no watchers, programs, threads or sockets of its own',
  threads: 'it has no threads',
  process: 'a worker is no process: it hears of no signals, and its collector cannot be called',
  fakes: 'it has no `node:test`, and its timers are not to be replaced',
}

export async function readCatalogue(): Promise<Catalogue> {
  const folder = fileURLToPath(new URL('../', import.meta.url))
  const { status, output } = await run(process.execPath, [`${buildFolder}catalogue.js`], {
    cwd: folder,
    timeoutMs: 60_000,
  })
  if (status !== 0) throw new Error(`the suite does not load in ${process.version}. It said:\n${output}`)
  const { dependencies } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as {
    dependencies: Record<string, string>
  }
  return (JSON.parse(output) as Catalogue).map(({ id, rows }) => ({
    id,
    rows: rows.map((row) =>
      row.package === undefined ? row : { ...row, package: `${row.package} ${dependencies[row.package]}` },
    ),
  }))
}
