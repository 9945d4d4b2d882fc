import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { create as createTarball } from 'tar'
import { readRecording } from '@withepoch/timeline'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Frame, Report } from '@withepoch/observe'
import { type Actor, startActors } from './src/actors.js'
import { type Gateway, type Mode, type SessionsList, startGateway } from './src/gateway.js'
import { recordCalls } from './src/measurement.js'
import { normaliseModelId } from './src/model-id.js'
import { forgetPluginMetadata, MANIFEST_FILE, scanCount, scanPlugins } from './src/plugin-loader.js'
import { setActivePluginRegistry } from './src/plugin-registry.js'
import { fetchRealManifests, OPENCLAW, REAL_MANIFESTS } from './src/real-manifests.js'
import { RpcClient } from './src/rpc-client.js'
import { callsOf, renderTimeline } from './src/timeline.js'
import { rowChannel, type RowSeen, type Write, writeChannel } from './src/trace.js'
import { prepareWorkspaces, type Workspaces } from './src/workspaces.js'

const PLUGINS = 60
const SESSIONS = 120

let dataDir: string
let workspaces: Workspaces
/** What a test has started, ended after it in reverse. */
let cleanups: (() => Promise<void> | void)[] = []

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'sessions-list-'))
  workspaces = await prepareWorkspaces({ dataDir, manifests: { generated: PLUGINS }, sessions: SESSIONS })
})

afterAll(async () => {
  await rm(dataDir, { recursive: true, force: true })
})

beforeEach(() => {
  forgetPluginMetadata()
  activate(0)
})

afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
  cleanups = []
})

function dirOf(n: number): string {
  return workspaces.workspaceDirs[n % workspaces.workspaceDirs.length]!
}

function activate(n: number): void {
  setActivePluginRegistry({ workspaceDir: dirOf(n), pluginIds: [] }, 'test')
}

async function startGatewayFor(mode: Mode): Promise<Gateway> {
  const gateway = await startGateway({ mode, store: workspaces.store })
  cleanups.push(() => gateway.close())
  return gateway
}

async function connect(gateway: Gateway): Promise<RpcClient> {
  const client = await RpcClient.connect(gateway.url)
  cleanups.push(() => client.close())
  return client
}

async function clientOf(mode: Mode): Promise<RpcClient> {
  return connect(await startGatewayFor(mode))
}

type Told = SessionsList & { provenance: NonNullable<SessionsList['provenance']> }

async function list(client: RpcClient, limit: number): Promise<Told> {
  return (await client.call('sessions.list', { limit, provenance: true })) as Told
}

/** After each row another workspace becomes active: the worst interleaving, and the same one every time. */
function moveOnAfterEachRow(): void {
  const listener = (event: unknown) => activate((event as RowSeen).row + 1)
  rowChannel.subscribe(listener)
  cleanups.push(() => {
    rowChannel.unsubscribe(listener)
  })
}

/** What a channel says until the test ends. */
function listenTo<T>(channel: Channel): T[] {
  const heard: T[] = []
  const listener = (event: unknown) => void heard.push(event as T)
  channel.subscribe(listener)
  cleanups.push(() => {
    channel.unsubscribe(listener)
  })
  return heard
}

function startTurns(): void {
  const actors = workspaces.workspaceDirs.map((workspaceDir, n): Actor => ({
    name: `actor ${n}`,
    kind: n < 3 ? 'agent' : 'cron',
    workspaceDir,
  }))
  const running = startActors(actors)
  cleanups.push(() => running.stop())
}

/** What the rows are when nobody writes and the n-th workspace is active. */
async function idleRows(n: number, limit: number): Promise<SessionsList['rows']> {
  activate(n)
  return (await list(await clientOf('live'), limit)).rows
}

