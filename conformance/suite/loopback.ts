/** Servers on loopback for the primitives that need a peer. */
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'

export const LOOPBACK = '127.0.0.1'

export async function listening(server: NetServer): Promise<number> {
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export interface Loopback {
  readonly server: Server
  readonly port: number
  readonly url: string
}

/** Made outside every epoch; `close` ends its connections too. */
export async function httpServer(
  after: (cleanUp: () => unknown) => void,
  listener: RequestListener = (request, response) => {
    request.resume()
    response.end('row')
  },
): Promise<Loopback> {
  const server = createServer(listener)
  after(() => closed(server))
  const port = await listening(server)
  return { server, port, url: `http://${LOOPBACK}:${port}/` }
}

export async function closed(server: NetServer & { closeAllConnections?(): void }): Promise<void> {
  const end = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections?.()
  await end
}
