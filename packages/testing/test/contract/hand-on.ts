/** What a door needs whose messages run in a context of the socket's own, so that there is an epoch for them to inherit. */
import { AsyncResource } from 'node:async_hooks'
import type { Server, Socket } from 'node:net'

/**
 * Hands on to the events of a socket the context in which it was taken, which is that of the server's start. Node hands it on to
 * requests, and not to data; what binds emitters to a context, as instrumentations do, makes it so for both.
 */
export function handOn<S extends Server>(server: S): S {
  return server.prependListener('connection', (socket: Socket) => {
    socket.emit = AsyncResource.bind(socket.emit.bind(socket))
  })
}
