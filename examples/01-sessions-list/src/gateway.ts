/**
 * The gateway: JSON-RPC over a WebSocket server, with one method, `sessions.list`. The bug and its cure stand here, next
 * to each other, behind the mode: what the rows read, and what is around a call. It does not know who else is at work in
 * the process.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { derived, memo, source, withEpoch } from 'withepoch'
import { z } from 'zod'
import { answerFrame, checkParams, createRpc } from './json-rpc.js'
import { type PluginMetadata, pluginMetadata, scanCount } from './plugin-loader.js'
import { activeWorkspaceDir } from './plugin-registry.js'
import { resolveSessionRow, type SessionRow } from './session-row.js'
import type { SessionStore } from './session-store.js'
import { callEndChannel, type CallEvent, callStartChannel, rowChannel, type RowSeen } from './trace.js'

export const modes = ['live', 'epoch', 'derived'] as const
export type Mode = (typeof modes)[number]

// The cure, 1 of 3: the global that calls read gets a name.
const workspaceDir = source('plugins.workspaceDir', activeWorkspaceDir)
// The cure, 2 of 3: metadata is loaded once per call, whoever else has taken the loader's one slot since.
const metadataInEpoch = memo(pluginMetadata)
// One step further: loaded once per workspace, for all calls that see the same one.
const metadataShared = derived(() => pluginMetadata(workspaceDir.get()), { name: 'pluginMetadata' })

/** What a row asks for plugin metadata, in each mode. */
const pluginsOf: Record<Mode, () => PluginMetadata> = {
  live: () => pluginMetadata(activeWorkspaceDir()),
  epoch: () => metadataInEpoch(workspaceDir.get()),
  derived: metadataShared,
}

const ROWS_PER_SLICE = 5
const MAX_FRAME_BYTES = 1_048_576

const ListParams = z.strictObject({
  limit: z.int().min(1).max(1000).default(50),
  /** Whether to say, per row, whose manifests resolved it, and how many scans the call has made. */
  provenance: z.boolean().default(false),
})

export type SessionsList = {
  rows: SessionRow[]
  provenance?: { call: number; scans: number; workspaceDirs: string[] }
}

export type Gateway = { readonly url: string; close(): Promise<void> }

let calls = 0

/** Starts a gateway on a free port of the loopback interface. */
export async function startGateway({ mode, store }: { mode: Mode; store: SessionStore }): Promise<Gateway> {
  const rpc = createRpc()
  rpc.addMethod('sessions.list', (params) => listSessions(store, pluginsOf[mode], params))
  // The cure, 3 of 3: one call, one epoch. A call is an entry point, so it never joins an epoch that it finds open.
  if (mode !== 'live') {
    rpc.applyMiddleware((next, request, context) =>
      withEpoch({ name: request.method, ifNested: 'fresh' }, () => next(request, context)),
    )
  }

  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: MAX_FRAME_BYTES })
  const underWay = new Set<Promise<void>>()
  server.on('connection', (socket) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (data: Buffer) => {
      const answered = answerFrame(rpc, data.toString('utf8')).then((answer) => send(socket, answer))
      underWay.add(answered)
      void answered.finally(() => underWay.delete(answered))
    })
  })
  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of server.clients) socket.terminate()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await Promise.all(underWay)
    },
  }
}

function send(socket: WebSocket, answer: string | undefined): void {
  if (answer !== undefined && socket.readyState === socket.OPEN) socket.send(answer)
}

async function listSessions(
  store: SessionStore,
  plugins: () => PluginMetadata,
  params: unknown,
): Promise<SessionsList> {
  const { limit, provenance } = checkParams(ListParams, params)
  const call = ++calls
  publishCall(callStartChannel, { call })
  let scans = 0
  const countedPlugins = (): PluginMetadata => {
    const before = scanCount()
    const metadata = plugins()
    scans += scanCount() - before
    return metadata
  }

  const index = await store.readIndex()
  const newest = index.sessions.toSorted((a, b) => b.updatedAtMs - a.updatedAtMs).slice(0, limit)
  const rows: SessionRow[] = []
  const workspaceDirs: string[] = []
  for (const session of newest) {
    if (rows.length > 0 && rows.length % ROWS_PER_SLICE === 0) await yieldToOthers()
    const resolved = await resolveSessionRow(session, index, store, countedPlugins)
    if (rowChannel.hasSubscribers) {
      const { workspaceDir } = resolved
      const seen: RowSeen = { call, row: rows.length, workspaceDir }
      rowChannel.publish(seen)
    }
    rows.push(resolved.row)
    workspaceDirs.push(resolved.workspaceDir)
  }
  publishCall(callEndChannel, { call })
  return provenance ? { rows, provenance: { call, scans, workspaceDirs } } : { rows }
}

function publishCall(channel: typeof callStartChannel, event: CallEvent): void {
  if (channel.hasSubscribers) channel.publish(event)
}
