/**
 * The event loop as it is, taken when the module is loaded: a simulated loop replaces these names for a while, and what
 * drives the simulation must not wait in it.
 */
const { setImmediate, setTimeout } = globalThis
const { now } = Date

/** One turn of the real event loop; all microtasks have run when it resolves. `task` is run as a task of that turn. */
export function realTurn(task?: () => void): Promise<void> {
  return new Promise(
    (resolve) =>
      void setImmediate(() => {
        task?.()
        resolve()
      }),
  )
}

/** Real milliseconds, for I/O that nobody controls. */
export function realSleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms))
}

export function realNow(): number {
  return now()
}
