/**
 * What the cases ask of the process that serves: what its handlers do, and which epochs it has open. It is asked by name, and what
 * it is asked with and answers is JSON, so that the process may be another one, in another runtime.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { type EpochEvent, withEpoch } from 'withepoch'
import { assertNoOpenEpochs } from '../strict.js'
import type { Route } from './door.js'
import { type Arrival, Service, startUp } from './service.js'

const START_UP = 'start-up'

/** A question, or something to do, and what it is asked with. */
export type Asked = {
  [Q in keyof typeof QUESTIONS]: (typeof QUESTIONS)[Q] extends (probe: Probe, ...args: infer A) => infer R
    ? { args: A; answer: Awaited<R> }
    : never
}

export class Probe {
  readonly service = new Service()
  /** The ids of the epochs that were opened since the last look. */
  readonly opened: number[] = []
  readonly open = new Set<number>()
  readonly arrivals: Arrival[] = []
  isCalm = false
  endStartUp = (): void => {}

  readonly #onOpen = (event: unknown): void => {
    const { id, name } = (event as EpochEvent).epoch
    if (name === START_UP) return
    this.open.add(id)
    this.opened.push(id)
  }
  readonly #onClose = (event: unknown): void => void this.open.delete((event as EpochEvent).epoch.id)

  constructor() {
    subscribe('withepoch:epoch:open', this.#onOpen)
    subscribe('withepoch:epoch:close', this.#onClose)
  }

  get routes(): readonly Route[] {
    return this.service.routes
  }

  /** Runs what starts the server inside an epoch that is open until the end, and in the context that tells where it would be found. */
  inStartUp<T>(start: () => Promise<T>): Promise<T> {
    const end = new Promise<void>((resolve) => (this.endStartUp = resolve))
    return new Promise((resolve, reject) => {
      const inEpoch = (): Promise<void> =>
        withEpoch({ name: START_UP, ifNested: 'fresh' }, async () => {
          start().then(resolve, reject)
          await end
        })
      void startUp.run(true, inEpoch)
    })
  }

  ask<Q extends keyof Asked>(question: Q, ...args: Asked[Q]['args']): Promise<Asked[Q]['answer']> {
    const answer = QUESTIONS[question] as (probe: Probe, ...args: unknown[]) => Asked[Q]['answer']
    return Promise.resolve(answer(this, ...args))
  }

  release(): void {
    this.endStartUp()
    unsubscribe('withepoch:epoch:open', this.#onOpen)
    unsubscribe('withepoch:epoch:close', this.#onClose)
    this.service.release()
  }
}

const QUESTIONS = {
  set: (probe: Probe, value: number) => probe.service.set(value),
  opened: (probe: Probe) => probe.opened.splice(0),
  openIds: (probe: Probe) => [...probe.open],
  returned: (probe: Probe, route: string) => probe.service.returned.get(route) ?? 0,
  /** Resolves when the next handler of `wait` has arrived, to what it is let on by. */
  arrival: async (probe: Probe) => probe.arrivals.push(await probe.service.arrival()) - 1,
  goOn: (probe: Probe, arrival: number) => probe.arrivals[arrival]!.goOn(),
  /** Resolves when the event loop has turned so often. */
  turns: async (_probe: Probe, count: number) => {
    for (let index = 0; index < count; index++) await turn()
  },
  /** Another world on every turn, until `calm`. */
  churn: async (probe: Probe) => {
    for (let value = 1; !probe.isCalm; value++) {
      probe.service.set(value)
      await turn()
    }
  },
  calm: (probe: Probe) => void (probe.isCalm = true),
  /** Ends the start-up. Rejects if an epoch does not close. */
  drained: async (probe: Probe, withinMs: number) => {
    probe.endStartUp()
    await assertNoOpenEpochs({ withinMs })
  },
} satisfies Record<string, (probe: Probe, ...args: never[]) => unknown>
