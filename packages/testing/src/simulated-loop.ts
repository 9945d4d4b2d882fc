/**
 * Node's event loop, simulated: timers, immediates and the clock become a queue that is worked off in an order that the
 * choices say, so that a handler which uses them runs the same each time. Each callback keeps its async context, by
 * `AsyncResource.bind`; stock fake timers lose it, and with it the epoch.
 *
 * What is left to choice is what Node leaves open. Immediates run in the order in which they were set, and so do timers
 * by the time at which they are due; which of the two kinds comes next depends on how busy the process is. Microtasks
 * have a fixed order, are not replaced and have all run between two tasks.
 */
import { AsyncResource } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'
import { promisify } from 'node:util'
import { refuse, requireFunction } from './arguments.js'
import { type Choices, choicesFrom, type ChoicesFrom } from './choices.js'
import { realNow, realSleep, realTurn } from './real-time.js'

/** The first moment of simulated time, the same in each run: 2000-01-01. */
const BEGINNING = Date.UTC(2000, 0, 1)
/** How long something that nobody controls (a file, a socket) is waited for when the queue is empty. */
const IO_MS = 2_000

/** What was set before a simulation is cleared by these. */
const realTimers = { ...timers }

/** Whether the names are replaced now. Two who put them back in another order than they took them would lose the originals. */
let replaced = false

type Kind = 'timer' | 'immediate' | 'free'

interface Task {
  readonly id: number
  readonly kind: Kind
  readonly label: string
  readonly run: () => void
  due: number
  /** Of an interval, or of a timer that may be set going again. */
  readonly everyMs: number | undefined
  readonly afterMs: number
  counts: boolean
}

/** What `simulate` gives. */
export interface Simulation<R> {
  readonly answer: R
  /** What ran, in order: `12 ms: setTimeout 10 ms (#4)`. The same for the same choices. */
  readonly trace: readonly string[]
  /** What was chosen; given to `simulate` it makes the same run. */
  readonly choices: readonly number[]
}

/**
 * Runs `body` in a simulated event loop: `setTimeout`, `setInterval`, `setImmediate` and their clear functions, global
 * and in `node:timers`, those of `node:timers/promises`, `Date` and `performance.now` are replaced until the promise that
 * `body` returns has settled and nothing is left to run. Time stands still except between two tasks.
 *
 * Use it to run code with timers in an order that is the same each time, an hour in a few milliseconds. Which of an
 * immediate and a timer runs first is chosen by `from`.
 *
 * **Caveat** Files, sockets, worker threads and `AbortSignal.timeout` are real. They are waited for when nothing else is
 * left to run, and then the order is not exactly repeatable. Code that took hold of a timer function before (a
 * `const { setTimeout } = globalThis` of its own) goes on with the real one.
 *
 * **Caveat** The names are replaced for the whole process, so run one simulation at a time.
 *
 * @param from the choices: a list of numbers, a seed, or a {@link Choices}.
 * @returns what `body` returned, and what ran.
 * @throws what `body` throws, or a callback of a timer.
 * @throws INVALID_ARGUMENT when `body` is not a function, or another simulation is under way.
 * @example
 * const run = () => simulate(42, async () => {
 *   const order = []
 *   setTimeout(() => order.push('an hour later'), 3_600_000)
 *   setImmediate(() => order.push('immediate'))
 *   await new Promise((resolve) => setTimeout(resolve, 4_000_000))
 *   return order
 * })
 * const [first, second] = [await run(), await run()]
 * first.trace.length // => 3
 * JSON.stringify(first) === JSON.stringify(second) // => true
 */
export async function simulate<R>(
  from: ChoicesFrom,
  body: (loop: SimulatedLoop) => R | PromiseLike<R>,
): Promise<Simulation<R>> {
  requireFunction(body, 'simulate(from, body)', 'body')
  const loop = new SimulatedLoop(choicesFrom(from))
  const restore = replaceTimers(() => loop)
  try {
    let settled = false
    const done = (async () => body(loop))().finally(() => (settled = true))
    done.catch(() => {}) // whoever called gets it, below
    await loop.runUntil(() => settled)
    return { answer: await done, trace: loop.trace, choices: loop.choices.made }
  } finally {
    restore()
  }
}

