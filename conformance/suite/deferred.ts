/** A promise with its handles, which Node 20 has no `Promise.withResolvers` for. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((...handles) => ([resolve, reject] = handles))
  return { promise, resolve, reject }
}

/** One turn of the event loop, so that what is ready has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