describe('without epochs', () => {
  test('an idle gateway scans once and then answers from the slot', async () => {
    const client = await clientOf('live')
    const answers = [await list(client, 30), await list(client, 30), await list(client, 30)]
    expect(answers.map(({ provenance }) => provenance.scans)).toEqual([1, 0, 0])
    expect(new Set(answers.flatMap(({ provenance }) => provenance.workspaceDirs))).toEqual(
      new Set([dirOf(0)]),
    )
  })

  test('every row sees another workspace and scans again when one becomes active after each row', async () => {
    const expected: SessionsList['rows'][] = []
    for (let n = 0; n < workspaces.workspaceDirs.length; n++) expected.push(await idleRows(n, 30))
    activate(0)
    forgetPluginMetadata()
    moveOnAfterEachRow()

    const { rows, provenance } = await list(await clientOf('live'), 30)
    expect(provenance.scans).toBe(30)
    expect(provenance.workspaceDirs).toEqual(rows.map((_, n) => dirOf(n)))
    expect(rows).toEqual(rows.map((_, n) => expected[n % expected.length]![n]))
    expect(rows).not.toEqual(expected[0])
  })

  test('a busy gateway scans for at least every second row and mixes workspaces', async () => {
    const client = await clientOf('live')
    startTurns()
    const scans: number[] = []
    for (let call = 0; call < 5; call++) {
      const { provenance } = await list(client, 40)
      scans.push(provenance.scans)
      expect(new Set(provenance.workspaceDirs).size).toBeGreaterThan(1)
    }
    expect(scans.toSorted((a, b) => a - b)[2]).toBeGreaterThanOrEqual(20)
  })
})

describe('with epochs', () => {
  test('every row sees the workspace of entry when another becomes active after each row', async () => {
    const expected = await idleRows(0, 30)
    forgetPluginMetadata()
    moveOnAfterEachRow()

    const { rows, provenance } = await list(await clientOf('epoch'), 30)
    expect(provenance.scans).toBe(1)
    expect(new Set(provenance.workspaceDirs)).toEqual(new Set([dirOf(0)]))
    expect(rows).toEqual(expected)
  })

  test('a busy gateway scans at most once per call and answers from one workspace, as an idle one would', async () => {
    const expected = new Map<string, SessionsList['rows']>()
    for (const [n, dir] of workspaces.workspaceDirs.entries()) expected.set(dir, await idleRows(n, 40))
    const client = await clientOf('epoch')
    const rowsSeen = listenTo<RowSeen>(rowChannel)
    const writes = listenTo<Write>(writeChannel)
    startTurns()
    for (let call = 0; call < 10; call++) {
      const { rows, provenance } = await list(client, 40)
      expect(provenance.scans).toBeLessThanOrEqual(1)
      const seen = new Set(provenance.workspaceDirs)
      expect(seen.size).toBe(1)
      expect(rows).toEqual(expected.get([...seen][0]!))
    }
    expect(rowsSeen).toHaveLength(400)
    // The load was there: the actors wrote during the calls.
    expect(new Set(writes.map((write) => write.workspaceDir)).size).toBe(workspaces.workspaceDirs.length)
    expect(writes.length).toBeGreaterThan(20)
  })

  test('two calls pinned to different workspaces do not take the slot from each other', async () => {
    const gateway = await startGatewayFor('epoch')
    const [first, second] = [await connect(gateway), await connect(gateway)]
    const rowsSeen = listenTo<RowSeen>(rowChannel)
    // The second comes in, into another workspace, when the first has its first row.
    const firstRow = new Promise<void>((resolve) => {
      const listener = () => {
        rowChannel.unsubscribe(listener)
        activate(1)
        resolve()
      }
      rowChannel.subscribe(listener)
    })
    const one = list(first, SESSIONS)
    await firstRow
    const two = list(second, SESSIONS)
    const answers = [await one, await two]

    expect(answers.map(({ provenance }) => provenance.scans)).toEqual([1, 1])
    expect(answers.map(({ provenance }) => [...new Set(provenance.workspaceDirs)])).toEqual([
      [dirOf(0)],
      [dirOf(1)],
    ])
    const order = rowsSeen.map((row) => row.call)
    const changes = order.filter((call, at) => at > 0 && call !== order[at - 1]).length
    expect(changes).toBeGreaterThan(10) // they did run side by side
  })

  test('the calls of one batch are epochs of their own', async () => {
    const { ask } = await rawClient('epoch')
    const listener = () => {
      rowChannel.unsubscribe(listener)
      activate(3)
    }
    rowChannel.subscribe(listener)
    const [a, b] = (await ask(
      JSON.stringify([
        request(1, { limit: 3, provenance: true }),
        request(2, { limit: 9, provenance: true }),
      ]),
    )) as { result: Told }[]
    for (const answer of [a, b]) expect(new Set(answer!.result.provenance.workspaceDirs).size).toBe(1)
    expect([a, b].map((answer) => answer!.result.rows.length)).toEqual([3, 9])
    expect(a!.result.provenance.call).not.toBe(b!.result.provenance.call)
  })
})

