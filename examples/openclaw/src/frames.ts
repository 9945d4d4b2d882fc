/**
 * The gateway's frames: JSON text over WebSocket, as `docs/gateway/protocol.md` in the installed package describes
 * them. A request has an id, its response the same one; everything else is an event. Knows no socket.
 */

export type Frame =
  | { readonly type: 'res'; readonly id: string; readonly ok: true; readonly payload: unknown }
  | { readonly type: 'res'; readonly id: string; readonly ok: false; readonly error: GatewayError }
  | { readonly type: 'event'; readonly event: string; readonly payload: unknown }

export interface GatewayError {
  readonly code: string
  readonly message: string
  /** While the gateway is still starting: ask again after so many milliseconds. */
  readonly retryAfterMs?: number
}

export function encodeRequest(id: string, method: string, params: unknown): string {
  return JSON.stringify({ type: 'req', id, method, params })
}

/** @throws {SyntaxError} when the text is no frame of the protocol. */
export function decodeFrame(text: string): Frame {
  const frame = JSON.parse(text) as Record<string, unknown>
  const { type, id, ok, event, error } = frame
  if (type === 'event' && typeof event === 'string') return { type, event, payload: frame['payload'] }
  if (type === 'res' && typeof id === 'string') {
    if (ok === true) return { type, id, ok, payload: frame['payload'] }
    if (ok === false && isError(error)) return { type, id, ok, error }
  }
  throw new SyntaxError(`neither a response nor an event: ${text.slice(0, 200)}`)
}

function isError(value: unknown): value is GatewayError {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value
}
