/**
 * Real gateways with the adapter in them, for the contract, each over `ws`: JSON-RPC 2.0 with the adapter around the record of
 * methods, and in the server's middleware; frames in the manner of OpenClaw with it around the dispatcher.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import type { Connection, Door, Route, Served } from '@withepoch/testing/contract'
import {
  isJSONRPCRequest,
  JSONRPCClient,
  type JSONRPCResponse,
  JSONRPCServer,
  type JSONRPCServerMiddleware,
} from 'json-rpc-2.0'
import { WebSocket, WebSocketServer } from 'ws'
import { handOn } from '../../testing/test/contract/hand-on.js'
import { listening } from '../../testing/test/contract/listening.js'
import { epochPerCall } from '../src/index.js'

/** Calls a method over a socket. What a streamed answer consists of goes to `onChunk`. */
type Caller = (method: string, params: unknown, onChunk?: (chunk: string) => void) => Promise<unknown>

const NO_PARTS = 'A message has no parts: a file is a parameter like others.'
const NO_EVENTS = 'Server-sent events are of HTTP. A stream of frames is the case of the streamed answer.'
const WRITTEN =
  'The gateway writes the frame after the call. A dispatcher that writes it itself, and awaits that, has it inside.'

const without: Door['without'] = {
  'a multipart upload: the handler is in the epoch': NO_PARTS,
  'server-sent events: one world in all of them, open to the last': NO_EVENTS,
  'open until the answer is written, closed after it': WRITTEN,
}

/** A gateway, and how a client of it speaks. */
async function served(
  onSocket: (socket: WebSocket) => void,
  speak: (socket: WebSocket) => Caller,
): Promise<Served> {
  const server = handOn(createServer())
  const gateway = new WebSocketServer({ server })
  gateway.on('connection', onSocket)
  const { url, close } = await listening(server)
  const open = async (): Promise<{ socket: WebSocket; call: Caller }> => {
    const socket = new WebSocket(url.replace('http:', 'ws:'))
    await once(socket, 'open')
    return { socket, call: speak(socket) }
  }
  const shared = await open()

  /** A client that may go has a socket of its own. */
  const callBy = async (
    signal: AbortSignal | undefined,
    route: Route,
    input: unknown,
    onChunk?: (chunk: string) => void,
  ) => {
    if (signal === undefined) return await shared.call(route.name, { input }, onChunk)
    const { socket, call } = await open()
    signal.addEventListener('abort', () => socket.terminate())
    return await call(route.name, { input }, onChunk)
  }

  return {
    call: (route, input, signal) => callBy(signal, route, input),
    stream(route, signal) {
      const chunks = new Readable({ objectMode: true, read() {} })
      callBy(signal, route, undefined, (chunk) => chunks.push(chunk)).then(
        () => chunks.push(null),
        (error: Error) => chunks.destroy(error),
      )
      return chunks
    },
    async connect(): Promise<Connection> {
      const { socket, call } = await open()
      return {
        call: (route, input) => call(route.name, { input }),
        async close() {
          socket.close()
          await once(socket, 'close')
        },
      }
    },
    async close() {
      for (const socket of gateway.clients) socket.terminate()
      await close()
    },
  }
}

/** Resolves when the frame has gone out; rejects when the client has gone. */
function send(socket: WebSocket, frame: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(JSON.stringify(frame), (error) => (error ? reject(error) : resolve()))
  })
}

type Method = (params: { input?: unknown }) => unknown

/** The methods by name, as a gateway has them. */
function methodsOf(routes: readonly Route[]): Record<string, Method> {
  return Object.fromEntries(routes.map((route) => [route.name, ({ input }) => route.handle(input)]))
}

/** What stands before the methods, and throws for one of them. */
function guardOf(routes: readonly Route[]): (method: string) => void {
  return (method) => {
    for (const route of routes) if (route.kind === 'broken' && route.name === method) route.handle()
  }
}

// JSON-RPC 2.0. A stream is a notification for each chunk, and then a result that is null.

function speakJsonRpc(socket: WebSocket): Caller {
  const client = new JSONRPCClient((request) => socket.send(JSON.stringify(request)))
  const listeners = new Map<unknown, (chunk: string) => void>()
  socket.on('message', (data: Buffer) => {
    const message: unknown = JSON.parse(data.toString())
    if (isJSONRPCRequest(message)) {
      const { id, chunk } = message.params as { id: number; chunk: string }
      listeners.get(id)?.(chunk)
    } else client.receive(message as JSONRPCResponse)
  })
  socket.on('close', () => client.rejectAllPendingRequests('The socket has closed.'))
  let lastId = 0
  return async (method, params, onChunk) => {
    const id = ++lastId
    if (onChunk !== undefined) listeners.set(id, onChunk)
    const response = await client.requestAdvanced({ jsonrpc: '2.0', id, method, params })
    if (response.error !== undefined) throw new Error(response.error.message)
    return response.result as unknown
  }
}

