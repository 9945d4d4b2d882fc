import { expect, test } from 'vitest'
import { compare } from './src/comparison.js'

test('equal answers have no differences, in whatever order the rows and fields come', () => {
  expect(
    compare(
      [
        { key: 'a', model: 'gpt', levels: [{ id: 'off' }] },
        { key: 'b', model: 'mini' },
      ],
      [
        { key: 'b', model: 'mini' },
        { levels: [{ id: 'off' }], key: 'a', model: 'gpt' },
      ],
    ),
  ).toEqual([])
})

test('a difference says the row, the field and both values; a field may be missing in one', () => {
  expect(
    compare(
      [{ key: 'a', model: 'gpt', label: 'one' }],
      [{ key: 'a', model: 'mini', label: 'one', subject: 'news' }],
    ),
  ).toEqual([
    { key: 'a', field: 'model', before: 'gpt', after: 'mini' },
    { key: 'a', field: 'subject', before: undefined, after: 'news' },
  ])
})

test('a row that only one of them has is a difference', () => {
  expect(compare([{ key: 'a' }], [{ key: 'b' }])).toEqual([
    { key: 'a', field: '(row)', before: { key: 'a' }, after: undefined },
    { key: 'b', field: '(row)', before: undefined, after: { key: 'b' } },
  ])
})
