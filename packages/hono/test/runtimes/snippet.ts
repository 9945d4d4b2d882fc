/** The snippets of docs/adapters/hono.md as they stand there, each in the file that its first line names, served on their runtime. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../../testing/test/contract/free-port.js'
import { ARGS, bundled, launched } from '../../../testing/test/contract/remote-host.js'

const page = readFileSync(new URL('../../../../docs/adapters/hono.md', import.meta.url), 'utf8')

/** A fence whose first line is a comment with a file's name. */
const FILE = /^```\w+(?: no-run)?\n(?:\/\/|#) (\S+\.(?:ts|capnp))\n([\s\S]*?)^```$/gm

/** How the port is given where the snippet leaves it open. */
const PORT: Readonly<Record<string, (port: number) => { env?: Record<string, string>; args?: string[] }>> = {
  bun: (port) => ({ env: { PORT: String(port) } }),
  deno: (port) => ({ env: { DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${port}` } }),
  workerd: (port) => ({ args: ['--socket-addr', `http=127.0.0.1:${port}`] }),
}

export async function snippetAnswers(runtime: string, program: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-snippet-'))
  try {
    for (const [, name, code] of page.matchAll(FILE)) writeFileSync(join(folder, name!), code!)
    const file = await bundled(join(folder, `${runtime}.ts`))
    const port = await freePort()
    const { env, args = [] } = PORT[runtime]!(port)
    const { stop, noise } = launched(program, [...ARGS[runtime]!(file), ...args], env)
    try {
      assert.equal(await textOf(`http://127.0.0.1:${port}/locale`), 'en', noise())
    } finally {
      await stop()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Once it listens; nothing is answered if it never does. */
async function textOf(url: string): Promise<string | undefined> {
  for (let tries = 0; tries < 200; tries++) {
    const response = await fetch(url).catch(() => undefined)
    if (response !== undefined) return response.text()
    await sleep(50)
  }
  return undefined
}
