/** Recordings for tests, from their events. */
import { parseRecording, type Recording, type TimelineEvent } from '@withepoch/timeline'

export const HEADER = {
  format: 'withepoch-timeline',
  version: 1,
  pid: 7,
  node: 'v20.20.2',
  timeOrigin: 1764000000000,
  t: 0,
}

export const lines = (...json: unknown[]) => json.map((each) => `${JSON.stringify(each)}\n`).join('')

export const recordingOf = (...events: TimelineEvent[]): Promise<Recording> =>
  parseRecording([lines(HEADER, ...events)])

export const open = (epoch: number, t: number, name: string, parent?: number): TimelineEvent => ({
  type: 'epoch:open',
  t,
  epoch,
  name,
  ...(parent === undefined ? {} : { parent }),
})
export const close = (epoch: number, t: number, name: string): TimelineEvent => ({
  type: 'epoch:close',
  t,
  epoch,
  name,
})
export const read = (
  epoch: number | undefined,
  t: number,
  valueId: number,
  liveValueId = valueId,
  from: 'pinned' | 'live' | 'late' | 'committed' = 'pinned',
  source = 'config',
): TimelineEvent => ({
  type: 'source:read',
  t,
  source,
  ...(epoch === undefined ? {} : { epoch, name: `epoch ${epoch}` }),
  valueId,
  liveValueId,
  from,
})
