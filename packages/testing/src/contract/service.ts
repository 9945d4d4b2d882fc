/**
 * What the contract has an adapter serve: two globals that are always written together, and handlers that read them, wait,
 * write, fail. They answer with what they saw, and in which epoch.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { type Cell, cell, detach, publish, tryGetEpoch } from 'withepoch'
import type { Route } from './door.js'

/** What a handler saw: both globals, before and after it waited, and the epoch that it ran in. */
export interface Seen {
  readonly epoch: number | undefined
  readonly name: string | undefined
  /** Whether the context in which the server was started has reached the handler. */
  readonly inherits: boolean
  readonly reads: ReadonlyArray<readonly [left: number, right: number]>
}

/** Holds while a server is started: where a handler finds it, it would have found an epoch as well. */
export const startUp = new AsyncLocalStorage<boolean>()

/** A handler that has arrived, and waits until it is let on. */
export interface Arrival {
  readonly goOn: () => void
}

/** The bytes of the long answer: more than a socket's buffers take, so that it is not written before it is read. */
const LONG = 16 * 2 ** 20

export class Service {
  readonly left: Cell<number>
  readonly right: Cell<number>
  /** How many handlers have returned, by route. */
  readonly returned = new Map<string, number>()
  readonly #arrivals: Arrival[] = []
  readonly #waiting: Array<(arrival: Arrival) => void> = []
  readonly routes: readonly Route[]

  constructor() {
    this.left = cell('contract.left', 0, { ifRegistered: 'replace' })
    this.right = cell('contract.right', 0, { ifRegistered: 'replace' })
    const wait = (): Promise<void> =>
      new Promise((goOn) => {
        const next = this.#waiting.shift()
        if (next === undefined) this.#arrivals.push({ goOn })
        else next({ goOn })
      })
    const get = (name: string, handle: (input?: unknown) => unknown, path = `/${name}`): Route => {
      return { name, path, method: 'GET', kind: 'answer', handle: this.#counted(name, handle) }
    }
    const post = (name: string, handle: (input?: unknown) => unknown): Route => {
      return { name, path: `/${name}`, method: 'POST', kind: 'answer', handle: this.#counted(name, handle) }
    }
    const chunks = async function* (this: Service, count: number): AsyncGenerator<string, void, undefined> {
      for (let index = 0; index < count; index++) {
        yield JSON.stringify(this.#seen([this.#read()]))
        this.set(this.left.live() + 1)
        await turn()
      }
    }
    this.routes = [
      get('read', () => this.#reading(1)),
      get('item', () => this.#reading(0), '/items/:id'),
      get('wait', () => this.#reading(0, wait)),
      get('long', () => ({ seen: this.#seen([this.#read()]), filler: 'x'.repeat(LONG) })),
      get('throws', () => {
        throw new Error('contract: it throws')
      }),
      get('rejects', async () => {
        await turn()
        throw new Error('contract: it rejects')
      }),
      post('write', (input) => {
        this.#write(Number(input))
        return this.#seen([this.#read()])
      }),
      post('echo', async (input) => ({ input, seen: await this.#reading(1) })),
      {
        name: 'upload',
        path: '/upload',
        method: 'POST',
        kind: 'upload',
        handle: this.#counted('upload', async (input) => {
          return { bytes: String(input).length, seen: await this.#reading(1) }
        }),
      },
      { name: 'rows', path: '/rows', method: 'GET', kind: 'stream', handle: () => chunks.call(this, 20) },
      { name: 'events', path: '/events', method: 'GET', kind: 'events', handle: () => chunks.call(this, 20) },
      {
        name: 'endless',
        path: '/endless',
        method: 'GET',
        kind: 'stream',
        handle: () => chunks.call(this, 1e9),
      },
      {
        name: 'broken',
        path: '/broken',
        method: 'GET',
        kind: 'broken',
        handle: () => {
          throw new Error('contract: middleware throws')
        },
      },
    ]
  }

  route(name: string): Route {
    return this.routes.find((route) => route.name === name)!
  }

  /** Writes both globals at once, as the world does it. */
  set(value: number): void {
    detach(() => this.#write(value))
  }

  /** The next handler of `wait` to arrive. */
  arrival(): Promise<Arrival> {
    const arrived = this.#arrivals.shift()
    return arrived === undefined
      ? new Promise((resolve) => this.#waiting.push(resolve))
      : Promise.resolve(arrived)
  }

  release(): void {
    this.left.release()
    this.right.release()
  }

  #counted(name: string, handle: (input?: unknown) => unknown): (input?: unknown) => unknown {
    return (input) => {
      const result = handle(input)
      const done = (): void => count(this.returned, name)
      if (result instanceof Promise) result.then(done, done)
      else done()
      return result
    }
  }

  #write(value: number): void {
    publish(() => {
      this.left.set(value)
      this.right.set(value)
    })
  }

  #read(): readonly [number, number] {
    return [this.left.get(), this.right.get()]
  }

  #seen(reads: Seen['reads']): Seen {
    const epoch = tryGetEpoch()
    return { epoch: epoch?.id, name: epoch?.name, inherits: startUp.getStore() === true, reads }
  }

  /** Reads, waits in as many ways as a handler does, and reads again. */
  async #reading(turns: number, wait?: () => Promise<void>): Promise<Seen> {
    const reads = [this.#read()]
    await Promise.resolve()
    reads.push(this.#read())
    for (let index = 0; index < turns; index++) await turn()
    await wait?.()
    reads.push(this.#read())
    return this.#seen(reads)
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
