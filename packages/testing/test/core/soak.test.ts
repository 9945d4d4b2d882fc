/** `npm run soak`, small: counted, bounded by what it is told, and refusing what it does not know. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'

vi.setConfig({ testTimeout: 600_000 })

function soak(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const script = 'packages/core/test/interleavings/soak.ts'
  const { NODE_OPTIONS: _options, NODE_CHANNEL_FD: _channel, ...env } = process.env
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', script, ...args],
      { cwd: fileURLToPath(new URL('../../../../', import.meta.url)), env },
      (error, stdout, stderr) => resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

test('runs as many interleavings as it is told, and its last line counts them', async () => {
  const { status, stdout, stderr } = await soak('--runs', '100', '--seed', '3')
  expect({ status, stdout }).toEqual({ status: 0, stdout: '100 passed, 0 failed\n' })
  expect(stderr).toMatch(/^100 interleavings on node v\d+\.\d+\.\d+, \d at a time, seed 3\n/)
})

test.each([
  [['--runs', '0'], '--runs must be a whole number, 1 or more, got 0'],
  [['--seed', 'x'], '--seed must be a whole number, 0 or more, got x'],
  [['--time', '5'], "Unknown option '--time'"],
])('refuses %j', async (args, message) => {
  const { status, stderr } = await soak(...args)
  expect(status).toBe(2)
  expect(stderr).toContain(message)
  expect(stderr).toContain('usage: npm run soak -- [--runs N] [--seed N]')
})