/** Sends the chunks of a result that is a stream, and returns what is answered in the end. */
async function streamed(
  response: JSONRPCResponse | null,
  socket: WebSocket,
): Promise<JSONRPCResponse | null> {
  const result: unknown = response?.result
  if (response === null || !isStream(result)) return response
  for await (const chunk of result)
    await send(socket, { jsonrpc: '2.0', method: 'chunk', params: { id: response.id, chunk } })
  return { jsonrpc: '2.0', id: response.id, result: null }
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

const nobody = (): void => {} // who hears of what handlers throw on purpose, and of clients that have gone

/** Answers a message; a client that has gone is let go. */
async function answer(server: JSONRPCServer<WebSocket>, data: Buffer, socket: WebSocket): Promise<void> {
  try {
    const response = (await server.receiveJSON(data.toString(), socket)) as JSONRPCResponse | null
    const last = await streamed(response, socket)
    if (last !== null) await send(socket, last)
  } catch {
    socket.terminate()
  }
}

const record: Door = {
  name: 'rpc (JSON-RPC, a record)',
  without,
  nameOf: ({ name }) => name,
  start(routes) {
    const server = new JSONRPCServer<WebSocket>({ errorListener: nobody })
    const guard = guardOf(routes)
    const guarded = Object.entries(methodsOf(routes)).map(([name, method]): [string, Method] => [
      name,
      (params) => {
        guard(name)
        return method(params)
      },
    ])
    const methods = epochPerCall(Object.fromEntries(guarded))
    for (const [name, method] of Object.entries(methods)) server.addMethod(name, method)
    return served((socket) => {
      socket.on('message', (data: Buffer) => void answer(server, data, socket))
    }, speakJsonRpc)
  },
}

const middleware: Door = {
  name: 'rpc (JSON-RPC, a middleware)',
  without,
  nameOf: ({ name }) => name,
  start(routes) {
    const server = new JSONRPCServer<WebSocket>({ errorListener: nobody })
    const guard = guardOf(routes)
    for (const [name, method] of Object.entries(methodsOf(routes))) server.addMethod(name, method)
    const dispatch: JSONRPCServerMiddleware<WebSocket> = async (next, request, socket) =>
      await streamed(await next(request, socket), socket) // a stream is not the result of it, so it is sent in here
    server.applyMiddleware(
      epochPerCall(dispatch, { name: (_next, request) => request.method }),
      async (next, request, socket) => {
        guard(request.method)
        return await next(request, socket)
      },
    )
    return served((socket) => {
      socket.on('message', (data: Buffer) => void answer(server, data, socket))
    }, speakJsonRpc)
  },
}

// Frames. A stream is an event for each chunk, and then a response without a payload.

interface RequestFrame {
  readonly type: 'req'
  readonly id: string
  readonly method: string
  readonly params: { readonly input?: unknown }
}

type ServerFrame =
  | { readonly type: 'res'; readonly id: string; readonly ok: true; readonly payload?: unknown }
  | { readonly type: 'res'; readonly id: string; readonly ok: false; readonly error: { message: string } }
  | { readonly type: 'event'; readonly event: 'chunk'; readonly payload: { id: string; chunk: string } }

function speakFrames(socket: WebSocket): Caller {
  const calls = new Map<string, (frame: ServerFrame | undefined) => void>()
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as ServerFrame
    calls.get(frame.type === 'event' ? frame.payload.id : frame.id)?.(frame)
  })
  socket.on('close', () => {
    for (const onFrame of calls.values()) onFrame(undefined)
  })
  let lastId = 0
  return (method, params, onChunk) =>
    new Promise((resolve, reject) => {
      const id = String(++lastId)
      calls.set(id, (frame) => {
        if (frame?.type === 'event') return onChunk?.(frame.payload.chunk)
        calls.delete(id)
        if (frame?.ok === true) resolve(frame.payload)
        else reject(new Error(frame?.error.message ?? 'The socket has closed.'))
      })
      socket.send(JSON.stringify({ type: 'req', id, method, params }))
    })
}

const frames: Door = {
  name: 'rpc (frames, a dispatcher)',
  without,
  nameOf: ({ name }) => name,
  start(routes) {
    const methods = new Map(Object.entries(methodsOf(routes)))
    const guard = guardOf(routes)
    const resultOf = async (request: RequestFrame, socket: WebSocket): Promise<ServerFrame> => {
      const { id, method, params } = request
      try {
        guard(method)
        const payload = await methods.get(method)!(params)
        if (!isStream(payload)) return { type: 'res', id, ok: true, payload }
        for await (const chunk of payload)
          await send(socket, { type: 'event', event: 'chunk', payload: { id, chunk } })
        return { type: 'res', id, ok: true }
      } catch (error) {
        return { type: 'res', id, ok: false, error: { message: (error as Error).message } }
      }
    }
    const dispatch = epochPerCall(resultOf, { name: (request) => request.method })
    return served((socket) => {
      socket.on('message', (data: Buffer) => {
        void dispatch(JSON.parse(data.toString()) as RequestFrame, socket).then((frame) =>
          send(socket, frame).catch(() => socket.terminate()),
        )
      })
    }, speakFrames)
  },
}

export const doors: readonly Door[] = [record, middleware, frames]
