/**
 * The cure from outside: `node --import` this, and openclaw@2026.5.22 as it is on disk. Each gateway call becomes an epoch.
 * In it the active workspace, and the plugin metadata that was loaded for it, are what they were at its start, whatever
 * agents' turns do to them meanwhile; and metadata is loaded once for the same inputs, not several times for each row.
 *
 * Functions are looked for by name, in whatever chunk the program's bundler has put them into. If a version of it has them no
 * more, a process warning says so, and the program runs as it would.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { type AnyFunction, epochPerScope, whenGlobalExists, wrapFunctions } from '@withepoch/instrument'
import { adopt, cell, detach, group, memo } from 'withepoch'

/** How old metadata may be that one call has loaded and another one asks for. The files it is made from may have changed. */
const FRESH_MS = 5_000

const url = /\/openclaw\/dist\//

// The door: every gateway call runs in a scope with a context.
whenGlobalExists(
  Symbol.for('openclaw.pluginRuntimeGatewayRequestScope'),
  (scopes: AsyncLocalStorage<{ context?: unknown }>) =>
    epochPerScope(scopes, { name: 'gateway call', when: ({ context }) => context !== undefined }),
)

// An agent's turn is no part of the call that started it: it reads and writes the world.
for (const turn of ['agentCommandInternal', 'runEmbeddedPiAgent']) {
  wrapFunctions([turn], (own) => ({ [turn]: (...args: unknown[]) => detach(() => own[turn]?.(...args)) }), {
    url,
  })
}

// One of the pair: a property of an object that the program creates after start-up.
const workspaceDir = adopt<string | null>(
  globalThis,
  [Symbol.for('openclaw.pluginRegistryState'), 'workspaceDir'],
  { name: 'openclaw.workspaceDir' },
)

interface MetadataState {
  readonly snapshot?: { readonly workspaceDir?: string }
}

// The other: variables of a module, behind three functions of it.
wrapFunctions(
  [
    'getCurrentPluginMetadataSnapshotState',
    'setCurrentPluginMetadataSnapshotState',
    'clearCurrentPluginMetadataSnapshotState',
  ],
  (own, { copy }) => {
    const live: () => MetadataState = own.getCurrentPluginMetadataSnapshotState
    const metadata = cell(copy === 1 ? 'openclaw.metadata' : `openclaw.metadata.${copy}`, live())
    if (copy === 1) {
      group('openclaw.plugins', [workspaceDir, metadata], {
        coherent: (dir, { snapshot }) => !snapshot || snapshot.workspaceDir === (dir ?? undefined),
        maxLagMs: FRESH_MS,
      })
    }
    const following =
      (write: AnyFunction): AnyFunction =>
      (...args) => {
        write(...args)
        // A derived registry clears again and again what is clear.
        if (live().snapshot || metadata.live().snapshot) metadata.set(live())
      }
    return {
      getCurrentPluginMetadataSnapshotState: () => metadata.get(),
      setCurrentPluginMetadataSnapshotState: following(own.setCurrentPluginMetadataSnapshotState),
      clearCurrentPluginMetadataSnapshotState: following(own.clearCurrentPluginMetadataSnapshotState),
    }
  },
  { url },
)

// What each row makes of the metadata again. The program remembers it for its current metadata only.
wrapFunctions(
  ['collectManifestModelIdNormalizationPolicies'],
  (own) => ({
    collectManifestModelIdNormalizationPolicies: memo(own.collectManifestModelIdNormalizationPolicies, {
      name: 'openclaw.modelIdPolicies',
    }),
  }),
  { url },
)

interface LoadParams {
  readonly config?: object
  readonly workspaceDir?: string
  readonly env?: NodeJS.ProcessEnv
  readonly [other: string]: unknown
}

// The load, which each row asks for several times: once in a call, and once for all who ask soon after with the same inputs.
// What the inputs are, and whether plugins were installed since, the program's own fingerprints say.
wrapFunctions(
  [
    'loadPluginMetadataSnapshot',
    'resolvePluginMetadataControlPlaneFingerprint',
    'resolvePersistedRegistryFastMemoFingerprint',
  ],
  (own) => {
    const shared = new Map<string, { readonly metadata: unknown; readonly until: number }>()
    const load = memo(
      (inputs: string, params: LoadParams): unknown => {
        const now = performance.now()
        const key =
          inputs + JSON.stringify(own.resolvePersistedRegistryFastMemoFingerprint({ env: process.env }))
        for (const [each, { until }] of shared) if (until < now) shared.delete(each)
        const found = shared.get(key)
        if (found !== undefined) return found.metadata
        const metadata: unknown = own.loadPluginMetadataSnapshot(params)
        shared.set(key, { metadata, until: now + FRESH_MS })
        return metadata
      },
      { name: 'openclaw.loadMetadata', key: (inputs) => inputs },
    )
    // Not cheap: it looks at folders. Whoever has no configuration asks with a new empty object each time.
    const inputsOf = memo(
      (params: LoadParams): string => own.resolvePluginMetadataControlPlaneFingerprint(params),
      {
        name: 'openclaw.inputs',
        key: ({ config = {}, workspaceDir }) => [Object.keys(config).length > 0 && config, workspaceDir],
      },
    )
    return {
      loadPluginMetadataSnapshot(params: LoadParams) {
        const { index, preferPersisted, stateDir, env = process.env } = params
        const isUsual =
          env === process.env && [index, preferPersisted, stateDir].every((each) => each === undefined)
        if (!isUsual) return own.loadPluginMetadataSnapshot(params)
        return load(inputsOf(params), params)
      },
    }
  },
  { url },
)
