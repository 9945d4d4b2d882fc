/** The app of the contract as a worker, with the probe as another entrypoint of it. `workerd.capnp` says where they listen. */
import { upgradeWebSocket } from 'hono/cloudflare-workers'
import { answerOf, Probe } from '../../../testing/test/contract/asked.js'
import { appWith } from './app.js'

const probe = new Probe()
const app = appWith(probe.routes, upgradeWebSocket)

/** A request that waits for another one, and for nothing of its own, would be taken for one that hangs. */
async function awake<T>(work: () => T | Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 10)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

export default {
  fetch: (request: Request, env: object): Promise<Response> => awake(() => app.fetch(request, env)),
}

export const asked = {
  fetch: (request: Request): Promise<Response> => awake(() => answerOf(probe, request)),
}
