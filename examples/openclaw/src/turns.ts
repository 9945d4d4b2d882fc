/**
 * Real agent turns, through the gateway and the stand-in model. Each turn writes a file by the program's own `write`
 * tool, under a relative name, so that the agent's workspace decides where it lands, and reads it back by `read`. What
 * then is on disk and in the transcript tells whether agents still see and write their own workspace.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Client } from './client.js'
import { type Agent, AGENTS, type Home } from './home.js'

const TURN_BUDGET_MS = 300_000

/** The session in which an agent takes its turns. It is among those that are listed. */
export function turnsSession(agent: Agent): string {
  return `agent:${agent}:turns`
}

export interface TurnCount {
  readonly done: number
  /** What went elsewhere than to the agent's own workspace, or came from there. */
  readonly wrong: readonly string[]
}

/** Writes and reads one file in the agent's workspace. Returns what was wrong about it, if anything was. */
export async function takeTurn(client: Client, home: Home, agent: Agent): Promise<string | undefined> {
  const name = `note-${randomUUID()}.txt`
  const text = `${agent}-${randomUUID()}`
  await say(client, agent, `write ${name}: ${text}`)
  const written = await readFile(path.join(home.workspace(agent), name), 'utf8').catch(() => undefined)
  if (written !== text) return `${agent} wrote ${name}, and its workspace holds ${written ?? 'no such file'}`
  await say(client, agent, `read ${name}`)
  const history = await client.call('chat.history', { sessionKey: turnsSession(agent), limit: 10 })
  const seen = JSON.stringify((history as { messages: unknown[] }).messages.at(-1))
  return seen.includes(text) ? undefined : `${agent} read ${name}, and got ${seen}`
}

async function say(client: Client, agent: Agent, message: string): Promise<void> {
  const { runId } = (await client.call('agent', {
    message,
    agentId: agent,
    sessionKey: turnsSession(agent),
    idempotencyKey: randomUUID(),
    deliver: false,
  })) as { runId: string }
  const ended = (await client.call('agent.wait', { runId, timeoutMs: TURN_BUDGET_MS })) as { status: string }
  if (ended.status !== 'ok') throw new Error(`a turn of ${agent} ended as ${JSON.stringify(ended)}`)
}

/** All agents at work at once, one turn after another, until they are told to stop. */
export class BusyAgents {
  #stopped = false
  #done = 0
  readonly #wrong: string[] = []
  readonly #loops: Promise<void>

  constructor(client: Client, home: Home) {
    this.#loops = Promise.all(
      AGENTS.map(async (agent) => {
        while (!this.#stopped) {
          const wrong = await takeTurn(client, home, agent)
          this.#done++
          if (wrong !== undefined) this.#wrong.push(wrong)
        }
      }),
    ).then(() => undefined)
    // Reported by stop().
    this.#loops.catch(() => undefined)
  }

  get done(): number {
    return this.#done
  }

  /** Resolves when the turns under way have ended. */
  async stop(): Promise<TurnCount> {
    this.#stopped = true
    await this.#loops
    return { done: this.#done, wrong: this.#wrong }
  }
}
