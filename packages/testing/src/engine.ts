/**
 * What makes time go by in a run: the real event loop, a scheduler, or a simulated loop. All three let the run have its
 * say at each point where other work could run: after each microtask while the world is still to change, and after each
 * task. This file knows nothing of handlers and worlds.
 */
import { Choices } from './choices.js'
import { realNow, realSleep, realTurn } from './real-time.js'
import type { Drive } from './schedule.js'
import { Scheduler, type TaskScheduler } from './scheduler.js'
import { replaceTimers, SimulatedLoop } from './simulated-loop.js'

/** How many microtasks after a task the world may change between. */
export const MICROTASKS = 32

/** What a run does at the points where other work could run. */
export interface Points {
  /** After a microtask. False when there is nothing more to come. */
  microtask(): boolean
  /** After a task, and all microtasks that followed from it. False when there is nothing more to come. */
  task(): boolean
}

export interface Engine {
  readonly scheduler: TaskScheduler
  /** Waits for its turn. */
  pause(label: string): Promise<void>
  /**
   * Makes time go by until `isOver` and nothing is left to run; false if that does not come about within `timeoutMs`
   * real milliseconds of waiting for what the engine does not control.
   */
  drive(points: Points, isOver: () => boolean, timeoutMs: number): Promise<boolean>
  /** Time goes by by itself again. */
  end(): void
}

/** The engines of one run, which come one after the other. */
export interface Engines {
  next(choices: readonly number[], note: (line: string) => void): Engine
  /** Puts back what was replaced for them. */
  end(): void
}

export function enginesFor(drive: Drive): Engines {
  if (drive === 'real') return { next: realEngine, end() {} }
  if (drive === 'exact') return { next: exactEngine, end() {} }
  let current: SimulatedLoop | undefined
  const end = replaceTimers(() => current)
  return {
    next: (choices, note) =>
      simulatedEngine((current = new SimulatedLoop(new Choices(choices))), note, () => (current = undefined)),
    end,
  }
}

/** Lets microtasks go by, one at a time, for as long as the run has a use for it; then all others. */
async function settle(points: Points): Promise<void> {
  for (let count = 0; count < MICROTASKS && points.microtask(); count++) await Promise.resolve()
  await realTurn()
  points.task()
}

function realEngine(): Engine {
  const pause = (): Promise<void> => realTurn()
  const schedule = async <T>(task: Promise<T>): Promise<T> => {
    await pause()
    return task
  }
  return {
    pause,
    scheduler: {
      schedule,
      scheduleFunction:
        (fn) =>
        (...args) =>
          schedule(fn(...args)),
    },
    async drive(points, isOver, timeoutMs) {
      const began = realNow()
      while (!isOver()) {
        if (realNow() - began > timeoutMs) return false
        await settle(points)
      }
      return true
    },
    end() {},
  }
}

function exactEngine(list: readonly number[], note: (line: string) => void): Engine {
  let points: Points | undefined
  const scheduler = new Scheduler(list, async () => {
    note(scheduler.trace.at(-1)!)
    if (points !== undefined) await settle(points)
  })
  return {
    scheduler,
    pause: (label) => scheduler.pause(label),
    async drive(these, isOver, timeoutMs) {
      points = these
      await settle(points)
      return stepwise(
        () => scheduler.step(),
        isOver,
        () => scheduler.waiting > 0,
        timeoutMs,
      )
    },
    end() {},
  }
}

function simulatedEngine(loop: SimulatedLoop, note: (line: string) => void, end: () => void): Engine {
  const schedule = async <T>(task: Promise<T>, label?: string): Promise<T> => {
    task.then(undefined, () => {}) // whoever waits gets it when its turn has come
    await loop.pause(label)
    return task
  }
  return {
    pause: (label) => loop.pause(label),
    scheduler: {
      schedule,
      scheduleFunction:
        (fn) =>
        (...args) =>
          schedule(fn(...args), fn.name),
    },
    async drive(points, isOver, timeoutMs) {
      loop.settle = () => {
        note(loop.trace.at(-1)!)
        return settle(points)
      }
      await settle(points)
      return stepwise(
        () => loop.step(),
        isOver,
        () => loop.hasWork(),
        timeoutMs,
      )
    },
    end,
  }
}

/** Step by step; where nothing is left to step, the real loop may bring something. */
async function stepwise(
  step: () => Promise<boolean>,
  isOver: () => boolean,
  hasWork: () => boolean,
  timeoutMs: number,
): Promise<boolean> {
  let idleSince: number | undefined
  for (;;) {
    if (isOver() && !hasWork()) return true
    if (await step()) {
      idleSince = undefined
      continue
    }
    await realTurn()
    if (isOver() || hasWork()) continue
    idleSince ??= realNow()
    if (realNow() - idleSince > timeoutMs) return false
    await realSleep(1)
  }
}
