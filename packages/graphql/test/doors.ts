/** Real servers with the adapter in them, for the contract: GraphQL Yoga on `node:http`, and Apollo's standalone server. */
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import type { Connection, Door, Route, Served, StreamRoute } from '@withepoch/testing/contract'
import { type GraphQLFieldResolver, type GraphQLSchema, getOperationAST, Kind } from 'graphql'
import { createSchema, createYoga, type Plugin } from 'graphql-yoga'
import { listening } from '../../testing/test/contract/listening.js'
import { epochPerOperation } from '../src/index.js'

const NO_RESPONSE =
  'What is around the execution does not see the response. The answer is data by then: what is written reads nothing.'
const NOT_STREAMED = 'Apollo Server with graphql 16 delivers every answer whole.'

const isStream = (route: Route): route is StreamRoute => route.kind === 'stream' || route.kind === 'events'
const operationOf = (route: Route): string => (route.method === 'GET' ? 'query' : 'mutation')

function schemaOf(routes: readonly Route[]): GraphQLSchema {
  const fields = (operation: string): Route[] => routes.filter((route) => operationOf(route) === operation)
  const typeOf = (route: Route): string => {
    if (isStream(route)) return '[JSON!]'
    return 'JSON'
  }
  const argumentsOf = (route: Route): string => {
    if (route.kind === 'upload') return '(input: File)'
    return route.method === 'GET' ? '' : '(input: JSON)'
  }
  const declared = (operation: string): string =>
    fields(operation)
      .map((route) => `${route.name}${argumentsOf(route)}: ${typeOf(route)}`)
      .join('\n')
  type Resolver = GraphQLFieldResolver<unknown, unknown, { input?: unknown }>
  const resolverOf = (route: Route): Resolver => {
    if (route.kind === 'broken') return () => {} // what stands before it throws
    if (route.kind === 'upload')
      return async (_source, { input }) => await route.handle(await (input as File).text())
    return (_source, { input }) => route.handle(input)
  }
  const resolvers = (operation: string): Record<string, Resolver> =>
    Object.fromEntries(fields(operation).map((route) => [route.name, resolverOf(route)]))
  return createSchema({
    typeDefs: `
      scalar JSON
      scalar File
      directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
      type Query { ${declared('query')} }
      type Mutation { ${declared('mutation')} }
    `,
    resolvers: { Query: resolvers('query'), Mutation: resolvers('mutation') },
  })
}

interface Sent {
  readonly agent: Agent
  readonly route: Route
  readonly input?: unknown
  readonly signal?: AbortSignal | undefined
}

/** How an operation of a route is sent; `accept` asks for how a stream is to come. */
async function send(url: string, { agent, route, input, signal }: Sent): Promise<IncomingMessage> {
  const variable = route.kind === 'upload' ? '($input: File)' : '($input: JSON)'
  const query = isStream(route)
    ? `{ ${route.name} @stream }`
    : route.method === 'GET'
      ? `{ ${route.name} }`
      : `mutation ${variable} { ${route.name}(input: $input) }`
  const operation = JSON.stringify({ query, variables: { input: route.kind === 'upload' ? null : input } })
  let body: string | Buffer = operation
  let type = 'application/json'
  if (route.kind === 'upload') {
    const form = new FormData()
    form.set('operations', operation)
    form.set('map', '{ "0": ["variables.input"] }')
    form.set('0', new Blob([String(input)]), 'file.txt')
    const encoded = new Response(form)
    type = encoded.headers.get('content-type')!
    body = Buffer.from(await encoded.arrayBuffer())
  }
  const accept = { stream: 'multipart/mixed', events: 'text/event-stream' }[route.kind as string]
  return await new Promise((resolve, reject) => {
    const sent = request(url, {
      agent,
      method: 'POST',
      headers: { 'content-type': type, accept: accept ?? 'application/json' },
      ...(signal ? { signal } : {}),
    })
    sent.on('response', resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}

interface Answer {
  readonly data?: Record<string, unknown> | null
  readonly errors?: ReadonlyArray<{ readonly message: string }>
  readonly incremental?: ReadonlyArray<{ readonly items?: readonly string[] }>
}

function checked(text: string): Answer {
  const answer = JSON.parse(text) as Answer
  if (answer.errors !== undefined) throw new Error(answer.errors[0]!.message)
  return answer
}

function callTo(url: string, agent: Agent) {
  return async (route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown> => {
    let text = ''
    const response = await send(url, { agent, route, input, signal })
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) text += part
    return checked(text).data![route.name]
  }
}

/** The items of a list that is streamed: a line of each part is its JSON, of events after `data:`. */
async function* streamFrom(
  url: string,
  agent: Agent,
  route: StreamRoute,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let rest = ''
  const response = await send(url, { agent, route, signal })
  for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + part).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      const text = line.replace(/^data: /, '').trim()
      if (!text.startsWith('{')) continue
      for (const { items = [] } of checked(text).incremental ?? []) yield* items
    }
  }
}

