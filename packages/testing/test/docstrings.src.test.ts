/** Every `@example` of the kit runs as it stands, and each of its `// =>` says the truth; as in the core. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as kit from '@withepoch/testing'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import * as core from 'withepoch'
import { docstringExamples } from '../../core/test/docstring-examples.js'

type Run = (
  exported: object,
  check: (index: number, actual: unknown, expected: () => unknown) => void,
) => Promise<void>

const scope = { ...core, ...kit, fc }
const examples = docstringExamples(new URL('../src/', import.meta.url), Object.keys(scope))
const folder = mkdtempSync(join(tmpdir(), 'withepoch-testing-examples-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each(examples.map((example, index) => ({ ...example, index })))(
  '$title: the example runs, and gives what it says',
  async ({ expected, module, index }) => {
    const file = join(folder, `${index}.ts`)
    writeFileSync(file, module)
    const { default: run } = (await import(/* @vite-ignore */ file)) as { default: Run }
    const reached: number[] = []
    const wrong: string[] = []
    await run(scope, (at, actual, value) => {
      reached.push(at)
      try {
        expect(actual).toStrictEqual(value())
      } catch (error) {
        wrong.push(`// => ${expected[at]}: ${(error as Error).message}`)
      }
    })
    expect(wrong).toEqual([])
    expect([...new Set(reached)].sort((a, b) => a - b)).toEqual([...expected.keys()])
  },
)

test('every value that users import has a docstring with an example that runs', () => {
  const documented = examples.map(({ title }) => title.split(': ')[1])
  expect(Object.keys(kit).filter((name) => !documented.includes(name))).toEqual([])
})
