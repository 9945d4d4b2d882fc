/**
 * What happened: the channels on which the program says which actor wrote, which row saw which workspace and which scan
 * ran. The demo and the test listen here, so that nothing they show is inferred from a clock. With nobody
 * listening nothing is built. It does not know who listens.
 */
import { channel } from 'node:diagnostics_channel'

/** An actor has set the active plugin registry. */
export type Write = { actor: string; workspaceDir: string }

/** The loader has read, parsed and validated every manifest of a workspace. */
export type Scan = { workspaceDir: string; plugins: number; tookMs: number }

/** A row of `sessions.list` has been resolved, with the metadata of `workspaceDir`. */
export type RowSeen = { call: number; row: number; workspaceDir: string }

/** A call of `sessions.list` has started or ended. */
export type CallEvent = { call: number }

export const writeChannel = channel('sessions-list:write')
export const scanChannel = channel('sessions-list:scan')
export const rowChannel = channel('sessions-list:row')
export const callStartChannel = channel('sessions-list:call:start')
export const callEndChannel = channel('sessions-list:call:end')
