/**
 * The text of a module in which calls of certain top-level functions go through somebody else. It knows nothing of what
 * they do there, nor of how modules are loaded.
 *
 * A declaration `function f(a) {…}` becomes two on the same line: `f`, which asks the table of replacements, and the original
 * under another name. Both are hoisted, as the one was, so whoever calls `f` (the module itself, a module of a cycle that
 * runs before it, an importer by whatever name it is exported) calls the replacement. Lines stay what they are, so stacks and
 * source maps go on to tell the truth, up to the columns of that one line.
 */
import { parse, type Program } from 'acorn'
import MagicString from 'magic-string'

/** What stands in a module for the table of replacements, and how it is filled. */
export interface Wiring {
  /** Unique among those that wrap functions in one process, so that two may wrap functions of one module. */
  readonly slot: number
  /** An expression for the function that makes the table; called with the URL and the originals. */
  readonly begin: string
  readonly url: string
}

/** The top-level functions of a module that are called `names`, as far as there are any. */
export type Found = ReadonlyMap<string, Declaration>

interface Declaration {
  readonly kind: 'function' | 'variable'
  /** Of a function: from `async function*` to the end of the name. Of a variable: its initialiser. */
  readonly start: number
  readonly end: number
  /** Of a function: what stands before the name. */
  readonly keywords: string
}

export interface Parsed {
  readonly program: Program
  readonly isModule: boolean
}

/** Whether it is worth parsing: importers have the names in their text too, but declare none. */
export function mayDeclare(source: string, name: string): boolean {
  if (!source.includes(name)) return false // of most modules, and far quicker to say than by the expression
  const escaped = escape(name)
  const declaring = String.raw`(?:\bfunction\b\s*\*?\s*|\b(?:const|let|var)\s+)${escaped}(?![\w$])`
  return new RegExp(String.raw`${declaring}|,\s*${escaped}\s*=`).test(source)
}

function escape(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
}

/** @throws SyntaxError what acorn throws. */
export function parseModule(source: string, isModule: boolean): Parsed {
  const program = parse(source, {
    ecmaVersion: 'latest',
    sourceType: isModule ? 'module' : 'script',
    allowHashBang: true,
    allowReturnOutsideFunction: true,
  })
  return { program, isModule }
}

const FUNCTIONS = ['FunctionExpression', 'ArrowFunctionExpression']

export function findFunctions({ program }: Parsed, source: string, names: readonly string[]): Found {
  const found = new Map<string, Declaration>()
  for (const statement of program.body) {
    const isExport =
      statement.type === 'ExportNamedDeclaration' || statement.type === 'ExportDefaultDeclaration'
    const declaration = isExport ? statement.declaration : statement
    if (declaration?.type === 'FunctionDeclaration') {
      const { id, start } = declaration
      if (id === null || !names.includes(id.name)) continue
      const keywords = source.slice(start, id.start)
      found.set(id.name, { kind: 'function', start, end: id.end, keywords })
    } else if (declaration?.type === 'VariableDeclaration') {
      for (const { id, init } of declaration.declarations) {
        if (id.type !== 'Identifier' || !names.includes(id.name) || !init || !FUNCTIONS.includes(init.type))
          continue
        found.set(id.name, { kind: 'variable', start: init.start, end: init.end, keywords: '' })
      }
    }
  }
  return found
}

/** The module with each of `found` going through the table. */
export function rewire(
  source: string,
  { program }: Parsed,
  found: Found,
  { slot, begin, url }: Wiring,
): string {
  const text = new MagicString(source)
  const table = `withEpochTable${slot}`
  const originals: string[] = []
  for (const [name, { kind, start, end, keywords }] of found) {
    if (kind === 'function') {
      const original = `withEpochOriginal${slot}_${name}`
      originals.push(`${name}: ${original}`)
      const forward =
        `function ${name}() { const to = ${table}().${name}; ` +
        'return new.target ? Reflect.construct(to, arguments, new.target) : Reflect.apply(to, this, arguments) } '
      text.overwrite(start, end, forward + keywords + original)
    } else {
      text.appendLeft(start, `${table}.later(${JSON.stringify(name)}, (`)
      text.appendRight(end, '))')
    }
  }
  const filled = `${begin}(${JSON.stringify(url)}, { ${originals.join(', ')} })`
  // A function, because a cycle may ask before a variable of this module has its value.
  const head =
    `function ${table}() { return (${table}.made ??= ${filled}).functions } ` +
    `${table}.later = (name, original) => (${table}(), ${table}.made.later(name, original)); `
  text.appendLeft(startOf(program), head)
  // Made at the end, when the originals find the module's variables set, unless one of the functions is called before.
  text.appendRight(program.body.at(-1)?.end ?? 0, `; ${table}();`)
  return text.toString()
}

/** Of the first statement behind a hashbang line and the directives, which count only at the top. */
function startOf({ body }: Program): number {
  const first = body.find((statement) => !('directive' in statement))
  return first?.start ?? 0
}
