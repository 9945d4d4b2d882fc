import { expect, test } from 'vitest'
import { decodeFrame, encodeRequest } from './src/frames.js'

test('a request is one JSON object with its id, its method and its parameters', () => {
  expect(JSON.parse(encodeRequest('7', 'sessions.list', { limit: 50 }))).toEqual({
    type: 'req',
    id: '7',
    method: 'sessions.list',
    params: { limit: 50 },
  })
})

test('a response, an error and an event are told apart', () => {
  expect(decodeFrame('{"type":"res","id":"7","ok":true,"payload":{"count":1}}')).toEqual({
    type: 'res',
    id: '7',
    ok: true,
    payload: { count: 1 },
  })
  const error = { code: 'UNAVAILABLE', message: 'starting', retryAfterMs: 500 }
  expect(decodeFrame(JSON.stringify({ type: 'res', id: '7', ok: false, error }))).toEqual({
    type: 'res',
    id: '7',
    ok: false,
    error,
  })
  expect(decodeFrame('{"type":"event","event":"tick","seq":3,"payload":{}}')).toEqual({
    type: 'event',
    event: 'tick',
    payload: {},
  })
})

test.for(['{"type":"res","id":7,"ok":true}', '{"type":"res","id":"7","ok":false}', '{"type":"req"}', 'tick'])(
  '%s is refused',
  (text) => {
    expect(() => decodeFrame(text)).toThrow(SyntaxError)
  },
)
