/** Every `@example` of the package runs as it stands, and each of its `// =>` says the truth. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as timeline from '@withepoch/timeline'
import { afterAll, expect, test } from 'vitest'
import * as core from 'withepoch'
import { docstringExamples } from '../../core/test/docstring-examples.js'

type Run = (
  exported: object,
  check: (index: number, actual: unknown, expected: () => unknown) => void,
) => Promise<void>

const names = { ...core, ...timeline }
const examples = docstringExamples(new URL('../src/', import.meta.url), Object.keys(names))
const folder = mkdtempSync(join(tmpdir(), 'timeline-examples-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each(examples.map((example, index) => ({ ...example, index })))(
  '$title',
  async ({ expected, module, index }) => {
    const file = join(folder, `${index}.ts`)
    // The names are handed in; from a folder elsewhere nobody could import them.
    writeFileSync(file, module.replace(/^\s*import \{.*\} from '(withepoch|@withepoch\/timeline)'$/gm, ''))
    const { default: run } = (await import(/* @vite-ignore */ file)) as { default: Run }
    const reached = new Set<number>()
    await run(names, (at, actual, value) => {
      reached.add(at)
      expect(actual).toStrictEqual(value())
    })
    expect([...reached].toSorted((a, b) => a - b)).toEqual([...expected.keys()])
  },
)

test('every function of the package has an example', () => {
  const documented = examples.map(({ title }) => title.split(': ')[1])
  expect(Object.keys(timeline).filter((name) => !documented.includes(name))).toEqual([])
})
