/**
 * Handles that live on and call back again and again: their context is that of whoever made them, on some runtimes of
 * whoever listened first. So the remedy `detach` makes the handle and listens to it with no epoch.
 */
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BroadcastChannel, MessageChannel, Worker } from 'node:worker_threads'
import { Cron } from 'croner'
import { WebSocket as WsClient, WebSocketServer } from 'ws'
import { closed, httpServer, listening, LOOPBACK } from '../loopback.js'
import type { Group, Stage } from '../primitive.js'

const ECHO =
  "const { parentPort } = require('node:worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m))"

export const handles: Group = {
  id: 'handles',
  primitives: [
    {
      name: '`fs.watch`: `change`',
      remedies: ['bind', 'bindEmitter', 'detach'],
      run({ as, see, bind, bindEmitter, detach, after }) {
        const folder = mkdtempSync(join(tmpdir(), 'withepoch-conformance-'))
        after(() => rmSync(folder, { recursive: true, force: true }))
        const watcher = bindEmitter(as('creator', () => detach(() => watch(folder))))
        after(() => watcher.close())
        as('own', () => detach(() => watcher.once('change', bind(see))))
        as('writer', () => writeFileSync(join(folder, 'row'), 'row'))
      },
    },
    {
      name: '`child_process.spawn`: `data` of its output',
      remedies: ['bind', 'bindEmitter', 'detach'],
      run({ as, see, bind, bindEmitter, detach, after }) {
        const child = as('creator', () => detach(() => spawn('cat')))
        after(() => child.kill())
        const output = bindEmitter(child.stdout)
        as('own', () => detach(() => output.once('data', bind(see))))
        as('writer', () => child.stdin.write('row'))
      },
    },
    {
      name: '`child_process.spawn`: `exit`',
      remedies: ['bind', 'bindEmitter', 'detach'],
      run({ as, see, bind, bindEmitter, detach }) {
        const child = bindEmitter(as('creator', () => detach(() => spawn('cat'))))
        as('own', () => detach(() => child.once('exit', bind(see))))
        as('ender', () => child.stdin.end())
      },
    },
    {
      name: '`Worker`: `message`',
      remedies: ['bind', 'bindEmitter', 'detach'],
      run({ as, see, bind, bindEmitter, detach, after }) {
        const worker = bindEmitter(as('creator', () => detach(() => new Worker(ECHO, { eval: true }))))
        after(() => worker.terminate())
        as('own', () => detach(() => worker.once('message', bind(see))))
        as('sender', () => worker.postMessage('row'))
      },
    },
    {
      name: '`MessagePort`: `on` of `message`',
      remedies: ['bind', 'detach'],
      run({ as, see, bind, detach, after }) {
        const { port1, port2 } = as('creator', () => detach(() => new MessageChannel()))
        after(() => port1.close())
        as('own', () => detach(() => port1.once('message', bind(see))))
        as('sender', () => port2.postMessage('row'))
      },
    },
    {
      name: '`MessagePort`: `addEventListener` of `message`',
      remedies: ['bind', 'detach'],
      run({ as, see, bind, detach, after }) {
        const { port1, port2 } = as('creator', () => detach(() => new globalThis.MessageChannel()))
        after(() => port1.close())
        as('own', () => detach(() => port1.addEventListener('message', bind(see))))
        as('starter', () => detach(() => port1.start()))
        as('sender', () => port2.postMessage('row'))
      },
    },
    {
      name: '`BroadcastChannel`: `onmessage`',
      remedies: ['bind'],
      run({ as, see, bind, after }) {
        const listening = as('creator', () => new BroadcastChannel('withepoch'))
        const sending = new BroadcastChannel('withepoch')
        after(() => listening.close())
        after(() => sending.close())
        as('own', () => (listening.onmessage = bind(see)))
        as('sender', () => sending.postMessage('row'))
      },
    },
    {
      name: '`dgram`: `message`',
      remedies: ['bind', 'bindEmitter', 'detach'],
      async run({ as, see, bind, bindEmitter, detach, after }) {
        const receiving = bindEmitter(
          as('creator', () => detach(() => createSocket('udp4').bind(0, LOOPBACK))),
        )
        after(() => receiving.close())
        await once(receiving, 'listening')
        as('own', () => detach(() => receiving.once('message', bind(see))))
        const sending = createSocket('udp4')
        after(() => sending.close())
        as('sender', () => sending.send('row', receiving.address().port, LOOPBACK))
      },
    },
    {
      name: '`net` server: `connection`',
      remedies: ['bind', 'bindEmitter', 'detach'],
      async run({ as, see, bind, bindEmitter, detach, after }) {
        const server = bindEmitter(as('creator', () => detach(() => createServer())))
        after(() => closed(server))
        const port = await as('creator', () => detach(() => listening(server)))
        server.on('connection', (socket) => socket.destroy())
        as('own', () => detach(() => server.once('connection', bind(see))))
        as('client', () => after(destroyed(connect(port, LOOPBACK))))
      },
    },
    {
      name: '`net` server: `data` of a socket',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        const server = as('creator', () => createServer())
        after(() => closed(server))
        const port = await listening(server)
        server.on('connection', (socket) => {
          after(() => socket.destroy())
          as('own', () => bindEmitter(socket).once('data', bind(see)))
        })
        const client = connect(port, LOOPBACK)
        after(destroyed(client))
        client.write('row')
      },
    },
    {
      name: '`net` client: `data` of a socket',
      remedies: ['bind', 'bindEmitter', 'detach'],
      async run({ as, see, bind, bindEmitter, detach, after }) {
        const { server, port } = await netServer(after)
        const serving = once(server, 'connection') as Promise<[Socket]>
        const client = bindEmitter(as('creator', () => detach(() => connect(port, LOOPBACK))))
        after(destroyed(client))
        const [socket] = await serving
        after(destroyed(socket))
        as('own', () => detach(() => client.once('data', bind(see))))
        as('writer', () => socket.write('row'))
      },
    },
    {
      name: '`net` client: the callback of `write`',
      async run({ as, see, after }) {
        const { server, port } = await netServer(after)
        server.on('connection', (socket) => after(destroyed(socket)))
        const client = as('creator', () => connect(port, LOOPBACK))
        after(destroyed(client))
        await once(client, 'connect')
        as('own', () => client.write('row', see))
      },
    },
    {
      name: 'ws client: `message`',
      package: 'ws',
      remedies: ['bind', 'bindEmitter', 'detach'],
      async run({ as, see, bind, bindEmitter, detach, after }) {
        const { port, server } = await wsServer(after)
        const connected = once(server, 'connection') as Promise<[WsClient]>
        const client = bindEmitter(
          as('creator', () => detach(() => new WsClient(`ws://${LOOPBACK}:${port}/`))),
        )
        after(() => client.terminate())
        const [[peer]] = await Promise.all([connected, once(client, 'open')])
        as('own', () => detach(() => client.once('message', bind(see))))
        as('sender', () => peer.send('row'))
      },
    },
    {
      name: 'ws server that was made in an epoch: `connection`',
      package: 'ws',
      remedies: ['bind', 'bindEmitter', 'detach'],
      async run({ as, see, bind, bindEmitter, detach, after }) {
        const { server, port } = await as('creator', () => detach(() => wsServer(after)))
        as('own', () => detach(() => bindEmitter(server).once('connection', bind(see))))
        const client = new WsClient(`ws://${LOOPBACK}:${port}/`)
        after(() => client.terminate())
        await once(client, 'open')
      },
    },
    {
      name: 'ws server: `message` of a connection',
      package: 'ws',
      remedies: ['bind', 'bindEmitter'],
      async run({ as, see, bind, bindEmitter, after }) {
        const { server, port } = await wsServer(after)
        server.on('connection', (socket) => {
          as('own', () => bindEmitter(socket).once('message', bind(see)))
        })
        const client = new WsClient(`ws://${LOOPBACK}:${port}/`)
        after(() => client.terminate())
        await once(client, 'open')
        client.send('row')
      },
    },
    {
      name: '`WebSocket`: `addEventListener` of `message`',
      remedies: ['bind', 'detach'],
      unsupported: () =>
        typeof globalThis.WebSocket === 'function' ? undefined : 'it has no global `WebSocket`',
      async run({ as, see, bind, detach, after }) {
        const { server, port } = await wsServer(after)
        const connected = once(server, 'connection') as Promise<[WsClient]>
        const client = as('creator', () => detach(() => new WebSocket(`ws://${LOOPBACK}:${port}/`)))
        after(() => client.close())
        const opened = new Promise((resolve) => client.addEventListener('open', resolve))
        const [[peer]] = await Promise.all([connected, opened])
        as('own', () => detach(() => client.addEventListener('message', bind(see))))
        as('sender', () => peer.send('row'))
      },
    },
    {
      name: 'croner: the job',
      package: 'croner',
      remedies: ['bind', 'detach'],
      run({ as, see, bind, detach, after }) {
        const job = as('own', () => bind(see))
        const cron = as('creator', () => detach(() => new Cron('* * * * * *', () => job())))
        after(() => cron.stop())
      },
    },
  ],
}

function destroyed(socket: Socket): () => void {
  socket.on('error', () => {})
  return () => socket.destroy()
}

async function netServer(after: Stage['after']): Promise<{ server: Server; port: number }> {
  const server = createServer()
  after(() => closed(server))
  return { server, port: await listening(server) }
}

async function wsServer(after: Stage['after']): Promise<{ server: WebSocketServer; port: number }> {
  const { server: http, port } = await httpServer(after)
  const server = new WebSocketServer({ server: http })
  after(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return { server, port }
}
