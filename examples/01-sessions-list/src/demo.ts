/**
 * `npm run demo`: prepares the workspaces, measures, prints the table and makes the timeline. What it prints for people
 * on the way goes to stderr, and only to a terminal. It does not know how anything is measured or drawn.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import ora from 'ora'
import { CLIENTS, measure, recordCalls } from './measurement.js'
import { REAL_MANIFESTS } from './real-manifests.js'
import { renderTable } from './table.js'
import { renderTimeline } from './timeline.js'
import { describeManifests, prepareWorkspaces, type WorkspacesOptions } from './workspaces.js'

const HELP = `Lists sessions on an idle and on a busy gateway, without and with epochs.

Usage: npm run demo -- [options]

  --real           read the 91 manifests of openclaw@2026.5.22 instead of generated ones; fetched once
  --json           print the table as a JSON array and nothing else
  --svg <file>     write a picture of one call per mode as an SVG too
  --rows <list>    how many sessions to list (default 13,50,200)
  --calls <n>      calls per line of the table (default 5), by ${CLIENTS} clients in turn
  --plugins <n>    generated plugins per workspace (default 150)
  --data <folder>  where to keep workspaces, sessions and the timeline (default .data in the example's folder)
  --help           print this

Colour and progress appear on a terminal only; NO_COLOR switches colour off.
`

const PICTURE_ROWS = 50
const STORED_SESSIONS = 200
const MAX_ROWS = 1000

/** What is wrong with the command line: its message is for people, its stack is not. */
class UsageError extends Error {}

type DemoOptions = {
  json: boolean
  svg: string | undefined
  rows: number[]
  calls: number
  manifests: WorkspacesOptions['manifests']
  data: string
}

async function main(args: string[]): Promise<void> {
  const options = readOptions(args)
  if (options === 'help') {
    process.stdout.write(HELP)
    return
  }
  const { json, svg, rows, calls, manifests, data } = options
  const spinner = ora({
    stream: process.stderr,
    // A terminal of no known width is none: the spinner would count its lines without end.
    isSilent: !(process.stderr.isTTY && process.stderr.columns > 0),
    color: colourOn(process.stderr) && 'cyan',
  })
  try {
    spinner.start('preparing the workspaces')
    const workspaces = await prepareWorkspaces({
      dataDir: data,
      manifests,
      sessions: Math.max(STORED_SESSIONS, ...rows),
    })
    const cells = await measure({
      workspaces,
      rows,
      calls,
      onCall: (done, total, now) => {
        spinner.text = `call ${done + 1} of ${total} · ${now.mode}, ${now.load}, ${now.rows} rows`
      },
    })
    spinner.text = 'recording the calls of the timeline'
    const recording = path.join(data, 'sessions-list.jsonl')
    await recordCalls(workspaces, PICTURE_ROWS, recording)
    const about = describeManifests(manifests, manifests === 'real' ? REAL_MANIFESTS : manifests.generated)
    const timeline = await renderTimeline(recording, about)
    const page = path.join(data, 'sessions-list.html')
    await write(page, timeline.page)
    if (svg !== undefined) await write(svg, timeline.svg)
    spinner.stop()

    if (json) process.stdout.write(`${JSON.stringify(cells, null, 2)}\n`)
    else {
      process.stdout.write(`${about}; ${CLIENTS} clients, ${calls} calls per line.\n\n`)
      process.stdout.write(`${renderTable(cells, { colour: colourOn(process.stdout) })}\n\n`)
      process.stdout.write(`Timeline: ${path.resolve(page)}\n`)
    }
    const broken = cells.filter((cell) => cell.mode !== 'live' && (cell.scans > 1 || cell.workspaces !== 1))
    if (broken.length > 0) {
      throw new Error(
        `An epoch did not keep its promise of one workspace and one scan: ${JSON.stringify(broken)}`,
      )
    }
  } finally {
    spinner.stop()
  }
}

function readOptions(args: string[]): DemoOptions | 'help' {
  const values = parse(args)
  if (values.help === true) return 'help'
  if (values.real === true && values.plugins !== undefined) {
    throw new UsageError('--plugins counts generated plugins, and --real has none: leave one of them out.')
  }
  const plugins = readCount('--plugins', values.plugins ?? '150', 1000)
  return {
    json: values.json === true,
    svg: values.svg,
    rows: (values.rows ?? '13,50,200').split(',').map((part) => readCount('--rows', part, MAX_ROWS)),
    calls: readCount('--calls', values.calls ?? '5', 1000),
    manifests: values.real === true ? 'real' : { generated: plugins },
    data: values.data ?? fileURLToPath(new URL('../.data', import.meta.url)),
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        real: { type: 'boolean' },
        json: { type: 'boolean' },
        svg: { type: 'string' },
        rows: { type: 'string' },
        calls: { type: 'string' },
        plugins: { type: 'string' },
        data: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function readCount(option: string, text: string, max: number): number {
  const count = Number(text.trim())
  if (text.trim() === '' || !Number.isInteger(count) || count < 1 || count > max) {
    throw new UsageError(`${option} takes whole numbers from 1 to ${max}, got ${JSON.stringify(text)}.`)
  }
  return count
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(path.resolve(file)), { recursive: true })
  await writeFile(file, text)
}

function colourOn(stream: NodeJS.WriteStream): boolean {
  // `isTTY` is undefined, not false, on a pipe.
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nRun with --help to see the options.\n`)
    process.exitCode = 2
  } else {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}
