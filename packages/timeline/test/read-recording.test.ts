/** Reading back: good lines, bad lines, cut lines, other people's files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseRecording, readRecording } from '@withepoch/timeline'
import { close, HEADER, lines, open, read } from './recording.js'

const good = [open(1, 10, 'a'), read(1, 20, 1), close(1, 30, 'a')]

test('what was written is read, however the text is cut into pieces', async () => {
  const text = lines(HEADER, ...good)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 6 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), text.length]
      const pieces = at.slice(1).map((end, index) => text.slice(at[index], end))
      const { header, events, problems, truncated } = await parseRecording(pieces)
      expect([header, events, problems, truncated]).toEqual([HEADER, good, [], false])
    }),
    { numRuns: 100 },
  )
  expect((await parseRecording(text)).events).toEqual(good)
})

test.each([
  ['nonsense', 'no JSON'],
  ['[]', 'Invalid input: expected object, received array'],
  ['{"type":"epoch:open","t":1,"name":"a"}', 'epoch: Invalid input: expected number, received undefined'],
  ['{"type":"epoch:open","t":-1,"epoch":1,"name":"a"}', 't: Too small: expected number to be >=0'],
  ['{"type":"epoch:vanish","t":1}', 'type: no kind of event that is known'],
  [JSON.stringify(HEADER), 'type: no kind of event that is known'],
  [`"${'x'.repeat(2_000_000)}"`, 'longer than 1048576 characters'],
])('a line that is none (%.40s) is told by its number, and left out', async (bad, message) => {
  const { events, problems, unreadable } = await parseRecording([
    lines(HEADER, good[0]),
    bad,
    '\n',
    lines(...good.slice(1)),
  ])
  expect(events).toEqual(good)
  expect(problems).toEqual([{ line: 3, message }])
  expect(unreadable).toBe(1)
})

test('the first hundred problems are kept, and all are counted', async () => {
  const { problems, unreadable } = await parseRecording([lines(HEADER), 'x\n'.repeat(250)])
  expect([problems.length, problems.at(-1)!.line, unreadable]).toEqual([100, 101, 250])
})

test('a last line that is cut short is told and no problem', async () => {
  const text = lines(HEADER, ...good)
  for (let cut = 1; cut < lines(good[2]).length - 1; cut++) {
    const { events, problems, truncated } = await parseRecording([text.slice(0, -1 - cut)])
    expect([events, problems, truncated]).toEqual([good.slice(0, 2), [], true])
  }
  // Whole, but for its newline.
  expect(await parseRecording([text.slice(0, -1)])).toMatchObject({ events: good, truncated: false })
})

test('fields of a later version are left aside, and names that objects have of their own are inert', async () => {
  const { events, problems } = await parseRecording([
    lines(HEADER),
    '{"type":"memo:hit","t":1,"memo":"m","later":true}\n',
    '{"type":"mark","t":1,"track":"__proto__","label":"constructor","fields":{"__proto__":{"polluted":1},"toString":"x"}}\n',
    '{"type":"mark","t":2,"track":"__proto__","label":"constructor","fields":{"toString":"x"}}\n',
  ])
  expect(events[0]).toEqual({ type: 'memo:hit', t: 1, memo: 'm' })
  expect(events.at(-1)).toMatchObject({ fields: { toString: 'x' } })
  expect(problems.length + events.length).toBe(3)
  expect(({} as { polluted?: number }).polluted).toBeUndefined()
})

test.each([
  ['', 'no JSON'],
  ['hello', 'no JSON'],
  ['{"traceEvents":[]}', 'its first line is no header'],
  [lines({ ...HEADER, version: 2 }), 'it has version 2 of the format, and this reader knows version 1'],
])('what is no recording (%j) is refused', async (text, why) => {
  const error = await parseRecording([text], 'the file').catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect((error as Error).message).toContain('readRecording: the file is no recording that can be read: ')
  expect((error as Error).message).toContain(why)
})

test('any bytes are read or refused, and nothing else happens', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'timeline-'))
  const file = path.join(dir, 'x.jsonl')
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, withHeader) => {
      await writeFile(file, Buffer.concat([Buffer.from(withHeader ? lines(HEADER) : ''), bytes]))
      const result = await readRecording(file).then(
        ({ events }) => events,
        (error: { code?: string }) => error.code,
      )
      expect(result).toEqual(withHeader ? [] : 'INVALID_ARGUMENT')
    }),
    { numRuns: 50 },
  )
  await rm(dir, { recursive: true })
  await expect(readRecording(file)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
})
