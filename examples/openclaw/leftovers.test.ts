import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const LEAVER = fileURLToPath(new URL('./fixtures/leaver.ts', import.meta.url))

test.for([
  ['exit', undefined, 0],
  ['throw', undefined, 1],
  ['reject', undefined, 1],
  ['wait', 'SIGINT', 130],
  ['wait', 'SIGTERM', 143],
  ['wait', 'SIGHUP', 129],
] as const)('nothing is left after %s, with %s', async ([how, signal, code]) => {
  const leaver = spawn(process.execPath, ['--import', 'tsx', LEAVER, how], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exit = once(leaver, 'exit')
  const [line] = (await once(leaver.stdout, 'data')) as [Buffer]
  const { folder, pids } = JSON.parse(line.toString()) as { folder: string; pids: number[] }
  if (signal) {
    expect(existsSync(folder)).toBe(true)
    expect(pids.map(isRunning)).toEqual([true, true])
    leaver.kill(signal)
  }
  expect(await exit).toEqual([code, null])
  expect(existsSync(folder)).toBe(false)
  // They were sent SIGKILL before the leaver ended; that it has reached them is a moment later.
  while (pids.some(isRunning)) await sleep(10)
})

/** A process that has ended, and that nobody has asked about yet, still has an id. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !(existsSync(`/proc/${pid}/stat`) && / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')))
}
