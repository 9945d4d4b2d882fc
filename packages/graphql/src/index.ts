/**
 * Opens an epoch when an operation is executed: in Yoga and envelop around `execute`, in Apollo as the executor of its gateway, else
 * as the `execute` that a server is given; closes it when the result is there, of one that is delivered incrementally when it has
 * ended. A subscription has one while it is set up, and one for each event. Outside stay parsing, validation, the making of the
 * context, and a subscription's source.
 */
import {
  createSourceEventStream,
  execute,
  type ExecutionArgs,
  type ExecutionResult,
  getOperationAST,
  type GraphQLSchema,
  isSchema,
  type OperationDefinitionNode,
  printSchema,
} from 'graphql'
import { bindIterable, detach, type EpochOptions, withEpoch } from 'withepoch'

export interface OperationOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default the operation's name, else its kind and first field: `query orders` */
  name?: ((operation: OperationDefinitionNode) => string) | undefined
}

type Run<R = unknown> = (args: ExecutionArgs) => R

/** A plugin of Yoga and of envelop, and for other servers, graphql-ws for one, graphql's own functions with epochs. */
export interface EpochPlugin {
  readonly onExecute: (hook: { executeFn: Run; setExecuteFn: (run: Run) => void }) => void
  readonly onSubscribe: (hook: { setSubscribeFn: (run: Run) => void }) => void
  readonly execute: Run<Promise<ExecutionResult>>
  readonly subscribe: Run<Promise<ExecutionResult | AsyncIterableIterator<ExecutionResult>>>
}

/** What Apollo Server asks of a gateway, and what of its request is looked at. */
export interface EpochGateway {
  onSchemaLoadOrUpdate(
    callback: (loaded: { apiSchema: GraphQLSchema; coreSupergraphSdl: string }) => void,
  ): () => void
  load(): Promise<{ executor(request: GatewayRequest): Promise<ExecutionResult> }>
  stop(): Promise<void>
}

export interface GatewayRequest extends Pick<ExecutionArgs, 'schema' | 'document'> {
  readonly context: unknown
  readonly request: { readonly variables?: Record<string, unknown>; readonly operationName?: string }
}

/**
 * One epoch per GraphQL operation, fresh each time: all its resolvers see one world, however many there are and however long they
 * wait. In a batch each operation has its own; a subscription has one for each event.
 *
 * Use it as a plugin of GraphQL Yoga or of envelop. Apollo's plugins cannot put anything around the execution, so there give it
 * the schema, and give Apollo what it returns as its `gateway`. Servers that take `execute` and `subscribe` take those of the plugin.
 *
 * **Caveat** A subscription's source, what its field's `subscribe` returns, is no part of any epoch: it reads live values.
 *
 * @param schema for Apollo Server: what is executed. Plugins have none.
 * @throws INVALID_ARGUMENT at the first operation, as its error, when an option is not what it must be.
 * @example
 * import { ApolloServer } from '@apollo/server'
 * import { buildSchema } from 'graphql'
 * import { createYoga } from 'graphql-yoga'
 * const schema = buildSchema('type Query { locale: String }')
 * const yoga = createYoga({ schema, plugins: [epochPerOperation()] })
 * const apollo = new ApolloServer({ gateway: epochPerOperation(schema) })
 * const { execute, subscribe } = epochPerOperation() // for `useServer({ schema, execute, subscribe }, sockets)` of graphql-ws
 */
export function epochPerOperation(options?: OperationOptions): EpochPlugin
export function epochPerOperation(schema: GraphQLSchema, options?: OperationOptions): EpochGateway
export function epochPerOperation(
  first?: GraphQLSchema | OperationOptions,
  second?: OperationOptions,
): EpochPlugin | EpochGateway {
  const { name = nameOf, ...others } = (isSchema(first) ? second : first) ?? {}
  const inEpoch = <R>(args: ExecutionArgs, run: Run<R>): R => {
    const operation = getOperationAST(args.document, args.operationName) // none: then the execution says so
    const named = operation ? name(operation) : undefined
    return withEpoch({ ...others, name: named, ifNested: 'fresh' }, () => run(args))
  }
  const executed: EpochPlugin['execute'] = async (args) => inEpoch(args, execute)
  if (isSchema(first)) return gatewayOf(first, executed)
  const subscribed: EpochPlugin['subscribe'] = async (args) => {
    // In an object, or the epoch would be held until the source has ended.
    const { source } = await inEpoch(args, async () => ({ source: await createSourceEventStream(args) }))
    if (!(Symbol.asyncIterator in source)) return source // what went wrong
    return answersTo(source, (rootValue) => executed({ ...args, rootValue }))
  }
  return {
    onExecute: ({ executeFn, setExecuteFn }) =>
      setExecuteFn((args) => endedIfDropped(inEpoch(args, executeFn))),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribed),
    execute: executed,
    subscribe: subscribed,
  }
}

function gatewayOf(schema: GraphQLSchema, run: EpochPlugin['execute']): EpochGateway {
  return {
    onSchemaLoadOrUpdate(callback) {
      callback({ apiSchema: schema, coreSupergraphSdl: printSchema(schema) })
      return () => {}
    },
    load: async () => ({
      executor: ({ context: contextValue, request: { variables: variableValues, operationName }, ...rest }) =>
        run({ schema: rest.schema, document: rest.document, contextValue, variableValues, operationName }),
    }),
    stop: async () => {},
  }
}

/**
 * Yoga drops an incremental result that its client does not accept, or is not there to take, and tells nobody. So where no one
 * can take another step of it, it is ended: by a garbage collection, for by nothing else does that show.
 */
const dropped = new FinalizationRegistry<AsyncIterator<unknown>>((parts) => {
  void parts.return?.().catch(() => {})
})

function endedIfDropped(result: unknown): unknown {
  if (result instanceof Promise) return result.then(endedIfDropped)
  if (typeof result !== 'object' || result === null || !('next' in result)) return result
  const handed = Object.create(result) as object // the steps of a bound iterator need no `this`
  dropped.register(handed, result as AsyncGenerator)
  return handed
}

/** As graphql's own `subscribe` has it. No generator: that would not end while it waits for an event. */
function answersTo<A>(source: AsyncIterable<unknown>, answer: (event: unknown) => Promise<A>) {
  const events = detach(() => bindIterable(source))[Symbol.asyncIterator]()
  const answers: AsyncIterableIterator<A> = {
    [Symbol.asyncIterator]: () => answers,
    async next() {
      const event = await events.next()
      return event.done === true ? event : { value: await answer(event.value), done: false }
    },
    async return(value?: unknown) {
      await events.return?.(value)
      return { value, done: true }
    },
  }
  return answers
}

function nameOf({ name, operation, selectionSet }: OperationDefinitionNode): string {
  const [first] = selectionSet.selections
  return name?.value ?? (first?.kind === 'Field' ? `${operation} ${first.name.value}` : operation)
}
