/**
 * Where reports go and when: to stderr or a file, at the end of the process, on a signal. Everything here is synchronous,
 * since a process that ends waits for nothing. What stands in a report is not known here.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { requireType, requireWord } from './arguments.js'

/** In which form, and where to. */
export interface Output {
  /** `text` for people, `json` for programs. @default 'json' for a file whose name ends in .json, else 'text' */
  format?: 'text' | 'json' | undefined
  /** A file that is overwritten each time. @default stderr */
  file?: string | undefined
}

/** Something that can be printed: plain data, whose `toString` is the text. */
export interface Printable {
  toString(): string
}

export function requireOutput({ format, file }: Output, call: string): void {
  requireWord(format, call, 'format', ['text', 'json'])
  requireType(file, call, 'file', 'string')
}

export function print(report: Printable, { format, file }: Output): void {
  const isJson = format === undefined ? file?.endsWith('.json') === true : format === 'json'
  try {
    const text = `${isJson ? JSON.stringify(report, null, 2) : report.toString()}\n`
    if (file === undefined) writeWhole(process.stderr.fd, text)
    else writeFileSync(file, text)
  } catch (error) {
    // A full disk or a closed pipe is no reason to fail: the process is somebody else's.
    process.emitWarning(`withepoch could not print its report: ${(error as Error).message}`, {
      type: 'EpochWarning',
      code: 'REPORT_NOT_PRINTED',
    })
  }
}

/** A pipe takes what it has room for, and then nothing until somebody has read: that is waited for, but not for ever. */
function writeWhole(fd: number, text: string): void {
  let rest = Buffer.from(text)
  for (let waits = 0; rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
      waits = 0
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || ++waits > MOST_WAITS) throw error
      Atomics.wait(NOBODY, 0, 0, WAIT_MS)
    }
  }
}

const WAIT_MS = 10
const MOST_WAITS = 100
const NOBODY = new Int32Array(new SharedArrayBuffer(4))

/** Calls `say` when the process gets `signal`. Such a process does not end by the signal any more. */
export function onSignal(signal: NodeJS.Signals, say: () => void): () => void {
  const listener = (): void => say()
  process.on(signal, listener)
  return () => void process.off(signal, listener)
}

const FATAL = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** On a listener of ours, of whichever copy: it does not keep the process from ending. */
const OURS = Symbol.for('withepoch.endsWithProcess')

/**
 * Calls `say` once when the process ends: by itself, by `process.exit`, or by a signal for which the program has no
 * listener of its own and which would end it without a word.
 */
export function onEnd(say: () => void): () => void {
  let isSaid = false
  const once = (): void => {
    if (isSaid) return
    isSaid = true
    say()
  }
  const listeners = FATAL.map((signal) => {
    const listener = Object.assign(
      (): void => {
        if (process.listeners(signal).some((each) => !(OURS in each))) return // the program sees to its end itself
        once()
        process.off(signal, listener)
        process.kill(process.pid, signal)
      },
      { [OURS]: true },
    )
    // Before the program's: a `once` of its own is gone when it has been called.
    process.prependListener(signal, listener)
    return [signal, listener] as const
  })
  process.on('exit', once)
  return () => {
    process.off('exit', once)
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}
