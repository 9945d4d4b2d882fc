#!/usr/bin/env node
/**
 * The command: a recording in, a page, a trace or a summary out. What is for people goes to stderr; stdout has the
 * summary, where that is asked for, and else the path of what was written.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { EpochError } from 'withepoch'
import { renderPage } from './page.js'
import { readRecording } from './read-recording.js'
import { printable, renderSummary, summarise } from './summary.js'
import { toTrace } from './trace-events.js'

const HELP = `Shows what a recording of @withepoch/timeline holds.

Usage: npx @withepoch/timeline <recording> [options]

  -o, --out <file>    write the page there (default: the recording's name with .html)
  --trace <file>      write trace-event JSON, for ui.perfetto.dev and Chrome's performance panel
  --summary           print a table of epochs and sources
  --json              with --summary: print it as JSON
  --title <text>      what the page is called (default: the recording's name)
  -h, --help          print this

Without --out, the page is written only if neither --trace nor --summary is asked for.
Record with: import { record } from '@withepoch/timeline'; record({ to: 'recording.jsonl' })
`

class UsageError extends Error {}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parse(args)
  if (values.help === true) return void process.stdout.write(HELP)
  const [file, ...more] = positionals
  if (file === undefined) throw new UsageError('Which recording? No file was given.')
  if (more.length > 0) throw new UsageError(`One recording at a time; got ${positionals.length}.`)
  if (values.json === true && values.summary !== true) throw new UsageError('--json goes with --summary.')

  const recording = await readRecording(file)
  for (const { line, message } of recording.problems) warn(`${file}, line ${line}: ${message}; left out`)
  const untold = recording.unreadable - recording.problems.length
  if (untold > 0) warn(`${file}: ${untold} more lines left out`)
  if (recording.truncated) warn(`${file}: the last line is cut short; left out`)

  const written: string[] = []
  if (values.trace !== undefined) written.push(await write(values.trace, JSON.stringify(toTrace(recording))))
  const wantsPage = values.out !== undefined || (values.trace === undefined && values.summary !== true)
  if (wantsPage) {
    const out = values.out ?? `${file.replace(/\.jsonl?$/, '')}.html`
    const page = await renderPage(recording, { title: values.title ?? path.basename(file) })
    written.push(await write(out, page))
  }
  if (values.summary !== true) return void process.stdout.write(written.map((each) => `${each}\n`).join(''))
  const summary = summarise(recording)
  if (values.json === true) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`)
  else {
    const tables = renderSummary(summary)
    const about =
      `${summary.events} events in ${(summary.spanMs / 1000).toFixed(2)} s, ${summary.dropped} dropped, ` +
      `${summary.unreadable} lines unreadable`
    process.stdout.write(`${tables === '' ? '' : `${tables}\n\n`}${about}\n`)
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        out: { type: 'string', short: 'o' },
        trace: { type: 'string' },
        summary: { type: 'boolean' },
        json: { type: 'boolean' },
        title: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function write(file: string, text: string): Promise<string> {
  try {
    await mkdir(path.dirname(path.resolve(file)), { recursive: true })
    await writeFile(file, text)
  } catch (error) {
    throw new UsageError(`Cannot write ${file}: ${(error as Error).message}`)
  }
  return file
}

function warn(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const expected = error instanceof UsageError || error instanceof EpochError
  process.stderr.write(`${expected ? printable(error.message) : (error as Error).stack}\n`)
  if (error instanceof UsageError) process.stderr.write('Run with --help to see the options.\n')
  process.exitCode = expected ? 2 : 1
}
