/**
 * Opens an epoch when a procedure's middleware is called, once for each call of a batch; closes it when the procedure has
 * answered, and what it answered with has come to its end: a generator, and promises and generators in an object. Outside stay
 * `createContext`, middleware before this, a transformer, and what an observable does.
 */
import { EpochError, type EpochOptions, withEpoch } from 'withepoch'

export interface CallOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {
  /** The epoch's name. @default the procedure's path: `orders.list` */
  name?: ((call: { readonly path: string; readonly type: string }) => string) | undefined
}

/** For `t.procedure.use(…)`; what it adds to the context, and the types of it, stay as they are. */
export type EpochMiddleware = <Result>(call: {
  readonly path: string
  readonly type: string
  readonly next: () => Promise<Result>
}) => Promise<Result>

/**
 * One epoch per call of a procedure, fresh each time: queries, mutations, subscriptions, and each call of a batch.
 *
 * Use it as the first middleware of the procedure that all others are built from. An answer that is streamed has one world from
 * its first value to its last, and `signal` of the epoch aborts after it.
 *
 * **Caveat** A subscription is one call, so what it sees grows old. One that lives long opens an epoch for each event:
 * `withEpoch({ ifNested: 'fresh' }, …)`. And one that waits without heeding the call's `signal` holds its epoch open.
 *
 * @throws INVALID_ARGUMENT at the first call, as the answer's error, when an option is not what it must be.
 * @example
 * import { initTRPC } from '@trpc/server'
 * const locale = cell('docs.trpc.locale', 'en')
 * const t = initTRPC.create()
 * const procedure = t.procedure.use(epochPerCall())
 * const router = t.router({ locale: procedure.query(() => locale.get()) })
 * await router.createCaller({}).locale() // => 'en'
 */
export function epochPerCall(options: CallOptions = {}): EpochMiddleware {
  if ('next' in options)
    throw new EpochError(
      'INVALID_ARGUMENT',
      'epochPerCall(call): it makes the middleware. Say t.procedure.use(epochPerCall()).',
    )
  const { name = ({ path }) => path, ...others } = options
  return (call) =>
    withEpoch({ ...others, name: name(call), ifNested: 'fresh' }, async () => {
      const result = await call.next()
      const { data } = result as { data?: unknown } // not there where it failed
      const whole = held(data)
      return whole === data ? result : { ...result, data: whole }
    })
}

/**
 * What tRPC streams after the middleware has returned: iterables, and promises and iterables in a plain object. Each is handed
 * out by a `withEpoch` that joins the call's, and so holds it open until that one has ended.
 */
function held(data: unknown): unknown {
  if (isIterable(data)) {
    const rows = withEpoch(() => ('next' in data ? data : relay(data)))
    return rows === data ? data : endedIfDropped(rows)
  }
  if (!isPlain(data)) return data
  const hold = (part: unknown): unknown => {
    if (part instanceof Promise) return withEpoch(() => part.then(held))
    return isIterable(part) ? held(part) : part
  }
  const parts = Object.entries(data).map(([key, part]) => [key, part, hold(part)] as const)
  if (parts.every(([, part, whole]) => part === whole)) return data
  return Object.fromEntries(parts.map(([key, , whole]) => [key, whole]))
}

function isIterable(data: unknown): data is AsyncIterable<unknown> {
  return typeof data === 'object' && data !== null && Symbol.asyncIterator in data
}

function isPlain(data: unknown): data is object {
  if (typeof data !== 'object' || data === null) return false
  const prototype: unknown = Object.getPrototypeOf(data)
  return prototype === Object.prototype || prototype === null
}

/**
 * tRPC drops a stream that its client cannot take, or is not there to take, and tells nobody. So where no one can take another
 * step of it, it is ended: by a garbage collection, for by nothing else does that show.
 */
const dropped = new FinalizationRegistry<AsyncIterable<unknown>>((rows) => {
  void (rows as AsyncGenerator).return(undefined).catch(() => {})
})

function endedIfDropped(rows: AsyncIterable<unknown>): unknown {
  const handed = Object.create(rows) as object // the steps of a bound iterator need no `this`
  dropped.register(handed, rows)
  return handed
}

/** An iterator for what is only iterable, as a stream is: only an iterator holds an epoch. */
async function* relay(rows: AsyncIterable<unknown>): AsyncGenerator<unknown, unknown, undefined> {
  return yield* rows
}
