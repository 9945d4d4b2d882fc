/** A global that comes later is heard of in its assignment, and is not made to seem there before. */
import { adopt, withEpoch } from 'withepoch'
import { expect, test } from 'vitest'
import { whenGlobalExists } from '../src/index.js'

let count = 0
const globals = globalThis as unknown as Record<PropertyKey, unknown>
const newKey = () => Symbol.for(`test.whenGlobalExists.${count++}`)

/** As programs make their singletons. */
function resolveSingleton<T>(key: symbol, create: () => T): T {
  if (Object.hasOwn(globalThis, key)) return globals[key] as T
  const created = create()
  globals[key] = created
  return created
}

test('is called at once with what is there', () => {
  const key = newKey()
  globals[key] = 'there'
  const seen: unknown[] = []
  whenGlobalExists(key, (value) => void seen.push(value))
  expect(seen).toEqual(['there'])
})

test('is called in the assignment that creates it, before the next line', () => {
  const key = newKey()
  const seen: unknown[] = []
  whenGlobalExists(key, (value) => void seen.push(value))
  const created = resolveSingleton(key, () => ({ dir: '/a' }))
  expect(seen).toEqual([created])
  expect(resolveSingleton(key, () => ({ dir: '/b' }))).toBe(created)
  expect(seen).toHaveLength(1)
})

test.each<[string, (key: symbol) => boolean]>([
  ['Object.hasOwn', (key) => Object.hasOwn(globalThis, key)],
  ['hasOwnProperty', (key) => Object.prototype.hasOwnProperty.call(globalThis, key)],
  ['a read', (key) => globals[key] !== undefined],
  ['its descriptor', (key) => Object.getOwnPropertyDescriptor(globalThis, key) !== undefined],
  ['Reflect.ownKeys', (key) => Reflect.ownKeys(globalThis).includes(key)],
])('until then %s says that it is not there, and after that it does', (_, isThere) => {
  const key = newKey()
  whenGlobalExists(key, () => {})
  expect(isThere(key)).toBe(false)
  globals[key] = 1
  expect(isThere(key)).toBe(true)
  expect(globals[key]).toBe(1)
  expect(Object.getOwnPropertyDescriptor(globalThis, key)).toMatchObject({
    enumerable: true,
    configurable: true,
  })
})

test('is called with each value that replaces another, and the former is taken leave of', () => {
  const key = newKey()
  const seen: unknown[] = []
  whenGlobalExists<string>(key, (value) => {
    seen.push(value)
    return () => seen.push(`left ${value}`)
  })
  globals[key] = 'a'
  globals[key] = 'a'
  globals[key] = 'b'
  globals[key] = undefined
  globals[key] = null
  globals[key] = 'c'
  expect(seen).toEqual(['a', 'left a', 'b', 'left b', 'c'])
  expect(globals[key]).toBe('c')
})

test('hears of one that is deleted and made anew', () => {
  const key = newKey()
  const seen: unknown[] = []
  whenGlobalExists(key, (value) => void seen.push(value))
  globals[key] = 'a'
  delete globals[key]
  expect(Object.hasOwn(globalThis, key)).toBe(false)
  globals[key] = 'b'
  expect(seen).toEqual(['a', 'b'])
})

test('ends when it is released, for this one alone', () => {
  const key = newKey()
  const seen: unknown[] = []
  const stop = whenGlobalExists<number>(key, (value) => {
    seen.push(`first ${value}`)
    return () => seen.push('left')
  })
  whenGlobalExists<number>(key, (value) => void seen.push(`second ${value}`))
  globals[key] = 1
  stop()
  stop()
  globals[key] = 2
  expect(seen).toEqual(['first 1', 'second 1', 'left', 'second 2'])
})

test('what it throws reaches the assignment, which was made', () => {
  const key = newKey()
  whenGlobalExists(key, () => {
    throw new Error('cannot pin that')
  })
  expect(() => resolveSingleton(key, () => 'made')).toThrow('cannot pin that')
  expect(globals[key]).toBe('made')
})

test('leaves what cannot be stood in for as it is', () => {
  const [fixed, constant, accessor] = [newKey(), newKey(), newKey()]
  Object.defineProperty(globalThis, fixed, { value: 'fixed', writable: false, configurable: false })
  Object.defineProperty(globalThis, constant, { value: 'constant', writable: false, configurable: true })
  Object.defineProperty(globalThis, accessor, { get: () => 'computed', configurable: true })
  const seen: unknown[] = []
  whenGlobalExists(fixed, (value) => void seen.push(value))
  whenGlobalExists(constant, (value) => void seen.push(value))
  whenGlobalExists(accessor, (value) => void seen.push(value))
  expect(seen).toEqual(['fixed', 'constant', 'computed'])
  expect(Object.getOwnPropertyDescriptor(globalThis, constant)).toMatchObject({
    value: 'constant',
    writable: false,
  })
  expect(Object.getOwnPropertyDescriptor(globalThis, fixed)).toMatchObject({
    value: 'fixed',
    configurable: false,
  })
})

test('a number is the key that it is written as', () => {
  const seen: unknown[] = []
  whenGlobalExists(20260522, (value) => void seen.push(value))
  globals['20260522'] = 'x'
  expect(seen).toEqual(['x'])
  delete globals['20260522']
})

test('a path of adopt goes through it, in either order', () => {
  for (const adoptFirst of [true, false]) {
    const key = newKey()
    const seen: unknown[] = []
    const watch = () => whenGlobalExists(key, (value) => void seen.push(value))
    if (!adoptFirst) watch()
    const dir = adopt(globalThis, [key, 'dir'], { name: String(key) })
    if (adoptFirst) watch()
    globals[key] = { dir: '/a' }
    const state = globals[key] as { dir: string }
    const read = withEpoch(() => {
      const before = state.dir
      dir.live()
      return [before, dir.get()]
    })
    expect(read).toEqual(['/a', '/a'])
    globals[key] = { dir: '/b' }
    expect(withEpoch(() => dir.get())).toBe('/b')
    expect(seen).toEqual([{ dir: '/a' }, { dir: '/b' }])
    dir.release()
  }
})

test.each<[string, unknown, unknown]>([
  ['no key', {}, () => {}],
  ['no function', 'key', 'fn'],
])('refuses %s', (_, key, fn) => {
  expect(() => whenGlobalExists(key as string, fn as () => void)).toThrow(
    expect.objectContaining({ name: 'EpochError', code: 'INVALID_ARGUMENT' }),
  )
})
