/** What is asked of each runtime beside the contract, as what the contract does not show on Node is in `requests.test.ts`. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Host } from '../../../testing/src/contract/host.js'
import { WebSocket } from 'ws'

const PATIENCE_MS = 20_000

export const more: Readonly<Record<string, (host: Host) => Promise<void>>> = {
  async 'an answer keeps its status, its type and its headers'(host) {
    const { url } = await host.start({ inEpoch: false })
    const text = await fetch(`${url}/text`)
    assert.equal(await text.text(), 'a text')
    assert.match(text.headers.get('content-type') ?? 'none', /^text\/plain; ?charset=utf-8$/i)
    const created = await fetch(`${url}/created`)
    assert.deepEqual([created.status, await created.text()], [201, 'created'])
    assert.deepEqual(created.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal(created.headers.get('x-kind'), 'text')
    await host.ask('drained', PATIENCE_MS)
  },

  async 'a WebSocket: the epoch of its request closes, and its messages have none but their own'(host) {
    const { url } = await host.start({ inEpoch: false })
    const socket = new WebSocket(`${url!.replace('http', 'ws')}/socket`)
    await once(socket, 'open')
    for (let count = 0; count < 2; count++) {
      socket.send('?')
      const [data] = (await once(socket, 'message')) as [Buffer]
      assert.deepEqual(JSON.parse(data.toString()), ['GET /socket', null, 'message'])
    }
    assert.deepEqual(await host.ask('openIds'), [])
    socket.terminate()
    await host.ask('drained', PATIENCE_MS)
  },
}
