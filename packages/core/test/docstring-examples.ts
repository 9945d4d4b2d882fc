/**
 * Finds every `@example` of the source files and makes it runnable. An example is TypeScript as a user would write it,
 * with the names of `withepoch` in scope; a statement followed by `// => value` says what it evaluates to, wherever it
 * stands. This file turns those statements into calls of `check`; running them and comparing is the test's business.
 * Code that does not come out of a docstring, such as a snippet of the documentation, is made runnable the same way.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { parseAst } from 'vitest/node'

export interface DocstringExample {
  /** `memo.ts: memo`: the file, and what is declared under the docstring. */
  readonly title: string
  /** What the `// =>` say, in the order in which they stand. */
  readonly expected: readonly string[]
  /**
   * A TypeScript module whose default export is `async (core, check) => …`; it calls `check(index, actual, expected)`
   * for each `// =>` that it comes by.
   */
  readonly module: string
}

/** Every example of the files in `folder`, `exported` being the names that a user would import. */
export function docstringExamples(folder: URL, exported: readonly string[]): DocstringExample[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts'))
  return files.flatMap((file) => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    return Array.from(text.matchAll(/\/\*\*([\s\S]*?)\*\/\s*(.*)/g), ([, docstring, declaration]) =>
      examplesOf(docstring!).map((code) => runnable(`${file}: ${nameOf(declaration!)}`, code, exported)),
    ).flat()
  })
}

function examplesOf(docstring: string): string[] {
  const lines = docstring.replace(/^[ \t]*\*[ ]?/gm, '')
  return Array.from(lines.matchAll(/^@example\b[^\n]*\n([\s\S]*?)(?=^@\w|(?![\s\S]))/gm), ([, code]) =>
    code!.replace(/^```.*$/gm, ''),
  )
}

function nameOf(declaration: string): string {
  const declared = /\b(?:class|function|const|interface|type|get)\s+(\w+)/.exec(declaration)
  return (declared ?? /(\w+)/.exec(declaration))?.[1] ?? declaration
}

interface Statement {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly expression: { readonly start: number; readonly end: number }
}

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/**
 * One example, which its `title` names to whoever reads that it failed. What it imports of the library, of its property
 * kit or of fast-check has to be among `exported`.
 */
export function runnable(title: string, code: string, exported: readonly string[]): DocstringExample {
  const statements = statementsOf(title, code)
  const imports = statements.filter(({ type }) => type === 'ImportDeclaration')
  const edits: Edit[] = imports.map(({ start, end }) => ({ start, end, text: '' }))
  const expected: string[] = []
  for (const comment of code.matchAll(/\/\/ =>(.*)$/gm)) {
    const statement = statements.find(
      ({ type, end }) =>
        type === 'ExpressionStatement' &&
        /^[ \t;]*$/.test(code.slice(end, comment.index)) &&
        end <= comment.index,
    )
    if (statement === undefined) {
      throw new Error(`${title}: "${comment[0]}" does not follow an expression on its line`)
    }
    const value = code.slice(statement.expression.start, statement.expression.end)
    const index = expected.push(comment[1]!.trim()) - 1
    edits.push({ ...statement, text: `check(${index}, (${value}), () => (${comment[1]!.trim()}));` })
  }
  let body = code
  for (const { start, end, text } of edits.sort((a, b) => b.start - a.start)) {
    body = body.slice(0, start) + text + body.slice(end)
  }
  const head = imports
    .map(({ start, end }) => code.slice(start, end))
    .filter((each) => !/from '(withepoch|@withepoch\/testing(\/\w+)?|fast-check)'/.test(each))
  const module = `${head.join('\n')}
export default async function example({ ${exported.join(', ')} }, check) {
${body}
}`
  return { title, expected, module }
}

/** All statements at any depth, the inner ones first, so that of two that end in one place the inner one is found. */
function statementsOf(title: string, code: string): Statement[] {
  const found: Statement[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const child of Object.values(node)) visit(child)
    const { type } = node as Partial<Statement>
    if (type === 'ExpressionStatement' || type === 'ImportDeclaration') found.push(node as Statement)
  }
  try {
    visit(parseAst(code, { lang: 'ts', sourceType: 'module' }))
  } catch (error) {
    throw new Error(`${title}: the example does not parse`, { cause: error })
  }
  return found
}
