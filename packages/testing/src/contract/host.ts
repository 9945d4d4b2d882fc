/** Where a door's server runs: in the process of the cases, or, behind the same words, in one of another runtime. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Door, Route, Served } from './door.js'
import { type Asked, Probe } from './probe.js'

export interface Host {
  /** What it serves. */
  readonly routes: readonly Route[]
  /** Starts the server; anew, where it runs. With `inEpoch`, inside an epoch that stays open. */
  start(options: { readonly inEpoch: boolean }): Promise<Served>
  ask<Q extends keyof Asked>(question: Q, ...args: Asked[Q]['args']): Promise<Asked[Q]['answer']>
  /** How many connections it has taken so far. */
  connections(): number
  /** Ends the server, and what was started with it. */
  end(): Promise<void>
}

export class LocalHost implements Host {
  readonly #door: Door
  readonly #probe = new Probe()
  readonly #onSocket = (): void => void this.#accepted++
  #accepted = 0
  #served: Served | undefined

  constructor(door: Door) {
    this.#door = door
    subscribe('net.server.socket', this.#onSocket)
  }

  get routes(): readonly Route[] {
    return this.#probe.routes
  }

  async start({ inEpoch }: { readonly inEpoch: boolean }): Promise<Served> {
    await this.#stop()
    const start = (): Promise<Served> => this.#door.start(this.routes)
    return (this.#served = await (inEpoch ? this.#probe.inStartUp(start) : start()))
  }

  ask<Q extends keyof Asked>(question: Q, ...args: Asked[Q]['args']): Promise<Asked[Q]['answer']> {
    return this.#probe.ask(question, ...args)
  }

  connections(): number {
    return this.#served?.connections?.() ?? this.#accepted
  }

  async end(): Promise<void> {
    try {
      await this.#stop()
    } finally {
      unsubscribe('net.server.socket', this.#onSocket)
      this.#probe.release()
    }
  }

  async #stop(): Promise<void> {
    const served = this.#served
    this.#served = undefined
    await served?.close()
  }
}
