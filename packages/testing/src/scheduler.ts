/**
 * Exact control over who goes on: what waits for the scheduler goes on one at a time, in the order that the choices say,
 * and all that follows from it has happened before the next one goes on. It stands beside fast-check's scheduler, which
 * does the same, because it settles by a turn of the event loop, a complete settle where a number of microtasks is a
 * guess; and because its order is a list of small numbers, which shrinks to almost nothing.
 */
import { kindOf, refuse, requireFunction } from './arguments.js'
import { type Choices, choicesFrom, type ChoicesFrom } from './choices.js'
import { realTurn } from './real-time.js'

/** What a handler under exact control waits on; fast-check's scheduler is one too. */
export interface TaskScheduler {
  /** Waits for its turn, and then for `task`. The label is for reports. */
  schedule<T>(task: Promise<T>, label?: string): Promise<T>
  /** A function whose result waits for its turn. */
  scheduleFunction<A extends unknown[], T>(fn: (...args: A) => Promise<T>): (...args: A) => Promise<T>
}

interface Task {
  readonly label: string
  readonly release: () => void
}

/**
 * Runs what waits on it one task at a time, in the order of its choices.
 *
 * Use it to put a handler's I/O under control: `scheduler.scheduleFunction(readRow)` in the place of `readRow`. The code
 * that waits keeps its own async context, since it continues where it awaited.
 *
 * **Caveat** It controls what waits on it and nothing else: a real timer goes on when it is due.
 *
 * @param from which goes on: a list of numbers, a seed, or a {@link Choices}.
 * @example
 * const scheduler = new Scheduler([1, 0])
 * const order = []
 * for (const row of ['row 1', 'row 2']) {
 *   void scheduler.schedule(Promise.resolve(row), row).then((value) => order.push(value))
 * }
 * await scheduler.runAll()
 * order // => ['row 2', 'row 1']
 * scheduler.trace // => ['row 2', 'row 1']
 */
export class Scheduler implements TaskScheduler {
  readonly choices: Choices
  /** The labels of what has gone on, in order. */
  readonly trace: string[] = []
  readonly #waiting: Task[] = []
  readonly #settle: () => Promise<void>

  /** @param settle @internal what is awaited after each task */
  constructor(from: ChoicesFrom = [], settle: () => Promise<void> = () => realTurn()) {
    this.choices = choicesFrom(from)
    this.#settle = settle
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** @throws INVALID_ARGUMENT when `task` is no promise. */
  schedule<T>(task: Promise<T>, label = 'task'): Promise<T> {
    if (typeof (task as Partial<Promise<T>> | undefined)?.then !== 'function')
      refuse('scheduler.schedule(task, label)', `task must be a promise, got ${kindOf(task)}.`)
    // A rejection is handled from now on, however late its turn comes; whoever waits gets it then.
    task.then(undefined, () => {})
    return new Promise((resolve) => {
      this.#waiting.push({ label, release: () => resolve(task) })
    })
  }

  scheduleFunction<A extends unknown[], T>(fn: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
    requireFunction(fn, 'scheduler.scheduleFunction(fn)', 'fn')
    const name = fn.name || 'function'
    return (...args) => this.schedule(fn(...args), `${name}(${args.map(shown).join(', ')})`)
  }

  /** Waits for its turn and for nothing else: a point at which others can go on. */
  pause(label = 'pause'): Promise<void> {
    return this.schedule(Promise.resolve(), label)
  }

  /** Lets one go on, and waits until all that follows from it has happened. False when none waits. */
  async step(): Promise<boolean> {
    if (this.#waiting.length === 0) return false
    const [task] = this.#waiting.splice(this.choices.next(this.#waiting.length), 1)
    this.trace.push(task!.label)
    task!.release()
    await this.#settle()
    return true
  }

  /** Lets all go on, one after the other, those that come meanwhile as well. */
  async runAll(): Promise<void> {
    while (await this.step());
  }
}

/** An argument in a label: a few characters that tell calls apart. */
function shown(arg: unknown): string {
  if (typeof arg === 'string') return JSON.stringify(arg.length > 20 ? `${arg.slice(0, 20)}…` : arg)
  if (typeof arg === 'object' && arg !== null) return Array.isArray(arg) ? '[…]' : '{…}'
  if (typeof arg === 'function') return 'ƒ'
  return String(arg)
}
