/**
 * The recorder: listens to every channel of the core, and to yours where you say what their messages mean, and writes
 * one line per event. It turns a payload into a line at once and keeps neither payload nor epoch; it asks for no value.
 */
import { createWriteStream, openSync } from 'node:fs'
import { channel } from 'node:diagnostics_channel'
import { Writable } from 'node:stream'
import {
  detach,
  type Epoch,
  EpochError,
  type EpochEvent,
  type GroupEvent,
  type MemoEvent,
  type OverdueEvent,
  type ReadEvent,
  type SourceEvent,
  tryGetEpoch,
  type WriteEvent,
} from 'withepoch'
import { LineWriter } from './line-writer.js'
import {
  checkMark,
  type EventOf,
  FORMAT,
  FORMAT_VERSION,
  type Mark,
  type RecordingHeader,
  type TimelineEvent,
} from './recording.js'

/** What a message on a channel of yours means: a mark, or nothing. */
export type MarkOf = (message: unknown) => Mark | undefined

export interface RecordOptions {
  /** Where the lines go: a file's path, written anew, or a stream, which stays yours to end. */
  readonly to: string | Writable
  /**
   * Whether every read is recorded. Without, drift and late reads still are; with, each read's line says both.
   *
   * **Caveat** While somebody listens to reads, each compares with the live value, so it calls the source's getter.
   *
   * @default true
   */
  readonly reads?: boolean
  /** Channels of your own, by name, and what their messages mean. */
  readonly channels?: Readonly<Record<string, MarkOf>>
  /**
   * How many bytes may wait for the disk. Events past that are dropped and counted, and the recording says how many.
   *
   * @default 8388608
   */
  readonly maxBufferedBytes?: number
}

/** How a recording ended. */
export interface Recorded {
  /** Lines written, header and last line aside. */
  readonly events: number
  /** Events that found no room, because the destination was too slow. */
  readonly dropped: number
}

export interface Recorder {
  /**
   * Stops listening, and resolves when everything is written. Calling it again returns the same promise.
   *
   * Rejects with the destination's error when it failed on the way; recording has ended at that moment, with a process
   * warning.
   */
  readonly stop: () => Promise<Recorded>
}

const DEFAULT_MAX_BUFFERED_BYTES = 8 * 1024 * 1024

/**
 * Records what the channels say, as JSON lines, until `stop()` is called.
 *
 * Use it on a sample of your processes, or while you look for a request that sees two worlds. `npx @withepoch/timeline
 * <file>` makes a page of the recording.
 *
 * **Caveat** A process that exits without `stop()` loses what the last turn of its event loop recorded.
 *
 * @throws INVALID_ARGUMENT when an option is unknown or of the wrong kind, or the file cannot be opened for writing.
 * @example
 * import { mkdtempSync } from 'node:fs'
 * import { tmpdir } from 'node:os'
 * import path from 'node:path'
 * import { cell, withEpoch } from 'withepoch'
 * import { readRecording, record } from '@withepoch/timeline'
 *
 * const file = path.join(mkdtempSync(path.join(tmpdir(), 'timeline-')), 'recording.jsonl')
 * const locale = cell('docs.record.locale', 'en')
 * const recorder = record({ to: file })
 * withEpoch({ name: 'page' }, () => locale.get())
 * await recorder.stop() // => { events: 3, dropped: 0 }
 * const { events } = await readRecording(file)
 * events.map((event) => event.type) // => ['epoch:open', 'source:read', 'epoch:close', 'stop']
 */
export function record(options: RecordOptions): Recorder {
  const { to, reads, channels, maxBufferedBytes } = checkOptions(options)
  // Whatever the caller's epoch is, the recorder outlives it.
  const recorder = detach(() => new ChannelRecorder(to, reads, channels, maxBufferedBytes))
  return { stop: () => recorder.stop() }
}

class ChannelRecorder {
  readonly #writer: LineWriter
  readonly #ownsStream: boolean
  readonly #unsubscribe: (() => unknown)[] = []
  #events = 0
  #dropped = 0
  /** Of the dropped ones, those that no line has told of yet. */
  #untold = 0
  #stopped: Promise<Recorded> | undefined

