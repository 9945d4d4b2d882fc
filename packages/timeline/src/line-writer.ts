/**
 * Lines into a stream, without ever holding more than so many bytes: what does not fit is refused, and whoever pushed
 * it counts it. Lines are gathered until the turn of the event loop ends and then written at once; a stream that says
 * stop is waited for.
 *
 * It does not know what a line says. What it schedules runs in the context in which it was made, not in that of
 * whoever pushed: else a line pushed by a request would hold that request's epoch until the disk has answered.
 */
import { AsyncResource } from 'node:async_hooks'
import { finished, type Writable } from 'node:stream'

export class LineWriter {
  readonly #stream: Writable
  readonly #maxBufferedBytes: number
  readonly #context = new AsyncResource('withepoch-timeline')
  #lines: string[] = []
  #bytes = 0
  /** A flush is scheduled, or waits for the stream. */
  #busy = false
  #error: Error | undefined
  #onIdle: (() => void) | undefined
  readonly #unwatch: () => void

  /** `onError` is called once, if the stream fails or is closed by somebody else. */
  constructor(stream: Writable, maxBufferedBytes: number, onError: (error: Error) => void) {
    this.#stream = stream
    this.#maxBufferedBytes = maxBufferedBytes
    this.#unwatch = finished(stream, { readable: false }, (error) => {
      this.#error = error ?? new Error('The stream of the recording was ended by somebody else.')
      this.#lines = []
      this.#bytes = 0
      onError(this.#error)
      this.#onIdle?.()
    })
  }

  /** Whether `bytes` more would fit. */
  hasRoomFor(bytes: number): boolean {
    return this.#bytes + this.#stream.writableLength + bytes <= this.#maxBufferedBytes
  }

  push(line: string, bytes: number): void {
    if (this.#error !== undefined) return
    this.#lines.push(line)
    this.#bytes += bytes
    if (this.#busy) return
    this.#busy = true
    this.#context.runInAsyncScope(() => setImmediate(() => this.#flush()))
  }

  /** Resolves when the stream has taken everything; with `end`, when it has been ended too. */
  async close({ end }: { end: boolean }): Promise<void> {
    if (this.#busy && this.#error === undefined)
      await new Promise<void>((resolve) => (this.#onIdle = resolve))
    this.#unwatch()
    if (this.#error !== undefined) throw this.#error
    if (!end) return
    await new Promise<void>((resolve, reject) => {
      finished(this.#stream, { readable: false }, (error) => (error ? reject(error) : resolve()))
      this.#stream.end()
    })
  }

  #flush(): void {
    if (this.#error !== undefined) return
    const chunk = this.#lines.join('')
    this.#lines = []
    this.#bytes = 0
    const goOn = () => {
      if (this.#lines.length > 0) return this.#flush()
      this.#busy = false
      this.#onIdle?.()
    }
    if (this.#stream.write(chunk)) goOn()
    else this.#stream.once('drain', goOn)
  }
}
