/**
 * The report of a process of its own: printed when it ends, however it ends, and on demand; to stderr or a file, as text or
 * JSON; by the preload of the package or one of the user's. And what it never shows: the values.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { observe, printHoldersOn, type Report } from '@withepoch/observe'
import { type EpochError, holders, type Holders } from 'withepoch'
import { type Ended, start } from './child.js'

const folder = mkdtempSync(join(tmpdir(), 'withepoch-observe-'))
afterAll(() => rmSync(folder, { recursive: true }))

const REGISTER = '../../src/register.ts'
const SECRET = 's3cr3t'

const service = readFileSync(new URL('fixtures/service.ts', import.meta.url), 'utf8').split('\n')

/** The place of the service's one line that contains `text`, as a report shows it. */
function placeOf(text: string): string {
  const lines = service.flatMap((line, at) => (line.includes(text) ? [at + 1] : []))
  expect(lines).toHaveLength(1)
  return `packages/observe/test/fixtures/service.ts:${lines[0]}:`
}

// A process of its own takes its time on a busy machine.
describe('a process', { timeout: 60_000 }, () => {
  const everything = ({ stdout, stderr }: Ended): string => stdout + stderr

  test('with a preload of its own prints what tore and where, and not one value', async () => {
    const ended = await start('service.ts', ['preload.ts']).ended
    expect([ended.code, ended.signal]).toEqual([0, null])
    const { stderr } = ended
    for (const source of ['locale', 'token', 'foreign', 'shown']) {
      expect(stderr).toMatch(new RegExp(`^service\\.${source} +GET /rows/… +2 +4 +[12] +up to [23]`, 'm'))
      expect(stderr).toContain(`service.${source} tore in GET /rows/…, for example:`)
    }
    expect(stderr).toContain(`written
    at ${placeOf("settings.locale = 's3cr3t-fr'")}`)
    expect(stderr).toContain(`read again
    at ${placeOf('seen.push(settings.locale')}`)
    expect(stderr).toContain('read again: 20 letters')
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^\d+ calls that read a source: \d torn, 0 averted, in 4 sources$/,
    )
    expect(everything(ended)).toContain('DRAIN_TIMEOUT')
    expect(everything(ended)).not.toContain(SECRET)
  })

  test('with the package’s preload writes JSON to a file, and not one value', async () => {
    const file = join(folder, 'report.json')
    const ended = await start('service.ts', [REGISTER], { WITHEPOCH_OBSERVE_FILE: file }).ended
    expect(ended.code).toBe(0)
    const text = readFileSync(file, 'utf8')
    const report = JSON.parse(text) as Report
    expect(report.mode).toBe('live')
    const rows = report.sources.filter(({ call }) => call === 'GET /rows/…')
    expect(rows.map(({ source }) => source).toSorted()).toEqual([
      'service.foreign',
      'service.shown',
      'service.token',
    ])
    const write = rows.find(({ source }) => source === 'service.token')!.example!.write![0]!
    const line = service[write.line - 1]
    expect(line).toContain('token.set(')
    expect(text + everything(ended)).not.toContain(SECRET)
  })

  test('pinned, by the package’s preload, tears nothing and says what was averted', async () => {
    const ended = await start('service.ts', [REGISTER], { WITHEPOCH_OBSERVE: 'pinned' }).ended
    expect(ended.stderr).toContain('epochs pin, and live values are compared')
    expect(ended.stderr).toMatch(/: 0 torn, \d averted$/m)
    expect(ended.stderr).not.toContain('GET /rows')
    expect(everything(ended)).not.toContain(SECRET)
  })

  test('killed by a signal that it does not handle prints first, and dies by the signal', async () => {
    const child = start('service.ts', ['preload.ts'], { SERVICE: 'stays' })
    await child.says('ready')
    child.kill('SIGTERM')
    const ended = await child.ended
    expect([ended.code, ended.signal]).toEqual([null, 'SIGTERM'])
    expect(ended.stderr.match(/calls that read a source/g)).toHaveLength(1)
  })

  test('that handles its signals itself goes on doing so, and prints when it exits', async () => {
    const child = start('service.ts', ['preload.ts'], { SERVICE: 'handles' })
    await child.says('ready')
    child.kill('SIGTERM')
    const ended = await child.ended
    expect([ended.code, ended.signal]).toEqual([3, null])
    expect(ended.stdout).toContain('closing')
    expect(ended.stderr.match(/calls that read a source/g)).toHaveLength(1)
  })

  test('observed twice dies by the signal all the same, and prints both', async () => {
    const child = start('ends.ts')
    await child.says('ready')
    child.kill('SIGTERM')
    const ended = await child.ended
    expect([ended.code, ended.signal]).toEqual([null, 'SIGTERM'])
    expect(ended.stderr.match(/call that read a source/g)).toHaveLength(2)
  })

  test('that handles a signal once, by a listener added before, is left to it', async () => {
    const child = start('ends.ts', [], { ENDS: 'by once' })
    await child.says('ready')
    child.kill('SIGTERM')
    const ended = await child.ended
    expect([ended.code, ended.signal]).toEqual([3, null])
    expect(ended.stdout).toContain('closed in order')
    expect(ended.stderr.match(/call that read a source/g)).toHaveLength(2)
  })

  test('whose stderr is a pipe that has no room prints the whole report when it has', async () => {
    const ended = await start('ends.ts', [], { ENDS: 'through a pipe' }).ended
    expect(ended.code).toBe(0)
    expect(ended.stdout).toContain('full')
    expect(ended.stderr.trimEnd()).toMatch(/\n200 calls that read a source: 0 torn, 0 averted$/)
  })

  test('prints on demand and goes on: the report, and who holds on, with places and not one value', async () => {
    const child = start('service.ts', ['preload.ts'], { SERVICE: 'stays' })
    await child.says('ready')
    child.kill('SIGUSR2')
    await child.says('calls that read a source')
    child.kill('SIGWINCH')
    await child.says('retire calls under way')
    child.kill('SIGKILL')
    const ended = await child.ended
    expect(ended.signal).toBe('SIGKILL')
    expect(ended.stderr).toMatch(
      /1 open epoch, oldest snapshot first:\n {2}#\d+ "stuck" open, \d+ ms\n {6}at main /,
    )
    expect(ended.stderr).toContain(placeOf("name: 'stuck'"))
    expect(everything(ended)).not.toContain(SECRET)
  })

  test('that cannot write its report is warned, and ends as it would', async () => {
    const file = join(folder, 'no', 'such', 'folder', 'report.json')
    const ended = await start('service.ts', [REGISTER], { WITHEPOCH_OBSERVE_FILE: file }).ended
    expect(ended.code).toBe(0)
  })

  test('with a setting that is none is told, and does not start', async () => {
    const ended = await start('service.ts', [REGISTER], { WITHEPOCH_OBSERVE: 'maybe' }).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('observe(options): mode is "maybe"; it is one of live, pinned.')
  })
})

