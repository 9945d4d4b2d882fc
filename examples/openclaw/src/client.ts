/**
 * One operator at the gateway's WebSocket: connects, authenticates by token, calls methods. The handshake is the one
 * for a backend on the gateway's own machine, which needs no paired device.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { decodeFrame, encodeRequest, type GatewayError } from './frames.js'

const CONNECT_BUDGET_MS = 60_000

export interface Client {
  /** @throws when the gateway answers with an error, or the socket closes before it answers. */
  call(method: string, params: unknown): Promise<unknown>
  /** For a method that answers twice, as `agent` does: that it has been accepted, and how it ended. */
  callToTheEnd(method: string, params: unknown): Promise<unknown>
  close(): void
}

export async function connect(port: number, token: string): Promise<Client> {
  const until = Date.now() + CONNECT_BUDGET_MS
  for (;;) {
    const client = await open(port)
    try {
      await client.call('connect', {
        minProtocol: 4,
        maxProtocol: 4,
        client: { id: 'gateway-client', mode: 'backend', version: '1.0.0', platform: process.platform },
        role: 'operator',
        scopes: ['operator.read', 'operator.write', 'operator.admin'],
        caps: [],
        auth: { token },
      })
      return client
    } catch (error) {
      client.close()
      const { retryAfterMs } = error as CallError
      // While its sidecars are still starting, the gateway says when to come again.
      if (retryAfterMs === undefined || Date.now() > until) throw error
      await sleep(retryAfterMs)
    }
  }
}

class CallError extends Error {
  readonly retryAfterMs: number | undefined

  constructor(method: string, { code, message, retryAfterMs }: GatewayError) {
    super(`${method}: ${code}: ${message}`)
    this.retryAfterMs = retryAfterMs
  }
}

interface Waiting {
  readonly method: string
  readonly toTheEnd: boolean
  readonly resolve: (payload: unknown) => void
  readonly reject: (error: Error) => void
}

/** Resolves with the gateway's challenge, which asks only devices for a signature. */
function open(port: number): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { maxPayload: 64 * 1024 * 1024 })
  const waiting = new Map<string, Waiting>()
  let lastId = 0

  return new Promise((resolve, reject) => {
    const send = (method: string, params: unknown, toTheEnd: boolean): Promise<unknown> =>
      new Promise((resolveCall, rejectCall) => {
        if (socket.readyState !== WebSocket.OPEN) {
          rejectCall(new Error(`${method}: the connection to the gateway is closed`))
          return
        }
        const id = String(++lastId)
        waiting.set(id, { method, toTheEnd, resolve: resolveCall, reject: rejectCall })
        socket.send(encodeRequest(id, method, params))
      })
    const client: Client = {
      call: (method, params) => send(method, params, false),
      callToTheEnd: (method, params) => send(method, params, true),
      close: () => socket.terminate(),
    }
    socket.on('message', (data: Buffer) => {
      const frame = decodeFrame(data.toString())
      if (frame.type === 'event') {
        if (frame.event === 'connect.challenge') resolve(client)
        return
      }
      const call = waiting.get(frame.id)
      if (call?.toTheEnd && frame.ok && (frame.payload as { status?: string }).status === 'accepted') return
      waiting.delete(frame.id)
      if (frame.ok) call?.resolve(frame.payload)
      else call?.reject(new CallError(call.method, frame.error))
    })
    socket.on('error', reject)
    socket.on('close', (code) => {
      reject(new Error(`the gateway closed the connection (${code})`))
      for (const { method, reject: rejectCall } of waiting.values()) {
        rejectCall(new Error(`${method}: the gateway closed the connection (${code})`))
      }
      waiting.clear()
    })
  })
}