describe('with derived metadata', () => {
  test('64 clients and five workspaces that take turns make one scan per workspace, in all', async () => {
    const gateway = await startGatewayFor('derived')
    const clients = await Promise.all(Array.from({ length: 64 }, () => connect(gateway)))
    startTurns()
    forgetPluginMetadata()
    const before = scanCount()
    const answers = (
      await Promise.all(clients.map(async (client) => [await list(client, 20), await list(client, 20)]))
    ).flat()
    const scans = scanCount() - before

    const seen = answers.map(({ provenance }) => [...new Set(provenance.workspaceDirs)])
    expect(seen.filter((dirs) => dirs.length !== 1)).toEqual([])
    expect(answers).toHaveLength(128)
    expect(scans).toBe(new Set(seen.flat()).size)
    expect(scans).toBeLessThanOrEqual(5)
    expect(scans).toBeGreaterThan(1) // the workspaces did take turns
  })

  test('every row sees the workspace of entry, and a second call in it scans nothing', async () => {
    const expected = await idleRows(0, 30)
    const client = await clientOf('derived')
    await list(client, 1)
    forgetPluginMetadata()
    moveOnAfterEachRow()
    const { rows, provenance } = await list(client, 30)
    expect(provenance.scans).toBe(0)
    expect(new Set(provenance.workspaceDirs)).toEqual(new Set([dirOf(0)]))
    expect(rows).toEqual(expected)
  })
})

function request(id: number | string | undefined, params?: unknown, method = 'sessions.list') {
  return {
    jsonrpc: '2.0',
    ...(id === undefined ? {} : { id }),
    method,
    ...(params === undefined ? {} : { params }),
  }
}

/** A bare socket: `ask` sends a text and returns the next frame, `tell` sends a text that has no answer. */
async function rawClient(mode: Mode) {
  const gateway = await startGatewayFor(mode)
  const socket = new WebSocket(gateway.url)
  await once(socket, 'open')
  cleanups.push(() => socket.terminate())
  return {
    tell: (text: string) => socket.send(text),
    ask: async (text: string): Promise<unknown> => {
      const answered = once(socket, 'message')
      socket.send(text)
      const [data] = (await answered) as [Buffer]
      return JSON.parse(data.toString('utf8'))
    },
  }
}

