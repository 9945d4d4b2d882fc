/**
 * The bundle that is published, for tests whose scripts run in a process of their own: the one in `dist`, or, where that
 * is missing or older than the source, one made for the caller. It stands beside the test files because it states
 * nothing itself; what the scripts do with the bundle is not known here.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of the bundle's entry. Bundling takes seconds, so call it in a `beforeAll` that has the time. */
export function builtCore(): string {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const core = join(folder, 'dist/index.js')
  const src = join(folder, 'src')
  const newest = Math.max(...readdirSync(src).map((file) => statSync(join(src, file)).mtimeMs))
  if (existsSync(core) && statSync(core).mtimeMs >= newest) return core
  // The same bundle, in a folder of our own, for other files may be at it too.
  const outDir = mkdtempSync(join(tmpdir(), 'withepoch-'))
  writeFileSync(join(outDir, 'package.json'), '{ "type": "module" }')
  execFileSync('npx', ['tsup', '--out-dir', outDir], { cwd: folder, stdio: 'ignore' })
  return join(outDir, 'index.js')
}
