/**
 * Real servers with the adapter in them, for the contract: GraphQL Yoga on `node:http` and on graphql-ws, graphql itself on
 * graphql-ws, and Apollo's standalone server.
 */
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server'
import { startStandaloneServer } from '@apollo/server/standalone'
import type { BrokenRoute, Connection, Door, Route, Served, StreamRoute } from '@withepoch/testing/contract'
import {
  type ExecutionArgs,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getOperationAST,
  Kind,
} from 'graphql'
import { type Client, createClient, type ServerOptions, type SubscribePayload } from 'graphql-ws'
import { type Extra, useServer } from 'graphql-ws/use/ws'
import { createSchema, createYoga, type Plugin } from 'graphql-yoga'
import { WebSocket, WebSocketServer } from 'ws'
import { handOn } from '../../testing/test/contract/hand-on.js'
import { type Listening, listening } from '../../testing/test/contract/listening.js'
import { epochPerOperation } from '../src/index.js'

const NO_RESPONSE =
  'What is around the execution does not see the response. The answer is data by then: what is written reads nothing.'
const NOT_STREAMED = 'graphql 16, which executes here, delivers every answer whole.'
const NO_UPLOADS = 'A WebSocket carries JSON, and no forms.'
const NO_EVENTS = 'Server-sent events are of HTTP. A stream of messages is the case of the streamed answer.'
const ONE_AT_A_TIME = 'A socket of HTTP/1.1 carries one request at a time; graphql-ws is another door.'

const isStream = (route: Route): route is StreamRoute => route.kind === 'stream' || route.kind === 'events'
const operationOf = (route: Route): string => (route.method === 'GET' ? 'query' : 'mutation')
const nameOf = (route: Route): string => `${operationOf(route)} ${route.name}`

type Resolver = GraphQLFieldResolver<unknown, unknown, { input?: unknown }>