describe.each(['live', 'epoch', 'derived'] as const)('JSON-RPC 2.0, %s', (mode) => {
  const failure = (id: unknown, code: number, message: string) => ({
    jsonrpc: '2.0',
    id,
    error: { code, message },
  })

  test.each([
    ['no JSON', '{"jsonrpc"', failure(null, -32700, 'Parse error')],
    ['no request', '{"id":1}', failure(null, -32600, 'Invalid Request')],
    ['null', 'null', failure(null, -32600, 'Invalid Request')],
    ['an empty batch', '[]', failure(null, -32600, 'Invalid Request')],
    ['a batch of one that is none', '[1]', [failure(null, -32600, 'Invalid Request')]],
    [
      'an unknown method',
      JSON.stringify(request(7, {}, 'sessions.drop')),
      failure(7, -32601, 'Method not found'),
    ],
    [
      'a method every object has',
      JSON.stringify(request('x', {}, 'constructor')),
      failure('x', -32601, 'Method not found'),
    ],
  ])('%s is answered with its error', async (_title, text, expected) => {
    const { ask } = await rawClient(mode)
    expect(await ask(text)).toEqual(expected)
  })

  test.each([
    ['a limit of none', { limit: 0 }, 'limit'],
    ['a limit that is no number', { limit: '5' }, 'limit'],
    ['an unknown parameter', { limits: 5 }, undefined],
    ['parameters by position', [5], undefined],
  ])('%s is -32602 and names the parameter', async (_title, params, field) => {
    const { ask } = await rawClient(mode)
    const answer = (await ask(JSON.stringify(request(1, params)))) as {
      error: { code: number; data: { issues: { path: string[]; message: string }[] } }
    }
    expect(answer.error.code).toBe(-32602)
    expect(answer.error.data.issues[0]!.path[0]).toBe(field)
  })

  test('a notification runs and is not answered, nor is its error', async () => {
    const rowsSeen = listenTo<RowSeen>(rowChannel)
    const { ask, tell } = await rawClient(mode)
    tell(JSON.stringify(request(undefined, { limit: 2 })))
    tell(JSON.stringify(request(undefined, { limit: 'two' })))
    tell(JSON.stringify([request(undefined, { limit: 3 })]))
    const answer = (await ask(JSON.stringify(request('after', { limit: 40 })))) as { id: string }
    expect(answer.id).toBe('after')
    expect(rowsSeen).toHaveLength(2 + 3 + 40)
  })

  test('a batch is answered by an array, errors among it and notifications left out', async () => {
    const { ask } = await rawClient(mode)
    const batch = [request(1, { limit: 2 }), request(undefined, { limit: 2 }), request(2, {}, 'nothing'), 'x']
    const answers = (await ask(JSON.stringify(batch))) as {
      id: unknown
      result?: SessionsList
      error?: unknown
    }[]
    expect(answers.map(({ id }) => id)).toEqual([1, 2, null])
    expect(answers[0]!.result!.rows).toHaveLength(2)
    expect(answers[0]!.result).not.toHaveProperty('provenance')
    expect(await ask(JSON.stringify([request(3, { limit: 1 })]))).toHaveLength(1)
  })
})

test('the manifest that is not valid is named, with what is wrong in it', async () => {
  const workspaceDir = path.join(dataDir, 'broken')
  const folder = path.join(workspaceDir, 'plugins', 'one')
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, MANIFEST_FILE), '{"id":"one","providers":"openai","configSchema":{}}')
  expect(() => scanPlugins(workspaceDir)).toThrow(/one.openclaw\.plugin\.json is not valid:[^]*at providers/)
  await writeFile(path.join(folder, MANIFEST_FILE), '{"id":')
  expect(() => scanPlugins(workspaceDir)).toThrow(/one.openclaw\.plugin\.json is no JSON/)
})

test('a gateway whose plugins cannot be read answers -32603 and keeps its paths to itself', async () => {
  setActivePluginRegistry({ workspaceDir: path.join(dataDir, 'nowhere'), pluginIds: [] }, 'test')
  const printed: unknown[] = []
  const { error } = console
  console.error = (...args: unknown[]) => void printed.push(args)
  cleanups.push(() => void (console.error = error))
  const { ask } = await rawClient('epoch')
  expect(await ask(JSON.stringify(request(1)))).toEqual({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32603, message: 'Internal error' },
  })
  expect(printed).toHaveLength(1)
})

test.each([
  [undefined, 'Any-Model', 'Any-Model'],
  [{}, 'constructor', 'constructor'],
  [{ aliases: { 'opus-4.6': 'claude-opus-4-6' } }, 'OPUS-4.6', 'claude-opus-4-6'],
  [{ aliases: {} }, 'constructor', 'constructor'],
  [{ stripPrefixes: ['hub/'], aliases: { swift: 'swift-2' } }, 'hub/swift', 'swift-2'],
  [{ stripPrefixes: ['hub/'] }, 'hub/', 'hub/'],
  [{ prefixWhenBare: 'nvidia' }, 'nemotron', 'nvidia/nemotron'],
  [{ prefixWhenBare: 'nvidia' }, 'meta/llama', 'meta/llama'],
  [
    {
      aliases: { 'opus-4.6': 'claude-opus-4-6' },
      prefixWhenBareAfterAliasStartsWith: [{ modelPrefix: 'claude-', prefix: 'anthropic' }],
      prefixWhenBare: 'other',
    },
    'opus-4.6',
    'anthropic/claude-opus-4-6',
  ],
])('rule %j makes of %s %s', (rule, model, expected) => {
  expect(normaliseModelId(rule, model)).toBe(expected)
})

