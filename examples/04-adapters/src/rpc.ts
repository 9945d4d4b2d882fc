/** A gateway over a WebSocket: one line around its methods, and a call sees one tenant, whoever changes it meanwhile. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { epochPerCall } from '@withepoch/rpc'
import { JSONRPCServer } from 'json-rpc-2.0'
import { cell, getEpoch } from 'withepoch'
import { WebSocket, WebSocketServer } from 'ws'

const tenant = cell('tenant', 'acme')

const methods = epochPerCall({
  'tenant.get': async () => {
    const before = tenant.get()
    await sleep(50) // somebody else moves on to the next tenant
    return [before, tenant.get(), getEpoch().name]
  },
  'tenant.set': (to: string) => tenant.set(to),
})

const server = new JSONRPCServer()
for (const [name, method] of Object.entries(methods)) server.addMethod(name, method)

const gateway = new WebSocketServer({ port: 0 }).on('connection', (socket) => {
  socket.on('message', async (data: Buffer) => {
    const answer = await server.receiveJSON(data.toString())
    if (answer !== null) socket.send(JSON.stringify(answer))
  })
})
await once(gateway, 'listening')

const client = new WebSocket(`ws://127.0.0.1:${(gateway.address() as AddressInfo).port}`)
await once(client, 'open')
client.send('{ "jsonrpc": "2.0", "id": 1, "method": "tenant.get" }')
client.send('{ "jsonrpc": "2.0", "method": "tenant.set", "params": "globex" }')
const [answer] = (await once(client, 'message')) as [Buffer]
console.log(answer.toString(), 'live:', tenant.get())
client.close()
gateway.close()
