/**
 * A preload: `node --import @withepoch/observe/register app.js`. Observes a service that has declared or adopted its
 * globals, and prints the report when it ends. Every HTTP request is a call; epochs that the service opens itself are
 * calls too. For other doors, and for globals that nobody has declared yet, write a preload of your own with `observe`.
 *
 * - `WITHEPOCH_OBSERVE`: `live` (the default) or `pinned`
 * - `WITHEPOCH_OBSERVE_FORMAT`: `text` or `json`
 * - `WITHEPOCH_OBSERVE_FILE`: where to, instead of stderr
 * - `WITHEPOCH_OBSERVE_SIGNAL`: a signal on which to print the report as well, such as `SIGUSR2`
 */
import { httpRequests } from './doors.js'
import { observe, type ObserveOptions } from './observe.js'

const { env } = process
const given = (name: string): string | undefined => (env[name] === '' ? undefined : env[name])

observe({
  mode: given('WITHEPOCH_OBSERVE') as ObserveOptions['mode'],
  format: given('WITHEPOCH_OBSERVE_FORMAT') as ObserveOptions['format'],
  file: given('WITHEPOCH_OBSERVE_FILE'),
  printOn: given('WITHEPOCH_OBSERVE_SIGNAL') as NodeJS.Signals | undefined,
  doors: [httpRequests()],
  printOnExit: true,
})
