/** The command line of the demonstration. */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { LOADS, MODES, REGISTRIES, ROWS } from './conditions.js'
import type { Plan } from './measurement.js'

const PRELOAD = fileURLToPath(new URL('./preload.ts', import.meta.url))

export const HELP = `Calls sessions.list of the real openclaw gateway, unmodified and with the preload.

Usage: npm run demo:openclaw -- [options]

  --rows <list>      how many sessions to list (default ${ROWS.join()})
  --registry <list>  of ${REGISTRIES.join(', ')} (default all)
  --mode <list>      of ${MODES.join(', ')} (default both)
  --load <list>      of ${LOADS.join(', ')} (default all)
  --calls <n>        calls per line of the table (default 80)
  --starts <n>       of each gateway, over which the calls are spread (default 3)
  --rounds <n>       also what the preload costs an idle gateway: n rounds of gateways side by side (default none)
  --budget <s>       seconds after which an unmodified gateway gets no further call of a line (default 60)
  --quick            7 rows, the registry lost, no turns, one start, 20 calls, of an unmodified gateway within 10 s a line
  --preload <file>   what to load into the gateway (default the example's own preload)
  --json <file>      write everything that was measured, with the answers
  --from <files>     measure nothing, read what --json wrote; of several, what one lacks
  --docs             write the table and the picture into the documentation
  --help             print this

Colour and progress appear on a terminal only; NO_COLOR switches colour off.
`

/** What is wrong with the command line: its message is for people, its stack is not. */
export class UsageError extends Error {}

export interface Options {
  readonly plan: Plan
  readonly rounds: number
  readonly json: string | undefined
  readonly from: readonly string[] | undefined
  readonly docs: boolean
}

/** @throws {UsageError} */
export function readOptions(args: string[]): Options | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  const quick = values.quick
  const calls = wholeNumbers('--calls', values.calls ?? (quick ? '20' : '80'))
  const budget = wholeNumbers('--budget', values.budget ?? (quick ? '10' : '60'))
  return {
    plan: {
      rows: values.rows === undefined ? (quick ? [7] : ROWS) : wholeNumbers('--rows', values.rows),
      registries: pick('--registry', REGISTRIES, values.registry ?? (quick ? 'lost' : undefined)),
      modes: pick('--mode', MODES, values.mode),
      loads: pick('--load', LOADS, values.load ?? (quick ? 'idle,still,actor' : undefined)),
      calls: calls[0]!,
      starts: wholeNumbers('--starts', values.starts ?? (quick ? '1' : '3'))[0]!,
      budgetMs: budget[0]! * 1000,
      preload: values.preload ?? PRELOAD,
    },
    rounds: values.rounds === undefined ? 0 : wholeNumbers('--rounds', values.rounds)[0]!,
    json: values.json,
    from: values.from?.split(','),
    docs: values.docs,
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        rows: { type: 'string' },
        registry: { type: 'string' },
        mode: { type: 'string' },
        load: { type: 'string' },
        calls: { type: 'string' },
        budget: { type: 'string' },
        starts: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        preload: { type: 'string' },
        json: { type: 'string' },
        from: { type: 'string' },
        docs: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function wholeNumbers(option: string, text: string): number[] {
  return text.split(',').map((part) => {
    if (!/^[1-9]\d{0,3}$/.test(part))
      throw new UsageError(`${option}: ${part} is no whole number from 1 to 9999`)
    return Number(part)
  })
}

function pick<T extends string>(option: string, known: readonly T[], text: string | undefined): readonly T[] {
  if (text === undefined) return known
  const asked = text.split(',')
  const unknown = asked.find((each) => !known.some((one) => one === each))
  if (unknown !== undefined) throw new UsageError(`${option}: ${unknown} is none of ${known.join(', ')}`)
  return known.filter((each) => asked.includes(each))
}