  constructor(
    to: string | Writable,
    reads: boolean,
    channels: Readonly<Record<string, MarkOf>>,
    maxBufferedBytes: number,
  ) {
    this.#ownsStream = typeof to === 'string'
    const stream = typeof to === 'string' ? openFile(to) : to
    this.#writer = new LineWriter(stream, maxBufferedBytes, (error) => this.#fail(error))
    const header: RecordingHeader = {
      format: FORMAT,
      version: FORMAT_VERSION,
      pid: process.pid,
      node: process.version,
      timeOrigin: performance.timeOrigin,
      t: now(),
    }
    this.#push(`${JSON.stringify(header)}\n`)
    this.#listen('withepoch:epoch:open', (message) => opened(message as EpochEvent))
    this.#listen('withepoch:epoch:close', (message) => closed(message as EpochEvent))
    this.#listen('withepoch:epoch:overdue', (message) => overdue(message as OverdueEvent))
    if (reads) this.#listen('withepoch:source:read', (message) => read(message as ReadEvent))
    else {
      this.#listen('withepoch:source:drift', (message) => sourceEvent('source:drift', message as SourceEvent))
      this.#listen('withepoch:source:late-read', (message) =>
        sourceEvent('source:late-read', message as SourceEvent),
      )
    }
    this.#listen('withepoch:source:write', (message) => write(message as WriteEvent))
    for (const type of ['source:write-conflict', 'source:retire'] as const) {
      this.#listen(`withepoch:${type}`, (message) => sourceEvent(type, message as SourceEvent))
    }
    for (const type of ['group:broken', 'group:error'] as const) {
      this.#listen(`withepoch:${type}`, (message) => groupEvent(type, message as GroupEvent))
    }
    for (const type of ['memo:hit', 'memo:miss', 'derived:hit', 'derived:miss'] as const) {
      this.#listen(`withepoch:${type}`, (message) => memoEvent(type, message as MemoEvent))
    }
    for (const [name, markOf] of Object.entries(channels)) this.#listen(name, marker(name, markOf))
  }

  stop(): Promise<Recorded> {
    this.#stopped ??= detach(() => this.#stop())
    return this.#stopped
  }

  async #stop(): Promise<Recorded> {
    this.#silence()
    this.#tellDropped()
    const stop: TimelineEvent = { type: 'stop', t: now(), events: this.#events, dropped: this.#dropped }
    this.#push(`${JSON.stringify(stop)}\n`)
    await this.#writer.close({ end: this.#ownsStream })
    return { events: this.#events, dropped: this.#dropped }
  }

  #listen(name: string, lineOf: (message: unknown) => TimelineEvent | undefined): void {
    const listener = (message: unknown) => {
      try {
        const event = lineOf(message)
        if (event !== undefined) this.#write(event)
      } catch {
        this.#drop() // a payload that cannot be read or written: what a listener throws would end the process
      }
    }
    const from = channel(name)
    from.subscribe(listener)
    this.#unsubscribe.push(() => from.unsubscribe(listener))
  }

  #write(event: TimelineEvent): void {
    const line = `${JSON.stringify(event)}\n`
    if (!this.#writer.hasRoomFor(Buffer.byteLength(line))) return this.#drop()
    this.#tellDropped()
    this.#events += 1
    this.#push(line)
  }

  #drop(): void {
    this.#dropped += 1
    this.#untold += 1
  }

  #tellDropped(): void {
    if (this.#untold === 0) return
    const event: TimelineEvent = { type: 'dropped', t: now(), count: this.#untold }
    this.#untold = 0
    this.#push(`${JSON.stringify(event)}\n`)
  }

  #push(line: string): void {
    this.#writer.push(line, Buffer.byteLength(line))
  }

  #silence(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
  }

  /** A recording that cannot go on must not take its process along. */
  #fail(error: Error): void {
    this.#silence()
    process.emitWarning(`The recording has ended: ${error.message}`, {
      type: 'EpochWarning',
      code: 'TIMELINE_DESTINATION',
    })
  }
}

function now(): number {
  return Math.round(performance.now() * 1000)
}

/** JSON leaves out what is undefined, so an epoch that is not there makes a shorter line. */
function by(epoch: Epoch | undefined): { epoch: number | undefined; name: string | undefined } {
  return { epoch: epoch?.id, name: epoch?.name }
}

function opened({ epoch }: EpochEvent): EventOf<'epoch:open'> {
  const { id, name, parentId, version, observing } = epoch
  return {
    type: 'epoch:open',
    t: now(),
    epoch: id,
    name,
    parent: parentId,
    version,
    observing: observing ? true : undefined,
  }
}

function closed({ epoch }: EpochEvent): EventOf<'epoch:close'> {
  return { type: 'epoch:close', t: now(), epoch: epoch.id, name: epoch.name }
}