describe('print', () => {
  test('writes where and how the options say', () => {
    const [text, json] = [join(folder, 'a.txt'), join(folder, 'b.txt')]
    const plain = observe({ file: text })
    plain.print()
    plain.stop()
    const data = observe({ file: json, format: 'json' })
    data.print()
    data.stop()
    expect(readFileSync(text, 'utf8')).toMatch(/^withepoch observed for .*\n[^]*averted\n$/)
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ mode: 'live', total: { calls: 0 } })
  })
})

describe('printHoldersOn', () => {
  test('writes JSON too, remembers late readers from then on, and stops', async () => {
    const file = join(folder, 'holders.json')
    const stop = printHoldersOn('SIGUSR2', { file })
    process.kill(process.pid, 'SIGUSR2')
    await vi.waitFor(() => expect(JSON.parse(readFileSync(file, 'utf8')) as Holders).toEqual(holders()))
    expect(process.listenerCount('SIGUSR2')).toBe(1)
    stop()
    expect(process.listenerCount('SIGUSR2')).toBe(0)
  })

  test.each([
    [['SIGKILL'], 'printHoldersOn(signal, options): signal must be a signal that a process can listen for'],
    [[undefined], 'got undefined.'],
    [['SIGUSR2', { stack: true }], 'unknown option "stack". Known: stacks, format, file.'],
    [['SIGUSR2', { stacks: 'yes' }], 'stacks must be a boolean, got a string.'],
  ])('refuses %j, and changes nothing', (given, message) => {
    let error: unknown
    try {
      printHoldersOn(...(given as [NodeJS.Signals]))
    } catch (thrown) {
      error = thrown
    }
    expect((error as EpochError).code).toBe('INVALID_ARGUMENT')
    expect((error as EpochError).message).toContain(message)
    expect(process.listenerCount('SIGUSR2')).toBe(0)
  })
})
