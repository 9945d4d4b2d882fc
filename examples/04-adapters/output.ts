/** Runs an example as its reader would, and returns what it printed. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export async function output(name: string): Promise<string> {
  const file = fileURLToPath(new URL(`src/${name}.ts`, import.meta.url))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const env = { ...process.env, NODE_OPTIONS: '', FORCE_COLOR: undefined }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', file], {
    cwd: root,
    env,
  })
  if (stderr !== '') throw new Error(stderr)
  return stdout
}
