/**
 * Makes what the child processes run: the core as it would be published, and these files as JavaScript that Node 20
 * understands. The library comes from its present source, by its own build, so `npm run build` need not have run.
 */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsup'

const pathTo = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Where the compiled files are. */
export const buildFolder = pathTo('../.build')

export async function buildAll(): Promise<void> {
  const shared = {
    config: false,
    format: 'esm',
    target: 'node20',
    silent: true,
    clean: false,
    dts: false,
  } as const
  await build({
    ...shared,
    entry: readdirSync(pathTo('.'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.startsWith('withepoch'))
      .map((file) => pathTo(file)),
    outDir: buildFolder,
    bundle: false,
    tsconfig: pathTo('../tsconfig.json'),
  })
  // By the core's own configuration, which is read from the working directory; only the place is another.
  await promisify(execFile)(
    process.execPath,
    [
      pathTo('../../node_modules/tsup/dist/cli-default.js'),
      '--out-dir',
      `${buildFolder}/withepoch`,
      '--no-clean',
      '--silent',
    ],
    { cwd: pathTo('../../packages/core') },
  )
}
