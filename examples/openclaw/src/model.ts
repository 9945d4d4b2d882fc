/**
 * The stand-in for the model provider: a small HTTP server that speaks streamed chat completions, as any local
 * OpenAI-compatible server does. It answers at once. A message that says `write NAME: TEXT` makes it ask for the
 * program's own `write` tool, then for `read` of the same file, and answer with what that gave.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface StandIn {
  readonly port: number
  /** How many completions it has been asked for. */
  requests(): number
  close(): Promise<void>
}

interface Message {
  readonly role: string
  readonly content: unknown
}

export async function startModel(): Promise<StandIn> {
  let requests = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests++
      const { model, messages } = JSON.parse(Buffer.concat(chunks).toString()) as {
        model: string
        messages: Message[]
      }
      stream(response, model, replyTo(messages))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export type Reply = { readonly text: string } | { readonly tool: string; readonly input: object }

/** Exported for its test. */
export function replyTo(messages: readonly Message[]): Reply {
  const asked = messages.findLastIndex(({ role }) => role === 'user')
  const [, path, content] = /write (\S+): (\S+)/.exec(textOf(messages[asked]?.content)) ?? []
  if (path === undefined || content === undefined) return { text: 'Done.' }
  const results = messages.slice(asked).filter(({ role }) => role === 'tool')
  if (results.length === 0) return { tool: 'write', input: { path, content } }
  if (results.length === 1) return { tool: 'read', input: { path } }
  return { text: textOf(results.at(-1)!.content) }
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map((part: { text?: string }) => part.text ?? '').join('\n')
}

function stream(response: ServerResponse, model: string, reply: Reply): void {
  const send = (choices: object[], more: object = {}): void => {
    const chunk = { id: 'stand-in', object: 'chat.completion.chunk', created: 0, model, choices, ...more }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  const delta =
    'tool' in reply
      ? {
          tool_calls: [
            {
              index: 0,
              id: `call_${Math.random().toString(36).slice(2)}`,
              type: 'function',
              function: { name: reply.tool, arguments: JSON.stringify(reply.input) },
            },
          ],
        }
      : { content: reply.text }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  send([{ index: 0, delta: { role: 'assistant', ...delta }, finish_reason: null }])
  send([{ index: 0, delta: {}, finish_reason: 'tool' in reply ? 'tool_calls' : 'stop' }])
  send([], { usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 } })
  response.end('data: [DONE]\n\n')
}
