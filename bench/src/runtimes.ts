/**
 * The runtimes, and how each is started. Their programs are packages of this folder, started by path: every Node package
 * has a `node` for `node_modules/.bin`, where only one of them fits.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Runtime {
  readonly id: string
  readonly title: string
  readonly program: string
  readonly flags: readonly string[]
  /** Node's version as numbers; undefined for others, which no package's `engines` speaks of. */
  readonly node?: readonly [major: number, minor: number]
}

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url))
const NODE_FLAGS = ['--expose-gc', '--no-warnings']

/** All runtimes, those whose package is not installed here among them: see `isInstalled`. */
export function allRuntimes(): Runtime[] {
  const listed = ['node-20', 'node-22', 'node-24', 'node-26'].map((id) =>
    node(id, `${modules}${id}/bin/node`, versionOf(id)),
  )
  const own = process.versions.node
  const known = listed.some((runtime) => runtime.title === `Node ${own}`)
  return [
    ...(known ? [] : [node('node', process.execPath, own, ' (as installed)')]),
    ...listed,
    {
      id: 'bun',
      title: `Bun ${versionOf('@oven/bun-linux-x64')}`,
      program: `${modules}@oven/bun-linux-x64/bin/bun`,
      flags: ['--no-install'],
    },
    {
      id: 'deno',
      title: `Deno ${versionOf('@deno/linux-x64-glibc')}`,
      program: `${modules}@deno/linux-x64-glibc/deno`,
      flags: ['run', '--allow-all', '--no-lock', '--node-modules-dir=manual', '--v8-flags=--expose-gc'],
    },
  ]
}

export function isInstalled(runtime: Runtime): boolean {
  return existsSync(runtime.program)
}

function node(id: string, program: string, version: string, note = ''): Runtime {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return { id, title: `Node ${version}${note}`, program, flags: NODE_FLAGS, node: [major, minor] }
}

function versionOf(name: string): string {
  return manifestOf(name)?.version ?? '(not installed)'
}

interface Manifest {
  readonly version: string
  readonly engines?: { readonly node?: string }
}

function manifestOf(name: string): Manifest | undefined {
  const file = `${modules}${name}/package.json`
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Manifest) : undefined
}

/** A package's title for a table: its name and version. */
export function titleOf(title: string, name: string | undefined): string {
  return name === undefined ? title : `${title} ${versionOf(name)}`
}

/** Why a package's own `engines` keep it off a runtime; undefined where they do not. */
export function enginesAgainst(runtime: Runtime, name: string | undefined): string | undefined {
  const engines = name === undefined ? undefined : manifestOf(name)?.engines?.node
  const least = /^>=\s*(\d+)(?:\.(\d+))?/.exec(engines ?? '')
  if (runtime.node === undefined || least === null) return undefined
  const [major, minor] = runtime.node
  const [needsMajor, needsMinor] = [Number(least[1]), Number(least[2] ?? 0)]
  const runs = major > needsMajor || (major === needsMajor && minor >= needsMinor)
  return runs ? undefined : `${name} says "node": "${engines}"`
}
