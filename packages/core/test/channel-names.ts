/**
 * The diagnostics channels that are listened to all together. The names are written out on purpose: a channel that is
 * renamed by mistake must not be renamed here with it.
 */
export const channels = [
  'withepoch:epoch:open',
  'withepoch:epoch:close',
  'withepoch:epoch:overdue',
  'withepoch:source:read',
  'withepoch:source:write',
  'withepoch:source:write-conflict',
  'withepoch:source:drift',
  'withepoch:source:late-read',
  'withepoch:source:retire',
  'withepoch:group:broken',
  'withepoch:group:error',
  'withepoch:memo:hit',
  'withepoch:memo:miss',
  'withepoch:derived:hit',
  'withepoch:derived:miss',
] as const
