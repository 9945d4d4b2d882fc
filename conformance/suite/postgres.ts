/**
 * A loopback server that speaks just enough of PostgreSQL's protocol for the real `pg` to connect and to have a query
 * answered with no rows: whose context a callback sees is decided in the client, whatever the answer is.
 *
 * Messages by https://www.postgresql.org/docs/current/protocol-message-formats.html.
 */
import { createServer } from 'node:net'
import { closed, listening, LOOPBACK } from './loopback.js'

export async function postgres(after: (cleanUp: () => unknown) => void) {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    let started = false
    socket.on('data', (data) => {
      if (!started) {
        started = true
        socket.write(Buffer.concat([message('R', Buffer.alloc(4)), READY])) // AuthenticationOk
      } else if (data[0] === code('Q')) {
        socket.write(Buffer.concat([message('C', Buffer.from('SELECT 0\0')), READY])) // CommandComplete
      } else socket.end() // Terminate
    })
    after(() => socket.destroy())
  })
  after(() => closed(server))
  const port = await listening(server)
  return { host: LOOPBACK, port, user: 'nobody', database: 'nothing' }
}

const code = (letter: string): number => letter.charCodeAt(0)

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(code(type), 0)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const READY = message('Z', Buffer.from('I'))
