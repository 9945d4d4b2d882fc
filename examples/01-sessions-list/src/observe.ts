/**
 * A preload that watches the gateway without an edit to it: `node --import tsx --import ./src/observe.ts src/busy.ts`. It
 * says two things that the library cannot know: which global is suspected, and where calls enter. It prints what it saw
 * when the process ends.
 */
import { JSONRPCServer } from 'json-rpc-2.0'
import { adopt } from 'withepoch'
import { observe, onMethod } from '@withepoch/observe'

// The container comes later, with the module that makes it.
adopt(globalThis, [Symbol.for('sessions-list.pluginRegistryState'), 'workspaceDir'], {
  name: 'pluginRegistry.workspaceDir',
})

const { OBSERVE = 'live', OBSERVE_FILE } = process.env

observe({
  // `live` before the cure, `pinned` after it.
  mode: OBSERVE as 'live' | 'pinned',
  doors: [
    onMethod(JSONRPCServer.prototype, 'receive', (request) =>
      Array.isArray(request) ? 'batch' : request.method,
    ),
  ],
  printOnExit: true,
  ...(OBSERVE_FILE === undefined ? {} : { file: OBSERVE_FILE }),
})
