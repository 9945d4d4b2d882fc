import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const LEAVER = fileURLToPath(new URL('./fixtures/leaver.ts', import.meta.url))

test.for([
  ['exit', 0],
  ['throw', 1],
  ['reject', 1],
] as const)('nothing is left after %s', async ([how, code]) => {
  const { exit, folder, pids } = await leave(how)
  expect(await exit).toEqual([code, null])
  expect(existsSync(folder)).toBe(false)
  await gone(pids)
})

test.for([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('nothing is left after %s, and a second signal while it ends', async ([signal, code]) => {
  const { leaver, exit, folder, pids } = await leave('wait')
  expect(existsSync(folder)).toBe(true)
  expect(pids.map(isRunning)).toEqual([true, true])
  leaver.kill(signal)
  expect(await exit).toEqual([code, null])
  expect(existsSync(folder)).toBe(false)
  await gone(pids)
})

async function leave(how: string) {
  const leaver = spawn(process.execPath, ['--import', 'tsx', LEAVER, how], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exit = once(leaver, 'exit')
  const [line] = (await once(leaver.stdout, 'data')) as [Buffer]
  return { leaver, exit, ...(JSON.parse(line.toString()) as { folder: string; pids: number[] }) }
}

/** They were sent SIGKILL before the leaver ended; that it has reached them is a moment later. */
async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some(isRunning)) await sleep(10)
}

/** A process that has ended, and that nobody has asked about yet, still has an id. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !(existsSync(`/proc/${pid}/stat`) && / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
}
