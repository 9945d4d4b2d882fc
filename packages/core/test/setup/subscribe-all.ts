/**
 * Puts a listener on every diagnostics channel before a test file runs. Payloads are built only when somebody
 * listens, so the `core:subscribed` project runs every core test with this file: watching must change nothing.
 *
 * The listener reads every field of what it is given, since a field that throws or has a side effect is found no
 * other way, and it keeps counts, never payloads: a payload holds its epoch, and the leak tests would see that.
 * The names are written out here on purpose. This file must not load the core, because some tests load their own copy
 * of it, and a channel that is renamed by mistake must not be renamed here with it.
 */
import { subscribe } from 'node:diagnostics_channel'

export const counts = new Map<string | symbol, number>()

for (const channel of [
  'withepoch:epoch:open',
  'withepoch:epoch:close',
  'withepoch:source:write',
  'withepoch:source:write-conflict',
  'withepoch:source:drift',
  'withepoch:source:late-read',
  'withepoch:memo:hit',
  'withepoch:memo:miss',
]) {
  subscribe(channel, (payload, name) => {
    Object.values(payload as object)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  })
}