function overdue({
  epoch,
  ageMs,
  maxAgeMs,
  closed: isClosed,
  stack,
}: OverdueEvent): EventOf<'epoch:overdue'> {
  return {
    type: 'epoch:overdue',
    t: now(),
    epoch: epoch.id,
    name: epoch.name,
    ageMs,
    maxAgeMs,
    closed: isClosed,
    stack,
  }
}

function read(event: ReadEvent): EventOf<'source:read'> {
  const { source, valueId, liveValueId, from } = event
  return {
    ...sourceEvent('source:read', event),
    valueId,
    liveValueId,
    from: from === 'live' && source.isolation === 'read-committed' ? 'committed' : from,
  }
}

function write(event: WriteEvent): EventOf<'source:write'> {
  return { ...sourceEvent('source:write', event), valueId: event.valueId, to: event.to }
}

function sourceEvent<Type extends TimelineEvent['type'] & `source:${string}`>(
  type: Type,
  { source, epoch, version, described }: SourceEvent,
) {
  return { type, t: now(), source: source.name, ...by(epoch), version, described }
}

/** Of an error its kind alone: a message may quote the value that it complains of. */
function groupEvent(type: 'group:broken' | 'group:error', event: GroupEvent): TimelineEvent {
  const { group, brokenForMs, live, error } = event
  if (type === 'group:broken') return { type, t: now(), group, brokenForMs, live }
  return {
    type,
    t: now(),
    group,
    brokenForMs,
    live,
    error: error instanceof Error ? error.name : typeof error,
  }
}

function memoEvent<Type extends 'memo:hit' | 'memo:miss' | 'derived:hit' | 'derived:miss'>(
  type: Type,
  { memo, epoch }: MemoEvent,
) {
  return { type, t: now(), memo, ...by(epoch) }
}

/** A mapping that throws, or makes no mark, is told once per channel; it must not end the process that it watches. */
function marker(name: string, markOf: MarkOf): (message: unknown) => EventOf<'mark'> | undefined {
  let told = false
  const complain = (what: string): undefined => {
    if (!told) {
      process.emitWarning(
        `record: channels["${name}"] ${what}. Its messages of that kind are not recorded.`,
        {
          type: 'EpochWarning',
          code: 'TIMELINE_MARK',
        },
      )
    }
    told = true
  }
  return (message) => {
    let mark: Mark | undefined
    try {
      mark = markOf(message)
    } catch (error) {
      return complain(`threw ${error instanceof Error ? error.name : typeof error}`)
    }
    if (mark === undefined) return undefined
    const checked = checkMark(mark)
    if ('problem' in checked) return complain(`returned what is no mark: ${checked.problem}`)
    return { type: 'mark', t: now(), ...by(tryGetEpoch()), ...checked.value }
  }
}

/** Opened at once, so that a folder that is not there is found where `record` is called. */
function openFile(path: string): Writable {
  try {
    return createWriteStream(path, { fd: openSync(path, 'w') })
  } catch (error) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `record: to is a file that cannot be written: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

const KNOWN = ['to', 'reads', 'channels', 'maxBufferedBytes']

function checkOptions(options: RecordOptions): Required<RecordOptions> {
  const refuse = (what: string) => new EpochError('INVALID_ARGUMENT', `record: ${what}`)
  if (typeof options !== 'object' || options === null) {
    throw refuse('options must be an object with `to`, a file path or a writable stream.')
  }
  const unknown = Object.keys(options).find((key) => !KNOWN.includes(key))
  if (unknown !== undefined) throw refuse(`unknown option "${unknown}". Known: ${KNOWN.join(', ')}.`)
  const { to, reads = true, channels = {}, maxBufferedBytes = DEFAULT_MAX_BUFFERED_BYTES } = options
  if (typeof to !== 'string' && !(to instanceof Writable)) {
    throw refuse(`to must be a file path or a writable stream, got ${kindOf(to)}.`)
  }
  if (typeof reads !== 'boolean') throw refuse(`reads must be a boolean, got ${kindOf(reads)}.`)
  if (typeof channels !== 'object' || channels === null) {
    throw refuse(`channels must be an object of functions by channel name, got ${kindOf(channels)}.`)
  }
  for (const [name, markOf] of Object.entries(channels)) {
    if (typeof markOf !== 'function')
      throw refuse(`channels["${name}"] must be a function, got ${kindOf(markOf)}.`)
  }
  if (!(typeof maxBufferedBytes === 'number' && maxBufferedBytes > 0)) {
    throw refuse(`maxBufferedBytes must be a number above 0, got ${kindOf(maxBufferedBytes)}.`)
  }
  return { to, reads, channels, maxBufferedBytes }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}
