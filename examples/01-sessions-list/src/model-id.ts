/**
 * The manifest model-id normaliser, the end of every row's resolver chain: the id that a session names becomes the id
 * that the provider knows. Pure; it does not know where the rules came from.
 */
import type { ModelIdRule } from './plugin-manifest.js'

/** `model` as the rule's provider knows it; without a rule, as it is. */
export function normaliseModelId(rule: ModelIdRule | undefined, model: string): string {
  if (rule === undefined) return model
  const stripped = stripPrefix(model, rule.stripPrefixes ?? [])
  const wanted = stripped.toLowerCase()
  // Not by property: a session may name a model `constructor`.
  const alias = Object.entries(rule.aliases ?? {}).find(([from]) => from.toLowerCase() === wanted)
  const id = alias?.[1] ?? stripped
  if (id.includes('/')) return id
  const conditional = rule.prefixWhenBareAfterAliasStartsWith?.find((one) => id.startsWith(one.modelPrefix))
  const prefix = conditional?.prefix ?? rule.prefixWhenBare
  return prefix === undefined ? id : `${prefix}/${id}`
}

function stripPrefix(model: string, prefixes: readonly string[]): string {
  const prefix = prefixes.find((one) => model.length > one.length && model.startsWith(one))
  return prefix === undefined ? model : model.slice(prefix.length)
}