function served(url: string, close: () => Promise<void>, streams: boolean): Served {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return {
    call: callTo(url, agent),
    ...(streams ? { stream: (route, signal) => streamFrom(url, agent, route, signal) } : {}),
    connect: async (): Promise<Connection> => {
      const single = new Agent({ keepAlive: true, maxSockets: 1 })
      return { call: callTo(url, single), close: async () => single.destroy() }
    },
    close: async () => {
      agent.destroy()
      await close()
    },
  }
}

/** Starts Yoga, with what a test wants of it, and tells where it is. */
export async function serveYoga(
  options: Parameters<typeof createYoga>[0],
): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer(createYoga({ logging: false, graphiql: false, ...options }))
  const { url, close } = await listening(server)
  return { url: `${url}/graphql`, close }
}

const yoga: Door = {
  name: 'graphql (Yoga)',
  nameOf: (route) => `${operationOf(route)} ${route.name}`,
  without: {
    'a WebSocket: an epoch for each message, also for two at once':
      'Yoga speaks HTTP. A server of WebSockets for it calls the same `execute`, once for each message.',
    'open until the answer is written, closed after it': NO_RESPONSE,
  },
  async start(routes) {
    const broken = routes.find((route) => route.kind === 'broken')
    const guard: Plugin = {
      onExecute({ executeFn, setExecuteFn }) {
        setExecuteFn((args) => {
          const first = getOperationAST(args.document)?.selectionSet.selections[0]
          if (first?.kind === Kind.FIELD && first.name.value === broken?.name) broken.handle()
          return executeFn(args)
        })
      },
    }
    const { url, close } = await serveYoga({
      schema: schemaOf(routes),
      plugins: [guard, epochPerOperation()],
    })
    return served(url, close, true)
  },
}

const apollo: Door = {
  name: 'graphql (Apollo)',
  nameOf: (route) => `${operationOf(route)} ${route.name}`,
  without: {
    'a WebSocket: an epoch for each message, also for two at once': 'Apollo Server speaks HTTP only.',
    'a multipart upload: the handler is in the epoch': 'Apollo Server takes no uploads.',
    'a streamed answer: one world in all its chunks, open to the last': NOT_STREAMED,
    'server-sent events: one world in all of them, open to the last': NOT_STREAMED,
    'the client goes amid a stream: the epoch closes': NOT_STREAMED,
    'open until the answer is written, closed after it': NO_RESPONSE,
  },
  async start(routes) {
    const guard: ApolloServerPlugin = {
      requestDidStart: async () => ({
        executionDidStart: async () => ({
          willResolveField({ info }) {
            const route = routes.find(({ name }) => name === info.fieldName)
            if (route?.kind === 'broken') route.handle()
          },
        }),
      }),
    }
    const server = new ApolloServer({
      gateway: epochPerOperation(schemaOf(routes)),
      plugins: [guard],
      nodeEnv: 'test',
      stopOnTerminationSignals: false,
    })
    const { url } = await startStandaloneServer(server, { listen: { port: 0, host: '127.0.0.1' } })
    return served(url, () => server.stop(), false)
  },
}

export const doors: readonly Door[] = [yoga, apollo]
