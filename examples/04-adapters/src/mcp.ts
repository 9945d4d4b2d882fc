/** MCP: a context that is global to the server, of which the last writer wins. Each tool call sees the one that it came in with. */
import { once } from 'node:events'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { epochPerToolCall } from '@withepoch/mcp'
import { cell } from 'withepoch'

const context = cell('server.context', { user: 'ada' })
const waiting = new EventTarget()

const server = epochPerToolCall(new McpServer({ name: 'search', version: '1.0.0' }))
server.registerTool('search', {}, async () => {
  const before = context.get().user
  waiting.dispatchEvent(new Event('search'))
  await once(waiting, 'index') // the index answers, some time later
  return { content: [{ type: 'text', text: `asked by ${before}, answered to ${context.get().user}` }] }
})
server.registerTool('login', {}, async () => {
  context.set({ user: 'bob' })
  return { content: [{ type: 'text', text: `hello ${context.get().user}` }] }
})

const [ours, theirs] = InMemoryTransport.createLinkedPair()
await server.connect(theirs)
const client = new Client({ name: 'client', version: '1.0.0' })
await client.connect(ours)

const asked = once(waiting, 'search')
const search = client.callTool({ name: 'search' })
await asked
console.log((await client.callTool({ name: 'login' })).content)
waiting.dispatchEvent(new Event('index'))
console.log((await search).content, 'live:', context.get().user)
await client.close()
