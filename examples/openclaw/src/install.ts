/**
 * Makes ready what the demonstration needs and the repository's own `npm ci` does not bring: the program and its Node,
 * and the built packages, as the gateway loads the preload without tsx.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../../', import.meta.url))

if (!existsSync(path.join(repository, 'examples/openclaw/node_modules/openclaw/openclaw.mjs'))) {
  npm('ci', '--prefix', 'examples/openclaw')
}
for (const folder of ['packages/core', 'packages/instrument']) {
  if (existsSync(path.join(repository, folder))) npm('run', 'build', '--workspace', folder, '--silent')
}

function npm(...args: string[]): void {
  const { status } = spawnSync('npm', args, {
    cwd: repository,
    // Its words go to stderr: stdout is for the table.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(status ?? 1)
}
