/** HTTP, from both sides: clients whose sockets are reused, and what a server's handler hears from its connection. */
import { once } from 'node:events'
import { Agent, get, type IncomingMessage, request, type ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type ServerHttp2Stream,
} from 'node:http2'
import { connect, type Socket } from 'node:net'
import { Agent as UndiciAgent, fetch as undiciFetch, request as undiciRequest } from 'undici'
import { closed, httpServer, listening, LOOPBACK } from '../loopback.js'
import type { Group, Primitive, Stage } from '../primitive.js'

/** One request, and its answer read to the end, in the epoch of the first caller: the socket stays for the next. */
async function firstCall(stage: Stage, url: string, agent: Agent): Promise<void> {
  await stage.as('first caller', async () => {
    const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
    for await (const _ of response);
  })
}

function keepAlive(after: Stage['after']): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  after(() => agent.destroy())
  return agent
}

/**
 * `http.get` on a socket that another request made; `listen` adds the listener that is looked at. The body comes once
 * the response has been heard of, so that it comes from the socket, not from a buffer.
 */
function clientEvent(name: string, listen: (response: IncomingMessage, stage: Stage) => void): Primitive {
  return {
    name: `client, on a reused socket: ${name}`,
    remedies: ['bind', 'bindEmitter'],
    async run(stage) {
      const heard: Array<() => void> = []
      const { url } = await httpServer(stage.after, (_incoming, response) => {
        response.flushHeaders()
        if (heard.push(() => response.end('row')) === 1) heard[0]!()
      })
      const agent = keepAlive(stage.after)
      await firstCall(stage, url, agent)
      stage.as('own', () =>
        get(url, { agent }, (response) => {
          listen(stage.bindEmitter(response), stage)
          response.resume()
          setImmediate(() => heard[1]!())
        }),
      )
    },
  }
}

/**
 * A request to a handler that enters an epoch of its own; `listen` adds the listener that is looked at. The body comes
 * once the handler has run, so that it comes from the socket, not from a buffer.
 */
function serverEvent(
  name: string,
  listen: (request: IncomingMessage, response: ServerResponse, stage: Stage) => void,
): Primitive {
  return {
    name: `server: ${name}`,
    remedies: ['bind', 'bindEmitter'],
    async run(stage) {
      const { url } = await httpServer(stage.after, (incoming, response) => {
        stage.as('own', () => {
          listen(stage.bindEmitter(incoming), stage.bindEmitter(response), stage)
          incoming.resume()
        })
        incoming.on('end', () => response.end('row'))
        setImmediate(() => outgoing.end('row'))
      })
      const outgoing = request(url, { agent: keepAlive(stage.after), method: 'POST' })
      outgoing.flushHeaders()
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
      for await (const _ of response);
      await stage.seen
    },
  }
}

