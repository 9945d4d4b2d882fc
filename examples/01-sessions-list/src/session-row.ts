/**
 * One row of `sessions.list` and the chain that resolves it: the last message from disk, then the model the session
 * names or its agent's, then the provider's plugin, then the manifest model-id normaliser. It asks for plugin metadata
 * through `plugins` and does not know whether the answer is pinned.
 */
import { normaliseModelId } from './model-id.js'
import type { PluginMetadata } from './plugin-loader.js'
import type { Session, SessionIndex, SessionStore } from './session-store.js'

export type SessionRow = {
  key: string
  agentId: string
  title: string
  updatedAtMs: number
  lastMessage: string | null
  provider: string
  /** The model's id as the provider knows it. */
  model: string
  /** The plugin that speaks for the provider; null where none does. */
  plugin: string | null
}

/** The row, and the directory whose manifests resolved it. */
export type ResolvedRow = { row: SessionRow; workspaceDir: string }

export async function resolveSessionRow(
  session: Session,
  index: SessionIndex,
  store: SessionStore,
  plugins: () => PluginMetadata | Promise<PluginMetadata>,
): Promise<ResolvedRow> {
  // While the disk answers, agents and crons take their turns.
  const lastMessage = await store.readLastMessage(session.id)
  const { provider, model } = modelOf(session, index)
  const metadata = await plugins()
  const owner = metadata.providers.get(provider)
  return {
    row: {
      key: session.key,
      agentId: session.agentId,
      title: session.title,
      updatedAtMs: session.updatedAtMs,
      lastMessage: lastMessage?.text ?? null,
      provider,
      model: normaliseModelId(owner?.rule, model),
      plugin: owner?.plugin ?? null,
    },
    workspaceDir: metadata.workspaceDir,
  }
}

function modelOf(session: Session, index: SessionIndex): { provider: string; model: string } {
  const reference = session.model ?? index.defaultModels[session.agentId]
  const slash = reference?.indexOf('/') ?? -1
  if (reference === undefined || slash <= 0) {
    throw new Error(
      `Session ${session.id} has no model: found ${JSON.stringify(reference)}. ` +
        `Give it, or its agent ${session.agentId}, one of the form provider/model.`,
    )
  }
  return { provider: reference.slice(0, slash), model: reference.slice(slash + 1) }
}
