/** Runs cases in child processes. The children's program and the library's copies are made once, in a folder that goes. */
import { execFile } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsup'
import { type Break, broken } from './breaks.js'
import { type Case, CASES, judge, MOST_GROWTH, type Result, type Size, timesOf } from './cases.js'

/** No case takes ten minutes on a slow machine. */
const TIMEOUT_MS = 600_000

export interface Program {
  readonly child: string
  /** The bundle, again under another name, again as CommonJS. */
  readonly cores: readonly string[]
}

/** @param core the published bundle's entry. */
export async function prepare(core: string): Promise<Program> {
  const folder = temporary()
  const shared = { config: false, target: 'node20', silent: true, clean: false, dts: false } as const
  await build({
    ...shared,
    entry: [fileURLToPath(new URL('child.ts', import.meta.url))],
    format: 'esm',
    outDir: folder,
  })
  copyFileSync(core, join(folder, 'copy.js'))
  await build({
    ...shared,
    entry: { commonjs: core },
    format: 'cjs',
    shims: true,
    outDir: folder,
    outExtension: () => ({ js: '.cjs' }),
  })
  return {
    child: join(folder, 'child.js'),
    cores: [core, join(folder, 'copy.js'), join(folder, 'commonjs.cjs')],
  }
}

/** Whether a library that is broken would be noticed; the reasons say why not. */
export async function measureBreak(core: string, node: string, one: Break): Promise<readonly string[]> {
  const text = broken(readFileSync(core, 'utf8'), one)
  if (text === undefined)
    return [`breaks.ts: the bundle does not have ${JSON.stringify(one.text)} exactly once`]
  const file = join(temporary(), 'core.js')
  writeFileSync(file, text)
  const noticedBy = CASES.find(({ title }) => title === one.title)
  if (noticedBy === undefined) return [`there is no case "${one.title}"`]
  const { found, reasons } = await measure(await prepare(file), node, 'broken', noticedBy, 'brief')
  if (found === undefined) return reasons // it must run to its end, and be failed for what it measured
  return one.says.test(reasons.join('\n')) ? [] : [`"${one.title}" found nothing: ${JSON.stringify(found)}`]
}

/** Runs one case with the program `node`. A child that fails is a result too. */
export async function measure(
  program: Program,
  node: string,
  line: string,
  one: Case,
  size: Size,
): Promise<Result> {
  const { NODE_OPTIONS: _options, ...env } = process.env
  const numbers = [timesOf(one, size), MOST_GROWTH[size]].map(String)
  const args = ['--expose-gc', '--no-warnings', program.child, one.kind, one.title, ...numbers]
  try {
    const { stdout } = await promisify(execFile)(node, [...args, ...program.cores], {
      env,
      timeout: TIMEOUT_MS,
    })
    const found = JSON.parse(stdout) as NonNullable<Result['found']>
    return { ...one, line, found, reasons: judge(one, found, size) }
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    return { ...one, line, found: undefined, reasons: [(stderr || message).trim().slice(0, 2000)] }
  }
}

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder of ES modules, until this process ends. */
function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-memory-'))
  folders.push(folder)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  return folder
}
