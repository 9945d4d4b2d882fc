/**
 * Runs a script in a process of its own, with the published bundle: for what only a whole process shows, such as whether
 * it ends, with which exit code, and what is reported as unhandled. It stands beside the test files because it states
 * nothing itself.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const folder = fileURLToPath(new URL('..', import.meta.url))
let bundle: string | undefined

/** The published bundle; where it is missing or older than the source, the same one in a folder of our own. */
function bundlePath(): string {
  if (bundle !== undefined) return bundle
  const built = join(folder, 'dist/index.js')
  const src = join(folder, 'src')
  const newest = Math.max(...readdirSync(src).map((file) => statSync(join(src, file)).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs >= newest) return (bundle = built)
  const outDir = mkdtempSync(join(tmpdir(), 'withepoch-'))
  writeFileSync(join(outDir, 'package.json'), '{ "type": "module" }')
  execFileSync('npx', ['tsup', '--out-dir', outDir], { cwd: folder, stdio: 'ignore' })
  return (bundle = join(outDir, 'index.js'))
}

export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `script`, an ES module with `names` of the library in scope. */
export function runInProcess(names: string, script: string): Promise<Ended> {
  const text = `import { ${names} } from ${JSON.stringify(pathToFileURL(bundlePath()).href)}\n${script}`
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
