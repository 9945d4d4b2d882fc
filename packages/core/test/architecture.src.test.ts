/**
 * The house's own rules, checked on the source files: at run time a file imports only files to its left, in the order
 * in which data meets them; Node's two modules with process-wide effects are imported in one place each; there are no
 * dependencies; and `index.ts` is a table of contents.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Left to right. A new file takes its place here, and so in docs/architecture.md. */
const ORDER = [
  'errors',
  'carrier',
  'diagnostics',
  'storage',
  'snapshot',
  'open-epochs',
  'overdue',
  'epoch',
  'observed-epoch',
  'retirement',
  'value-numbers',
  'source',
  'late-readers',
  'cell',
  'place',
  'adopt',
  'group',
  'publish',
  'configure',
  'flight',
  'memo',
  'derived',
  'bind',
  'with-epoch',
  'holders',
  'drain',
  'index',
]

const src = new URL('../src/', import.meta.url)
const files = readdirSync(src)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''))

interface Import {
  readonly from: string
  /** The whole statement is erased, or nothing but types is imported by it. */
  readonly typeOnly: boolean
}

/** The text without comments, so that an import in a docstring's example is not taken for one. */
function textOf(file: string): string {
  return readFileSync(new URL(`${file}.ts`, src), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
}

function importsOf(file: string): Import[] {
  const text = textOf(file)
  const statements = text.matchAll(/^(?:import|export)\s+(type\s)?(?:([^'";]*?)\sfrom\s+)?'([^']+)'/gm)
  const found = Array.from(statements, ([, type, names, from]): Import => {
    const list = names === undefined ? undefined : /^\{([\s\S]*)\}$/.exec(names.trim())?.[1]
    const parts = list
      ?.split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    const typeOnly =
      type !== undefined || (parts !== undefined && parts.every((part) => part.startsWith('type ')))
    return { from: from!, typeOnly }
  })
  const dynamic = Array.from(text.matchAll(/\bimport\(\s*'([^']+)'/g), ([, from]) => ({
    from: from!,
    typeOnly: false,
  }))
  return [...found, ...dynamic]
}

test('every source file has its place in the order', () => {
  expect(files.filter((file) => !ORDER.includes(file))).toEqual([])
})

test('at run time a file imports only files to its left; a back-reference is a type import', () => {
  const runtime = files.flatMap((file) =>
    importsOf(file)
      .filter(({ from, typeOnly }) => from.startsWith('.') && !typeOnly)
      .map(({ from }) => ({ file, from: from.replace(/^\.\/|\.js$/g, '') })),
  )
  expect(runtime.length).toBeGreaterThan(30)
  const backwards = runtime.filter(({ file, from }) => !(ORDER.indexOf(from) < ORDER.indexOf(file)))
  expect(backwards).toEqual([])
})

test('every relative import names a file of src, with its extension', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter(({ from }) => from.startsWith('.') && !files.some((other) => from === `./${other}.js`))
      .map(({ from }) => `${file} imports ${from}`),
  )
  expect(wrong).toEqual([])
})

test.each([
  ['node:async_hooks', 'storage'],
  ['node:diagnostics_channel', 'diagnostics'],
])('%s is imported at run time by %s.ts and no other file', (module, owner) => {
  const importers = files.filter((file) =>
    importsOf(file).some(({ from, typeOnly }) => from === module && !typeOnly),
  )
  expect(importers).toEqual([owner])
})

test('whatever else is imported at run time is Node’s own: the library has no dependencies', () => {
  const foreign = files.flatMap((file) =>
    importsOf(file)
      .filter(({ from, typeOnly }) => !from.startsWith('.') && !(from.startsWith('node:') || typeOnly))
      .map(({ from }) => `${file} imports ${from}`),
  )
  expect(foreign).toEqual([])
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as object
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies']) {
    expect(manifest).not.toHaveProperty(kind)
  }
})

test('the one AsyncLocalStorage is made once, for the carrier', () => {
  const made = files.flatMap((file) =>
    Array.from(textOf(file).matchAll(/new AsyncLocalStorage\b.*/g), () => file),
  )
  expect(made).toEqual(['storage'])
  expect(textOf('storage')).toContain('carrier.storage ??= new AsyncLocalStorage')
  for (const file of files) expect(textOf(file)).not.toMatch(/\.exit\(/)
  // Where an AsyncResource gives the caller's context back.
  const entering = files.flatMap((file) => Array.from(textOf(file).matchAll(/\.enterWith\(/g), () => file))
  expect(entering).toEqual(['storage'])
})

test('index.ts is a table of contents: named exports of files, and nothing else', () => {
  const statements = textOf('index')
    .trim()
    .split(/\n+(?=export)/)
    .map((each) => each.replace(/\s+/g, ' '))
  const named = /^export (?:type )?\{ [^{}*]+ \} from '\.\/[a-z-]+\.js'$/
  expect(statements.filter((line) => !named.test(line))).toEqual([])
})

test('every file opens with a paragraph that says what it is', () => {
  const bare = files.filter(
    (file) => file !== 'index' && !readFileSync(new URL(`${file}.ts`, src), 'utf8').startsWith('/**'),
  )
  expect(bare).toEqual([])
})
