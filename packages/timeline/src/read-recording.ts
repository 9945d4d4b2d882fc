/**
 * Reading a recording back. A file from another machine is input like any other: every line is checked, one that does
 * not hold is told by its number and left out, and a last line that was cut short is what a killed process leaves.
 */
import { createReadStream } from 'node:fs'
import { EpochError } from 'withepoch'
import {
  checkEvent,
  checkHeader,
  FORMAT,
  FORMAT_VERSION,
  type Recording,
  type TimelineEvent,
} from './recording.js'

const MAX_PROBLEMS = 100
/** Longer than any line that the recorder writes; what is longer is no recording, and is not held in memory whole. */
const MAX_LINE_CHARS = 1024 * 1024

/**
 * Reads a recording from its file.
 *
 * @throws INVALID_ARGUMENT when there is no such file, or it is no recording: its first line is no header of a version
 * that is known. A broken line further down is no error: it stands in `problems`.
 * @example
 * import { readRecording } from '@withepoch/timeline'
 * const error = await readRecording('no-such-file.jsonl').catch((reason) => reason)
 * error.code // => 'INVALID_ARGUMENT'
 */
export async function readRecording(file: string): Promise<Recording> {
  try {
    return await parseRecording(createReadStream(file, 'utf8'), file)
  } catch (error) {
    if (error instanceof EpochError) throw error
    throw new EpochError('INVALID_ARGUMENT', `readRecording: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Reads a recording from its text, whole or in pieces of any size.
 *
 * @param called what the text is called in an error.
 * @throws INVALID_ARGUMENT when it is no recording: its first line is no header of a version that is known.
 * @example
 * import { parseRecording } from '@withepoch/timeline'
 * const header = '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n'
 * const { problems, truncated } = await parseRecording([header, 'nonsense\n', '{"t":1,"type":"ep'])
 * problems // => [{ line: 2, message: 'no JSON' }]
 * truncated // => true
 */
export async function parseRecording(
  text: Iterable<string> | AsyncIterable<string>,
  called = 'the text',
): Promise<Recording> {
  let header: Recording['header'] | undefined
  const events: TimelineEvent[] = []
  const problems: { line: number; message: string }[] = []
  let unreadable = 0
  let truncated = false

  const take = (line: string, number: number, whole: boolean) => {
    if (header === undefined) {
      header = readHeader(line, called)
      return
    }
    if (line.trim() === '') return
    const checked = readEvent(line)
    if ('value' in checked) events.push(checked.value)
    else if (!whole) truncated = true
    else {
      unreadable += 1
      if (problems.length < MAX_PROBLEMS) problems.push({ line: number, message: checked.problem })
    }
  }

  let number = 0
  let rest = ''
  /** Of a line too long its start is enough to say so. */
  const add = (piece: string) => {
    if (rest.length <= MAX_LINE_CHARS) rest += piece
  }
  // A string is an iterable of its letters; as a piece it is one.
  for await (const piece of typeof text === 'string' ? [text as string] : text) {
    let from = 0
    for (let end = piece.indexOf('\n'); end !== -1; end = piece.indexOf('\n', from)) {
      add(piece.slice(from, end))
      take(rest, ++number, true)
      rest = ''
      from = end + 1
    }
    add(piece.slice(from))
  }
  if (rest !== '' || header === undefined) take(rest, ++number, false)
  return { header: header!, events, problems, unreadable, truncated }
}

function readHeader(line: string, called: string): Recording['header'] {
  const json = parseJson(line)
  const checked = checkHeader(json)
  if ('value' in checked) return checked.value
  const { format, version } = (typeof json === 'object' && json !== null ? json : {}) as Record<
    string,
    unknown
  >
  const why =
    format === FORMAT && typeof version === 'number' && version !== FORMAT_VERSION
      ? `it has version ${version} of the format, and this reader knows version ${FORMAT_VERSION}. Use the @withepoch/timeline that recorded it, or a later one`
      : `its first line is no header of the format ${FORMAT} (${json === undefined ? 'no JSON' : checked.problem}). Record one with \`record({ to: file })\``
  throw new EpochError(
    'INVALID_ARGUMENT',
    `readRecording: ${called} is no recording that can be read: ${why}.`,
  )
}

function readEvent(line: string): { value: TimelineEvent } | { problem: string } {
  if (line.length > MAX_LINE_CHARS) return { problem: `longer than ${MAX_LINE_CHARS} characters` }
  const json = parseJson(line)
  return json === undefined ? { problem: 'no JSON' } : checkEvent(json)
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
