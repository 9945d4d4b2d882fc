/**
 * Functions of a module that nobody exports, or that a bundler has put into a chunk of a hashed name: reached at the only
 * moment when they can be, when the module's text is loaded. Here: which modules are looked at, what becomes of their
 * functions, and what is said if none is found. How the text is changed is the business of `transform.ts`.
 */
import { readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import { EpochError } from 'withepoch'
import { kindOf, refuse, requireFunction, requireKnown } from './arguments.js'
import { findFunctions, mayDeclare, parseModule, rewire } from './transform.js'

// oxlint-disable-next-line typescript/no-explicit-any -- a function of whom nothing is known, to be called and assigned
export type AnyFunction = (...args: any[]) => any

/** The module that was found. */
export interface LoadedModule {
  readonly url: string
  /** 1 for the first that was found, 2 for the next: another copy of the chunk, or the same one evaluated again. */
  readonly copy: number
}

export interface WrapFunctionsOptions {
  /** Only modules whose URL matches are looked at. @default all, but those of Node itself */
  url?: RegExp | undefined
  /** Milliseconds after which a process warning says that nothing has been found yet. @default 60_000 */
  warnAfterMs?: number | undefined
}

/** What `wrapFunctions` returns. */
export interface WrappedFunctions {
  /** The URLs of the modules that were found until now, in the order of their loading. */
  readonly found: readonly string[]
  /** Gives all of them their own functions back, and looks at no more modules. */
  release(): void
}

/** The table of one module: where its functions go. */
interface Table {
  readonly functions: Record<string, AnyFunction>
  /** A function that is a variable's value, and is there only when the module's body has come so far. */
  later(name: string, original: AnyFunction): AnyFunction
}

type Begin = (url: string, originals: Record<string, AnyFunction>) => Table

interface LoadResult {
  readonly format?: string | null | undefined
  readonly source?: string | ArrayBuffer | NodeJS.ArrayBufferView | null | undefined
}

type LoadHook = (
  url: string,
  context: object,
  nextLoad: (url: string, context: object) => LoadResult,
) => LoadResult

/** What of `node:module` is newer than the types of the oldest Node that we run on. */
const { registerHooks, stripTypeScriptTypes } = nodeModule as unknown as {
  registerHooks?: (hooks: { load: LoadHook }) => { deregister(): void }
  stripTypeScriptTypes?: (code: string) => string
}

/** Where a module's text finds us. The slots' order is that of the calls, so the text is the same at each start, and caches. */
const KEY = Symbol.for('withepoch.instrument')
const SLOT = `globalThis[Symbol.for(${JSON.stringify(KEY.description)})]`

function slots(): Begin[] {
  const holder = globalThis as unknown as Record<symbol, Begin[] | undefined>
  if (holder[KEY] === undefined) Object.defineProperty(globalThis, KEY, { value: [] })
  return holder[KEY] as Begin[]
}

const OPTIONS = ['url', 'warnAfterMs']

/**
 * Wraps functions of every module that declares all of `names` at its top level, when it is loaded: exported or private,
 * called from outside or from within the module. A module is known by what it declares, not by its file's name.
 *
 * Use it in a preload (`node --import`), for state that a bundled program keeps in variables of a module: the functions
 * that read and write them are the way in. What a module exports, and nobody calls inside it, can be had by
 * `import-in-the-middle` too; a property of an object by `adopt`.
 *
 * - `wrap` gets the module's own functions by name, and returns those that are to be called instead; what it leaves out stays.
 *   It is called when the module's body has run, or when one of them is called before that; and once more for each further
 *   copy.
 * - A function is a declaration, or a variable whose value is written as a function. Of the latter `wrap` gets a forward,
 *   which cannot be called before the module has set it.
 * - `this`, `new` and what is returned are passed on. Lines keep their numbers.
 *
 * **Caveat** Only what is loaded after this call, by `import` or `require` in this thread, is seen; not what a program
 * evaluates itself (`vm`, some loaders of TypeScript). Nothing on disk is changed.
 *
 * **Caveat** If no module was found, a process warning `FUNCTIONS_NOT_FOUND` says so, after `warnAfterMs` or at exit, and
 * names the module that came closest.
 *
 * @throws UNSUPPORTED_RUNTIME where Node has no `module.registerHooks`: before 22.15, and in 23 before 23.5.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be; in the loading of the module, when `wrap`
 *   returns something else than functions of these names.
 * @example
 * // chunk-B7x2.js, of the program: let current; function getCurrent() { return current } function setCurrent(to) { current = to }
 * wrapFunctions(['getCurrent', 'setCurrent'], ({ getCurrent, setCurrent }) => {
 *   const current = cell('program.current', getCurrent())
 *   return {
 *     getCurrent: () => current.get(),
 *     setCurrent: (to) => {
 *       setCurrent(to)
 *       current.set(to)
 *     },
 *   }
 * })
 */
export function wrapFunctions<const N extends string>(
  names: readonly N[],
  wrap: (originals: Record<N, AnyFunction>, module: LoadedModule) => Partial<Record<N, AnyFunction>>,
  options: WrapFunctionsOptions = {},
): WrappedFunctions {
  const call = 'wrapFunctions(names, wrap, options)'
  if (
    !Array.isArray(names) ||
    names.length === 0 ||
    !names.every(isName) ||
    new Set(names).size < names.length
  ) {
    refuse(
      `${call}: names must be an array of one name of a function or more, each once, got ${kindOf(names)}.`,
    )
  }
  requireFunction(wrap, call, 'wrap')
  requireKnown(options, call, OPTIONS)
  const { url, warnAfterMs = 60_000 } = options
  if (url !== undefined && !(url instanceof RegExp))
    refuse(`${call}: url must be a RegExp, got ${kindOf(url)}.`)
  if (typeof warnAfterMs !== 'number' || !(warnAfterMs > 0)) {
    refuse(`${call}: warnAfterMs must be a number above 0, got ${kindOf(warnAfterMs)}.`)
  }
  if (registerHooks === undefined) {
    throw new EpochError(
      'UNSUPPORTED_RUNTIME',
      `${call}: this is Node ${process.versions.node}, which has no module.registerHooks. It came with Node 22.15 and 23.5. ` +
        'On an older one, declare what can be reached otherwise: adopt for a property, source for a getter.',
    )
  }
  return new Wrapping(names, wrap as Wrap, url, warnAfterMs, registerHooks)
}

type Wrap = (
  originals: Record<string, AnyFunction>,
  module: LoadedModule,
) => Record<string, AnyFunction | undefined>

class Wrapping implements WrappedFunctions {
  readonly found: string[] = []
  readonly #names: readonly string[]
  readonly #wrap: Wrap
  readonly #url: RegExp | undefined
  readonly #slot: number
  readonly #hook: { deregister(): void }
  readonly #timer: NodeJS.Timeout | undefined
  /** How to give the functions of each module back. */
  readonly #undo: Array<() => void> = []
  #released = false
  /** The module with the most of the names that are not what they should be, and what is told of it. */
  #closest: { readonly near: number; readonly told: string } | undefined

  constructor(
    names: readonly string[],
    wrap: Wrap,
    url: RegExp | undefined,
    warnAfterMs: number,
    register: NonNullable<typeof registerHooks>,
  ) {
    this.#names = [...names]
    this.#wrap = wrap
    this.#url = url && new RegExp(url.source, url.flags.replace(/[gy]/g, '')) // those remember where they stopped
    this.#slot = slots().push((moduleUrl, originals) => this.#begin(moduleUrl, originals)) - 1
    this.#hook = register({ load: (...args) => this.#load(...args) })
    if (warnAfterMs !== Infinity) this.#timer = setTimeout(() => this.#report(false), warnAfterMs).unref()
    process.on('exit', this.#atExit)
  }

  release(): void {
    this.#released = true
    this.#hook.deregister()
    this.#heard()
    for (const undo of this.#undo.splice(0)) undo()
  }

  #load(url: string, context: object, nextLoad: Parameters<LoadHook>[2]): LoadResult {
    const result = nextLoad(url, context)
    if (!isScript(result.format) || (this.#url !== undefined && !this.#url.test(url))) return result
    const source = textOf(result, url)
    if (source === undefined) return result
    const changed = this.#changed(source, url, result.format as string)
    return changed === undefined ? result : { ...result, source: changed }
  }

  #changed(source: string, url: string, format: string): string | undefined {
    const likely = this.#names.filter((name) => mayDeclare(source, name))
    if (likely.length < this.#names.length) {
      this.#came(
        likely.length,
        url,
        () => `it has no function ${this.#names.filter((name) => !likely.includes(name)).join(', ')}`,
      )
      return undefined
    }
    try {
      // Types are replaced by blanks, so what is found in the one text stands at the same place in the other.
      const plain = format.endsWith('-typescript') ? (stripTypeScriptTypes?.(source) ?? source) : source
      const parsed = parseModule(plain, format.startsWith('module'))
      const found = findFunctions(parsed, plain, this.#names)
      if (found.size === this.#names.length) {
        return rewire(source, parsed, found, { slot: this.#slot, begin: `${SLOT}[${this.#slot}]`, url })
      }
      const missing = this.#names.filter((name) => !found.has(name)).join(', ')
      this.#came(likely.length, url, () => `${missing} is no function at its top level`)
    } catch (error) {
      this.#came(likely.length, url, () => `it could not be parsed: ${String(error)}`)
    }
    return undefined
  }

  /** How near a module came, in case that none comes nearer. */
  #came(near: number, url: string, why: () => string): void {
    if (near === 0 || near <= (this.#closest?.near ?? 0)) return
    this.#closest = { near, told: `${url} came closest, but ${why()}` }
  }

  /** A module that was changed has run, or one of its functions is called already. */
  #begin(url: string, given: Record<string, AnyFunction>): Table {
    this.found.push(url)
    this.#heard()
    const originals: Record<string, AnyFunction> = { ...given }
    const forwards: Record<string, AnyFunction> = { ...given }
    for (const name of this.#names) {
      forwards[name] ??= function (this: unknown, ...args: unknown[]): unknown {
        const original = originals[name]
        if (original !== undefined) return Reflect.apply(original, this, args)
        throw new ReferenceError(`Cannot access '${name}' before initialization`)
      }
    }
    const functions: Record<string, AnyFunction> = { ...forwards }
    const replacements = this.#released ? {} : this.#wrap({ ...forwards }, { url, copy: this.found.length })
    this.#check(replacements)
    for (const [name, replacement] of Object.entries(replacements)) {
      if (replacement !== undefined) functions[name] = replacement
    }
    this.#undo.push(() => Object.assign(functions, forwards))
    return {
      functions,
      later(name, original) {
        originals[name] = original
        const forward = function (this: unknown, ...args: unknown[]): unknown {
          const to = functions[name] as AnyFunction
          return new.target ? Reflect.construct(to, args, new.target) : Reflect.apply(to, this, args)
        }
        return Object.defineProperties(forward, {
          name: { value: original.name === '' ? name : original.name, configurable: true },
          length: { value: original.length, configurable: true },
        })
      },
    }
  }

  #check(replacements: unknown): asserts replacements is Record<string, AnyFunction | undefined> {
    const call = `wrapFunctions([${this.#names.map((name) => `"${name}"`).join(', ')}], …): wrap`
    if (typeof replacements !== 'object' || replacements === null) {
      refuse(`${call} must return an object of functions by name, got ${kindOf(replacements)}.`)
    }
    for (const [name, replacement] of Object.entries(replacements)) {
      if (!this.#names.includes(name))
        refuse(`${call} returned a function "${name}" that it was not asked for.`)
      if (replacement !== undefined) requireFunction(replacement, call, `what it returns as "${name}"`)
    }
  }

  readonly #atExit = (): void => this.#report(true)

  /** There is nothing more to say: found, told of, or released. */
  #heard(): void {
    clearTimeout(this.#timer)
    process.off('exit', this.#atExit)
  }

  #report(exiting: boolean): void {
    this.#heard()
    const names = this.#names.join(', ')
    const where = this.#url === undefined ? '' : ` whose URL matches ${String(this.#url)}`
    const message =
      `wrapFunctions: no module${where} with the function${this.#names.length > 1 ? 's' : ''} ${names} was loaded${exiting ? '' : ' yet'}, ` +
      `so nothing is wrapped. ${this.#closest?.told ?? 'None was close'}. Load this preload before the program, and look in its ` +
      'files for what the functions are called in this version.'
    // At exit nobody would print a warning any more.
    if (exiting) process.stderr.write(`(EpochWarning) [FUNCTIONS_NOT_FOUND] ${message}\n`)
    else process.emitWarning(message, { type: 'EpochWarning', code: 'FUNCTIONS_NOT_FOUND' })
  }
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)
}

const FORMATS = ['module', 'commonjs', 'module-typescript', 'commonjs-typescript']

function isScript(format: string | null | undefined): boolean {
  return FORMATS.includes(format ?? '')
}

function textOf({ source }: LoadResult, url: string): string | undefined {
  if (typeof source === 'string') return source
  if (source !== null && source !== undefined) return Buffer.from(source as Uint8Array).toString('utf8')
  // Some CommonJS modules are read only when they are compiled.
  return url.startsWith('file:') ? readFileSync(fileURLToPath(url), 'utf8') : undefined
}
