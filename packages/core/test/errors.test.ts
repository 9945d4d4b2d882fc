/**
 * What an EpochError is: its name, and which values count as one, of whichever copy of the library. What each message
 * says is stated where the mistake is made, save what all calls say of an argument; second copies stand in `copies.test.ts`.
 */
import { describe, expect, test } from 'vitest'
import { cell, derived, EpochError, publish, withEpoch } from 'withepoch'
import { refusal } from './refusal.js'

const BRAND = Symbol.for('withepoch.EpochError')

function caught(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('an EpochError', () => {
  const error = caught(() => cell('', 0)) as EpochError

  test('has its name, its code and its message', () => {
    expect(error.name).toBe('EpochError')
    expect(String(error)).toBe(
      'EpochError: cell(name, …): name must be a non-empty string, got an empty string.',
    )
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(Object.keys(error)).toEqual(['code'])
  })

  test('is one of another copy too, by its brand', () => {
    const foreign = Object.defineProperty(new Error('from another copy'), BRAND, { value: true })
    expect(foreign instanceof EpochError).toBe(true)
  })

  test('is nothing else, least of all what cannot have a brand', () => {
    const branded = Object.assign(() => {}, { [BRAND]: true })
    const others = [new Error('plain'), {}, branded, null, undefined, 'EpochError', { [BRAND]: 'yes' }]
    expect(others.map((other) => other instanceof EpochError)).toEqual(others.map(() => false))
  })

  test('leaves a subclass to tell its own', () => {
    class Mine extends EpochError {}
    expect(error instanceof Mine).toBe(false)
    expect(new Mine('NO_EPOCH', 'mine') instanceof Mine).toBe(true)
    expect(new Mine('NO_EPOCH', 'mine') instanceof EpochError).toBe(true)
  })
})

describe('a wrong argument is named by its kind, never by its content:', () => {
  const nameOf = (value: unknown): string => {
    const call = refusal(() => cell(value as string, 0))
    return call.replace('INVALID_ARGUMENT: cell(name, …): name must be a non-empty string, got ', '')
  }

  test.each<[what: string, value: unknown, named: string]>([
    ['null', null, 'null.'],
    ['undefined', undefined, 'undefined.'],
    ['an array', ['secret'], 'an array.'],
    ['a plain object', { secret: 1 }, 'an object (Object).'],
    ['an instance', new Map([['secret', 1]]), 'an object (Map).'],
    ['an instance of a nameless class', new (class {})(), 'an object (no constructor).'],
    ['an object without a prototype', Object.create(null), 'an object (no constructor).'],
    ['a number', 7, 'a number.'],
    ['a function', () => 'secret', 'a function.'],
  ])('%s', (_, value, named) => {
    expect(nameOf(value)).toBe(named)
  })
})

describe('a wrong option is refused, with what was found and what there is:', () => {
  test.each<[options: unknown, found: string]>([
    [null, 'options must be an object, got null.'],
    ['fast', 'options must be an object, got a string.'],
    [() => 'fast', 'options must be an object, got a function.'],
    [{ max: 1, fast: 1 }, 'unknown option "fast". Known: key, max, name.'],
    [Object.create({ fast: 1 }), 'unknown option "fast". Known: key, max, name.'],
  ])('derived(fn, %o)', (options, found) => {
    expect(refusal(() => derived(() => 1, options as object))).toBe(
      `INVALID_ARGUMENT: derived(fn, options): ${found}`,
    )
  })

  test.each<[options: object, found: string]>([
    [{ ifOverdue: 'kill' }, 'ifOverdue is "kill"; it is one of report, close.'],
    [{ ifOverdue: 5 }, 'ifOverdue is a number; it is one of report, close.'],
    [{ ifOverdue: null }, 'ifOverdue is null; it is one of report, close.'],
    [{ maxAgeMs: 0 }, 'maxAgeMs must be a number above 0, got 0.'],
    [{ maxAgeMs: NaN }, 'maxAgeMs must be a number above 0, got NaN.'],
    [{ maxAgeMs: '9' }, 'maxAgeMs must be a number above 0, got a string.'],
    [{ maxAgeMs: null }, 'maxAgeMs must be a number above 0, got null.'],
  ])('withEpoch(%o, handler)', (options, found) => {
    expect(refusal(() => withEpoch(options, () => 1))).toBe(
      `INVALID_ARGUMENT: withEpoch(options, handler): ${found}`,
    )
  })

  test('none that is left undefined', () => {
    const unset = { maxAgeMs: undefined, ifOverdue: undefined, name: undefined }
    expect(withEpoch(unset, () => 'opened')).toBe('opened')
  })

  test('what is no function', () => {
    expect(refusal(() => publish('writes' as never))).toBe(
      'INVALID_ARGUMENT: publish(fn): fn must be a function, got a string.',
    )
  })
})
