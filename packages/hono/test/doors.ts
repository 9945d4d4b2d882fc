/**
 * Real servers with the adapter in them, for the contract: Hono on @hono/node-server, as it is and with nothing of Node's in `c.env`,
 * so that the adapter has but the request and the response, as on other runtimes.
 */
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import type { Door, Served } from '@withepoch/testing/contract'
import type { Hono } from 'hono'
import { appOf } from './app.js'

export const NO_SOCKET = {
  'two calls at once over one connection, an epoch each':
    'A socket of HTTP/1.1 carries one request at a time, and messages of a WebSocket are no requests: `@withepoch/rpc`.',
}

export const NOT_IN_ITS_RESPONSE = {
  'open until the answer is written, closed after it':
    'When an answer in one piece has been written does not show in its Response; what it is made of was read when the handler was done.',
}

function door(name: string, without: Door['without'], fetchOf: (app: Hono) => Hono['fetch']): Door {
  return {
    name,
    without: { ...NO_SOCKET, ...without },
    start(routes) {
      return served(fetchOf(appOf(routes)))
    },
  }
}

/** Serves on a port of its own. */
export function served(fetch: Hono['fetch']): Promise<Served & { readonly url: string }> {
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve({
        url: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((done, fail) => {
            server.close((error) => (error === undefined ? done() : fail(error)))
            ;(server as Server).closeAllConnections()
          }),
      }),
    )
  })
}

export const doors: readonly Door[] = [
  door('hono (@hono/node-server)', {}, (app) => app.fetch),
  door('hono (fetch)', NOT_IN_ITS_RESPONSE, (app) => (request) => app.fetch(request)),
]
