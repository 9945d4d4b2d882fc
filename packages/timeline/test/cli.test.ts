/** The command, as a process of its own. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { close, HEADER, lines, open, read } from './recording.js'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'timeline-cli-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const tsx = fileURLToPath(import.meta.resolve('tsx/cli'))
const root = fileURLToPath(new URL('../../..', import.meta.url))

function cli(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return promisify(execFile)(
    process.execPath,
    [tsx, path.join(root, 'packages/timeline/src/cli.ts'), ...args],
    {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  ).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  )
}

const good = lines(HEADER, open(1, 10, 'page'), read(1, 20, 1), read(1, 30, 1, 2), close(1, 40, 'page'))

// Each starts a process, which a busy machine makes wait.
describe('npx @withepoch/timeline', { timeout: 60_000 }, () => {
  test('writes the page beside the recording, and prints where', async () => {
    const file = path.join(dir, 'good.jsonl')
    await writeFile(file, good)
    const page = path.join(dir, 'good.html')
    expect(await cli(file)).toEqual({ code: 0, stdout: `${page}\n`, stderr: '' })
    expect(await readFile(page, 'utf8')).toMatch(/^<!doctype html>[^]*"title":"good.jsonl"/)
  })

  test('writes page and trace where it is told, and prints the summary', async () => {
    const file = path.join(dir, 'good.jsonl')
    await writeFile(file, good)
    const [out, trace] = [path.join(dir, 'new', 'page.html'), path.join(dir, 'trace.json')]
    const { code, stdout, stderr } = await cli(
      file,
      '-o',
      out,
      '--trace',
      trace,
      '--summary',
      '--title',
      'Mine',
    )
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/│ page\s+│\s+1 │\s+0 │\s+0 │\s+0\.0 │\s+0\.0 │\s+0 │/)
    expect(stdout).toMatch(/│ config │\s+2 │\s+1 │\s+0 │/)
    expect(stdout).toMatch(/\n4 events in 0\.00 s, 0 dropped, 0 lines unreadable\n$/)
    expect(await readFile(out, 'utf8')).toContain('"title":"Mine"')
    const { traceEvents } = JSON.parse(await readFile(trace, 'utf8')) as { traceEvents: { ph: string }[] }
    expect(traceEvents.filter(({ ph }) => ph === 'b' || ph === 'e')).toHaveLength(2)
  })

  test('reads what it can of a broken recording and says what it left out', async () => {
    const file = path.join(dir, 'broken.jsonl')
    await writeFile(file, `${good}nonsense\u001B[2J\n{"type":"epo`)
    const { code, stdout, stderr } = await cli(file, '--summary', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ events: 4, unreadable: 1, truncated: true })
    expect(stderr).toBe(`${file}, line 6: no JSON; left out\n${file}: the last line is cut short; left out\n`)
  })

  test.each([
    [[], 'Which recording? No file was given.'],
    [['a', 'b'], 'One recording at a time; got 2.'],
    [['a', '--json'], '--json goes with --summary.'],
    [['a', '--sumary'], "Unknown option '--sumary'"],
    [['no-such.jsonl'], 'ENOENT'],
    [['package.json'], 'package.json is no recording that can be read'],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await cli(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('    at ')
  })

  test('--help lists the options', async () => {
    const { code, stdout } = await cli('--help')
    expect(code).toBe(0)
    for (const option of ['--out', '--trace', '--summary', '--json', '--title', '--help'])
      expect(stdout).toContain(option)
  })
})