test('generated workspaces hold what was asked for, and each resolves the same sessions to ids of its own', async () => {
  expect(workspaces.workspaceDirs.length).toBeGreaterThanOrEqual(3)
  const models = []
  for (const [n, dir] of workspaces.workspaceDirs.entries()) {
    expect(scanPlugins(dir).plugins).toHaveLength(PLUGINS)
    models.push((await idleRows(n, SESSIONS)).map((row) => row.model))
  }
  const [first, ...others] = models
  for (const other of others) {
    expect(other.filter((model, row) => model !== first![row]).length).toBeGreaterThan(SESSIONS / 2)
  }
})

test('real manifests are taken from the tarball whole, and nothing else is', async () => {
  const tree = path.join(dataDir, 'tarball', 'package')
  const manifestOf = (n: number) =>
    JSON.stringify({ id: `plugin-${n}`, configSchema: {}, extra: ['kept', n] }, null, n % 3)
  for (let n = 0; n < REAL_MANIFESTS; n++) {
    const folder = path.join(tree, 'dist', 'extensions', `plugin-${n}`)
    await mkdir(folder, { recursive: true })
    await writeFile(path.join(folder, MANIFEST_FILE), manifestOf(n))
    await writeFile(path.join(folder, 'index.js'), 'export {}')
  }
  await mkdir(path.join(tree, 'docs'))
  await writeFile(path.join(tree, 'docs', MANIFEST_FILE), '{}')
  const tarball = path.join(dataDir, 'openclaw.tgz')
  await createTarball({ file: tarball, gzip: true, cwd: path.dirname(tree) }, ['package'])
  const bytes = await readFile(tarball)

  const served: string[] = []
  const registry = createServer((incoming, response) => {
    served.push(incoming.url!)
    if (incoming.url!.endsWith('.tgz')) return void response.end(bytes)
    const [name, version] = OPENCLAW.split('@') as [string, string]
    const dist = {
      tarball: `${address}/openclaw.tgz`,
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        name,
        'dist-tags': { latest: version },
        versions: { [version]: { name, version, dist } },
      }),
    )
  })
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  cleanups.push(async () => {
    registry.closeAllConnections()
    registry.close()
    await once(registry, 'close')
  })
  const address = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
  const options = { registry: address, cache: path.join(dataDir, 'registry-cache') }

  const dir = await fetchRealManifests(path.join(dataDir, 'real-cache'), options)
  const files = (await readdir(dir, { recursive: true })).filter((file) => file.includes(path.sep))
  expect(files).toHaveLength(REAL_MANIFESTS)
  for (let n = 0; n < REAL_MANIFESTS; n++) {
    expect(await readFile(path.join(dir, `plugin-${n}`, MANIFEST_FILE), 'utf8')).toBe(manifestOf(n))
  }
  // The second time nobody is asked.
  served.length = 0
  await fetchRealManifests(path.join(dataDir, 'real-cache'), options)
  expect(served).toEqual([])
})

