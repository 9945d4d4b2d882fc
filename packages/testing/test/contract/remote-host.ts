/**
 * A door whose server is a process of Bun, Deno or workerd: each case has one of its own, which is asked by HTTP on a port
 * beside that of the app. The cases and the client stay in Node.
 */
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import type { Route, Served } from '@withepoch/testing/contract'
import type { Host } from '../../src/contract/host.js'
import type { Asked } from '../../src/contract/probe.js'
import { Service } from '../../src/contract/service.js'

const repository = fileURLToPath(new URL('../../../../', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'withepoch-contract-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** How each is started, on the file that is made of an entry. */
export const ARGS: Readonly<Record<string, (file: string) => readonly string[]>> = {
  bun: (file) => ['run', file],
  deno: (file) => ['run', '--allow-all', '--no-check', '--no-lock', '--no-config', file],
  workerd: (file) => ['serve', file.replace(/js$/, 'capnp'), '--control-fd=1'],
}

/** One file of JavaScript with all in it, as workerd needs it; and what is to lie beside it. */
export async function bundled(entry: string): Promise<string> {
  await build({
    config: false,
    entry: [entry],
    outDir: scratch,
    format: 'esm',
    target: 'node20',
    silent: true,
    dts: false,
    removeNodeProtocol: false,
    noExternal: [/.*/],
    external: [/^node:/],
    tsconfig: `${repository}tsconfig.json`,
    // For an entry that is not in the repository.
    esbuildOptions: (options) => void (options.nodePaths = [`${repository}node_modules`]),
  })
  const name = entry.slice(entry.lastIndexOf('/') + 1, -'.ts'.length)
  const config = entry.replace(/ts$/, 'capnp')
  if (existsSync(config)) copyFileSync(config, join(scratch, `${name}.capnp`))
  return join(scratch, `${name}.js`)
}

/** Starts it without the settings of whoever runs this; it ends with this process at the latest. */
export function launched(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(program, args, {
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: scratch, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', ...env },
  })
  const ended = new Promise<void>((resolve) => void child.once('close', resolve))
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  let noise = ''
  child.stderr.on('data', (data: Buffer) => (noise += data.toString()))
  const stop = async (): Promise<void> => {
    kill()
    await ended
    process.off('exit', kill)
  }
  return { child, stop, noise: () => noise }
}

export class RemoteHost implements Host {
  /** What is served there; the handlers of these are not called. */
  readonly routes: readonly Route[] = new Service().routes
  readonly #program: string
  readonly #args: readonly string[]
  /** Those that the client has made to the app: that process has no channel which tells what its server takes. */
  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    socket.once('connect', () => void (this.#app?.port === String(socket.remotePort) && this.#made++))
  }
  #made = 0
  #app: URL | undefined
  #probe = ''
  #stop = async (): Promise<void> => {}

  constructor(runtime: string, program: string, file: string) {
    this.#program = program
    this.#args = ARGS[runtime]!(file)
    subscribe('net.client.socket', this.#onSocket)
  }

  async start({ inEpoch }: { readonly inEpoch: boolean }): Promise<Served> {
    await this.#stop()
    const { child, stop, noise } = launched(this.#program, [...this.#args, ...(inEpoch ? ['in-epoch'] : [])])
    this.#stop = stop
    const urls = new Map<string, string>()
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{"event":"listen"')) continue
      const { socket, port } = JSON.parse(line) as { socket: string; port: number }
      urls.set(socket, `http://127.0.0.1:${port}`)
      if (urls.size === 2) break
    }
    child.stdout.resume()
    if (urls.size < 2) throw new Error(`${this.#program} does not listen. It said:\n${noise()}`)
    this.#probe = urls.get('probe')!
    this.#app = new URL(urls.get('app')!)
    return { url: this.#app.origin, close: this.#stop }
  }

  async ask<Q extends keyof Asked>(question: Q, ...args: Asked[Q]['args']): Promise<Asked[Q]['answer']> {
    const response = await fetch(this.#probe, { method: 'POST', body: JSON.stringify([question, ...args]) })
    const said = (await response.json()) as { answer?: Asked[Q]['answer']; error?: string }
    if (said.error !== undefined) throw new Error(`${question}: ${said.error}`)
    return said.answer!
  }

  connections(): number {
    return this.#made
  }

  async end(): Promise<void> {
    unsubscribe('net.client.socket', this.#onSocket)
    await this.#stop()
  }
}
