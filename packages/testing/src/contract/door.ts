/**
 * What an adapter has to show of itself: a real server with the adapter in it, that serves the routes it is given, and a way
 * to call it. What the routes do stands in `service.ts`, what is asked of them in `cases.ts`.
 */
import type { Title } from './cases.js'

/** One adapter on one framework, as the contract sees it. */
export interface Door {
  /** What the table calls it: `fastify`, `http (Express 5)`. */
  readonly name: string
  /**
   * Starts a server that serves `routes`, each once, on a port or a queue that nobody else uses; the adapter opens the epochs.
   * Anything the framework offers may be used, nothing may be mocked.
   */
  start(routes: readonly Route[]): Promise<Served>
  /** The epoch's name for a call of this route. Default: `GET /path` */
  nameOf?(route: Route): string
  /** The cases that this kind of door does not have or cannot keep, each with the reason: a sentence for the table. */
  readonly without?: Partial<Record<Title, string>>
}

/** Something to serve. `kind` says what `handle` gets and returns. */
export type Route = AnswerRoute | StreamRoute | BrokenRoute

interface Named {
  /** Unique, a word: `read`. The name of a method, of a field, of a tool, of a job. */
  readonly name: string
  /** For HTTP. One of them has a parameter, in the colon form: `/items/:id`. */
  readonly path: string
  /** `POST` has a JSON body, `{ "input": … }`, that the framework's usual parser is to read. */
  readonly method: 'GET' | 'POST'
}

export interface AnswerRoute extends Named {
  /** `upload`: a multipart body with one file, whose content is the input, as a string. */
  readonly kind: 'answer' | 'upload'
  /** Its result, or what its promise is fulfilled with, is the answer, as JSON. It throws and rejects as well. */
  handle(input?: unknown): unknown
}

export interface StreamRoute extends Named {
  /** `events`: each chunk is one server-sent event. */
  readonly kind: 'stream' | 'events'
  /** The answer, one chunk after the other: what the framework is given to send. */
  handle(input?: unknown): AsyncGenerator<string, void, undefined>
}

export interface BrokenRoute extends Named {
  /** Middleware, a hook, a guard: what stands between the adapter and the handler calls `handle`, which throws. */
  readonly kind: 'broken'
  handle(): never
}

/** A server that runs. With `url`, the contract calls it by HTTP itself. */
export interface Served {
  /** Where HTTP is spoken, without a path: `http://127.0.0.1:4711`. */
  readonly url?: string | undefined
  /** Where it is not: calls a route, and resolves to the answer; rejects where the answer is an error. */
  call?(route: Route, input?: unknown, signal?: AbortSignal): Promise<unknown>
  /** Calls a route whose answer is a stream. */
  stream?(route: StreamRoute, signal?: AbortSignal): AsyncIterable<string>
  /** Opens one connection that carries several messages, each of which is a call: a WebSocket, a session. */
  connect?(): Promise<Connection>
  /** How many connections were taken so far, where they are no sockets of servers in this process: sessions say. */
  connections?(): number
  /** Ends it, with all that was started for it. */
  close(): Promise<void>
}

export interface Connection {
  call(route: Route, input?: unknown): Promise<unknown>
  close(): Promise<void>
}
