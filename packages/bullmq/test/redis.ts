/**
 * A Redis of a test's own. Where there is no `redis-server`, one line says so and the tests that need it are skipped; with
 * WITHEPOCH_REQUIRE_REDIS=1 they fail. Nothing here knows of queues.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../testing/test/contract/free-port.js'

export interface Redis {
  readonly host: string
  readonly port: number
  close(): Promise<void>
}

/** Where `redis-server` is, if anywhere. */
export const redisServer = find()

function find(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, 'redis-server')
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  const what = 'withepoch: redis-server is not on the PATH, so nothing of @withepoch/bullmq is tested.'
  if (process.env['WITHEPOCH_REQUIRE_REDIS'] === '1') throw new Error(what)
  process.stderr.write(`${what}\n`)
  return undefined
}

/** Starts one on a free port, that keeps nothing on disk. */
export async function startRedis(): Promise<Redis> {
  if (redisServer === undefined) throw new Error('There is no redis-server.')
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-redis-'))
  const [host, port] = ['127.0.0.1', await freePort()]
  const where = ['--bind', host, '--port', String(port), '--dir', folder]
  const server = spawn(redisServer, [...where, '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = (): void => void server.kill()
  process.once('exit', kill)
  const exit = once(server, 'exit')
  const close = async (): Promise<void> => {
    kill()
    await exit
    process.off('exit', kill)
    rmSync(folder, { recursive: true })
  }
  let isReady = false
  for await (const line of createInterface({ input: server.stdout })) {
    isReady = line.includes('Ready to accept connections')
    if (isReady) break
  }
  server.stdout.resume() // what it says from now on is read by nobody
  if (isReady) return { host, port, close }
  await close()
  throw new Error(`redis-server did not start on port ${port}.`)
}
