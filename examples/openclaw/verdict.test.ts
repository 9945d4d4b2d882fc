import { expect, test } from 'vitest'
import type { Call, Cell } from './src/conditions.js'
import { withResults } from './src/page.js'
import { pictureOf } from './src/picture.js'
import { forPage, forTerminal } from './src/table.js'
import { verdictsOf } from './src/verdict.js'

const call = (scans: number, ms: number, waitMs = 1): Call => ({ scans, hits: 0, around: scans, ms, waitMs })
const cell = (over: Partial<Cell>): Cell => ({
  run: 'one',
  rows: 7,
  registry: 'lost',
  mode: 'preload',
  load: 'actor',
  calls: [call(0, 5), call(1, 20), call(0, 4)],
  cutShort: false,
  answer: [{ key: 'agent:main:one', model: 'gpt' }],
  ...over,
})
const idle = cell({ mode: 'unmodified', load: 'idle', calls: [call(0, 4)] })
const said = (...cells: Cell[]): string[] =>
  verdictsOf(cells).map(
    ({ holds, says }) => `${holds === undefined ? 'shown' : holds ? 'holds' : 'fails'}: ${says}`,
  )

test('one scan in a call is allowed, and the greatest number counts, not the usual one', () => {
  expect(said(cell({}))).toEqual([
    'holds: no call with the preload made more than one scan (3 calls in 1 conditions)',
  ])
  expect(said(cell({ calls: [call(0, 5), call(0, 5), call(64, 500)] }))).toEqual([
    'fails: calls with the preload made more than one scan: 7 rows, lost, actor, preload: 64',
  ])
  expect(said(cell({ mode: 'unmodified', calls: [call(64, 500)] }))).toEqual([])
})

test('answers are compared with the one that nobody disturbed, but for sessions that turns are taken in', () => {
  const answer = [
    { key: 'agent:main:one', model: 'mini' },
    { key: 'agent:ops:turns', updatedAt: 2 },
  ]
  const turned = { key: 'agent:ops:turns', updatedAt: 1 }
  const before = cell({ mode: 'unmodified', load: 'idle', answer: [...idle.answer, turned] })
  expect(said(before, cell({ answer }))[1]).toBe(
    "fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in model; 1 not compared, as turns were taken in them meanwhile",
  )
  expect(said(before, cell({ mode: 'unmodified', answer }))[0]).toBe(
    "shown: 7 rows, lost, actor, unmodified: 1 rows differ from the idle, unmodified gateway's in model; 1 not compared, as turns were taken in them meanwhile",
  )
  expect(said(before, cell({ answer: before.answer }))[1]).toBe(
    'holds: 7 rows, lost, actor, preload: 2 rows as of the idle, unmodified gateway',
  )
  expect(
    said(
      before,
      cell({
        answer: [
          { ...answer[0]!, model: 'gpt' },
          { ...turned, model: 'mini' },
        ],
      }),
    )[1],
  ).toBe("fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in model")
  expect(said(before, cell({}))[1]).toBe(
    "fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in (row)",
  )
})

test('a turn in the wrong workspace, or one that fails, does not hold with the preload', () => {
  const turns = { done: 3, wrong: ['ops wrote x'], failed: [] }
  expect(said(cell({ turns }))[1]).toBe(
    "fails: 7 rows, lost, actor, preload: 3 real turns, 1 not in the agent's own workspace",
  )
  expect(said(cell({ turns: { done: 3, wrong: [], failed: ['timeout'] } }))[1]).toContain('timeout')
  expect(said(cell({ turns: { done: 3, wrong: [], failed: [] } }))[1]).toMatch(/^holds/)
})

test('time under the actor is shown beside the same load without a change, under turns beside the wait of any call, else beside idle', () => {
  const still = cell({ mode: 'unmodified', load: 'still', calls: [call(0, 8)] })
  expect(
    said(
      idle,
      still,
      cell({ calls: [call(0, 12)] }),
      cell({ load: 'turns', calls: [call(0, 21, 10)] }),
    ).slice(-2),
  ).toEqual([
    'shown: 7 rows, lost, actor, preload: 1.5 × the median of 7 rows, lost, still, unmodified',
    'shown: 7 rows, lost, turns, preload: 1.5 × the median of 7 rows, lost, idle, unmodified, and of the wait of any call meanwhile',
  ])
})

test('the table has the greatest and the median of each cell, and says where the time was up', () => {
  expect(
    forPage([idle, cell({ mode: 'unmodified', calls: [call(64, 500.4), call(2, 4.25)], cutShort: true })]),
  ).toBe(`| rows | registry | load | mode | calls | scans, max | median | hits, max | ms, max | median |
| --: | --- | --- | --- | --: | --: | --: | --: | --: | --: |
| 7 | lost | idle | unmodified | 1 | 0 | 0 | 0 | 4 | 4 |
| 7 | lost | actor | unmodified | 2 (time was up) | 64 | 64 | 0 | 500 | 500 |`)
  expect(forTerminal([idle], false)).not.toContain('\x1b')
  expect(forTerminal([idle], true)).toContain('\x1b')
})

test('the page keeps what is around the marks, and is refused without them', () => {
  const results = { date: '2026-01-02', machine: 'm', openclaw: '1', node: '24', cells: [idle] }
  const page =
    'before\n<!-- begin: written by npm run demo:openclaw -- --docs -->\nformer\n<!-- end: openclaw -->\nafter'
  const written = withResults(page, results)
  expect(written).toMatch(/^before\n<!-- begin.* -->\n\nopenclaw 1 on Node 24, 2026-01-02, m\.\n/)
  expect(written).toMatch(/\n<!-- end: openclaw -->\nafter$/)
  expect(written).not.toContain('former')
  expect(withResults(written, results)).toBe(written)
  expect(() => withResults('nothing', results)).toThrow('has no <!-- begin')
})

test('the picture has one dot per condition and mode, with its number', () => {
  const picture = pictureOf([idle, cell({ load: 'idle' })])
  expect(picture.match(/<title>[^<]*/g)).toEqual([
    '<title>unmodified: 4 ms, 0 scans',
    '<title>preload: 20 ms, 1 scans',
  ])
})

test('answers of two runs are not compared: they have other sessions', () => {
  const other = cell({ run: 'two', answer: [{ key: 'agent:main:other' }] })
  expect(said(idle, other).filter((verdict) => /rows (?:as of|differ)/.test(verdict))).toEqual([])
  expect(said(idle, { ...other, run: idle.run })[1]).toMatch(/^fails: .* rows differ/)
})
