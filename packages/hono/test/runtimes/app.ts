/** The app of the contract with what it does not ask for: a text, and a WebSocket. */
import type { Route } from '@withepoch/testing/contract'
import type { Hono } from 'hono'
import type { UpgradeWebSocket } from 'hono/ws'
import { tryGetEpoch, withEpoch } from 'withepoch'
import { appOf } from '../app.js'

export function appWith(routes: readonly Route[], upgradeWebSocket: UpgradeWebSocket): Hono {
  const app = appOf(routes)
  app.get('/text', (c) => c.text('a text'))
  app.get('/created', (c) => {
    c.header('set-cookie', 'a=1', { append: true })
    c.header('set-cookie', 'b=2', { append: true })
    return c.text('created', 201, { 'x-kind': 'text' })
  })
  app.get(
    '/socket',
    upgradeWebSocket(() => {
      const request = tryGetEpoch()?.name
      return {
        onMessage(_message, socket) {
          // Of the request, of the event, and of that which the event opens.
          const event = tryGetEpoch()?.name
          withEpoch({ name: 'message', ifNested: 'fresh' }, ({ name }) =>
            socket.send(JSON.stringify([request, event, name])),
          )
        },
      }
    }),
  )
  return app
}
