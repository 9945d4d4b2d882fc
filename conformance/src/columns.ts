/**
 * The columns: the runtimes, with the two switches by which a Node keeps the async context the other way, and how each
 * is started. Node comes from `runtimes/`, the others from this folder; all are started by path.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildFolder } from './build.js'

export interface Column {
  readonly id: string
  /** Name and version. */
  readonly title: string
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const pathTo = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))
const nodes = pathTo('../../runtimes/node_modules/')
const others = pathTo('../node_modules/')
const suite = `${buildFolder}suite.test.js`

export const folders = { nodes: pathTo('../../runtimes/'), others: pathTo('../') } as const

/** The binaries are packages for this platform only. */
export const isSupportedPlatform = process.platform === 'linux' && process.arch === 'x64'

const NODE_IDS = ['node-20', 'node-22', 'node-24', 'node-26']

/** Which of Node's two ways to keep the async context: the flag that asks for the one that is not the default. */
const OTHER_WAY = {
  'node-22': ['node-22-acf', '--experimental-async-context-frame', 'AsyncContextFrame'],
  'node-24': ['node-24-hooks', '--no-async-context-frame', 'async_hooks'],
} as const

/** All columns; see `isInstalled`. */
export function allColumns(): Column[] {
  return [
    ...NODE_IDS.flatMap((id) => nodeColumns(id, `${nodes}${id}/bin/node`, versionOf(`${nodes}${id}`))),
    {
      id: 'bun',
      title: `Bun ${versionOf(`${others}@oven/bun-linux-x64`)}`,
      program: `${others}@oven/bun-linux-x64/bin/bun`,
      args: ['test', suite],
      env: { ALONE_FLAGS: 'run' },
    },
    {
      id: 'deno',
      title: `Deno ${versionOf(`${others}@deno/linux-x64-glibc`)}`,
      program: `${others}@deno/linux-x64-glibc/deno`,
      args: ['test', ...DENO_FLAGS, suite],
      env: { ALONE_FLAGS: ['run', ...DENO_FLAGS].join(' '), DENO_NO_UPDATE_CHECK: '1' },
    },
    {
      id: 'workerd',
      title: `workerd ${versionOf(`${others}@cloudflare/workerd-linux-64`)}`,
      program: `${others}@cloudflare/workerd-linux-64/bin/workerd`,
      args: ['test', pathTo('../suite/workerd.capnp'), '--verbose'],
    },
  ]
}

/** For a machine that the packages do not fit: the Node that runs this, as the columns of its line, if it has some. */
export function ownColumns(): Column[] {
  const id = `node-${process.versions.node.split('.')[0]}`
  return NODE_IDS.includes(id) ? nodeColumns(id, process.execPath, process.versions.node) : []
}

export function isInstalled({ program }: Column): boolean {
  return existsSync(program)
}

const DENO_FLAGS = [
  '--allow-all',
  '--no-check',
  '--no-lock',
  '--node-modules-dir=manual',
  '--v8-flags=--expose-gc',
]

function nodeColumns(id: string, program: string, version: string): Column[] {
  const args = ['--expose-gc', '--no-warnings', '--test-reporter=tap', suite]
  const column = { id, title: `Node ${version}`, program, args }
  if (!(id in OTHER_WAY)) return [column]
  const [otherId, flag, by] = OTHER_WAY[id as keyof typeof OTHER_WAY]
  return [column, { ...column, id: otherId, title: `Node ${version} with ${by}`, args: [flag, ...args] }]
}

function versionOf(folder: string): string {
  const file = `${folder}/package.json`
  if (!existsSync(file)) return '(not installed)'
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
