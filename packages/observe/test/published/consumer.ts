/** What a user's strict compiler makes of the published declarations; see the core's. */
import { httpRequests, observe, onEvent, onMethod, printHoldersOn, type Report } from '@withepoch/observe'

const server = { receive: (request: { method: string }): string => request.method }
const observation = observe({
  mode: 'live',
  doors: [
    httpRequests((request) => request.url),
    onEvent(process, 'message', 'message'),
    onMethod(server, 'receive', ({ method }) => method),
    // @ts-expect-error -- the name is made of the method's own arguments
    onMethod(server, 'receive', ({ path }) => path as string),
  ],
})
const report: Report = observation.report()
const file: string | undefined = report.sources[0]?.example?.write?.[0]?.file
// @ts-expect-error -- a signal has one of the names that there are
const stop: () => void = printHoldersOn('SIGNONE')
stop()
file?.toString()
