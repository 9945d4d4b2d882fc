/**
 * Manifests in OpenClaw's shape, made rather than fetched: so many plugins, each with a provider, its model-id rules and
 * a small catalogue. Every workspace holds another release of the same plugins, so that the same session resolves to
 * another model id in each: a torn answer shows in its values. The same arguments give the same manifests.
 */
import type { PluginManifest } from './plugin-manifest.js'

const tiers = ['swift', 'calm', 'deep', 'wide'] as const

export function generateManifests(plugins: number, release: number): PluginManifest[] {
  return Array.from({ length: plugins }, (_, n) => generateManifest(n, release))
}

function generateManifest(n: number, release: number): PluginManifest {
  const id = `vendor-${String(n + 1).padStart(3, '0')}`
  const version = `${release}.${n % 10}`
  const models = tiers.map((tier, at) => ({
    id: `${tier}-${version}`,
    name: `${id} ${tier} ${version}`,
    input: at % 2 === 0 ? ['text'] : ['text', 'image'],
    contextWindow: 32_768 * 2 ** at,
    maxTokens: 8192,
    cost: { input: at * 0.4, output: at * 1.6, cacheRead: at * 0.04, cacheWrite: at * 0.4 },
  }))
  return {
    id,
    name: `Vendor ${n + 1}`,
    version: `${version}.0`,
    activation: { onStartup: false },
    enabledByDefault: true,
    providers: [id],
    modelIdNormalization: {
      providers: {
        [id]: {
          aliases: Object.fromEntries(
            tiers.flatMap((tier) => [
              [tier, `${tier}-${version}`],
              [`${tier}-latest`, `${tier}-${version}`],
            ]),
          ),
          stripPrefixes: [`${id}/`],
          ...(n % 3 === 1 ? { prefixWhenBare: id } : {}),
          ...(n % 3 === 2
            ? { prefixWhenBareAfterAliasStartsWith: [{ modelPrefix: 'deep-', prefix: `${id}-lab` }] }
            : {}),
        },
      },
    },
    modelCatalog: {
      providers: { [id]: { baseUrl: `https://${id}.example/v1`, api: 'openai-completions', models } },
    },
    providerEndpoints: [{ endpointClass: `${id}-native`, hosts: [`${id}.example`] }],
    providerAuthEnvVars: { [id]: [`${id.toUpperCase().replace('-', '_')}_API_KEY`] },
    contracts: { textGeneration: [id] },
    configSchema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        apiKey: { type: 'string', description: `Key for ${id}` },
        region: { type: 'string', enum: ['eu', 'us', 'ap'], default: 'eu' },
        timeoutMs: { type: 'integer', minimum: 100, default: 30_000 },
      },
    },
  }
}
