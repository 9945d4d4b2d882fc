/**
 * Every `@example` in the source runs as it stands, and each of its `// =>` says the truth. Extraction is the business
 * of `docstring-examples.ts`; vitest turns the TypeScript into JavaScript, as it does for everything it imports.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import * as core from 'withepoch'
import { docstringExamples } from './docstring-examples.js'

type Run = (
  exported: object,
  check: (index: number, actual: unknown, expected: () => unknown) => void,
) => Promise<void>

const examples = docstringExamples(new URL('../src/', import.meta.url), Object.keys(core))
const folder = mkdtempSync(join(tmpdir(), 'withepoch-examples-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.each(examples.map((example, index) => ({ ...example, index })))(
  '$title',
  ({ expected, module, index }) => {
    test('the example runs, and gives what it says', async () => {
      const file = join(folder, `${index}.ts`)
      writeFileSync(file, module)
      const { default: run } = (await import(/* @vite-ignore */ file)) as { default: Run }
      const reached = new Set<number>()
      const wrong: string[] = []
      await run(core, (at, actual, value) => {
        reached.add(at)
        // Compared here, reported below: thrown inside the example it might be caught there.
        try {
          expect(actual).toStrictEqual(value())
        } catch (error) {
          wrong.push(`// => ${expected[at]}: ${(error as Error).message}`)
        }
      })
      expect(wrong).toEqual([])
      expect([...reached].sort((a, b) => a - b)).toEqual([...expected.keys()])
    })
  },
)

test('every value that users import has a docstring with an example that runs', () => {
  const documented = examples.map(({ title }) => title.split(': ')[1])
  expect(Object.keys(core).filter((name) => !documented.includes(name))).toEqual([])
})

test('examples are found at all: most of them say what they give', () => {
  expect(examples.length).toBeGreaterThan(20)
  expect(examples.filter(({ expected }) => expected.length > 0).length).toBeGreaterThan(15)
})
