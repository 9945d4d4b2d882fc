import { expect, test } from 'vitest'
import { readOptions, UsageError } from './src/options.js'

test('everything is measured unless something is picked', () => {
  expect(readOptions([])).toMatchObject({
    plan: {
      rows: [7, 50, 200],
      registries: ['persisted', 'lost', 'derived'],
      modes: ['unmodified', 'preload'],
      loads: ['idle', 'still', 'actor', 'own-turn', 'after-turn', 'turns'],
      calls: 80,
      starts: 3,
      budgetMs: 60_000,
    },
    rounds: 0,
    docs: false,
  })
  expect(
    readOptions([
      '--rows',
      '7,9',
      '--load',
      'actor,idle',
      '--registry',
      'derived',
      '--calls',
      '5',
      '--budget',
      '3',
    ]),
  ).toMatchObject({
    plan: { rows: [7, 9], loads: ['idle', 'actor'], registries: ['derived'], calls: 5, budgetMs: 3000 },
  })
})

test('quick is a choice of conditions, and each can be picked all the same', () => {
  expect(readOptions(['--quick', '--load', 'turns'])).toMatchObject({
    plan: { rows: [7], registries: ['lost'], loads: ['turns'], calls: 20, starts: 1, budgetMs: 10_000 },
  })
})

test('the cost is measured when rounds are asked for, and results of several runs can be read', () => {
  expect(readOptions(['--rounds', '5', '--from', 'a.json,b.json'])).toMatchObject({
    rounds: 5,
    from: ['a.json', 'b.json'],
  })
})

test.for([
  [['--rows', '7,x'], '--rows: x is no whole number'],
  [['--rows', '0'], '--rows: 0 is no whole number'],
  [['--load', 'busy'], '--load: busy is none of idle'],
  [['--fast'], "Unknown option '--fast'"],
] as const)('%s is refused with its reason', ([args, reason]) => {
  expect(() => readOptions([...args])).toThrow(UsageError)
  expect(() => readOptions([...args])).toThrow(reason)
})
