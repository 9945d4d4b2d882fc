/** Which requests have an epoch, of what name, and on which servers: what the contract does not show, for it only calls tools. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { completable } from '@modelcontextprotocol/sdk/server/completable.js'
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js'
import { cell, tryGetEpoch, withEpoch } from 'withepoch'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { epochPerToolCall, type ToolCallOptions } from '../src/index.js'

const INFO = { name: 'requests', version: '1.0.0' }

const tenant = cell('mcp.tenant', 'acme')
afterEach(() => tenant.set('acme'))

/** The epochs that handlers have run in. */
const seen: Array<string | undefined> = []
const see = (): void => void seen.push(tryGetEpoch()?.name)
afterEach(() => void seen.splice(0))

/** One of each kind, whose callback says which epoch it is in. */
function register(server: McpServer): void {
  server.registerTool('search', {}, async () => {
    see()
    return { content: [{ type: 'text', text: tenant.get() }] }
  })
  server.registerResource('order', new ResourceTemplate('orders://{id}', { list: undefined }), {}, (uri) => {
    see()
    return { contents: [{ uri: uri.href, text: tenant.get() }] }
  })
  const completed = completable(z.string(), () => {
    see()
    return ['Ada']
  })
  server.registerPrompt('greet', { argsSchema: { who: completed } }, () => {
    see()
    return { messages: [{ role: 'user', content: { type: 'text', text: tenant.get() } }] }
  })
}

async function clientOf(server: McpServer): Promise<Client> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair()
  await server.connect(theirs)
  const client = new Client(INFO)
  await client.connect(ours)
  return client
}

async function callEach(client: Client): Promise<void> {
  await client.callTool({ name: 'search' })
  await client.readResource({ uri: 'orders://4711' })
  await client.getPrompt({ name: 'greet', arguments: { who: 'Ada' } })
  const argument = { name: 'who', value: 'A' }
  await client.complete({ ref: { type: 'ref/prompt', name: 'greet' }, argument })
}

const NAMES = ['tools/call search', 'resources/read orders://…', 'prompts/get greet', 'completion/complete']

test('a tool, a resource, a prompt and a completer each run in an epoch of the name of the request', async () => {
  const server = epochPerToolCall(new McpServer(INFO))
  register(server)
  const client = await clientOf(server)
  await callEach(client)
  expect(seen).toEqual(NAMES)
})

test('also where a capability is declared, so that the handlers were there before', async () => {
  const capabilities = { tools: {}, resources: {}, prompts: {} }
  const server = epochPerToolCall(new McpServer(INFO, { capabilities }))
  register(server)
  const client = await clientOf(server)
  await callEach(client)
  expect(seen).toEqual(NAMES)
})

test('also of what is registered on a server that is connected', async () => {
  const server = epochPerToolCall(new McpServer(INFO, { capabilities: { tools: {} } }))
  const client = await clientOf(server)
  server.registerTool('late', {}, async () => {
    see()
    return { content: [] }
  })
  await client.callTool({ name: 'late' })
  expect(seen).toEqual(['tools/call late'])
})

test('also where all was registered before', async () => {
  const server = new McpServer(INFO)
  register(server)
  const client = await clientOf(epochPerToolCall(server))
  await callEach(client)
  expect(seen).toEqual(NAMES)
})

test('a tool that is not there is the same error as without', async () => {
  const answers = await Promise.all(
    [new McpServer(INFO), epochPerToolCall(new McpServer(INFO))].map(async (server) => {
      register(server)
      return await (await clientOf(server)).callTool({ name: 'nowhere' })
    }),
  )
  expect(answers[1]).toEqual(answers[0])
  expect(answers[0]).toMatchObject({ isError: true })
})

test('what the SDK answers itself is left alone', async () => {
  const options: ToolCallOptions = {
    name({ method }) {
      seen.push(method)
      return method
    },
  }
  const client = await clientOf(
    epochPerToolCall(new McpServer(INFO, { capabilities: { logging: {} } }), options),
  )
  await client.ping()
  await client.setLoggingLevel('info')
  expect(seen).toEqual([])
})

test('the options are those of the epoch', async () => {
  const server = epochPerToolCall(new McpServer(INFO), {
    name: ({ params }) => `tool ${String(params?.name)}`,
    values: [[tenant, 'globex']],
  })
  register(server)
  const client = await clientOf(server)
  expect(await client.callTool({ name: 'search' })).toMatchObject({ content: [{ text: 'globex' }] })
  expect(seen).toEqual(['tool search'])
})

test('a call from inside an epoch of the same process is not in that one', async () => {
  const server = epochPerToolCall(new McpServer(INFO))
  register(server)
  const client = await clientOf(server)
  await withEpoch({ name: 'caller', values: [[tenant, 'globex']] }, async () => {
    expect(tenant.get()).toBe('globex')
    expect(await client.callTool({ name: 'search' })).toMatchObject({ content: [{ text: 'acme' }] })
  })
  expect(seen).toEqual(['tools/call search'])
})

test.each([[undefined], [null], [{}], [McpServer]])(
  'what is no server of the SDK is refused: %o',
  (server) => {
    expect(() => epochPerToolCall(server as never)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining(
          'expected an McpServer or a Server of @modelcontextprotocol/sdk 1, got',
        ) as string,
      }),
    )
  },
)
