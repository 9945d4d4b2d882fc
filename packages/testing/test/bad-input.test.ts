/** Bad input is refused before anything is run, with what was called, what was found and what it must be. */
import {
  assertIsolation,
  Choices,
  everySchedule,
  isolationProperty,
  replay,
  Scheduler,
  simulate,
  watch,
} from '@withepoch/testing'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cell, EpochError, source } from 'withepoch'

const locale = cell('bad-input.locale', 'en')
const foreign = source('bad-input.foreign', () => 'en')
const good = {
  handler: () => locale.get(),
  sources: { locale: { source: locale, values: fc.constant('fr') } },
}
const schedule = { drive: 'real', world: { locale: 'fr' }, calls: [0], moves: [], choices: [] }
const search = (change: object) => () => isolationProperty({ ...good, ...change } as never)
const run = (change: object) => () => replay(good, { ...schedule, ...change } as never)

const cases: Array<[what: string, call: () => unknown, message: RegExp]> = [
  ['no object', () => isolationProperty(undefined as never), /the subject must be an object, got undefined/],
  ['a misspelt option', search({ handlers: 1 }), /unknown option "handlers"\. Known: name, handler/],
  ['no handler', search({ handler: 'x' }), /handler must be a function, got a string/],
  ['no sources', search({ sources: {} }), /sources is empty\. Name those that the handler reads/],
  [
    'a source that is none',
    search({ sources: { a: { source: {} } } }),
    /sources\.a\.source must be a source/,
  ],
  ['a misspelt entry', search({ sources: { a: { source: locale, value: 1 } } }), /unknown option "value"/],
  [
    'a foreign source without set',
    search({ sources: { a: { source: foreign } } }),
    /sources\.a is not a cell/,
  ],
  [
    'no arbitrary',
    search({ sources: { a: { source: locale, values: ['fr'] } } }),
    /sources\.a\.values must be a fast-check/,
  ],
  ['an input that is no arbitrary', search({ input: 1 }), /input must be a fast-check arbitrary/],
  ['an unknown drive', search({ drive: 'fast' }), /drive must be one of real, exact, simulated, got 'fast'/],
  ['a scheduler in real time', search({ scheduler: fc.scheduler() }), /scheduler goes with drive: 'exact'/],
  ['an actor that is no function', search({ actors: { a: 1 } }), /actors\.a must be a function/],
  [
    'another word for what tests nothing',
    search({ ifVacuous: true }),
    /ifVacuous must be 'throw' or 'pass', got true/,
  ],
  ['no calls at all', search({ maxCalls: 0 }), /maxCalls must be a whole number, 1 or more, got 0/],
  ['half a move', search({ maxMoves: 0.5 }), /maxMoves must be a whole number, 0 or more, got 0\.5/],
  [
    'a time that is no number',
    search({ timeoutMs: '1' }),
    /timeoutMs must be a whole number, 1 or more, got a string/,
  ],
  [
    'a file that is no path',
    () => assertIsolation(good, { failuresFile: '' }),
    /failuresFile must be a path/,
  ],
  [
    'a schedule of other sources',
    run({ world: { other: 1 } }),
    /sets "other", which is no entry of sources\. Entries: locale/,
  ],
  ['a move of another source', run({ moves: [{ after: 0, set: 'x', to: 1 }] }), /sets "x"/],
  [
    'a move before its time',
    run({ moves: [{ after: -1, set: 'locale', to: 1 }] }),
    /after of a move must be a whole/,
  ],
  ['a schedule without calls', run({ calls: [] }), /schedule\.calls is empty/],
  ['choices that are none', run({ choices: 'first' }), /schedule\.choices must be an array, got a string/],
  ['a choice below 0', run({ choices: [-1] }), /a choice must be a whole number, 0 or more, got -1/],
  ['a schedule of another drive', run({ drive: 'fast' }), /schedule\.drive must be one of/],
  ['a list of other things', () => new Choices(['a'] as never), /a choice must be a whole number/],
  ['half a seed', () => new Choices(0.5), /a seed must be a whole number/],
  ['one of none', () => new Choices().next(0), /count must be a whole number, 1 or more, got 0/],
  [
    'a task that is no promise',
    () => new Scheduler().schedule(1 as never),
    /task must be a promise, got a number/,
  ],
  ['a function that is none', () => new Scheduler().scheduleFunction(1 as never), /fn must be a function/],
  ['a walk of nothing', () => everySchedule(1 as never), /run must be a function, got a number/],
  [
    'a walk without steps',
    () => everySchedule(() => {}, { max: 0 }),
    /max must be a whole number, 1 or more/,
  ],
  ['a simulation of nothing', () => simulate(0, 1 as never), /body must be a function/],
  ['a loader that is none', () => watch(1 as never), /fn must be a function, got a number/],
  [
    'a misspelt loader option',
    () => watch(() => 1, { keys: 1 } as never),
    /unknown option "keys"\. Known: key, name, max/,
  ],
]

test.each(cases)('%s', async (_, call, message) => {
  const error: unknown = await (async () => call())().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(EpochError)
  expect((error as EpochError).code).toBe('INVALID_ARGUMENT')
  expect((error as EpochError).message).toMatch(message)
  expect(locale.get()).toBe('en')
})
