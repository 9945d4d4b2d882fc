/** The app of the contract on Bun's own server, with the probe on another port. */
import { upgradeWebSocket, websocket } from 'hono/bun'
import { answerOf, listens, Probe } from '../../../testing/test/contract/asked.js'
import { appWith } from './app.js'

interface Options {
  readonly hostname: string
  readonly port: number
  readonly idleTimeout?: number
  readonly websocket?: object
  fetch(this: void, request: Request, server: object): Response | Promise<Response>
}

declare const Bun: { serve(options: Options): { readonly port: number } }

const probe = new Probe()
const address = { hostname: '127.0.0.1', port: 0 }
const serve = async (): Promise<number> =>
  Bun.serve({ ...address, websocket, fetch: appWith(probe.routes, upgradeWebSocket).fetch }).port

listens('app', await (process.argv.includes('in-epoch') ? probe.inStartUp(serve) : serve()))
// The probe answers when there is something to say, and no sooner.
const asked = Bun.serve({ ...address, idleTimeout: 0, fetch: (request) => answerOf(probe, request) })
listens('probe', asked.port)
