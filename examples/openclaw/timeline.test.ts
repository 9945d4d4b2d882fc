import { expect, test } from 'vitest'
import { parseTimeline, scansByCall } from './src/timeline.js'

const start = (name: string, spanId: string, parentSpanId?: string, cacheHit?: true): string =>
  JSON.stringify({
    schemaVersion: 'openclaw.diagnostics.v1',
    type: 'span.start',
    name,
    spanId,
    parentSpanId,
    attributes: cacheHit ? { cacheHit } : { hasWorkspaceDir: true },
  })
const end = (name: string, spanId: string): string =>
  JSON.stringify({ type: 'span.end', name, spanId, durationMs: 1 })
const count = (...lines: string[]) => scansByCall(parseTimeline(`${lines.join('\n')}\n`))

test('the scans inside a call, at any depth, are its own; hits of the memo are no scans', () => {
  expect(
    count(
      start('gateway.sessions.list', 'call'),
      start('gateway.sessions.list.rows', 'rows', 'call'),
      start('plugins.metadata.scan', 'one', 'rows'),
      end('plugins.metadata.scan', 'one'),
      start('plugins.metadata.scan', 'two', 'rows', true),
      start('plugins.metadata.scan', 'three', 'call'),
      end('gateway.sessions.list', 'call'),
    ),
  ).toEqual([{ scans: 2, hits: 1, around: 2 }])
})

test("a turn's scans while the call is under way are counted apart, and later ones not at all", () => {
  expect(
    count(
      start('gateway.sessions.list', 'call'),
      start('auto_reply.reply', 'turn'),
      start('plugins.metadata.scan', 'one', 'turn'),
      start('plugins.metadata.scan', 'two', 'call'),
      end('gateway.sessions.list', 'call'),
      start('plugins.metadata.scan', 'three', 'turn'),
    ),
  ).toEqual([{ scans: 1, hits: 0, around: 2 }])
})

test('calls that overlap keep their own scans', () => {
  expect(
    count(
      start('gateway.sessions.list', 'first'),
      start('gateway.sessions.list', 'second'),
      start('plugins.metadata.scan', 'one', 'second'),
      end('gateway.sessions.list', 'first'),
      start('plugins.metadata.scan', 'two', 'second'),
    ),
  ).toEqual([
    { scans: 0, hits: 0, around: 1 },
    { scans: 2, hits: 0, around: 2 },
  ])
})

test('a call that fails is over as well', () => {
  expect(
    count(
      start('gateway.sessions.list', 'call'),
      JSON.stringify({ type: 'span.error', name: 'gateway.sessions.list', spanId: 'call' }),
      start('plugins.metadata.scan', 'one'),
    ),
  ).toEqual([{ scans: 0, hits: 0, around: 0 }])
})