/**
 * Replaces the names by ones that go to the loop that is `current`, or to the originals while there is none; the
 * function it returns puts the originals back. It takes Node a moment to tell all modules of new names, so this is done
 * once for several loops.
 *
 * @internal
 */
export function replaceTimers(current: () => SimulatedLoop | undefined): () => void {
  if (replaced)
    refuse(
      'simulate(from, body)',
      'another simulation is under way in this process. Await it first: run one at a time.',
    )
  replaced = true
  const restores: Array<() => void> = []
  const replace = (object: object, names: object): void => {
    for (const [name, value] of Object.entries(names)) {
      const former = Object.getOwnPropertyDescriptor(object, name)
      Object.defineProperty(object, name, { value, configurable: true, enumerable: true, writable: true })
      restores.push(() => {
        if (former === undefined) Reflect.deleteProperty(object, name)
        else Object.defineProperty(object, name, former)
      })
    }
  }
  const originals = { ...timers }
  const promised = { ...timersPromises }
  type Name = keyof SimulatedLoop['timers']
  const timerNames = [
    'setTimeout',
    'setInterval',
    'setImmediate',
    'clearTimeout',
    'clearInterval',
    'clearImmediate',
  ]
  const functions = Object.fromEntries(
    (timerNames as Name[]).map((name) => [
      name,
      (...args: unknown[]): unknown =>
        Reflect.apply(current()?.timers[name] ?? originals[name], undefined, args) as unknown,
    ]),
  )
  const promises = Object.fromEntries(
    (['setTimeout', 'setInterval', 'setImmediate'] as const).map((name) => [
      name,
      (...args: unknown[]): unknown =>
        Reflect.apply(current()?.promises[name] ?? promised[name], undefined, args) as unknown,
    ]),
  )
  for (const name of ['setTimeout', 'setImmediate'] as const)
    Object.defineProperty(functions[name], promisify.custom, { value: promises[name] })
  replace(globalThis, { ...functions, Date: clockOf(() => current()?.now) })
  replace(timers, functions)
  replace(timersPromises, promises)
  // Asked for before they are replaced, and of the object that has them: Node looks at their `this`.
  const { scheduler } = timersPromises
  const [wait, yielded, now] = [
    scheduler.wait.bind(scheduler),
    scheduler.yield.bind(scheduler),
    performance.now.bind(performance),
  ]
  replace(scheduler, {
    wait: (ms: number, options?: Waiting) =>
      current()?.promises.setTimeout(ms, undefined, options) ?? wait(ms, options as never),
    yield: () => current()?.promises.setImmediate() ?? yielded(),
  })
  replace(performance, { now: () => current()?.now ?? now() })
  syncBuiltinESMExports()
  return () => {
    for (const restore of restores.toReversed()) restore()
    syncBuiltinESMExports()
    replaced = false
  }
}

/** `Date` with the simulated time for its now; a Proxy, so that `instanceof Date` goes on to hold. */
function clockOf(simulated: () => number | undefined): DateConstructor {
  const real = Date
  const now = (): number => {
    const ms = simulated()
    return ms === undefined ? real.now() : BEGINNING + Math.floor(ms)
  }
  const clock: DateConstructor = new Proxy(real, {
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget === clock ? target : newTarget),
    apply: () => new real(now()).toString(),
  })
  return clock
}

/** The loop of one simulation. */
export class SimulatedLoop {
  readonly choices: Choices
  readonly trace: string[] = []
  /** @internal */
  readonly timers: ReturnType<SimulatedLoop['makeTimers']>
  /** @internal */
  readonly promises: ReturnType<SimulatedLoop['makePromises']>
  /** Awaited after each task. @internal */
  settle: () => Promise<void> = () => realTurn()
  #now = 0
  #lastId = 0
  readonly #tasks: Task[] = []
  readonly #errors: unknown[] = []