/** @param broken what the field of a route resolves to before which something throws */
function schemaOf(
  routes: readonly Route[],
  broken: (route: BrokenRoute) => Resolver = () => () => {},
): GraphQLSchema {
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
  const resolverOf = (route: Route): Resolver => {
    if (route.kind === 'broken') return broken(route)
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

/** The operation that calls a route. */
function payloadOf(route: Route, input: unknown): SubscribePayload {
  const variable = route.kind === 'upload' ? '($input: File)' : '($input: JSON)'
  const query = isStream(route)
    ? `{ ${route.name} @stream }`
    : route.method === 'GET'
      ? `{ ${route.name} }`
      : `mutation ${variable} { ${route.name}(input: $input) }`
  return { query, variables: { input: route.kind === 'upload' ? null : input } }
}

/** How an operation is sent over HTTP; `accept` asks for how a stream is to come. */
async function send(url: string, { agent, route, input, signal }: Sent): Promise<IncomingMessage> {
  const operation = JSON.stringify(payloadOf(route, input))
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

function checked(answer: Answer): Answer {
  if (answer.errors !== undefined) throw new Error(answer.errors[0]!.message)
  return answer
}

function callTo(url: string, agent: Agent) {
  return async (route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown> => {
    let text = ''
    const response = await send(url, { agent, route, input, signal })
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) text += part
    return checked(JSON.parse(text) as Answer).data![route.name]
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
      for (const { items = [] } of checked(JSON.parse(text) as Answer).incremental ?? []) yield* items
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

/** Starts graphql-ws, with what a test wants of it, and tells where it is. */
export async function serveSockets(options: ServerOptions<never, Extra>): Promise<Listening> {
  const server = handOn(createServer())
  const sockets = useServer(options, new WebSocketServer({ server }))
  const { url, close } = await listening(server)
  return {
    url: url.replace('http:', 'ws:'),
    async close() {
      await sockets.dispose()
      await close()
    },
  }
}

/** As Yoga's own documentation has it: what it executes with goes by the root value. */
export function byYoga(options: Parameters<typeof createYoga>[0]): ServerOptions<never, Extra> {
  const server = createYoga({ logging: false, ...options })
  type Enveloped = { rootValue: ReturnType<typeof server.getEnveloped> }
  return {
    execute: (args) => (args as Enveloped).rootValue.execute(args),
    subscribe: (args) => (args as Enveloped).rootValue.subscribe(args),
    async onSubscribe({ extra }, _id, params): Promise<ExecutionArgs> {
      const rootValue = server.getEnveloped({ req: extra.request, socket: extra.socket, params })
      const { schema, parse, contextFactory } = rootValue
      const { variables: variableValues, operationName } = params
      const document = parse(params.query)
      return {
        schema,
        document,
        variableValues,
        operationName,
        rootValue,
        contextValue: await contextFactory(),
      }
    },
  }
}

/** A client that keeps one socket. */
export function clientOf(url: string): Client {
  return createClient({ url, webSocketImpl: WebSocket, lazy: false, retryAttempts: 0, onNonLazyError() {} })
}

async function callOver(client: Client, route: Route, input: unknown): Promise<unknown> {
  let answer: unknown
  for await (const result of client.iterate(payloadOf(route, input)))
    answer = checked(result as Answer).data![route.name]
  return answer
}

async function* streamOver(client: Client, route: StreamRoute): AsyncGenerator<string, void, undefined> {
  for await (const result of client.iterate(payloadOf(route, undefined)))
    for (const { items = [] } of checked(result as Answer).incremental ?? []) yield* items
}

async function servedSockets(options: ServerOptions<never, Extra>): Promise<Served> {
  const { url, close } = await serveSockets(options)
  const shared = clientOf(url)
  /** A client that may go has a socket of its own. */
  const clientFor = (signal?: AbortSignal): Client => {
    if (signal === undefined) return shared
    const own = clientOf(url)
    signal.addEventListener('abort', () => own.terminate())
    return own
  }
  return {
    call: (route, input, signal) => callOver(clientFor(signal), route, input),
    stream: (route, signal) => streamOver(clientFor(signal), route),
    async connect() {
      const own = clientOf(url)
      return { call: (route, input) => callOver(own, route, input), close: async () => own.dispose() }
    },
    async close() {
      await shared.dispose()
      await close()
    },
  }
}

const yoga: Door = {
  name: 'graphql (Yoga)',
  nameOf,
  without: {
    'two calls at once over one connection, an epoch each': ONE_AT_A_TIME,
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

/** What throws around the execution ends the socket; so what stands before a resolver is put around it. */
const schemaOfSockets = (routes: readonly Route[]): GraphQLSchema =>
  schemaOf(routes, (route) => () => route.handle())

const yogaSockets: Door = {
  name: 'graphql (Yoga, graphql-ws)',
  nameOf,
  without: {
    'a multipart upload: the handler is in the epoch': NO_UPLOADS,
    'server-sent events: one world in all of them, open to the last': NO_EVENTS,
    'open until the answer is written, closed after it': NO_RESPONSE,
  },
  start: (routes) =>
    servedSockets(byYoga({ schema: schemaOfSockets(routes), plugins: [epochPerOperation()] })),
}

const sockets: Door = {
  name: 'graphql (graphql-ws)',
  nameOf,
  without: {
    'a multipart upload: the handler is in the epoch': NO_UPLOADS,
    'a streamed answer: one world in all its chunks, open to the last': NOT_STREAMED,
    'server-sent events: one world in all of them, open to the last': NO_EVENTS,
    'the client goes amid a stream: the epoch closes': NOT_STREAMED,
    'open until the answer is written, closed after it': NO_RESPONSE,
  },
  start(routes) {
    const { execute, subscribe } = epochPerOperation()
    return servedSockets({ schema: schemaOfSockets(routes), execute, subscribe })
  },
}

const apollo: Door = {
  name: 'graphql (Apollo)',
  nameOf,
  without: {
    'two calls at once over one connection, an epoch each': ONE_AT_A_TIME,
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

export const doors: readonly Door[] = [yoga, yogaSockets, sockets, apollo]
