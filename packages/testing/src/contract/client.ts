/** How the contract calls what is served: by HTTP where there is a URL, else as the door says. */
import { Agent, type IncomingMessage, request } from 'node:http'
import type { Connection, Route, Served, StreamRoute } from './door.js'

export interface Client {
  call(route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown>
  stream(route: StreamRoute, signal?: AbortSignal): AsyncIterable<string>
  /** Several calls over one connection; for HTTP a socket that is kept alive. */
  oneConnection(): Promise<Connection>
  close(): Promise<void>
}

/** Sockets for the many calls, so that they do not wait for one another. */
const SOCKETS = 64

export function clientOf(served: Served, door: string): Client {
  if (served.url !== undefined) return new HttpClient(served.url)
  const missing = (what: string): never => {
    throw new Error(`contract of ${door}: what start() returned has neither a url nor ${what}().`)
  }
  return {
    call: async (route, input, signal) => (await served.call?.(route, input, signal)) ?? missing('call'),
    stream: (route, signal) => served.stream?.(route, signal) ?? missing('stream'),
    oneConnection: async () => (await served.connect?.()) ?? missing('connect'),
    close: async () => {},
  }
}

/** An answer with a status of 400 or more. */
class AnswerError extends Error {
  readonly status: number

  constructor(status: number, text: string) {
    super(`answered with ${status}: ${text.slice(0, 500)}`)
    this.name = 'AnswerError'
    this.status = status
  }
}

class HttpClient implements Client {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS })

  constructor(url: string) {
    this.#url = url
  }

  call(route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#call(this.#agent, route, input, signal)
  }

  async *stream(route: StreamRoute, signal?: AbortSignal): AsyncGenerator<string, void, undefined> {
    const response = await this.send(this.#agent, route, undefined, signal)
    if (response.statusCode! >= 400) throw new AnswerError(response.statusCode!, await textOf(response))
    response.setEncoding('utf8')
    let rest = ''
    for await (const text of response as AsyncIterable<string>) {
      // Each chunk is a JSON object; where one ends and the next begins is for the transport to say, or not.
      const parts = (rest + text).replaceAll(/^(?:data: ?|id:.*)|\n/gm, '').split(/(?<=\})(?=\{)/)
      rest = ''
      for (const part of parts) {
        if (part.endsWith('}')) yield part
        else rest = part
      }
    }
    if (rest !== '') throw new Error(`contract: a chunk that is not whole: ${rest.slice(0, 200)}`)
  }

  async oneConnection(): Promise<Connection> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    return {
      call: (route, input) => this.#call(agent, route, input),
      close: async () => agent.destroy(),
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
  }

  async #call(agent: Agent, route: Route, input: unknown, signal?: AbortSignal): Promise<unknown> {
    const response = await this.send(agent, route, input, signal)
    const text = await textOf(response)
    if (response.statusCode! >= 400) throw new AnswerError(response.statusCode!, text)
    return JSON.parse(text)
  }

  /** The response, once its head is there. */
  async send(agent: Agent, route: Route, input: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(route.path.replace(/:\w+/, '7'), this.#url)
    const { headers, body } = await bodyOf(route, input)
    return await new Promise((resolve, reject) => {
      const sent = request(url, { agent, method: route.method, headers, ...(signal ? { signal } : {}) })
      sent.on('response', resolve)
      sent.on('error', reject)
      sent.end(body)
    })
  }
}

async function bodyOf(
  route: Route,
  input: unknown,
): Promise<{ headers: Record<string, string>; body?: Buffer }> {
  if (route.kind === 'upload') {
    const form = new FormData()
    form.set('file', new Blob([String(input)]), 'file.txt')
    const encoded = new Response(form)
    return {
      headers: { 'content-type': encoded.headers.get('content-type')! },
      body: Buffer.from(await encoded.arrayBuffer()),
    }
  }
  if (route.method === 'GET') return { headers: {} }
  const body = Buffer.from(JSON.stringify({ input }))
  return { headers: { 'content-type': 'application/json', 'content-length': String(body.length) }, body }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response as AsyncIterable<string>) text += chunk
  return text
}
