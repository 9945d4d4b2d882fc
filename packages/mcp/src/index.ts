/**
 * Opens an epoch when the server hands a request to the handler that was set for it; closes it when the handler has settled.
 * That is where an answer is whole: what is sent after it is JSON, and reads nothing. Outside stay the transport, `initialize`,
 * `ping`, `logging/…` and `tasks/…`, which the SDK answers itself, and notifications.
 */
import { EpochError, type EpochOptions, withEpoch } from 'withepoch'

/** What of a request is looked at. Its `params` may be anything until the SDK has checked them. */
export interface McpRequest {
  readonly method: string
  readonly params?: { readonly name?: unknown; readonly uri?: unknown } | undefined
}

export interface ToolCallOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default `tools/call search`, `prompts/get greeting`, `resources/read orders://…` */
  name?: ((request: McpRequest) => string) | undefined
}

/** The SDK's low-level `Server`, of which that much is needed. */
export interface HandlesRequests {
  setRequestHandler(schema: never, handler: never): void
}

type Handler = (request: McpRequest, extra: unknown) => unknown

/** Methods that run code of yours: not `tasks/result`, which waits as long as a task takes. */
const YOURS = /^(?:tools|resources|prompts|completion)\//

/**
 * One epoch per request to an MCP server, fresh each time: a tool, a resource, a prompt or a completer sees the globals as they
 * were when its call came in, however many calls share the session.
 *
 * Use it on an `McpServer`, or a low-level `Server`, as soon as it is made. The epoch is open until the handler has settled.
 *
 * **Caveat** A tool that starts a task answers at once, and its epoch closes then. Work that goes on reads live values, unless it
 * holds the epoch: `getEpoch().waitUntil(promise)`.
 *
 * @param server what is registered on it before counts as well as what comes later, also while it is connected.
 * @returns the server that it was given.
 * @throws INVALID_ARGUMENT when it is given no server of the SDK's; as the answer to each request, when an option is not what it must be.
 * @example
 * import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
 * const locale = cell('docs.mcp.locale', 'en')
 * const server = epochPerToolCall(new McpServer({ name: 'greeter', version: '1.0.0' }))
 * server.registerTool('greet', {}, async () => ({ content: [{ type: 'text', text: locale.get() }] }))
 */
export function epochPerToolCall<S extends HandlesRequests | { readonly server: HandlesRequests }>(
  server: S,
  options: ToolCallOptions = {},
): S {
  const { name = nameOf, ...others } = options
  const inEpoch =
    (handler: Handler): Handler =>
    (request, extra) =>
      YOURS.test(request.method)
        ? withEpoch({ ...others, name: name(request), ifNested: 'fresh' }, () => handler(request, extra))
        : handler(request, extra)

  const target = ((server as { server?: unknown } | null)?.server ?? server) as {
    setRequestHandler(schema: unknown, handler: Handler): void
    readonly _requestHandlers: Map<string, Handler>
  }
  if (!(target?._requestHandlers instanceof Map)) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `epochPerToolCall(server): expected an McpServer or a Server of @modelcontextprotocol/sdk 1, got ${server === null ? 'null' : typeof server}. ` +
        'Say epochPerToolCall(new McpServer(info)).',
    )
  }
  // `McpServer` sets its handlers in the constructor where a capability is declared. There is no other way to reach them.
  for (const [method, handler] of target._requestHandlers)
    target._requestHandlers.set(method, inEpoch(handler))
  const set = target.setRequestHandler.bind(target)
  target.setRequestHandler = (schema, handler) => set(schema, inEpoch(handler))
  return server
}

function nameOf({ method, params }: McpRequest): string {
  if (typeof params?.name === 'string') return `${method} ${params.name}`
  if (typeof params?.uri !== 'string') return method
  return `${method} ${/^[^:]*:/.exec(params.uri)?.[0] ?? ''}//…` // the rest of a URI is often an id
}
