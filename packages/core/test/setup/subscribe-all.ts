/**
 * Puts a listener on every diagnostics channel before a test file runs. Payloads are built only when somebody
 * listens, so the `core:subscribed` project runs every core test with this file: watching must change nothing.
 *
 * The listener reads every field of what it is given, since a field that throws or has a side effect is found no
 * other way, and it keeps counts, never payloads: a payload holds its epoch, and the leak tests would see that.
 * This file must not load the core, because some tests load their own copy of it.
 */
import { subscribe } from 'node:diagnostics_channel'
import { channels } from '../channel-names.js'

export const counts = new Map<string | symbol, number>()

for (const channel of channels) {
  subscribe(channel, (payload, name) => {
    Object.values(payload as object)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  })
}
