/**
 * The real gateway in a process of its own, on loopback: started, ended, its timeline read, the actor in it switched.
 * With a preload the only difference is one more `--import` in front of the program; nothing of the package is changed.
 */
import type { ChildProcess } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ActorOrder, ActorReport, StandInCall } from './actor.js'
import { connect, type Client } from './client.js'
import { type Home, TOKEN } from './home.js'
import type { Installation } from './installation.js'
import { end, start } from './leftovers.js'
import { parseTimeline, type TimelineEvent } from './timeline.js'

const ACTOR = fileURLToPath(new URL('./actor.ts', import.meta.url))
const START_BUDGET_MS = 180_000
const END_GRACE_MS = 15_000

/** Nothing in the timeline for so long. */
const QUIET_MS = 1000

export class Gateway {
  readonly client: Client
  readonly #child: ChildProcess
  readonly #output: () => string
  readonly #timeline: FileHandle
  #read = 0

  private constructor(child: ChildProcess, output: () => string, client: Client, timeline: FileHandle) {
    this.#child = child
    this.#output = output
    this.client = client
    this.#timeline = timeline
  }

  /** @throws when it ends before it is ready, with what it printed last. */
  static async start(installation: Installation, home: Home, preload?: string): Promise<Gateway> {
    const port = await freePort()
    const imports = [...(preload === undefined ? [] : [preload]), ACTOR]
    const child = start(
      installation.node,
      [
        ...imports.flatMap((file) => ['--import', pathToFileURL(file).href]),
        installation.openclaw,
        'gateway',
        'run',
        '--port',
        String(port),
      ],
      { env: home.env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
    )
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream!.on('data', (chunk: Buffer) => (output += chunk.toString()))
    }
    try {
      await untilReady(port, child)
      return new Gateway(child, () => output, await connect(port, TOKEN), await open(home.timeline))
    } catch (error) {
      await end(child, 0)
      throw new Error(`${(error as Error).message}\nIt printed last:\n${output.slice(-4000)}`, {
        cause: error,
      })
    }
  }

  /** Resolves when what it does on its own after a start is over: it warms what it knows of providers, for seconds. */
  async quiet(): Promise<void> {
    const until = Date.now() + START_BUDGET_MS
    while (!this.#output().includes('provider auth state pre-warm')) {
      if (Date.now() > until) throw new Error(`the gateway was not quiet within ${START_BUDGET_MS / 1000} s`)
      await sleep(200)
    }
    while ((await this.events()).length > 0) await sleep(QUIET_MS)
  }

  /** What the timeline has got since the last time. */
  async events(): Promise<TimelineEvent[]> {
    const { size } = await this.#timeline.stat()
    const buffer = Buffer.alloc(size - this.#read)
    await this.#timeline.read(buffer, 0, buffer.length, this.#read)
    // The last line may be half written.
    const whole = buffer.subarray(0, buffer.lastIndexOf('\n') + 1)
    this.#read += whole.length
    return parseTimeline(whole.toString())
  }

  /** Lets the actor set these in turn, from now on; with none it stops. Resolves with what it has counted so far. */
  actor(workspaces: readonly string[]): Promise<ActorReport> {
    return this.#tell({ openclawActor: workspaces })
  }

  /** Resolves when the actor has done in the gateway what an undisturbed call would do. */
  async standIn(call: StandInCall): Promise<void> {
    await this.#tell({ standIn: call })
  }

  #tell(order: ActorOrder): Promise<ActorReport> {
    return new Promise((resolve) => {
      const heard = (message: unknown): void => {
        const report = message as ActorReport
        if (!report.openclawActor) return
        this.#child.off('message', heard)
        resolve(report)
      }
      this.#child.on('message', heard)
      this.#child.send(order)
    })
  }

  async end(): Promise<void> {
    this.client.close()
    await this.#timeline.close()
    await end(this.#child, END_GRACE_MS)
  }
}

async function untilReady(port: number, child: ChildProcess): Promise<void> {
  const until = Date.now() + START_BUDGET_MS
  while (Date.now() < until) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the gateway ended while it was starting (${child.exitCode ?? child.signalCode})`)
    }
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (ready?.ok) return
    await sleep(200)
  }
  throw new Error(`the gateway was not ready within ${START_BUDGET_MS / 1000} s`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
