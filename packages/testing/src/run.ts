/**
 * One run of a handler: the calls come in, the world changes under them, and then each answer is compared with what the
 * handler says when it is alone in a world that stands as it stood at its entry. Snapshot isolation is that the two are
 * equal. What else must hold is noted on the way: no load twice, no late read, no epoch left open.
 */
import { isDeepStrictEqual } from 'node:util'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { fileURLToPath } from 'node:url'
import { detach, type Epoch, type EpochEvent, type Source, type SourceEvent } from 'withepoch'
import { kindOf, refuse } from './arguments.js'
import { type Engine, enginesFor, type Engines, type Points } from './engine.js'
import { brief, literal } from './literal.js'
import { realSleep, realTurn } from './real-time.js'
import type { Schedule } from './schedule.js'
import type { AnySubject } from './subject.js'
import { callContext, type Loads } from './watch.js'
import { copyOf, type FrozenWorld, World } from './world.js'

/** What a run can find. */
export interface Violation {
  /**
   * - `torn`: an answer that the handler does not give on the world of its entry.
   * - `loaded-twice`: a watched loader was called again with what it had been called with.
   * - `late-read`: a source was read by work whose epoch had closed.
   * - `left-open`: an epoch was still open after the calls.
   * - `hung`: a call did not end.
   */
  readonly kind: 'torn' | 'loaded-twice' | 'late-read' | 'left-open' | 'hung'
  readonly message: string
}

/** What a run came to. */
export interface Outcome {
  readonly violations: readonly Violation[]
  /** What happened, in order. */
  readonly trace: readonly string[]
  /** What the calls rejected with, one for each that did. */
  readonly rejections: readonly unknown[]
}

type Answer = { readonly value: unknown } | { readonly error: unknown }

interface Call {
  readonly label: string
  readonly input: unknown
  readonly loads: Loads[]
  worlds: readonly FrozenWorld[]
  answer: Answer | undefined
}

const UNMOVED =
  ' No source had another value meanwhile, so the answer depends on something besides its input and the sources (an id, ' +
  'a clock, a cache): empty it with `reset`, or leave it out with `equals`.'

/** Runs are one at a time: the world is the process's. */
let lastRun: Promise<unknown> = Promise.resolve()

/** Runs a schedule; `makeEngine` for one that is driven from elsewhere. */
export function runSchedule(
  subject: AnySubject,
  schedule: Schedule,
  makeEngine?: (note: (line: string) => void) => Engine,
): Promise<Outcome> {
  // Whoever asks may be in an epoch; a handler that joined it would never open one of its own.
  const run = lastRun.then(() => detach(() => new Run(subject, schedule).run(makeEngine)))
  lastRun = run.catch(() => {})
  return run
}

class Run {
  readonly #subject: AnySubject
  readonly #schedule: Schedule
  readonly #world: World
  readonly #trace: string[] = []
  readonly #violations: Violation[] = []
  readonly #epochs = new Set<Epoch>()
  /** The next move, the tasks since the one before it, and the microtasks since that or the last task. */
  #move = 0
  #tasks = 0
  #microtasks = 0
  /** Whether a source had two values while the calls were under way. */
  #moved = false

  constructor(subject: AnySubject, schedule: Schedule) {
    this.#subject = subject
    this.#schedule = schedule
    this.#world = new World(subject)
  }

