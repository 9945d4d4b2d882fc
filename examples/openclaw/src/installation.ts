/** Where the installed program is, and a Node that it accepts. `npm ci` in this folder puts both there. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const example = fileURLToPath(new URL('..', import.meta.url))

export interface Installation {
  readonly node: string
  readonly openclaw: string
  /** Of the program. */
  readonly version: string
  readonly nodeVersion: string
}

export function findInstallation(): Installation {
  const modules = path.join(example, 'node_modules')
  const openclaw = path.join(modules, 'openclaw', 'openclaw.mjs')
  if (!existsSync(openclaw)) {
    throw new Error('openclaw is not installed. Run `npm ci --prefix examples/openclaw` first.')
  }
  const platform = `node-${process.platform}-${process.arch}`
  const installed = path.join(modules, platform, 'bin', 'node')
  if (existsSync(installed)) {
    const nodeVersion = versionOf(path.join(modules, platform))
    return { node: installed, openclaw, version: versionOf(path.dirname(openclaw)), nodeVersion }
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 24 && !(major === 22 && minor >= 19)) {
    throw new Error(
      `openclaw needs Node 22.19 or later. There is no npm package with a Node for ${platform}, and this one is ${process.versions.node}.`,
    )
  }
  const nodeVersion = process.versions.node
  return { node: process.execPath, openclaw, version: versionOf(path.dirname(openclaw)), nodeVersion }
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }).version
}
