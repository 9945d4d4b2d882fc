/**
 * Where in the program something happened: the stack of the moment, without the library's own frames and Node's, in the
 * files that people wrote. Taking a stack is dear, so there is a ration of so many a second. What is worth a stack is
 * decided in `calls.ts`.
 */
import { readFileSync } from 'node:fs'
import { SourceMap, type SourceMapPayload } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { configure } from 'withepoch'

/** One call on a stack. */
export interface Frame {
  /** As the engine names it; absent for code outside any function, and for functions without a name. */
  readonly function?: string
  /** The path of the source file: of what was written, where a source map says so. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
}

/** A place in the program, innermost call first. */
export type Site = readonly Frame[]

/** A stack that has been taken and not been looked at. A program may have put its own `Error.prepareStackTrace` in: no string. */
export interface RawSite {
  readonly stack?: unknown
}

export type AnyFunction = (...args: never[]) => unknown

/** How many frames are taken, the library's own among them, and how many are shown. */
const TAKEN = 24
const SHOWN = 6

/** Rations stacks: so many a second, and as many at once at most. */
export class Ration {
  readonly #perSecond: number
  #left: number
  #at = performance.now()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#left = perSecond
  }

  /**
   * The stack of now; undefined when the ration is used up. `callees` are what the program may have called to come here:
   * where the library's frames are not known by their file, the stack begins above the first of them that is on it.
   */
  take(callees: ReadonlyArray<AnyFunction | undefined>): RawSite | undefined {
    if (!this.#mayTake()) return undefined
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = TAKEN
    try {
      for (const callee of OURS.length === 0 ? callees : []) {
        const site: RawSite = {}
        if (callee !== undefined) Error.captureStackTrace(site, callee)
        if (/^\s+at /m.test(textOf(site))) return site
      }
      const site: RawSite = {}
      Error.captureStackTrace(site)
      return site
    } finally {
      Error.stackTraceLimit = limit
    }
  }

  #mayTake(): boolean {
    if (this.#left >= 1) {
      this.#left--
      return true
    }
    const now = performance.now()
    this.#left = Math.min(this.#perSecond, ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}

/** The frames of the program itself, mapped to its sources. */
export function siteOf(raw: RawSite): Site {
  const frames = textOf(raw)
    .split('\n')
    .flatMap((line) => frameOf(line) ?? [])
  return frames
    .filter(({ file }) => !OURS.includes(dirname(file)))
    .map(mapped)
    .filter(({ file }) => !INSTALLED.test(file))
    .slice(0, SHOWN)
}

function textOf({ stack }: RawSite): string {
  return typeof stack === 'string' ? stack : ''
}

/** A text with stacks in it, each frame mapped to its source. */
export function mapStacks(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const frame = frameOf(line)
      if (frame === undefined) return line
      return `${/^\s*/.exec(line)![0]}at ${shownFrame(mapped(frame))}`
    })
    .join('\n')
}

export function shownFrame({ function: name, file, line, column }: Frame): string {
  const place = `${file}:${line}:${column}`
  return name === undefined ? place : `${name} (${place})`
}

const FRAME = /^\s*at (?:(.+?) \()?((?:file:\/\/|\/|[A-Za-z]:[\\/]).+?):(\d+):(\d+)\)?$/

/** A line of a stack; undefined for what is none, or Node's own. */
function frameOf(line: string): Frame | undefined {
  const [, name, place, at, column] = FRAME.exec(line) ?? []
  if (place === undefined) return undefined
  const file = pathOf(place)
  const isNamed = name !== undefined && name !== '<anonymous>'
  return { ...(isNamed ? { function: name } : {}), file, line: Number(at), column: Number(column) }
}

/** What is no path of this machine stays as it is: a URL with a host, say. */
function pathOf(place: string): string {
  try {
    return place.startsWith('file:') ? fileURLToPath(place) : place
  } catch {
    return place
  }
}

/**
 * The folders whose frames are no part of the program: the library's and this package's, wherever they are loaded from.
 * None, when a bundler has put everything into one file: then all frames are shown.
 */
const OURS: readonly string[] = foldersOfOurs()

function foldersOfOurs(): string[] {
  const own = fileURLToPath(import.meta.url)
  try {
    configure({ '': true } as never) // refused, and the first frame of the error is the library's
    return []
  } catch (error) {
    const first = (error as Error).stack?.split('\n').flatMap((line) => frameOf(line) ?? [])[0]
    return first === undefined || first.file === own ? [] : [dirname(first.file), dirname(own)]
  }
}

/** Where a source map says that a frame of a bundle comes from the library. */
const INSTALLED = /[\\/]node_modules[\\/](?:withepoch|@withepoch[\\/][\w-]+)[\\/]/

/** By file; undefined where there is no map. */
const maps = new Map<string, { readonly map: SourceMap; readonly folder: string } | undefined>()

/** Where Node itself maps stacks (`--enable-source-maps`, tsx), the file is a source already, and names no map. */
function mapped(frame: Frame): Frame {
  const found = mapOf(frame.file)
  const entry = found?.map.findEntry(frame.line - 1, frame.column - 1)
  if (found === undefined || entry === undefined || !('originalSource' in entry)) return frame
  const { originalSource, originalLine, originalColumn } = entry
  if (typeof originalSource !== 'string') return frame // the map does not name it
  const file = originalSource.startsWith('file:')
    ? pathOf(originalSource)
    : resolve(found.folder, originalSource)
  return { ...frame, file, line: originalLine + 1, column: originalColumn + 1 }
}

function mapOf(file: string): { readonly map: SourceMap; readonly folder: string } | undefined {
  if (!maps.has(file)) maps.set(file, readMap(file))
  return maps.get(file)
}

function readMap(file: string): { readonly map: SourceMap; readonly folder: string } | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    const named = Array.from(text.matchAll(/^\/\/[#@] ?sourceMappingURL=(\S+)\s*$/gm)).at(-1)?.[1]
    if (named === undefined) return undefined
    const inline = /^data:application\/json[^,]*;base64,(.*)$/.exec(named)?.[1]
    const json =
      inline === undefined
        ? readFileSync(resolve(dirname(file), decodeURIComponent(named)), 'utf8')
        : Buffer.from(inline, 'base64').toString('utf8')
    const folder = inline === undefined ? dirname(resolve(dirname(file), named)) : dirname(file)
    return { map: new SourceMap(JSON.parse(json) as SourceMapPayload), folder }
  } catch {
    return undefined // no such file, or no such map: the frame stays as it is
  }
}
