/**
 * The library's size is a promise like any other: what a bundler makes of it, minified and gzipped, with everything and
 * with `withEpoch`, `source` and `cell` alone. Bundled here by what builds the published file. README.md says the
 * numbers, and is checked.
 *
 * The aim is 4 kB with everything and 2.5 kB for the three. The limits below are what there is now, rounded up: raise one
 * only with a reason in the commit, lower it when the code has shrunk.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'tsup'
import { afterAll, expect, test } from 'vitest'

/** kB are 1,000 bytes. */
const LIMIT = { everything: 19.7, 'withEpoch, source and cell': 11 }

const folder = mkdtempSync(join(tmpdir(), 'withepoch-size-'))
afterAll(() => rmSync(folder, { recursive: true }))

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const index = fileURLToPath(new URL('../src/index.ts', import.meta.url))

const sizes = {
  everything: await sizeOf('everything', `export * from ${JSON.stringify(index)}`),
  'withEpoch, source and cell': await sizeOf(
    'three',
    `export { withEpoch, source, cell } from ${JSON.stringify(index)}`,
  ),
}

/** Of a program that exports so much of the library: kB after minification and gzip. */
async function sizeOf(name: string, program: string): Promise<number> {
  const entry = join(folder, `${name}.ts`)
  const outDir = join(folder, name)
  writeFileSync(entry, program)
  await build({
    entry: [entry],
    outDir,
    config: false,
    format: 'esm',
    target: 'node20',
    minify: true,
    silent: true,
    define: { __VERSION__: '"0.0.0"' },
  })
  return gzipSync(readFileSync(join(outDir, `${name}.js`)), { level: 9 }).length / 1000
}

test.each(Object.entries(LIMIT))('%s: at most %s kB min+gzip', (what, limit) => {
  expect(sizes[what as keyof typeof sizes]).toBeLessThanOrEqual(limit)
})

test('the limits are not stale: within half a kB of what there is', () => {
  const stale = Object.entries(LIMIT).filter(
    ([what, limit]) => limit - sizes[what as keyof typeof sizes] >= 0.5,
  )
  expect(stale).toEqual([])
})

test('what is not imported is shaken off', () => {
  expect(sizes['withEpoch, source and cell']).toBeLessThan(0.8 * sizes.everything)
})

test('README.md says both limits', () => {
  const said =
    /at most ([\d.]+)\s+kB\s+min\+gzip\s+with\s+everything,\s+([\d.]+)\s+kB\s+for\s+`withEpoch`/.exec(readme)
  expect(said?.slice(1).map(Number)).toEqual(Object.values(LIMIT))
})
