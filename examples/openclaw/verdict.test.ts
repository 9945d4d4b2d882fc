import { expect, test } from 'vitest'
import type { Call, Cell, Results } from './src/conditions.js'
import { withResults } from './src/page.js'
import { pictureOf } from './src/picture.js'
import { forPage, forTerminal } from './src/table.js'
import { verdictsOf } from './src/verdict.js'

const call = (scans: number, ms: number, more: Partial<Call> = {}): Call => ({
  scans,
  hits: 0,
  around: scans,
  ms,
  ...more,
})
const cell = (over: Partial<Cell>): Cell => ({
  run: 'one',
  rows: 7,
  registry: 'lost',
  mode: 'preload',
  load: 'actor',
  calls: [call(0, 5), call(1, 20), call(0, 4)],
  cutShort: false,
  writes: 0,
  leftovers: { read: 3, moved: 2, stale: 0 },
  answer: [{ key: 'agent:main:one', model: 'gpt' }],
  ...over,
})
const idle = cell({ mode: 'unmodified', load: 'idle', calls: [call(0, 4)] })
const said = (...cells: Cell[]): string[] => saidOf({ cells })
const saidOf = (results: Pick<Results, 'cells' | 'cost'>): string[] =>
  verdictsOf(results).map(
    ({ holds, says }) => `${holds === undefined ? 'shown' : holds ? 'holds' : 'fails'}: ${says}`,
  )
const only = (cells: Cell[], what: RegExp): string | undefined => {
  const [found, ...others] = said(...cells).filter((each) => what.test(each))
  expect(others).toEqual([])
  return found
}
const answer = (...cells: Cell[]): string | undefined => only(cells, /rows (?:as of|differ)/)
const turns = (cell: Cell): string | undefined => only([cell], /real turn/)

test('one scan in a call is allowed, and the greatest number counts, not the usual one', () => {
  expect(said(cell({}))[0]).toBe(
    'holds: no call with the preload made more than one scan (3 calls in 1 conditions)',
  )
  expect(said(cell({ calls: [call(0, 5), call(0, 5), call(64, 500)] }))[0]).toBe(
    'fails: calls with the preload made more than one scan: 7 rows, lost, actor, preload: 64',
  )
  expect(said(cell({ mode: 'unmodified', calls: [call(64, 500)] }))).toEqual([])
})

test('answers are compared with the one that nobody disturbed, but for sessions that turns are taken in', () => {
  const rows = [
    { key: 'agent:main:one', model: 'mini' },
    { key: 'agent:ops:turns', updatedAt: 2 },
  ]
  const turned = { key: 'agent:ops:turns', updatedAt: 1 }
  const before = cell({ mode: 'unmodified', load: 'idle', answer: [...idle.answer, turned] })
  expect(answer(before, cell({ answer: rows }))).toBe(
    "fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in model; 1 not compared, as turns were taken in them meanwhile",
  )
  expect(answer(before, cell({ mode: 'unmodified', answer: rows }))).toBe(
    "shown: 7 rows, lost, actor, unmodified: 1 rows differ from the idle, unmodified gateway's in model; 1 not compared, as turns were taken in them meanwhile",
  )
  expect(answer(before, cell({ answer: before.answer }))).toBe(
    'holds: 7 rows, lost, actor, preload: 2 rows as of the idle, unmodified gateway',
  )
  expect(
    answer(
      before,
      cell({
        answer: [
          { ...rows[0]!, model: 'gpt' },
          { ...turned, model: 'mini' },
        ],
      }),
    ),
  ).toBe("fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in model")
  expect(answer(before, cell({}))).toBe(
    "fails: 7 rows, lost, actor, preload: 1 rows differ from the idle, unmodified gateway's in (row)",
  )
})

test('a turn in the wrong workspace, or one that fails, does not hold with the preload', () => {
  const wrong = { done: 3, wrong: ['ops wrote x'], failed: [] }
  expect(turns(cell({ turns: wrong }))).toBe(
    "fails: 7 rows, lost, actor, preload: 3 real turns, 1 not in the agent's own workspace",
  )
  expect(turns(cell({ turns: { done: 3, wrong: [], failed: ['timeout'] } }))).toContain('timeout')
  expect(turns(cell({ turns: { done: 3, wrong: [], failed: [] } }))).toMatch(/^holds/)
})

test('what calls left behind has to read the live workspace, and there has to be some', () => {
  const left = (read: number, moved: number, stale: number): string | undefined =>
    said(cell({}), cell({ leftovers: { read, moved, stale } }))[1]
  expect(left(4, 1, 0)).toBe(
    "holds: 0 of 7 timers that calls left behind read another workspace than the live one, which was no longer the call's for 3 of them",
  )
  expect(left(4, 1, 1)).toMatch(/^fails: 1 of 7 timers/)
  expect(said(cell({ leftovers: { read: 0, moved: 0, stale: 0 } }))[1]).toMatch(/^fails: 0 of 0 timers/)
})

test('time is judged beside the same load with nothing to disturb it', () => {
  const still = cell({ mode: 'unmodified', load: 'still', calls: [call(0, 8)] })
  const ownTurn = cell({
    mode: 'unmodified',
    load: 'own-turn',
    calls: [call(0, 900, { isWarmUp: true }), call(0, 4)],
  })
  const times = (...cells: Cell[]): string[] =>
    said(idle, still, ownTurn, ...cells).filter((each) => each.includes('×'))
  expect(times(cell({ calls: [call(0, 12)] }))).toEqual([
    'holds: 7 rows, lost, actor, preload: 1.5 × the median of 7 rows, lost, still, unmodified (at most 1.5)',
  ])
  expect(times(cell({ load: 'after-turn', calls: [call(0, 7)] }))).toEqual([
    'fails: 7 rows, lost, after-turn, preload: 1.8 × the median of 7 rows, lost, own-turn, unmodified (at most 1.5)',
  ])
  expect(
    times(cell({ load: 'turns', calls: [call(0, 21, { standInMs: 10 }), call(0, 12, { standInMs: 20 })] })),
  ).toEqual([
    'holds: 7 rows, lost, turns, preload: 1.1 × the stand-ins of undisturbed calls, 15.0 ms on average (at most 1.5)',
  ])
  expect(times(cell({ load: 'turns' }))).toEqual([])
})

test('the preload costs nothing that can be measured if it is within what unmodified gateways differ by', () => {
  const cost = (preload: number): string | undefined =>
    saidOf({
      cells: [],
      cost: {
        rows: 9,
        calls: 20,
        rounds: [
          { unmodified: [10, 12], preload },
          { unmodified: [9, 11], preload: preload + 1 },
        ],
      },
    })[0]
  expect(cost(10)).toBe(
    'holds: 9 rows, persisted, idle, side by side: 11.0 ms with the preload, 11.0 without, the middle half of the gateways from 10.0 to 12.0 ms (medians of 20 calls of each of 2 and 4 gateways)',
  )
  expect(cost(11.5)).toMatch(/^fails: .* 12\.5 ms with the preload/)
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
  expect(answer(idle, other)).toBeUndefined()
  expect(answer(idle, { ...other, run: idle.run })).toMatch(/^fails: .* rows differ/)
})
