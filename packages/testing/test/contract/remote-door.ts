/** A door whose server runs on Bun, Deno or workerd, and its cases: those of the contract, and what it adds to them. */
import { fileURLToPath } from 'node:url'
import { CASES, type Doorplate, play, type Title } from '../../src/contract/cases.js'
import type { Host } from '../../src/contract/host.js'
import { bundled, RemoteHost } from './remote-host.js'

/** How long what must happen may take; it only bounds a hang. */
const PATIENCE_MS = 20_000

export interface RemoteDoor extends Doorplate {
  readonly runtime: 'bun' | 'deno' | 'workerd'
  /** What is run there: the app of the contract, and its probe. */
  readonly entry: URL
  /** What is asked of it beside the contract. */
  readonly more: Readonly<Record<string, (host: Host, program: string) => Promise<void>>>
}

export interface RemoteCase {
  readonly title: string
  readonly without: string | undefined
  readonly run: () => Promise<void>
}

export async function remoteCases(
  door: RemoteDoor,
  program: string,
  calls: number,
): Promise<readonly RemoteCase[]> {
  const file = await bundled(fileURLToPath(door.entry))
  const host = (): Host => new RemoteHost(door.runtime, program, file)
  const cases = (Object.keys(CASES) as Title[]).map((title) => ({
    title,
    without: door.without?.[title],
    run: () => play(door, host(), title, calls, PATIENCE_MS),
  }))
  const others = Object.entries(door.more).map(([title, ask]) => ({
    title,
    without: undefined,
    run: () => asked(host(), (one) => ask(one, program)),
  }))
  return [...cases, ...others]
}

async function asked(host: Host, ask: (host: Host) => Promise<void>): Promise<void> {
  try {
    await ask(host)
  } finally {
    await host.end()
  }
}
