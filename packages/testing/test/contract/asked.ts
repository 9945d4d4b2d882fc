/** What a server in another runtime says to the cases: where it listens, and what its probe answers. */
import { type Asked, Probe } from '../../src/contract/probe.js'

export { Probe }

/** One line for each port, in the words that workerd has for it. */
export function listens(socket: 'app' | 'probe', port: number): void {
  console.log(JSON.stringify({ event: 'listen', socket, port }))
}

/** Answers a question that is sent as `[question, ...arguments]`: with `{ answer }`, or what it has thrown as `{ error }`. */
export async function answerOf(probe: Probe, request: Request): Promise<Response> {
  const [question, ...args] = (await request.json()) as [keyof Asked, ...Asked[keyof Asked]['args']]
  try {
    return Response.json({ answer: await probe.ask(question, ...args) })
  } catch (error) {
    return Response.json({ error: String(error) })
  }
}