describe('the timeline', () => {
  test('shows every row, scan and turn of the recorded calls, and the picture needs no network', async () => {
    const file = path.join(dataDir, 'recorded.jsonl')
    await recordCalls(workspaces, 20, file)
    const recording = await readRecording(file)
    expect([recording.problems, recording.truncated]).toEqual([[], false])
    const [live, epoch, shared] = callsOf(recording)
    expect([live, epoch, shared].map((call) => [call!.mode, call!.rows.length])).toEqual([
      ['live', 20],
      ['epoch', 20],
      ['derived', 20],
    ])
    expect(new Set(live!.rows).size).toBeGreaterThan(1)
    expect(live!.scans).toBeGreaterThanOrEqual(10)
    expect(new Set(epoch!.rows).size).toBe(1)
    expect(epoch!.scans).toBeLessThanOrEqual(1)
    expect(new Set(shared!.rows).size).toBe(1)
    const names = recording.events.filter((event) => event.type === 'epoch:open').map((event) => event.name)
    expect(names.filter((name) => name === 'sessions.list')).toHaveLength(4)

    const { svg, page } = await renderTimeline(file, 'about <this>')
    const times = (part: RegExp) => svg.match(part)?.length ?? 0
    expect(times(/<title>row \d+, [A-E]<\/title>/g)).toBe(60)
    expect(times(/<title>[A-E]: [\d.]+ ms<\/title><rect [^>]*class="span"/g)).toBe(
      live!.scans + epoch!.scans + shared!.scans,
    )
    expect(times(/<title>(agent|cron) [A-E]: /g)).toBeGreaterThan(15)
    expect(svg).toContain('about &#60;this&#62;')
    expect(svg).toContain('prefers-color-scheme:dark')
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
      /https?:|href|url\(|@import|<script/,
    )
    expect(page).toContain("default-src 'none'")
  })
})

// It starts the demo as a process of its own, which a busy machine makes wait.
describe('the demo', { timeout: 60_000 }, () => {
  const demo = async (...args: string[]) => {
    const file = fileURLToPath(new URL('src/demo.ts', import.meta.url))
    const tsx = fileURLToPath(import.meta.resolve('tsx/cli'))
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const run = promisify(execFile)(process.execPath, [tsx, file, ...args], {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: undefined, CI: '1' },
    })
    return run.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    )
  }
  const small = () => [
    '--rows',
    '4,6',
    '--calls',
    '1',
    '--plugins',
    '20',
    '--data',
    path.join(dataDir, 'demo'),
  ]

  test('prints a JSON array and nothing else, and writes timeline and picture', async () => {
    const svgFile = path.join(dataDir, 'demo', 'picture.svg')
    const { code, stdout, stderr } = await demo('--json', '--svg', svgFile, ...small())
    expect([code, stderr]).toEqual([0, ''])
    const cells = JSON.parse(stdout) as Record<string, unknown>[]
    expect(cells.map(({ rows, mode, load }) => [rows, mode, load])).toEqual(
      [4, 6].flatMap((rows) =>
        ['live', 'epoch', 'derived'].flatMap((mode) => ['idle', 'busy'].map((load) => [rows, mode, load])),
      ),
    )
    for (const cell of cells) {
      expect(Object.keys(cell).toSorted()).toEqual(
        ['load', 'mode', 'ms', 'ratioToIdle', 'rows', 'scans', 'workspaces'].toSorted(),
      )
      expect(cell['ms']).toBeGreaterThan(0)
    }
    const idle = cells.filter((cell) => cell['load'] === 'idle')
    expect(idle.map((cell) => cell['ratioToIdle'])).toEqual([1, 1, 1, 1, 1, 1])
    for (const cell of cells.filter(({ mode }) => mode !== 'live')) {
      expect(cell['scans']).toBeLessThanOrEqual(1)
      expect(cell['workspaces']).toBe(1)
    }
    expect(await readFile(svgFile, 'utf8')).toContain('One call of sessions.list, 50 rows')
    expect(await readFile(path.join(dataDir, 'demo', 'sessions-list.html'), 'utf8')).toContain(
      '<!doctype html>',
    )
  })

  test('prints a table without colour where there is no terminal, and says where the timeline is', async () => {
    const { code, stdout } = await demo(...small())
    expect(code).toBe(0)
    expect(stdout).not.toContain('\u001B')
    expect(stdout).toMatch(/│\s+6 │ epoch   │ busy │\s+[01] │\s+1 │/)
    const [, page] = /Timeline: (.*sessions-list\.html)\n$/.exec(stdout)!
    expect(path.isAbsolute(page!)).toBe(true)
  })

  test.each([
    [['--reel'], "Unknown option '--reel'"],
    [['--rows', '13,none'], '--rows takes whole numbers from 1 to 1000, got "none".'],
    [['--real', '--plugins', '9'], '--plugins counts generated plugins, and --real has none'],
  ])('refuses %j and says what to do', async (args, message) => {
    const { code, stdout, stderr } = await demo(...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).toContain('Run with --help to see the options.')
  })
})

