/**
 * The calls of an observed service, as their epochs could not tell of them. A door of `@withepoch/observe` does not know
 * when a call ends, so its epoch is that of the synchronous part, and what the call reads later is told of as late. Here
 * those reads are the call's own, live ones, as in the report of `observe`, and the call lasts until the last of them.
 */
import type { EventOf, Recording, TimelineEvent } from './recording.js'

/**
 * The recording with each observing epoch as long as its reads. One without such epochs is returned as it is.
 *
 * **Caveat** The report of `observe` counts what a call reads up to `callMs`, a recording all that it reads; and what work
 * reads after the end of an epoch that the service opens itself is late there, and the call's own here: a recording does
 * not say who opened an epoch.
 */
export function withObservedCalls(recording: Recording): Recording {
  const observing = new Set<number>()
  const lastRead = new Map<number, TimelineEvent>()
  for (const event of recording.events) {
    if (event.type === 'epoch:open' && event.observing === true) observing.add(event.epoch)
    else if (isLateRead(event, observing)) lastRead.set(event.epoch!, event)
  }
  if (lastRead.size === 0) return recording
  const events: TimelineEvent[] = []
  const closing = new Map<number, EventOf<'epoch:close'>>()
  for (const event of recording.events) {
    if (event.type === 'epoch:close' && lastRead.has(event.epoch)) {
      closing.set(event.epoch, event)
      continue
    }
    if (!isLateRead(event, observing)) {
      events.push(event)
      continue
    }
    events.push({ ...event, from: 'live' })
    const closed = lastRead.get(event.epoch!) === event ? closing.get(event.epoch!) : undefined
    if (closed !== undefined) events.push({ ...closed, t: event.t })
  }
  return { ...recording, events }
}

function isLateRead(event: TimelineEvent, observing: ReadonlySet<number>): event is EventOf<'source:read'> {
  return (
    event.type === 'source:read' &&
    event.from === 'late' &&
    event.epoch !== undefined &&
    observing.has(event.epoch)
  )
}