export const http: Group = {
  id: 'http',
  primitives: [
    {
      name: '`await fetch`, then its body',
      async run({ as, see, after }) {
        const { url } = await httpServer(after)
        await as('first caller', async () => (await fetch(url)).text())
        await as('own', async () => {
          const response = await fetch(url)
          see()
          await response.text()
          see()
        })
      },
    },
    {
      name: '`for await` of the body of `fetch`',
      async run({ as, see, after }) {
        const { url } = await httpServer(after)
        await as('own', async () => {
          const response = await fetch(url)
          for await (const _ of response.body as unknown as AsyncIterable<unknown>) see()
        })
      },
    },
    {
      name: '`await` of undici `request`, on a reused socket, then its body',
      package: 'undici',
      async run({ as, see, after }) {
        const { url } = await httpServer(after)
        const dispatcher = new UndiciAgent({ connections: 1 })
        after(() => dispatcher.destroy?.()) // Bun puts something of its own in place of undici
        await as('first caller', async () => (await undiciRequest(url, { dispatcher })).body.text())
        await as('own', async () => {
          const { body } = await undiciRequest(url, { dispatcher })
          see()
          await body.text()
          see()
        })
      },
    },
    {
      name: '`await` of undici `fetch`, on a reused socket, then its body',
      package: 'undici',
      async run({ as, see, after }) {
        const { url } = await httpServer(after)
        const dispatcher = new UndiciAgent({ connections: 1 })
        after(() => dispatcher.destroy?.()) // Bun puts something of its own in place of undici
        await as('first caller', async () => (await undiciFetch(url, { dispatcher })).text())
        await as('own', async () => {
          const response = await undiciFetch(url, { dispatcher })
          see()
          await response.text()
          see()
        })
      },
    },
    {
      name: '`http.get` on a reused socket: the callback with the response',
      remedies: ['bind'],
      async run(stage) {
        const { as, see, bind, after } = stage
        const { url } = await httpServer(after)
        const agent = keepAlive(after)
        await firstCall(stage, url, agent)
        as('own', () =>
          get(
            url,
            { agent },
            bind((response: IncomingMessage) => {
              see()
              response.resume()
            }),
          ),
        )
      },
    },
    {
      name: '`http.get` that waits for another’s socket: the callback with the response',
      remedies: ['bind'],
      async run(stage) {
        const { as, see, bind, after } = stage
        const { url } = await httpServer(after)
        const agent = keepAlive(after)
        as('first caller', () => get(url, { agent }, (response) => response.resume()))
        as('own', () =>
          get(
            url,
            { agent },
            bind((response: IncomingMessage) => {
              see()
              response.resume()
            }),
          ),
        )
      },
    },
    clientEvent('`data` of the response', (response, { see, bind }) => response.once('data', bind(see))),
    clientEvent('`end` of the response', (response, { see, bind }) => response.once('end', bind(see))),
    {
      name: 'client, on a reused socket: `for await` of the response',
      async run(stage) {
        const { as, see, after } = stage
        const { url } = await httpServer(after)
        const agent = keepAlive(after)
        await firstCall(stage, url, agent)
        await as('own', async () => {
          const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
          for await (const _ of response) see()
        })
      },
    },
    {
      name: 'server that was made in an epoch: the handler',
      intuitive: 'none',
      remedies: ['detach'],
      async run({ as, see, after, detach }) {
        const { url } = await as('creator', () =>
          detach(() =>
            httpServer(after, (_incoming, response) => {
              see()
              response.end()
            }),
          ),
        )
        await (await fetch(url, { headers: { connection: 'close' } })).text()
      },
    },
    serverEvent('`data` of the request', (incoming, _response, { see, bind }) =>
      incoming.once('data', bind(see)),
    ),
    serverEvent('`end` of the request', (incoming, _response, { see, bind }) =>
      incoming.once('end', bind(see)),
    ),
    serverEvent('`close` of the request', (incoming, _response, { see, bind }) =>
      incoming.once('close', bind(see)),
    ),
    serverEvent('`finish` of the response', (_incoming, response, { see, bind }) =>
      response.once('finish', bind(see)),
    ),
    serverEvent('`close` of the response', (_incoming, response, { see, bind }) =>
      response.once('close', bind(see)),
    ),
    {
      name: 'server: `for await` of the request',
      async run({ as, see, after }) {
        const { url } = await httpServer(after, (incoming, response) => {
          void as('own', async () => {
            for await (const _ of incoming) see()
            response.end()
          })
        })
        await (await fetch(url, { method: 'POST', body: 'row', headers: { connection: 'close' } })).text()
      },
    },
    {
      name: 'server: `await` of the end of the request by `stream/promises`',
      async run({ as, see, after }) {
        const { finished } = await import('node:stream/promises')
        const { url } = await httpServer(after, (incoming, response) => {
          void as('own', async () => {
            await finished(incoming.resume())
            see()
            response.end()
          })
        })
        await (await fetch(url, { method: 'POST', body: 'row', headers: { connection: 'close' } })).text()
      },
    },
    {
      name: 'server: `data` of an `upgrade` socket',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        const { server, port } = await httpServer(after)
        server.on('upgrade', (_incoming, socket: Socket) => {
          as('own', () => bindEmitter(socket).once('data', bind(see)))
          socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: rows\r\n\r\n')
          after(() => socket.destroy())
        })
        const client = connect(port, LOOPBACK)
        after(() => client.destroy())
        client.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: rows\r\n\r\n')
        await once(client, 'data')
        client.write('row')
      },
    },
    {
      name: '`http2` client: `response` of a stream',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        const session = await http2Session(as, after)
        as('own', () => {
          const stream = bindEmitter(session.request({ ':path': '/' }))
          stream.once('response', bind(see))
          stream.resume().end()
        })
      },
    },
    {
      name: '`http2` client: `data` of a stream',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        let answer!: () => void
        const session = await http2Session(as, after, (stream) => {
          stream.respond()
          answer = () => stream.end('row')
        })
        const stream = as('own', () => bindEmitter(session.request({ ':path': '/' })).once('data', bind(see)))
        stream.end()
        await once(stream, 'response')
        answer()
      },
    },
    {
      name: '`http2` client: `for await` of a stream',
      async run({ as, see, after }) {
        const session = await http2Session(as, after)
        await as('own', async () => {
          const stream = session.request({ ':path': '/' })
          stream.end()
          for await (const _ of stream) see()
        })
      },
    },
    {
      name: '`http2` server: `data` of the request',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        const session = await http2Session(as, after, (stream) => {
          as('own', () => bindEmitter(stream).once('data', bind(see)))
          stream.respond()
          stream.end('row')
        })
        const stream = session.request({ ':path': '/', ':method': 'POST' })
        stream.resume().once('response', () => stream.end('row'))
      },
    },
  ],
}

/** A session that the creator opened, to a server made outside. */
async function http2Session(
  as: Stage['as'],
  after: Stage['after'],
  answer: (stream: ServerHttp2Stream) => void = (stream) => {
    stream.respond()
    stream.end('row')
  },
): Promise<ClientHttp2Session> {
  const server = createHttp2Server()
  server.on('stream', answer)
  server.on('session', (session) => after(() => session.destroy()))
  after(() => closed(server))
  const port = await listening(server)
  const session = as('creator', () => connectHttp2(`http://${LOOPBACK}:${port}`))
  after(() => session.destroy())
  await once(session, 'connect')
  return session
}