  async run(makeEngine: ((note: (line: string) => void) => Engine) | undefined): Promise<Outcome> {
    const note = (line: string): void => void this.#trace.push(line)
    const engines = enginesFor(this.#schedule.drive)
    const stopWatching = this.#watch()
    try {
      await this.#reset()
      this.#world.become(this.#schedule.world)
      const engine = makeEngine?.(note) ?? engines.next(this.#schedule.choices, note)
      let calls: readonly Call[]
      try {
        calls = await this.#live(engine)
      } finally {
        engine.end()
      }
      await this.#closing()
      // Watched to the end: what was left behind may take longer than the calls, in real time.
      if (this.#violations.every(({ kind }) => kind !== 'hung')) await this.#compare(calls, engines)
      const rejections = calls.flatMap(({ answer }) =>
        answer !== undefined && 'error' in answer ? [answer.error] : [],
      )
      return { violations: this.#violations, trace: this.#trace, rejections }
    } finally {
      stopWatching()
      engines.end()
      this.#world.restore()
    }
  }

  /** The calls, the actors and the moves, all together. */
  async #live(engine: Engine): Promise<readonly Call[]> {
    const calls = this.#schedule.calls.map((input, index): Call => {
      const label = this.#schedule.calls.length === 1 ? 'the call' : `call ${index + 1}`
      return { label, input, loads: [], worlds: [], answer: undefined }
    })
    const points: Points = {
      microtask: () => {
        this.#microtasks++
        return this.#changes()
      },
      task: () => {
        for (const name of this.#world.advance()) this.#trace.push(`the writer of ${name} goes on`)
        this.#tasks++
        this.#microtasks = 0
        return this.#changes()
      },
    }
    const before = this.#world.now()
    let open = calls.length
    for (const [index, call] of calls.entries()) {
      // The first comes in at once, the others when it is their turn.
      const begin = (): void => {
        this.#trace.push(
          `${call.label} comes in${index > 0 || call.input !== undefined ? `: ${brief(call.input)}` : ''}`,
        )
        call.worlds = this.#world.candidates()
        void this.#answer(call, engine).then((answer) => {
          call.answer = answer
          open--
          this.#trace.push(`${call.label} ${said(answer)}`)
        })
      }
      if (index === 0) begin()
      else void engine.pause(call.label).then(begin)
    }
    let failure: { error: unknown } | undefined
    let acting = 0
    let over = false
    for (const [name, actor] of Object.entries(this.#subject.actors ?? {})) {
      acting++
      const context = {
        scheduler: engine.scheduler,
        pause: async (label?: string) => {
          await engine.pause(label ?? name)
          return open > 0 && !over
        },
        set: (entry: string, value: unknown) => {
          if (over)
            refuse(
              `set("${entry}", value) of the actor ${name}`,
              'the run is over; stop when pause gives false.',
            )
          this.#set(entry, value, name)
        },
      }
      void engine
        .pause(name)
        .then(() => actor(context))
        .then(undefined, (error: unknown) => (failure = { error }))
        .finally(() => acting--)
    }
    const { timeoutMs = 5_000 } = this.#subject
    const ended = await engine
      .drive(points, () => failure !== undefined || (open === 0 && acting === 0), timeoutMs)
      .finally(() => (over = true))
    this.#world.finishAll()
    // By the handler itself, perhaps, or an actor that does not say so.
    if (!isDeepStrictEqual(this.#world.now(), before)) this.#moved = true
    if (failure !== undefined) throw failure.error
    if (!ended) {
      const hanging = calls.filter(({ answer }) => answer === undefined).map(({ label }) => label)
      this.#violate(
        'hung',
        `${hanging.join(' and ') || 'an actor'} had not ended after ${timeoutMs} ms of waiting` +
          (this.#schedule.drive === 'real' ? '.' : ', and nothing was left that the kit could let go on.'),
      )
    }
    for (const { loads } of calls) {
      for (const { loader, key, by, count, max, byKey } of loads) {
        if (count <= max) continue
        const shown = byKey ? brief(key) : (key as unknown[]).map(brief).join(', ')
        this.#violate(
          'loaded-twice',
          `${loader}(${shown}) was called ${count} times by ${by}; ${max} would do.`,
        )
      }
    }
    return calls
  }

  /** Makes the next move if its time has come. False when there is none to come. */
  #changes(): boolean {
    const { moves, drive } = this.#schedule
    // In real time a handler may take many turns, so the moves begin again.
    if (this.#move === moves.length && drive === 'real') this.#move = 0
    const move = moves[this.#move]
    if (move === undefined) return false
    if (this.#tasks >= move.after && this.#microtasks >= (move.microtasks ?? 0)) {
      this.#tasks = this.#microtasks = 0
      this.#move++
      this.#moves(`${move.set} = ${brief(move.to)}`, () =>
        // Who waited for long before it goes slowly: a writer that stops half-way is there for others to come in.
        this.#world.begin(move.set, move.to, move.after + 1),
      )
    }
    return true
  }

  #set(name: string, value: unknown, actor: string): void {
    this.#moves(`${actor}: ${name} = ${brief(value)}`, () => this.#world.set(name, value))
  }

