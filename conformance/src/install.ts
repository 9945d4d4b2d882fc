/** Installs the runtimes, and the packages of the suite, where they are not there yet. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { allColumns, folders, isInstalled, isSupportedPlatform } from './columns.js'
import { run } from './process.js'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const INSTALL_TIMEOUT_MS = 600_000

/** `npm ci` in a folder whose packages are not there yet, or are others than its lockfile says. */
export async function install(wanted: readonly string[]): Promise<void> {
  if (!isSupportedPlatform) {
    process.stdout.write(
      `\nLEFT OUT: this is ${process.platform} on ${process.arch}, and the runtimes are packages for Linux on x64. Only the ` +
        `Node that runs this, ${process.version}, is tested. Not tested: the other lines of Node, Bun, Deno, workerd.\n\n`,
    )
  }
  for (const folder of wanted) {
    if (folder === folders.nodes && !isSupportedPlatform) continue
    if (
      spawnSync('npm', ['ls', '--prefix', folder], { stdio: 'ignore' }).status === 0 &&
      areInstalled(folder)
    ) {
      continue
    }
    process.stdout.write(`npm ci in ${folder.slice(repository.length)} … `)
    const { status, output } = await run('npm', ['ci', '--prefix', folder], {
      cwd: repository,
      timeoutMs: INSTALL_TIMEOUT_MS,
    })
    process.stdout.write(status === 0 ? 'done\n' : 'FAILED\n')
    if (status !== 0) throw new Error(`npm ci in ${folder} failed. It said:\n${output}`)
  }
  const missing = allColumns().filter(
    (column) =>
      isSupportedPlatform &&
      wanted.some((folder) => column.program.startsWith(folder)) &&
      !isInstalled(column),
  )
  if (missing.length > 0)
    throw new Error(`not installed: ${missing.map(({ program }) => program).join(', ')}`)
}

/** npm skips an optional package that it could not fetch, without a word. */
function areInstalled(folder: string): boolean {
  return allColumns().every((column) => !column.program.startsWith(folder) || isInstalled(column))
}
