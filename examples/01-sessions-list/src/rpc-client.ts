/**
 * The other end: a WebSocket client that calls the gateway's methods. It does not know what they do.
 */
import { JSONRPCClient } from 'json-rpc-2.0'
import { once } from 'node:events'
import { WebSocket } from 'ws'

export class RpcClient {
  readonly #socket: WebSocket
  readonly #rpc: JSONRPCClient

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.#rpc = new JSONRPCClient((request) => {
      socket.send(JSON.stringify(request))
    })
    socket.on('message', (data: Buffer) => {
      this.#rpc.receive(JSON.parse(data.toString('utf8')))
    })
    socket.on('close', () => this.#rpc.rejectAllPendingRequests('The gateway closed the connection.'))
  }

  static async connect(url: string): Promise<RpcClient> {
    const socket = new WebSocket(url)
    await once(socket, 'open')
    // From here on a failing socket closes, and closing rejects the calls that wait.
    socket.on('error', () => undefined)
    return new RpcClient(socket)
  }

  /** @throws the gateway's error, with its `code` and `data`, or an error when the connection ends first. */
  async call(method: string, params: Record<string, unknown>): Promise<unknown> {
    return this.#rpc.request(method, params)
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }
}