  /** A set that changes nothing is no step to read about. Its line stands before those of what it sets off. */
  #moves(line: string, set: () => boolean): void {
    const at = this.#trace.push(line) - 1
    if (set()) this.#moved = true
    else this.#trace.splice(at, 1)
  }

  async #answer(call: Pick<Call, 'label' | 'input' | 'loads'>, engine: Engine): Promise<Answer> {
    const context = {
      scheduler: engine.scheduler,
      pause: (label?: string) => engine.pause(label ?? `${call.label} goes on`),
    }
    try {
      // No `await` before it: the handler has to be called in the step in which the world was looked at.
      const result = callContext.run(call, () => this.#subject.handler(copyOf(call.input), context))
      // As it is now: what it holds may be changed in place before the answers are compared.
      const answer = await copyOf(result)
      // What a generator reads as it hands out its rows is read by the call as well.
      return { value: copyOf(await callContext.run(call, () => pulled(answer))) }
    } catch (error) {
      return { error }
    }
  }

  /** What the handler says when it is alone in each world that a call may have seen. */
  async #compare(calls: readonly Call[], engines: Engines): Promise<void> {
    const known: Array<{ input: unknown; world: FrozenWorld; answer: Answer | undefined }> = []
    for (const { label, input, worlds, answer } of calls) {
      const frozen: Array<Answer | undefined> = []
      for (const world of worlds) {
        let one = known.find((other) => isDeepStrictEqual([other.input, other.world], [input, world]))
        if (one === undefined)
          known.push((one = { input, world, answer: await this.#alone(input, world, engines) }))
        frozen.push(one.answer)
      }
      if (frozen.some((each) => each === undefined)) {
        this.#violate('hung', `The handler, alone in a world that does not change, did not end.`)
      } else if (!frozen.some((each) => this.#isSame(answer!, each!))) {
        const wanted = worlds.map((world, index) => `${said(frozen[index]!)} on ${literal(world)}`)
        this.#violate(
          'torn',
          `${label} ${said(answer!)}, but alone in the world of its entry it ${wanted.join(', or ')}.${
            this.#moved ? '' : UNMOVED
          }`,
        )
      }
    }
  }

  async #alone(input: unknown, world: FrozenWorld, engines: Engines): Promise<Answer | undefined> {
    await this.#reset()
    this.#world.become(world)
    const engine = engines.next([], () => {})
    try {
      let answer: Answer | undefined
      void this.#answer({ label: 'a call alone', input, loads: [] }, engine).then((each) => (answer = each))
      const still: Points = { microtask: () => false, task: () => false }
      await engine.drive(still, () => answer !== undefined, this.#subject.timeoutMs ?? 5_000)
      return answer
    } finally {
      engine.end()
    }
  }

  #isSame(one: Answer, other: Answer): boolean {
    if ('error' in one || 'error' in other)
      return 'error' in one && 'error' in other && isDeepStrictEqual(errorOf(one.error), errorOf(other.error))
    const { equals = isDeepStrictEqual } = this.#subject
    const same: unknown = equals(one.value, other.value)
    if (typeof same !== 'boolean')
      refuse('equals(answer, frozen)', `it must return a boolean, got ${kindOf(same)}.`)
    return same
  }

  /** Gives what was left behind a while: late readers to read, and epochs to close. */
  async #closing(): Promise<void> {
    const { settleMs = 100 } = this.#subject
    const stillOpen = (): Epoch[] => [...this.#epochs].filter(({ phase }) => phase !== 'closed')
    for (let turn = 0; turn < 3; turn++) await realTurn()
    for (let ms = 0; ms < settleMs && stillOpen().length > 0; ms++) await realSleep(1)
    for (const { id, name } of stillOpen())
      this.#violate('left-open', `Epoch #${id} "${name}" is still open after the calls. What holds it?`)
  }

  /** Notes epochs and late reads until the function it returns is called. */
  #watch(): () => void {
    const opened = (message: unknown): void => void this.#epochs.add((message as EpochEvent).epoch)
    const readLate = (message: unknown): void => {
      const { source, epoch } = message as SourceEvent
      if (epoch === undefined || !this.#epochs.has(epoch)) return
      const place = readerOf(source, epoch)
      const at = place === undefined ? '' : `, at ${place}`
      this.#trace.push(`${callContext.getStore()?.label ?? 'somebody'} reads "${source.name}" late${at}`)
      this.#violate(
        'late-read',
        `"${source.name}" was read after epoch #${epoch.id} "${epoch.name}" had closed${at}.`,
      )
    }
    subscribe('withepoch:epoch:open', opened)
    subscribe('withepoch:source:late-read', readLate)
    return () => {
      unsubscribe('withepoch:epoch:open', opened)
      unsubscribe('withepoch:source:late-read', readLate)
    }
  }

  #violate(kind: Violation['kind'], message: string): void {
    if (!this.#violations.some((other) => other.message === message)) this.#violations.push({ kind, message })
  }

  async #reset(): Promise<void> {
    await this.#subject.reset?.()
  }
}

/**
 * An iterator or a stream is read to its end, with a microtask between two steps, and a `Response` of fetch as well, none of
 * which could be compared otherwise; anything else is the answer as it is.
 */
async function pulled(value: unknown): Promise<unknown> {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Response)
    return { status: value.status, headers: [...value.headers], body: await value.text() }
  const { [Symbol.asyncIterator]: asyncSelf, [Symbol.iterator]: self } = value as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >
  const isIterator = typeof (value as { next?: unknown }).next === 'function' && self !== undefined
  if (!isIterator && asyncSelf === undefined) return value
  const rows: unknown[] = []
  for await (const row of value as AsyncIterable<unknown>) rows.push(row)
  return rows
}

function said(answer: Answer): string {
  return 'value' in answer ? `answers ${brief(answer.value)}` : `fails with ${brief(answer.error)}`
}

function errorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  return [error.name, error.message, (error as { code?: unknown }).code]
}

/** The file and line of who reads a source right now, in code outside the library. */
function readerOf(source: Source<unknown>, epoch: Epoch): string | undefined {
  // oxlint-disable-next-line typescript/unbound-method -- named to find them on the stack, not called
  for (const entry of [source.get, epoch.get]) {
    const site: { stack?: string } = {}
    Error.captureStackTrace(site, entry)
    const frames = site.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
    // A property that `adopt` stands in for is one call more: `get [as language]`.
    const frame = / \[as [^\]]*\] /.test(frames[0] ?? '') ? frames[1] : frames[0]
    const place = /^\s+at (?:.*\()?(.+:\d+):\d+\)?$/.exec(frame ?? '')?.[1]
    if (place !== undefined) return place.startsWith('file:') ? fileURLToPath(place) : place
  }
  return undefined
}
