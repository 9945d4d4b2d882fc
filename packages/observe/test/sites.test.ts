/**
 * Places in the files that people wrote: a compiled file that names its source map, beside it or inline, is shown as its
 * source; anything else stays as it stands.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'tsup'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mapStacks } from '../src/sites.js'

const folder = mkdtempSync(join(tmpdir(), 'withepoch-sites-'))
afterAll(() => rmSync(folder, { recursive: true }))

const SOURCE = `interface Row { id: number }

// Types and comments go, so no line is where it was.
export function resolveRow(row: Row): number {
  return row.id
}

export function readsTheGlobal(state: { value: number }): number {
  return state.value + resolveRow({ id: 1 })
}
`

beforeAll(async () => {
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src', 'row.ts'), SOURCE)
  for (const [name, sourcemap] of [
    ['beside', true],
    ['inline', 'inline'],
    ['none', false],
  ] as const) {
    await build({
      entry: [join(folder, 'src', 'row.ts')],
      outDir: join(folder, name),
      config: false,
      format: 'esm',
      target: 'node20',
      minify: true,
      silent: true,
      sourcemap,
      tsconfig: join(import.meta.dirname, '../../../tsconfig.json'),
    })
  }
})

/** A stack as the engine would give it, at the place of `token` in the compiled file. */
function stackAt(file: string, token: string): string {
  const lines = readFileSync(file, 'utf8').split('\n')
  const line = lines.findIndex((each) => each.includes(token))
  return `Error: x\n    at reads (${file}:${line + 1}:${lines[line]!.indexOf(token) + 1})`
}

test.each(['beside', 'inline'])('a frame of a compiled file is shown in its source: map %s', (kind) => {
  const file = join(folder, kind, 'row.js')
  expect(readFileSync(file, 'utf8').trimEnd().split('\n').length).toBeLessThan(4)
  const mapped = mapStacks(stackAt(file, '.value'))
  expect(mapped).toMatch(/^Error: x\n {4}at reads \(.*\/src\/row\.ts:9:\d+\)$/)
})

test('by its URL too', () => {
  const stack = stackAt(join(folder, 'beside', 'row.js'), '.id').replace(folder, `file://${folder}`)
  expect(mapStacks(stack)).toContain('/src/row.ts:5:')
})

test('a frame of a file without a map, or that is not there, stays as it is; so does what is no frame', () => {
  const text = [
    'drain timed out, see below',
    stackAt(join(folder, 'none', 'row.js'), '.value').split('\n')[1],
    '    at async list (/nowhere/to/be/found.js:3:4)',
    '    at /nowhere/to/be/found.js:3:4',
    '    at new Promise (<anonymous>)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)',
    '  #1 "export" open, 20 ms',
  ].join('\n')
  expect(mapStacks(text)).toBe(text)
})

test('a map that does not name its source, or names what is no path here, ends nothing', () => {
  for (const [name, source] of [
    ['unnamed', null],
    ['elsewhere', 'file://another-host/row.ts'],
  ] as const) {
    const file = join(folder, `${name}.js`)
    const map = { version: 3, sources: [source], names: [], mappings: 'AAAA' }
    writeFileSync(file, `reads()\n//# sourceMappingURL=${name}.js.map\n`)
    writeFileSync(`${file}.map`, JSON.stringify(map))
    expect(mapStacks(`    at reads (${file}:1:1)`)).toContain(source ?? file)
  }
  const hosted = '    at reads (file://another-host/row.js:1:1)'
  expect(mapStacks(hosted)).toBe(hosted)
})
