/** The app of the contract on Deno's own server, with the probe on another port. */
import { upgradeWebSocket } from 'hono/deno'
import { answerOf, listens, Probe } from '../../../testing/test/contract/asked.js'
import { appWith } from './app.js'

declare const Deno: {
  readonly args: readonly string[]
  serve(
    options: { hostname: string; port: number; onListen: () => void },
    fetch: (request: Request) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number } }
}

const probe = new Probe()
const address = { hostname: '127.0.0.1', port: 0, onListen: () => {} }
const serve = async (): Promise<number> =>
  Deno.serve(address, appWith(probe.routes, upgradeWebSocket).fetch).addr.port

listens('app', await (Deno.args.includes('in-epoch') ? probe.inStartUp(serve) : serve()))
listens('probe', Deno.serve(address, (request) => answerOf(probe, request)).addr.port)