  /** @internal */
  constructor(choices: Choices) {
    this.choices = choices
    this.timers = this.makeTimers()
    this.promises = this.makePromises()
  }

  /** Simulated milliseconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** How many tasks keep the loop alive. */
  get pending(): number {
    return this.#tasks.filter(({ counts }) => counts).length
  }

  /** Whether anything is left that ends by itself: an interval does not. @internal */
  hasWork(): boolean {
    return this.#tasks.some(({ everyMs, counts }) => counts && everyMs === undefined)
  }

  /** A point at which others can go on, without a time: it may come before or after any task that waits. */
  pause(label = 'pause'): Promise<void> {
    return new Promise((resolve) => void this.#add('free', label, resolve, 0, undefined))
  }

  /**
   * Runs one task and all that follows from it. False when none is left that keeps the loop alive.
   *
   * @throws what its callback threw.
   */
  async step(): Promise<boolean> {
    if (this.pending === 0) return false
    const ready = this.#ready()
    const task = ready[this.choices.next(ready.length)]!
    if (task.kind === 'timer') this.#now = Math.max(this.#now, task.due)
    if (task.everyMs === undefined) this.#remove(task)
    else task.due = this.#now + task.everyMs
    this.trace.push(`${this.#now} ms: ${task.label}`)
    // As a task of the real loop: what it leaves to `process.nextTick` comes before its microtasks, as ever.
    await realTurn(() => {
      task.run()
      if (!this.#tasks.includes(task) || task.everyMs === undefined) return
      // In Node an interval is set again after its callback, so what that has set for the same time comes first.
      this.#remove(task)
      this.#tasks.push(task)
    })
    await this.settle()
    if (this.#errors.length > 0) throw this.#errors.shift()
    return true
  }

  /**
   * Runs until `isOver` and nothing is left; intervals that are left are not waited for.
   *
   * @internal
   */
  async runUntil(isOver: () => boolean): Promise<void> {
    let idleSince: number | undefined
    for (;;) {
      if (isOver() && !this.hasWork()) return
      if (await this.step()) {
        idleSince = undefined
        continue
      }
      await realTurn()
      if (isOver() || this.pending > 0) continue
      idleSince ??= realNow()
      if (realNow() - idleSince > IO_MS) {
        throw new Error(
          `simulate(from, body): nothing is left to run, and body has not ended within ${IO_MS} real ms. It waits for ` +
            'something that never comes, or for I/O that takes longer.',
        )
      }
      await realSleep(1)
    }
  }

  /** Those of which one may run next: the first timer, the first immediate, and each that has no place in an order. */
  #ready(): Task[] {
    const first: Partial<Record<Kind, Task>> = {}
    const free: Task[] = []
    for (const task of this.#tasks) {
      if (task.kind === 'free') {
        free.push(task)
      } else {
        const other = first[task.kind]
        if (other === undefined || task.due < other.due) first[task.kind] = task
      }
    }
    return [first.immediate, first.timer, ...free].filter((task) => task !== undefined)
  }

  #add(kind: Kind, label: string, callback: () => void, afterMs: number, everyMs: number | undefined): Task {
    const bound = AsyncResource.bind(callback)
    const run = (): void => {
      try {
        bound()
      } catch (error) {
        this.#errors.push(error)
      }
    }
    const id = ++this.#lastId
    const task: Task = {
      id,
      kind,
      label: `${label} (#${id})`,
      run,
      due: kind === 'timer' ? this.#now + afterMs : 0,
      everyMs,
      afterMs,
      counts: true,
    }
    this.#tasks.push(task)
    return task
  }

  #remove(task: Task): void {
    const index = this.#tasks.indexOf(task)
    if (index >= 0) this.#tasks.splice(index, 1)
  }

