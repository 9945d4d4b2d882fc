/** The adapter on the servers of other runtimes, for the contract. */
import type { RemoteDoor } from '../../../testing/test/contract/remote-door.js'
import { more } from './more.js'
import { snippetAnswers } from './snippet.js'
import { NO_SOCKET, NOT_IN_ITS_RESPONSE } from '../doors.js'

const at = (file: string): URL => new URL(file, import.meta.url)

function moreOf(runtime: string): RemoteDoor['more'] {
  return {
    ...more,
    'the snippet of docs/adapters/hono.md answers': (_host, program) => snippetAnswers(runtime, program),
  }
}

export const doors: readonly RemoteDoor[] = [
  {
    name: 'hono (Bun.serve)',
    runtime: 'bun',
    entry: at('bun.ts'),
    more: moreOf('bun'),
    without: { ...NO_SOCKET, ...NOT_IN_ITS_RESPONSE },
  },
  {
    name: 'hono (Deno.serve)',
    runtime: 'deno',
    entry: at('deno.ts'),
    more: moreOf('deno'),
    without: {
      'it is fresh, although the server was started inside an epoch that is open':
        'Deno does not hand the context of the start of a server to its requests: there is nothing to inherit.',
      ...NO_SOCKET,
      ...NOT_IN_ITS_RESPONSE,
    },
  },
  {
    name: 'hono (workerd)',
    runtime: 'workerd',
    entry: at('workerd.ts'),
    more: moreOf('workerd'),
    without: {
      'it is fresh, although the server was started inside an epoch that is open':
        'workerd has its server before any code runs: none can start it.',
      ...NO_SOCKET,
      ...NOT_IN_ITS_RESPONSE,
    },
  },
]