// Each run is a process of its own, on a machine that may be busy.
describe('a preload', { timeout: 120_000 }, () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))

  /** Runs the busy gateway under `src/observe.ts`, and returns what the two of them said. */
  async function watch(mode: Mode, env: NodeJS.ProcessEnv) {
    const preload = new URL('src/observe.ts', import.meta.url).href
    const program = fileURLToPath(new URL('src/busy.ts', import.meta.url))
    const args = ['--mode', mode, '--calls', '3', '--rows', '20', '--plugins', '20']
    args.push('--data', path.join(dataDir, 'watched'))
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--import', preload, program, ...args],
      { cwd: root, env: { ...process.env, NODE_OPTIONS: '', ...env } },
    )
    const [, calls, torn] = /(\d+) calls, (\d+) answered from more than one workspace/.exec(stdout)!
    return { calls: Number(calls), torn: Number(torn), stdout, stderr }
  }

  /** The text of the line that a frame of a report names, with its file. */
  async function lineAt(frame: Frame | undefined): Promise<string> {
    const text = await readFile(frame!.file, 'utf8')
    return `${path.basename(frame!.file)}: ${text.split('\n')[frame!.line - 1]!.trim()}`
  }

  test('names the torn global, how often, and the lines that write and read it', async () => {
    const file = path.join(dataDir, 'report.json')
    const { calls, torn, stdout, stderr } = await watch('live', { OBSERVE_FILE: file })
    const json = await readFile(file, 'utf8')
    const report = JSON.parse(json) as Report
    expect(torn).toBeGreaterThan(0)
    expect(report.mode).toBe('live')
    expect(report.sources).toHaveLength(1)
    const [row] = report.sources
    expect(row).toMatchObject({
      source: 'pluginRegistry.workspaceDir',
      call: 'sessions.list',
      calls,
      reads: calls * 20,
      torn,
      averted: 0,
    })
    expect(row!.values.most).toBeGreaterThan(1)

    const { firstRead, write, secondRead, noticed } = row!.example!
    expect(noticed).toBe('write')
    expect([await lineAt(write![0]), await lineAt(write![1])]).toEqual([
      'plugin-registry.ts: state.workspaceDir = registry.workspaceDir',
      'actors.ts: setActivePluginRegistry(registry, actor.name)',
    ])
    for (const read of [firstRead!, secondRead!]) {
      expect(await Promise.all(read.slice(0, 4).map(lineAt))).toEqual([
        'plugin-registry.ts: const { workspaceDir } = state',
        'gateway.ts: live: () => pluginMetadata(activeWorkspaceDir()),',
        'gateway.ts: const metadata = plugins()',
        'session-row.ts: const metadata = await plugins()',
      ])
    }
    // The value is a path below the data folder.
    for (const output of [json, stdout, stderr]) expect(output).not.toContain(dataDir)
  })

  test('after the cure says what is averted, and that nothing is torn', async () => {
    const { calls, torn, stdout, stderr } = await watch('epoch', { OBSERVE: 'pinned' })
    expect(torn).toBe(0)
    const row = new RegExp(
      `^plugins\\.workspaceDir +sessions\\.list +${calls} +${calls * 20} +0 +1 +(\\d+) +0$`,
      'm',
    )
    const averted = Number(row.exec(stderr)?.[1])
    expect(averted).toBeGreaterThan(0)
    expect(stderr).toContain(`${calls} calls that read a source: 0 torn, ${averted} averted`)
    expect(stdout + stderr).not.toContain(dataDir)
  })
})
