/**
 * Programs of several files that a real bundler has put into chunks with hashed names, run by a Node that has
 * `module.registerHooks`, with a preload that wraps functions of theirs. The library comes to them as one bundled file,
 * so that nothing has to be built before. What the programs are about is not known here.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as nodeModule from 'node:module'
import { build, buildSync } from 'esbuild'

const repository = fileURLToPath(new URL('../../..', import.meta.url))

/** The Nodes that have it: those of `runtimes/`, else the one that runs this. */
export const nodes: ReadonlyArray<{ readonly name: string; readonly path: string }> = find()

function find(): Array<{ name: string; path: string }> {
  const folder = join(repository, 'runtimes/node_modules')
  const installed = existsSync(folder) ? readdirSync(folder) : []
  const found = installed
    .filter((name) => /^node-2[2-9]$/.test(name))
    .map((name) => ({ name, path: join(folder, name, 'bin/node') }))
  if (found.length > 0) return found
  if ('registerHooks' in nodeModule) return [{ name: process.version, path: process.execPath }]
  const what =
    'withepoch: no Node with module.registerHooks is there, so wrapFunctions is not tested: npm ci --prefix runtimes.'
  if (process.env['WITHEPOCH_REQUIRE_RUNTIMES'] === '1') throw new Error(what)
  process.stderr.write(`${what}\n`)
  return []
}

/** A folder of its own with `library.mjs`, which is `withepoch` and this package in one, and whatever is written to it. */
export class Program {
  readonly folder = mkdtempSync(join(tmpdir(), 'withepoch-instrument-'))

  static async create(): Promise<Program> {
    const program = new Program()
    await build({
      stdin: {
        contents: `export * from 'withepoch'; export * from './packages/instrument/src/index.ts'`,
        resolveDir: repository,
      },
      outfile: join(program.folder, 'library.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      alias: { withepoch: join(repository, 'packages/core/src/index.ts') },
      define: { __VERSION__: '"0.0.0-test"' },
    })
    return program
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.folder, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    }
  }

  /** Bundles the entries, with what they share in chunks; returns the names of all files that came of it. */
  bundle(entries: readonly string[], outdir: string, minifySyntax = false): string[] {
    buildSync({
      absWorkingDir: this.folder,
      entryPoints: [...entries],
      outdir: join(this.folder, outdir),
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      chunkNames: 'chunk-[hash]',
      outExtension: { '.js': '.mjs' },
      minifySyntax,
    })
    return readdirSync(join(this.folder, outdir))
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8')
  }

  url(file: string): string {
    return pathToFileURL(join(this.folder, file)).href
  }

  /** Runs `main`; `preload` is the text of a module with the library's names in scope. */
  run(node: string, preload: string, main: string, flags: readonly string[] = []): Ran {
    const names =
      'adopt, cell, detach, epochPerScope, EpochError, group, memo, tryGetEpoch, whenGlobalExists, withEpoch, wrapFunctions'
    this.write({ 'preload.mjs': `import { ${names} } from './library.mjs'\n${preload}` })
    const { status, stdout, stderr } = spawnSync(
      node,
      [...flags, '--import', this.url('preload.mjs'), join(this.folder, main)],
      { env: { ...process.env, NODE_OPTIONS: '', NODE_NO_WARNINGS: '' }, encoding: 'utf8' },
    )
    return {
      status,
      stderr,
      lines: stdout
        .trim()
        .split('\n')
        .filter((line) => line !== ''),
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}

interface Ran {
  readonly status: number | null
  readonly stderr: string
  /** What was printed. */
  readonly lines: readonly string[]
}
