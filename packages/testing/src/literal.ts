/**
 * Values as text that gives them back: as TypeScript, for a failure that is pasted into a test, and as JSON, for one that
 * is kept in a file. It knows nothing of schedules. What cannot be written down (a function, an object of a class of
 * yours) is said to be so.
 */
import { isDeepStrictEqual } from 'node:util'

/** Longer than this, an object or array is written over several lines. */
const LINE = 100

/** The value as TypeScript. What cannot be written down becomes a comment. */
export function literal(value: unknown, indent = ''): string {
  try {
    return written(value, indent, [])
  } catch {
    return unwritable('a getter or proxy in it throws')
  }
}

/** `around`: the objects that the value is in. */
function written(value: unknown, indent: string, around: readonly unknown[]): string {
  if (around.includes(value)) return unwritable('it contains itself')
  const inner = `${indent}  `
  const within = [...around, value]
  if (Array.isArray(value))
    return braced(
      '[',
      value.map((item) => written(item, inner, within)),
      ']',
      indent,
    )
  if (isPlain(value)) {
    const parts = Object.entries(value).map(([key, item]) => `${keyOf(key)}: ${written(item, inner, within)}`)
    if (Object.getPrototypeOf(value) === null) parts.unshift('__proto__: null')
    return braced('{', parts, '}', indent)
  }
  if (value instanceof Map || value instanceof Set)
    return `new ${value instanceof Map ? 'Map' : 'Set'}(${written([...value], indent, within)})`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (value === null || ['undefined', 'number', 'boolean'].includes(typeof value)) return String(value)
  const name = typeof value === 'object' ? value?.constructor?.name : typeof value
  return unwritable(name ?? 'object')
}

function unwritable(what: string): string {
  return `/* ${what}: cannot be written down */ undefined`
}

/** The value in one line, cut where it is long: for reports. */
export function brief(value: unknown): string {
  const text =
    value instanceof Error ? `${value.name}: ${value.message}` : literal(value).replace(/\s*\n\s*/g, ' ')
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}

/** JSON that `fromJson` gives back, or undefined if there is something in it that cannot be written down. */
export function toJson(value: unknown): unknown {
  try {
    const json: unknown = encoded(value)
    return isDeepStrictEqual(fromJson(JSON.parse(JSON.stringify(json))), value) ? json : undefined
  } catch {
    return undefined // it contains itself, or something in it throws
  }
}

export function fromJson(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(fromJson)
  if (typeof json !== 'object' || json === null) return json
  const { $type: type, value } = json as { $type?: string; value?: unknown }
  if (type === undefined)
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item)]))
  if (type === 'undefined') return undefined
  if (type === 'number') return Number(value)
  if (type === 'bigint') return BigInt(value as string)
  if (type === 'Date') return new Date(Number(value))
  if (type === 'Map') return new Map(fromJson(value) as Array<[unknown, unknown]>)
  if (type === 'Set') return new Set(fromJson(value) as unknown[])
  const object = Object.fromEntries(fromJson(value) as Array<[string, unknown]>)
  return type === 'null-prototype' ? Object.assign(Object.create(null), object) : object
}

function encoded(value: unknown): unknown {
  if (value === undefined) return { $type: 'undefined' }
  if (typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value)))
    return { $type: 'number', value: Object.is(value, -0) ? '-0' : String(value) }
  if (typeof value === 'bigint') return { $type: 'bigint', value: String(value) }
  if (Array.isArray(value)) return value.map(encoded)
  if (value instanceof Date) return { $type: 'Date', value: String(value.getTime()) }
  if (value instanceof Map || value instanceof Set)
    return { $type: value.constructor.name, value: encoded([...(value as Iterable<unknown>)]) }
  if (!isPlain(value)) return value
  const entries = Object.entries(value)
  if (Object.getPrototypeOf(value) === null) return { $type: 'null-prototype', value: encoded(entries) }
  if (Object.hasOwn(value, '$type') || Object.hasOwn(value, '__proto__'))
    return { $type: 'Object', value: encoded(entries) }
  return Object.fromEntries(entries.map(([key, item]) => [key, encoded(item)]))
}

function braced(open: string, parts: readonly string[], close: string, indent: string): string {
  const space = open === '{' && parts.length > 0 ? ' ' : ''
  const line = `${open}${space}${parts.join(', ')}${space}${close}`
  if (line.length + indent.length <= LINE && !line.includes('\n')) return line
  return `${open}\n${parts.map((part) => `${indent}  ${part},`).join('\n')}\n${indent}${close}`
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function keyOf(key: string): string {
  if (key === '__proto__') return "['__proto__']"
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key)
}

/** In single quotes, with the escapes of JSON. */
function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replace(/\\"/g, '"').replace(/'/g, "\\'")}'`
}
