/**
 * Where calls enter a service that has never heard of epochs: a method, or an event. A door stands in for it, and opens
 * an epoch for each call before it passes the call on; arguments, results and errors are handed through untouched. The
 * epoch ends before the call begins, because a door does not wait for anything, and the program is to find no epoch but
 * its own: the call goes on in the async context, and `calls.ts` counts what it reads there. So nothing stays open, and
 * nothing is kept.
 */
import { Server as HttpServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Server as HttpsServer } from 'node:https'
import { bind, type Epoch, withEpoch } from 'withepoch'
import { kindOf, refuse } from './arguments.js'

/**
 * The name of the calls that come in by a door: one for all, or what a function makes of the arguments. Where the function
 * returns `undefined`, or throws, the call is none, and goes through unobserved.
 *
 * **Caveat** Reports are made by name: the method or the route, not an id. Of each source 200 names are told apart.
 */
export type CallName<A extends unknown[]> = string | ((...args: A) => string | undefined)

/** A place where calls enter, for the option `doors` of `observe`. Nothing is touched until then. */
export interface Door {
  /** For `observe`: puts the door in, tells of each epoch that it opens, and returns a function that takes it out. */
  install(enter: (epoch: Epoch) => void): () => void
}

/**
 * Each call of `object[method]` is a call of the service: an RPC server's `receive`, a router's `handle`, a job runner's
 * `run`. Give the prototype, for all objects of a class.
 *
 * **Caveat** What the service has taken off the object before (`const { receive } = server`) does not come by.
 *
 * @throws INVALID_ARGUMENT when there is no such method, or it cannot be replaced.
 * @example
 * import { JSONRPCServer } from 'json-rpc-2.0'
 * observe({ doors: [onMethod(JSONRPCServer.prototype, 'receive', (request) => request.method)] })
 */
export function onMethod<O extends object, K extends keyof O>(
  object: O,
  method: K,
  name: CallName<O[K] extends (...args: infer A) => unknown ? A : unknown[]>,
): Door {
  const call = `onMethod(object, ${String(method)}, name)`
  requireMethod(object, method, call)
  requireName(name, call)
  return {
    install: (enter) =>
      replace(object, method, (original) => {
        return function (this: unknown, ...args: unknown[]): unknown {
          const through = (): unknown => Reflect.apply(original, this, args)
          return pass(nameOf(name as CallName<unknown[]>, args), through, enter)
        }
      }),
  }
}

/**
 * Each `event` that `emitter` emits is a call of the service: `message` of a socket, `request` of a server. Give the
 * prototype, for all emitters of a class. All listeners of one event are one call.
 *
 * @throws INVALID_ARGUMENT when it is no emitter.
 * @example
 * import { WebSocket } from 'ws'
 * observe({ doors: [onEvent(WebSocket.prototype, 'message', 'message')] })
 */
export function onEvent(emitter: object, event: string | symbol, name: CallName<never[]>): Door {
  const call = `onEvent(emitter, ${String(event)}, name)`
  requireMethod(emitter as { emit: unknown }, 'emit', call)
  requireName(name, call)
  return {
    install: (enter) =>
      replace(emitter as { emit: unknown }, 'emit', (original) => {
        return function emit(this: unknown, ...args: unknown[]): unknown {
          const through = (): unknown => Reflect.apply(original, this, args)
          if (args[0] !== event) return through()
          return pass(nameOf(name as CallName<unknown[]>, args.slice(1)), through, enter)
        }
      }),
  }
}

/**
 * Each request of every HTTP and HTTPS server of the process is a call, by default with a name like `GET /orders/…`: the
 * method and the first part of the path, since the rest is often an id.
 *
 * @example
 * observe({ doors: [httpRequests((request) => request.url?.split('?')[0])] })
 */
export function httpRequests(name: CallName<[request: IncomingMessage]> = routeOf): Door {
  const doors = [HttpServer, HttpsServer].map(({ prototype }) =>
    onEvent(prototype, 'request', name as CallName<never[]>),
  )
  return {
    install(enter) {
      const removals = doors.map((door) => door.install(enter))
      return () => removals.forEach((remove) => remove())
    },
  }
}

function routeOf({ method, url }: IncomingMessage): string {
  const [, first = '', rest] = /^\/([^/?#]*)(\/[^/?#])?/.exec(url ?? '') ?? []
  return `${method} /${first}${rest === undefined ? '' : '/…'}`
}

/**
 * Runs `through` in the context of an epoch that has ended: so it finds none that it could join, hook into or be refused by,
 * and its reads are known by it all the same. Where none can be opened (in a getter, in `publish`) it runs without.
 */
function pass(name: string | undefined, through: () => unknown, enter: (epoch: Epoch) => void): unknown {
  return name === undefined ? through() : inCall(name, through, enter)()
}

function inCall(name: string, through: () => unknown, enter: (epoch: Epoch) => void): () => unknown {
  try {
    return withEpoch({ name, ifNested: 'fresh' }, (epoch) => {
      enter(epoch)
      return bind(through)
    })
  } catch {
    return through
  }
}

function nameOf(name: CallName<unknown[]>, args: unknown[]): string | undefined {
  if (typeof name === 'string') return name
  try {
    const given: unknown = name(...args)
    return typeof given === 'string' ? given : undefined
  } catch {
    return undefined // an observer's mistake must not become the service's
  }
}

type AnyFunction = (...args: unknown[]) => unknown

/** Puts another function in the place of a method, as like it as can be. */
function replace<O extends object>(
  object: O,
  key: keyof O,
  make: (original: AnyFunction) => AnyFunction,
): () => void {
  const own = Reflect.getOwnPropertyDescriptor(object, key)
  const original = object[key] as AnyFunction
  let isOpen = true
  const door = make(original)
  const standIn = function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(isOpen ? door : original, this, args)
  }
  for (const each of ['name', 'length'] as const) {
    Object.defineProperty(standIn, each, { value: original[each], configurable: true })
  }
  Object.defineProperty(object, key, {
    value: standIn,
    configurable: true,
    writable: true,
    enumerable: own?.enumerable ?? false,
  })
  return function remove() {
    isOpen = false
    // If somebody has wrapped it meanwhile it stays, and passes everything through.
    if (object[key] !== (standIn as unknown)) return
    if (own === undefined) Reflect.deleteProperty(object, key)
    else Object.defineProperty(object, key, own)
  }
}

function requireMethod<O extends object>(object: O, key: keyof O, call: string): void {
  if ((typeof object !== 'object' && typeof object !== 'function') || object === null) {
    refuse(`${call}: expected an object, got ${kindOf(object)}.`)
  }
  if (typeof object[key] !== 'function') {
    refuse(`${call}: expected a method, found ${kindOf(object[key])}. Is it on the prototype, or made later?`)
  }
  const own = Reflect.getOwnPropertyDescriptor(object, key)
  if (own?.configurable === false || (own === undefined && !Object.isExtensible(object))) {
    refuse(
      `${call}: the method cannot be replaced, the object is sealed or frozen. Take a method that it calls.`,
    )
  }
}

function requireName(name: unknown, call: string): void {
  if (typeof name !== 'string' && typeof name !== 'function') {
    refuse(`${call}: name must be a string or a function, got ${kindOf(name)}.`)
  }
}
