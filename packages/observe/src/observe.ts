/**
 * One observation: turns observing on, listens, and can say at any time what has been seen. The counting is that of
 * `calls.ts`, the doors are those of `doors.ts`.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { configure, type EpochEvent, type ReadEvent, type WriteEvent } from 'withepoch'
import {
  kindOf,
  refuse,
  requireKnown,
  requireNumber,
  requireSignal,
  requireType,
  requireWord,
} from './arguments.js'
import { Calls } from './calls.js'
import type { Door } from './doors.js'
import { onEnd, onSignal, type Output, print, requireOutput } from './output.js'
import { type Report, textOf } from './report.js'

export interface ObserveOptions extends Output {
  /**
   * - `live`: epochs that are opened from here on pin nothing. Their reads are live, as they would be without the
   *   library, and the report says which calls saw two values. Before the cure.
   * - `pinned`: epochs pin, as ever, and the report says which calls would have seen two. After it.
   *
   * @default 'live'
   */
  mode?: 'live' | 'pinned' | undefined
  /** Where calls enter a service that opens no epochs itself. Not used with `pinned`. @default none */
  doors?: readonly Door[] | undefined
  /**
   * Milliseconds after which what a call reads is not counted for it any more. Calls that come in by a door have no end
   * that anybody knows of; a timer that one has started would be a part of it for ever. Minimum: 1.
   *
   * @default 60_000
   */
  callMs?: number | undefined
  /**
   * How many stacks of reads, and of writes, may be taken a second to find examples; none once each has one. One costs
   * some ten microseconds. 0: none, so there are no places in the report.
   *
   * @default 50
   */
  stacksPerSecond?: number | undefined
  /** Print the report when the process ends. @default false */
  printOnExit?: boolean | undefined
  /** Print the report on this signal: 'SIGUSR2', say. The signal does not end the process any more. @default none */
  printOn?: NodeJS.Signals | undefined
}

/** What `observe` returns. */
export interface Observation {
  /** What has been seen so far, as plain data. */
  report(): Report
  /** The same as text for people. */
  toString(): string
  /** Prints the report now, where and how the options say. */
  print(): void
  /** Ends the observation: takes the doors out and the setting back. What has been seen is there still. */
  stop(): void
}

const OPTIONS = [
  'mode',
  'doors',
  'callMs',
  'stacksPerSecond',
  'printOnExit',
  'printOn',
  'format',
  'file',
] as const

/**
 * Watches which declared or adopted globals tear, in which calls, and where they are written and read.
 *
 * Use it before you cure anything, from a preload: the service itself stays as it is. Adopt or declare the globals that
 * you suspect, say where calls enter, and run it under load. Afterwards, with `mode: 'pinned'`, the same report says what
 * is being averted.
 *
 * - No value of a source appears in a report, unless the source describes it.
 * - Nothing stays open and nothing grows with the number of calls.
 *
 * **Caveat** Only reads that come by the library are seen: through `get()`, or through an adopted property. A value that
 * the service keeps in a variable of its own is read unseen.
 *
 * **Caveat** With `mode: 'live'` epochs do not protect from anything: that is what is being looked at. Memos and derived
 * values call through.
 *
 * @throws INVALID_ARGUMENT when an option is unknown or not what it must be; nothing is changed.
 * @example
 * const settings = { locale: 'en' } // somebody else's global
 * adopt(settings, 'locale', { name: 'docs.observe.locale' })
 * const observation = observe()
 *
 * await withEpoch({ name: 'page' }, async () => {
 *   const before = settings.locale
 *   await detach(async () => { settings.locale = 'fr' })
 *   return [before, settings.locale]
 * }) // => ['en', 'fr']
 * observation.stop()
 * observation.report().sources.map(({ source, call, torn }) => `${source} in ${call}: ${torn}`)
 */
export function observe(options: ObserveOptions = {}): Observation {
  const call = 'observe(options)'
  check(options, call)
  const { mode = 'live', doors = [], callMs = 60_000, stacksPerSecond = 50, printOnExit, printOn } = options
  const calls = new Calls(callMs, stacksPerSecond)
  const beganAt = performance.now()
  let endedAt: number | undefined

  const listeners = {
    'withepoch:source:read': (message: unknown) => calls.read(message as ReadEvent),
    'withepoch:source:write': (message: unknown) => calls.write(message as WriteEvent),
    'withepoch:epoch:close': (message: unknown) => calls.closed((message as EpochEvent).epoch),
  }
  const undo: Array<() => void> = []
  for (const [channel, listen] of Object.entries(listeners)) {
    const listener = guarded(listen)
    subscribe(channel, listener)
    undo.push(() => void unsubscribe(channel, listener))
  }
  if (mode === 'live') undo.push(configure({ observe: true }))
  // A door's epoch would pin for the synchronous part, and what comes after would be late.
  for (const door of mode === 'live' ? doors : []) undo.push(door.install((epoch) => calls.enter(epoch)))

  const observation: Observation = {
    report() {
      const sources = calls.rows().toSorted(byInterest)
      const sum = (key: 'calls' | 'torn' | 'averted'): number =>
        sources.reduce((all, row) => all + row[key], 0)
      return {
        mode,
        forMs: Math.round((endedAt ?? performance.now()) - beganAt),
        sources,
        outside: calls.outside,
        uncounted: calls.uncounted,
        total: { calls: sum('calls'), torn: sum('torn'), averted: sum('averted') },
      }
    },
    toString: () => textOf(observation.report()),
    print() {
      const report = observation.report()
      print(Object.defineProperty({ ...report }, 'toString', { value: () => textOf(report) }), options)
    },
    stop() {
      endedAt ??= performance.now()
      for (const each of undo.splice(0).reverse()) each()
    },
  }
  if (printOnExit === true) undo.push(onEnd(() => observation.print()))
  if (printOn !== undefined) undo.push(onSignal(printOn, () => observation.print()))
  return observation
}

/** What a listener throws ends the process. An observer's mistake is told, once, and must not be the service's end. */
function guarded(listen: (message: unknown) => void): (message: unknown) => void {
  let isTold = false
  return (message) => {
    try {
      listen(message)
    } catch (error) {
      if (!isTold) {
        process.emitWarning(`withepoch could not count what it observed: ${(error as Error)?.name}`, {
          type: 'EpochWarning',
          code: 'NOT_COUNTED',
        })
      }
      isTold = true
    }
  }
}

type Row = Report['sources'][number]

function byInterest(a: Row, b: Row): number {
  return b.torn - a.torn || b.averted - a.averted || b.calls - a.calls
}

function check(options: ObserveOptions, call: string): void {
  requireKnown(options, call, OPTIONS)
  requireWord(options.mode, call, 'mode', ['live', 'pinned'])
  requireNumber(options.callMs, call, 'callMs', 1)
  requireNumber(options.stacksPerSecond, call, 'stacksPerSecond', 0)
  requireType(options.printOnExit, call, 'printOnExit', 'boolean')
  requireSignal(options.printOn, call, 'printOn')
  requireOutput(options, call)
  const doors: unknown = options.doors
  if (doors === undefined) return
  if (!Array.isArray(doors)) refuse(`${call}: doors must be an array, got ${kindOf(doors)}.`)
  for (const door of doors as unknown[]) {
    if (typeof (door as Partial<Door> | undefined)?.install === 'function') continue
    refuse(`${call}: doors must hold what onMethod, onEvent or httpRequests returns, got ${kindOf(door)}.`)
  }
}
