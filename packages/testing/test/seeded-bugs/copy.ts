/**
 * A copy of the core's source outside the tree, with one bug in it or none, bundled with a script that has it as
 * `withepoch`. What the script does is not known here.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import type { SeededBug } from './bugs.js'

export const coreSource = fileURLToPath(new URL('../../../core/src', import.meta.url))

export interface Bundle {
  /** What the script wrote on stdout. Rejects, with what it wrote on stderr, if it failed or did not end in time. */
  run(args: readonly string[]): Promise<string>
  remove(): void
}

/** No hunt takes a minute on a slow machine. */
const TIMEOUT_MS = 300_000

/** Throws if the bug's place is not there exactly once. */
export async function bundleWith(bug: SeededBug | undefined, script: string): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-seeded-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    const source = join(folder, 'src')
    cpSync(coreSource, source, { recursive: true })
    if (bug !== undefined) {
      const file = join(source, bug.file)
      writeFileSync(file, seeded(readFileSync(file, 'utf8'), bug))
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    await build({
      config: false,
      entry: { script },
      outDir: folder,
      format: 'esm',
      target: 'node20',
      clean: false,
      silent: true,
      noExternal: [/./],
      esbuildOptions(options) {
        options.alias = { withepoch: join(source, 'index.ts') }
      },
    })
    return { run: (args) => runScript(join(folder, 'script.js'), args), remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** How often the text of the bug's place occurs. */
export function occurrences(text: string, { find }: SeededBug): number {
  return text.split(find).length - 1
}

function seeded(text: string, bug: SeededBug): string {
  const found = occurrences(text, bug)
  if (found !== 1) {
    throw new Error(
      `"${bug.name}": its place in ${bug.file} occurs ${found} times, expected once. The source has moved on: ` +
        `say in bugs.ts where the mistake would be made now.\n${bug.find}`,
    )
  }
  return text.replace(bug.find, () => bug.replace)
}

function runScript(script: string, args: readonly string[]): Promise<string> {
  const { NODE_OPTIONS: _options, ...env } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--no-warnings', script, ...args], {
      env,
      timeout: TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    child.stdout.on('data', (data) => (output += String(data)))
    child.stderr.on('data', (data) => (errors += String(data)))
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (status === 0) resolve(output)
      else
        reject(
          new Error(`${signal ?? `status ${status}`}: ${errors.trim().split('\n').slice(-12).join('\n')}`),
        )
    })
  })
}
