/**
 * A computation that several callers share: memo's within one epoch, derived's across epochs. Who asked whom is kept
 * while it runs, as a waits-for graph, so that a circle of computations waiting for each other is found when it would
 * close, and is an error with its path where it would have been a hang. Keys and lifetimes are its owners' business.
 */
import { EpochError } from './errors.js'
import { isThenable, toPromise } from './storage.js'

/**
 * A computation under way, or done. It does not hold the result: what it started (a timer, a socket) holds the flight
 * through its async context, long after the result's owner is gone.
 */
export interface Flight {
  /** For messages: the memo's or derived's name. */
  readonly name: string
  state: 'running' | 'in-flight' | 'done'
  /** The flights this computation has asked for and that are not done. */
  waitsFor: Set<Flight> | undefined
}

/**
 * Starts a flight: `run` is called now, and has to call the function where its context is to be. `done` is called when
 * the flight has ended, before the promise of it settles: with whether it succeeded, and whether all that it had asked
 * for was done by then.
 *
 * @returns the result, or the one promise of it that all callers share.
 */
export function launch(
  flight: Flight,
  caller: Flight | undefined,
  run: () => unknown,
  done: (succeeded: boolean, whole: boolean) => void,
): unknown {
  const end = (succeeded: boolean): void => {
    const whole = Array.from(flight.waitsFor ?? []).every((asked) => asked.state === 'done')
    flight.state = 'done'
    flight.waitsFor = undefined
    done(succeeded, whole)
  }
  if (caller !== undefined) wait(caller, flight)
  let result: unknown
  try {
    result = run()
  } catch (error) {
    end(false)
    throw error
  }
  if (!isThenable(result)) {
    end(true)
    return result
  }
  flight.state = 'in-flight'
  // One promise for all callers, derived from fn's, so that our looking at a rejection does not make it look handled.
  return toPromise(result).then(
    (value) => {
      end(true)
      return value
    },
    (error: unknown) => {
      end(false)
      throw error
    },
  )
}

/**
 * To be called before waiting for a flight that another caller launched.
 *
 * @throws MEMO_CYCLE when it waits for `caller`, directly or through others.
 */
export function board(flight: Flight, caller: Flight | undefined): void {
  if (flight.state === 'done') return
  refuseCycle(flight, caller)
  // Still running means that this call is below it on the stack, whatever the context says.
  if (flight.state === 'running') throw cycleOf(flight, [flight])
  if (caller !== undefined) wait(caller, flight)
}

/**
 * To be called before doing again what a flight under way is doing.
 *
 * @throws MEMO_CYCLE when it waits for `caller`, directly or through others: it would be done again without end.
 */
export function refuseCycle(flight: Flight, caller: Flight | undefined): void {
  if (flight.state === 'done' || caller === undefined) return
  const path = pathBetween(flight, caller)
  if (path !== undefined) throw cycleOf(flight, path)
}

/** `path` begins with the flight. */
function cycleOf(flight: Flight, path: readonly Flight[]): EpochError {
  return new EpochError(
    'MEMO_CYCLE',
    `"${flight.name}" waits for itself: ${[...path, flight].map((step) => step.name).join(' → ')}. None of them ` +
      'could ever finish; take the part that both need out into a memo of its own.',
  )
}

function wait(caller: Flight, flight: Flight): void {
  caller.waitsFor ??= new Set()
  caller.waitsFor.add(flight)
}

/**
 * The chain of waiting from one computation to another, if there is one. A loop, for chains may be long. Nothing leads back
 * to the start: a circle is refused before it closes.
 */
function pathBetween(from: Flight, to: Flight): Flight[] | undefined {
  const cameFrom = new Map<Flight, Flight>()
  const open = [from]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at === to) {
      const path: Flight[] = []
      for (let step: Flight | undefined = at; step !== undefined; step = cameFrom.get(step))
        path.unshift(step)
      return path
    }
    for (const next of at.waitsFor ?? []) {
      if (next.state === 'done' || cameFrom.has(next)) continue
      cameFrom.set(next, at)
      open.push(next)
    }
  }
  return undefined
}
