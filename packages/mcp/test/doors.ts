/** Real MCP servers with the adapter in them, for the contract: `McpServer` over Streamable HTTP, `Server` in memory. */
import { AsyncResource } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js'
import type { Door, Route, Served } from '@withepoch/testing/contract'
import { z } from 'zod'
import { epochPerToolCall } from '../src/index.js'

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>

const WITHOUT: Door['without'] = {
  'a multipart upload: the handler is in the epoch': 'MCP has no uploads: arguments are JSON.',
  'open until the answer is written, closed after it':
    'An answer is whole when the handler has settled: nothing is read while it is sent.',
}

const INFO = { name: 'contract', version: '1.0.0' }

/** What a tool does. A stream goes out as notifications of progress, which Streamable HTTP sends as server-sent events. */
async function run(route: Route, input: unknown, extra: Extra): Promise<CallToolResult> {
  if (route.kind === 'broken') return route.handle()
  if (route.kind !== 'stream' && route.kind !== 'events') return textOf(await route.handle(input))
  const progressToken = extra._meta?.progressToken ?? ''
  let progress = 0
  for await (const message of route.handle(input)) {
    if (extra.signal.aborted) break
    const params = { progressToken, progress: ++progress, message }
    await extra.sendNotification({ method: 'notifications/progress', params })
  }
  return textOf({ chunks: progress })
}

const textOf = (answer: unknown): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(answer) }],
})

function mcpServer(routes: readonly Route[]): McpServer {
  const server = epochPerToolCall(new McpServer(INFO))
  for (const route of routes) {
    // What stands between the adapter and a tool is the schema of its arguments.
    const input = route.kind === 'broken' ? z.unknown().refine(() => route.handle()) : z.unknown()
    server.registerTool(route.name, { inputSchema: { input: input.optional() } }, (values, extra) =>
      run(route, values.input, extra),
    )
  }
  return server
}

function lowLevelServer(routes: readonly Route[]): Server {
  const server = epochPerToolCall(new Server(INFO, { capabilities: { tools: {} } }))
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const route = routes.find(({ name }) => name === params.name)
    if (route === undefined) throw new Error(`There is no tool ${params.name}.`)
    return await run(route, params.arguments?.['input'], extra)
  })
  return server
}

async function clientOn(transport: Transport): Promise<Client> {
  const client = new Client(INFO)
  await client.connect(transport)
  return client
}

async function call(
  client: Client,
  { name }: Route,
  input?: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const options = signal === undefined ? {} : { signal }
  const result = await client.callTool({ name, arguments: { input } }, undefined, options)
  const [first] = result.content as Array<{ text: string }>
  if (result.isError === true) throw new Error(first?.text)
  return JSON.parse(first?.text ?? '')
}

/** The chunks, as they come in; ends when the call is answered. */
async function* stream(
  client: Client,
  { name }: Route,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const chunks: string[] = []
  let wake = (): void => {}
  let isDone = false
  const called = client
    .callTool({ name, arguments: {} }, undefined, {
      ...(signal === undefined ? {} : { signal }),
      onprogress({ message }) {
        chunks.push(message ?? '')
        wake()
      },
    })
    .finally(() => {
      isDone = true
      wake()
    })
  called.catch(() => {}) // awaited below, when the chunks that came have been given out
  while (chunks.length > 0 || !isDone) {
    const chunk = chunks.shift()
    if (chunk === undefined) await new Promise<void>((resolve) => (wake = resolve))
    else yield chunk
  }
  await called
}

/** What is served to clients that are there from the start, and to those that connect. */
async function served(
  connect: () => Promise<Client>,
  connections: () => number,
  close: () => Promise<void>,
): Promise<Served> {
  // Several, since each adds a listener to a signal of its own with every call, and Node warns of 1,500.
  const clients = await Promise.all([connect(), connect(), connect(), connect()])
  let calls = 0
  const next = (): Client => clients[calls++ % clients.length]!
  return {
    call: (route, input, signal) => call(next(), route, input, signal),
    stream: (route, signal) => stream(next(), route, signal),
    /** A session: over HTTP it may take several sockets. */
    async connect() {
      const own = await connect()
      return { call: (route, input) => call(own, route, input), close: () => own.close() }
    },
    connections,
    async close() {
      for (const client of clients) await client.close()
      await close()
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) text += chunk
  return text === '' ? undefined : JSON.parse(text)
}

/** As the SDK's own examples do it: a server and a transport for each session. */
const streamableHttp: Door = {
  name: 'mcp (McpServer, Streamable HTTP)',
  without: WITHOUT,
  nameOf: ({ name }) => `tools/call ${name}`,
  async start(routes) {
    const sessions = new Map<string, StreamableHTTPServerTransport>()
    const server = createServer(async (request, response) => {
      const body = await bodyOf(request)
      const known = sessions.get(String(request.headers['mcp-session-id']))
      const transport =
        known ??
        new StreamableHTTPServerTransport({
          sessionIdGenerator: randomUUID,
          onsessioninitialized: (id) => void sessions.set(id, transport),
        })
      // The SDK's own type of it says `undefined` where the interface says that there is nothing.
      if (known === undefined) await mcpServer(routes).connect(transport as Transport)
      await transport.handleRequest(request, response, body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
    return await served(
      () => clientOn(new StreamableHTTPClientTransport(url) as Transport),
      () => sessions.size,
      async () => {
        for (const transport of sessions.values()) await transport.close()
        await new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        })
      },
    )
  },
}

/** One pipe, on which a message is handed over in the context of who sends it. */
const inMemory: Door = {
  name: 'mcp (Server, in memory)',
  without: {
    ...WITHOUT,
    'server-sent events: one world in all of them, open to the last':
      'Server-sent events are of HTTP: here all that is streamed are notifications.',
  },
  nameOf: ({ name }) => `tools/call ${name}`,
  async start(routes) {
    let pipes = 0
    const all = await served(
      async () => {
        const [ours, theirs] = InMemoryTransport.createLinkedPair()
        await lowLevelServer(routes).connect(theirs)
        pipes++
        return await clientOn(ours)
      },
      () => pipes,
      async () => {},
    )
    type Call = Parameters<NonNullable<Served['call']>>
    // Its clients call from where it was started.
    return { ...all, call: AsyncResource.bind((...call: Call) => all.call!(...call)) }
  },
}

export const doors: readonly Door[] = [streamableHttp, inMemory]
