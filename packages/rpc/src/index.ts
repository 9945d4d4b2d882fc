/**
 * Opens an epoch when a wrapped handler, or the dispatcher, is called; closes it when what that returned is done: a value at
 * once, a promise when it settles, a generator when it ends. Outside stays the gateway itself: the socket, the reading of a
 * message before the call, the writing of the answer after it.
 */
import { EpochError, type EpochOptions, withEpoch } from 'withepoch'

export interface CallOptions extends Pick<EpochOptions, 'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'> {}

export interface DispatchOptions<D extends Handler = Handler> extends CallOptions {
  /** The epoch's name, of what the dispatcher is called with: `(request) => request.method`. */
  name: (...args: Parameters<D>) => string | undefined
}

/** What can be wrapped: any function. */
export type Handler = (...args: never[]) => unknown

/**
 * One epoch per call of a gateway's method, fresh each time, named after the method: the handler sees the globals as they
 * were when the call came in. For JSON-RPC, for frames of your own, over a WebSocket or anything else.
 *
 * Give it the record of handlers, whose keys are the names, or the dispatcher that every single message goes through, with
 * its `name`. What comes back has the same type: arguments, `this`, results, errors and properties pass through. A
 * notification is a call as well. An iterator that is returned holds the epoch open until it ends.
 *
 * **Caveat** It is an entry point: a wrapped handler that calls another has it run in a fresh epoch, of the values that are
 * live then. To stay in the caller's, call the function that was wrapped.
 *
 * **Caveat** A dispatcher that is given a whole batch has one epoch for all of it. Call it for each message of the batch.
 *
 * @param options for a dispatcher with `name`. A message that it finds no name in, or throws at, has an epoch that is
 * 'anonymous', and the dispatcher says what is wrong with it.
 * @throws INVALID_ARGUMENT when there is neither a record of functions nor a function with a `name`; at the first call, when
 * another option is not what it must be.
 * @example
 * const locale = cell('docs.rpc.locale', 'en')
 * const handlers = epochPerCall({ 'locale.get': () => `${locale.get()} in ${getEpoch().name}` })
 * handlers['locale.get']() // => 'en in locale.get'
 */
export function epochPerCall<D extends Handler>(dispatch: D, options: DispatchOptions<D>): D
export function epochPerCall<R extends Readonly<Record<keyof R, Handler>>>(
  handlers: R extends Handler ? never : R,
  options?: CallOptions,
): R
export function epochPerCall(what: unknown, options: Partial<DispatchOptions> = {}): unknown {
  const { name, ...others } = options
  if (typeof what === 'function') {
    const found = `name must be a function of what the dispatcher gets, got ${kindOf(name)}`
    if (typeof name !== 'function')
      refuse('dispatch, options', `${found}. Say { name: (request) => request.method }`)
    return inEpochs(what as Handler, others, (args) => nameBy(name, args))
  }
  if (!isPlain(what))
    refuse('handlers', `expected a plain object of functions, or a dispatcher, got ${kindOf(what)}`)
  if (name !== undefined)
    refuse('handlers, options', 'name is for a dispatcher. Epochs are named by the keys: leave it out')
  const wrapped = Object.entries(what).map(([key, handler]: [string, unknown]) => {
    const found = `"${key}" must be a function, got ${kindOf(handler)}`
    if (typeof handler !== 'function')
      refuse('handlers', `${found}. Wrap the functions, and add the rest to the result`)
    return [key, inEpochs(handler as Handler, others, () => key)]
  })
  // One without a prototype stays so: what it is asked for may come from a client.
  return Object.setPrototypeOf(Object.fromEntries(wrapped), Object.getPrototypeOf(what) as object | null)
}

/** A proxy, for a handler may have properties, a schema say, as its type has. */
function inEpochs(handler: Handler, options: CallOptions, nameOf: (args: never[]) => string): Handler {
  return new Proxy(handler, {
    apply: (target, self: unknown, args: never[]) =>
      withEpoch({ ...options, name: nameOf(args), ifNested: 'fresh' }, () =>
        Reflect.apply(target, self, args),
      ),
  })
}

/** What a client sends must not fail before the dispatcher has seen it. */
function nameBy(name: (...args: never[]) => unknown, args: never[]): string {
  try {
    const found = name(...args)
    return typeof found === 'string' ? found : 'anonymous'
  } catch {
    return 'anonymous'
  }
}

/** An instance of a class is not: its methods are not its own, and would be lost. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function refuse(call: string, what: string): never {
  throw new EpochError('INVALID_ARGUMENT', `epochPerCall(${call}): ${what}.`)
}

/** As the core shows a wrong argument: its type, never its content. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value) ? 'an array' : `an object (${value.constructor?.name || 'no constructor'})`
}
