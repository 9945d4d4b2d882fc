/** Whether this is workerd, and why it cannot play a row. */
const isWorkerd = globalThis.navigator?.userAgent === 'Cloudflare-Workers'

export function notInWorkerd(reason: string): () => string | undefined {
  return () => (isWorkerd ? reason : undefined)
}