  /** @internal */
  makeTimers() {
    const handles = new Map<number, Handle>()
    const set =
      (name: string, kind: Kind, repeats: boolean) =>
      (callback: (...args: unknown[]) => void, ...rest: unknown[]): Handle => {
        requireFunction(callback, `${name}(callback)`, 'callback')
        const ms = kind === 'timer' ? msOf(rest.shift()) : 0
        const label = kind === 'timer' ? `${name} ${ms} ms` : name
        const task = this.#add(kind, label, () => callback(...rest), ms, repeats ? ms : undefined)
        let cleared = false
        const handle = new Handle(task, {
          remove: () => {
            cleared = true
            this.#remove(task)
          },
          again: () => {
            if (cleared) return // as in Node: it is not revived
            this.#remove(task)
            task.due = this.#now + task.afterMs
            this.#tasks.push(task)
          },
        })
        handles.set(task.id, handle)
        return handle
      }
    /** What was set before the simulation is cleared by the original. */
    const clear =
      (original: (handle: never) => void) =>
      (handle: unknown): void => {
        const ours = handle instanceof Handle ? handle : handles.get(Number(handle))
        if (ours === undefined) original(handle as never)
        else ours.close()
      }
    return {
      setTimeout: set('setTimeout', 'timer', false),
      setInterval: set('setInterval', 'timer', true),
      setImmediate: set('setImmediate', 'immediate', false),
      clearTimeout: clear(realTimers.clearTimeout),
      clearInterval: clear(realTimers.clearInterval),
      clearImmediate: clear(realTimers.clearImmediate),
    }
  }

  /** @internal */
  makePromises() {
    const wait = (label: string, kind: Kind, ms: number, value: unknown, options: Waiting = {}) =>
      new Promise<unknown>((resolve, reject) => {
        const { signal, ref = true } = options
        const abort = (): void => {
          this.#remove(task)
          reject(aborted(signal))
        }
        const finish = (): void => {
          signal?.removeEventListener('abort', abort)
          resolve(value)
        }
        if (signal?.aborted === true) return reject(aborted(signal))
        const task = this.#add(kind, label, finish, ms, undefined)
        task.counts = ref
        signal?.addEventListener('abort', abort, { once: true })
      })
    const setTimeout = (ms?: number, value?: unknown, options?: Waiting) =>
      wait(`setTimeout ${msOf(ms)} ms`, 'timer', msOf(ms), value, options)
    return {
      setTimeout,
      setImmediate: (value?: unknown, options?: Waiting) =>
        wait('setImmediate', 'immediate', 0, value, options),
      setInterval: async function* (ms?: number, value?: unknown, options?: Waiting) {
        for (;;) yield setTimeout(ms, value, options)
      },
    }
  }
}

/** What the waits of `node:timers/promises` take. */
interface Waiting {
  readonly signal?: AbortSignal
  readonly ref?: boolean
}

/** What `setTimeout` and its like return. */
class Handle {
  readonly #task: Task
  readonly #control: { remove(): void; again(): void }

  constructor(task: Task, control: { remove(): void; again(): void }) {
    this.#task = task
    this.#control = control
  }

  ref(): this {
    this.#task.counts = true
    return this
  }

  unref(): this {
    this.#task.counts = false
    return this
  }

  hasRef(): boolean {
    return this.#task.counts
  }

  refresh(): this {
    this.#control.again()
    return this
  }

  close(): this {
    this.#control.remove()
    return this
  }

  [Symbol.toPrimitive](): number {
    return this.#task.id
  }

  /** As Node's own do, where the symbol is there (Node 20 and later). */
  [Symbol.dispose](): void {
    this.close()
  }
}

/** Node's rule: below 1, above 2^31 - 1 or no number at all is 1. */
function msOf(ms: unknown): number {
  const number = Number(ms)
  return number >= 1 && number <= 2 ** 31 - 1 ? Math.trunc(number) : 1
}

function aborted(signal: AbortSignal | undefined): Error {
  return Object.assign(new Error('The operation was aborted', { cause: signal?.reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  })
}
