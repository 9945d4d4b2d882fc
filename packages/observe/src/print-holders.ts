/**
 * Who holds epochs open and who read late, printed by a process that is asked to from outside: it hangs in a shutdown,
 * its memory grows, and it cannot be stopped to look. The report is the library's; here it gets its places mapped and
 * goes somewhere.
 */
import { configure, type Holders, holders } from 'withepoch'
import { requireKnown, requireSignal, requireType } from './arguments.js'
import { onSignal, type Output, print, requireOutput } from './output.js'
import { mapStacks } from './sites.js'

export interface PrintHoldersOptions extends Output {
  /**
   * Also remember where each epoch is opened and where late reads are: `configure({ captureStacks: true })`. Costs a stack
   * trace per epoch.
   *
   * @default false
   */
  stacks?: boolean | undefined
}

/**
 * Prints who holds epochs open, who read late, and what waits to be retired, each time the process gets `signal`. Late
 * readers are remembered from here on.
 *
 * @returns a function that ends it, and puts the settings back.
 * @throws INVALID_ARGUMENT when the signal is none, or an option is not what it must be; nothing is changed.
 * @example
 * const stop = printHoldersOn('SIGUSR2', { stacks: true, file: 'holders.json' })
 * stop()
 */
export function printHoldersOn(signal: NodeJS.Signals, options: PrintHoldersOptions = {}): () => void {
  const call = 'printHoldersOn(signal, options)'
  requireKnown(options, call, ['stacks', 'format', 'file'])
  requireType(options.stacks, call, 'stacks', 'boolean')
  requireOutput(options, call)
  requireSignal(signal, call, 'signal')
  const restore = configure({
    lateReaders: true,
    ...(options.stacks === undefined ? {} : { captureStacks: options.stacks }),
  })
  const off = onSignal(signal, () => print(withMappedStacks(holders()), options))
  return function stop() {
    off()
    restore()
  }
}

function withMappedStacks(found: Holders): Holders {
  const text = mapStacks(String(found))
  const map = <E extends { readonly stack?: string | undefined }>(entry: E): E =>
    entry.stack === undefined ? entry : { ...entry, stack: mapStacks(entry.stack) }
  const report = { ...found, open: found.open.map(map), late: found.late.map(map) }
  return Object.defineProperty(report, 'toString', { value: () => text })
}
