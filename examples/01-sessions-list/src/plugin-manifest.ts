/**
 * The shape of an `openclaw.plugin.json`: what the loader accepts. The parts that this program reads are exact, the
 * rest of the file is checked for its kind and kept, so that a real manifest passes whole. It does not know where
 * manifests lie.
 */
import { z } from 'zod'

/**
 * How the ids of one provider's models are cleaned up: `stripPrefixes` first, then `aliases` (whole id, any case), then
 * a prefix for ids without a slash, conditional or not.
 */
export const ModelIdRule = z.strictObject({
  aliases: z.record(z.string(), z.string()).optional(),
  stripPrefixes: z.array(z.string().min(1)).optional(),
  prefixWhenBare: z.string().min(1).optional(),
  prefixWhenBareAfterAliasStartsWith: z
    .array(z.strictObject({ modelPrefix: z.string().min(1), prefix: z.string().min(1) }))
    .optional(),
})
export type ModelIdRule = z.infer<typeof ModelIdRule>

const anyRecord = z.record(z.string(), z.unknown())

export const PluginManifest = z.looseObject({
  id: z.string().min(1),
  name: z.string().optional(),
  description: z.string().optional(),
  version: z.string().optional(),
  kind: z.string().optional(),
  enabledByDefault: z.boolean().optional(),
  activation: z.looseObject({ onStartup: z.boolean().optional() }).optional(),
  providers: z.array(z.string().min(1)).optional(),
  channels: z.array(z.string().min(1)).optional(),
  skills: z.array(z.string()).optional(),
  modelIdNormalization: z.strictObject({ providers: z.record(z.string(), ModelIdRule) }).optional(),
  modelCatalog: z
    .looseObject({
      providers: z
        .record(
          z.string(),
          z.looseObject({
            baseUrl: z.string().optional(),
            api: z.string().optional(),
            models: z
              .array(
                z.looseObject({
                  id: z.string().min(1),
                  name: z.string().optional(),
                  input: z.array(z.string()).optional(),
                  contextWindow: z.number().optional(),
                  maxTokens: z.number().optional(),
                  cost: anyRecord.optional(),
                }),
              )
              .optional(),
          }),
        )
        .optional(),
    })
    .optional(),
  providerAuthEnvVars: z.record(z.string(), z.array(z.string())).optional(),
  providerEndpoints: z.array(anyRecord).optional(),
  providerRequest: anyRecord.optional(),
  contracts: anyRecord.optional(),
  uiHints: anyRecord.optional(),
  configSchema: anyRecord,
})
export type PluginManifest = z.infer<typeof PluginManifest>
