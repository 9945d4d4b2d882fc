/**
 * Runs a script in a process of its own, with the published bundle: for what only a whole process shows, such as whether
 * it ends, with which exit code, and what is reported as unhandled. It stands beside the test files because it states
 * nothing itself.
 */
import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { builtCore } from './built-core.js'

/** Made once for a test file. */
let bundle: string | undefined

export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `script`, an ES module with `names` of the library in scope. */
export function runInProcess(names: string, script: string): Promise<Ended> {
  const text = `import { ${names} } from ${JSON.stringify(pathToFileURL((bundle ??= builtCore())).href)}\n${script}`
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--no-warnings', '--input-type=module', '-e', text],
      { env: { ...process.env, NODE_OPTIONS: '' } },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout: stdout.trim(), stderr }),
    )
  })
}
