/**
 * One text frame of JSON-RPC 2.0 in, one out: parse errors, batches and notifications, around the method table of
 * `json-rpc-2.0`. That library serves single calls; a batch is taken apart here, since the specification wants an array
 * back whatever its length. It does not know of sockets.
 */
import {
  createJSONRPCErrorResponse,
  JSONRPCErrorCode,
  JSONRPCErrorException,
  JSONRPCServer,
  type JSONRPCRequest,
  type JSONRPCResponse,
} from 'json-rpc-2.0'
import { z } from 'zod'

export function createRpc(): JSONRPCServer {
  const rpc = new JSONRPCServer({
    errorListener: (message, error) => {
      if (!(error instanceof JSONRPCErrorException)) console.error(message, error)
    },
  })
  rpc.mapErrorToJSONRPCErrorResponse = (id, error) =>
    error instanceof JSONRPCErrorException
      ? createJSONRPCErrorResponse(id, error.code, error.message, error.data)
      : createJSONRPCErrorResponse(id, JSONRPCErrorCode.InternalError, 'Internal error')
  return rpc
}

/** The text to send back; undefined where nothing is due, that is, for notifications. */
export async function answerFrame(rpc: JSONRPCServer, text: string): Promise<string | undefined> {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return JSON.stringify(createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, 'Parse error'))
  }
  if (!Array.isArray(message) || message.length === 0) {
    const answer = await answerOne(rpc, message)
    return answer === null ? undefined : JSON.stringify(answer)
  }
  const answers = await Promise.all(message.map((one) => answerOne(rpc, one)))
  const due = answers.filter((answer) => answer !== null)
  return due.length === 0 ? undefined : JSON.stringify(due)
}

/** The params of a call, checked against their schema: anything else is `-32602`, with the reasons in its data. */
export function checkParams<T>(schema: z.ZodType<T>, params: unknown): T {
  const parsed = schema.safeParse(params ?? {})
  if (parsed.success) return parsed.data
  throw new JSONRPCErrorException('Invalid params', JSONRPCErrorCode.InvalidParams, {
    issues: parsed.error.issues.map(({ path, message }) => ({ path, message })),
  })
}

const Request = z.looseObject({
  jsonrpc: z.literal('2.0'),
  method: z.string(),
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  params: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).optional(),
})

async function answerOne(rpc: JSONRPCServer, message: unknown): Promise<JSONRPCResponse | null> {
  const request = Request.safeParse(message)
  if (!request.success) {
    return createJSONRPCErrorResponse(null, JSONRPCErrorCode.InvalidRequest, 'Invalid Request')
  }
  return rpc.receive(request.data as JSONRPCRequest)
}
