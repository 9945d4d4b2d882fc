/**
 * The program on a timeline: what its own channels mean as marks, beside what the library says of epochs and reads; and
 * the page and the picture that come of it. Each workspace is a lane; an actor's turn is a state, a row of an answer a
 * point, and the rows of one call are joined.
 */
import {
  type Mark,
  readRecording,
  type Recorded,
  record,
  type Recording,
  renderPage,
  renderPicture,
} from '@withepoch/timeline'
import { type Mode, modes } from './gateway.js'
import {
  type CallEvent,
  callEndChannel,
  callStartChannel,
  rowChannel,
  type RowSeen,
  type Scan,
} from './trace.js'
import { scanChannel, type Write, writeChannel } from './trace.js'
import { workspaceLetter } from './workspaces.js'

/** The mode is the one that the calls run in which are being recorded. */
export type TimelineRecorder = { mode: Mode; stop(): Promise<Recorded> }

export function recordTimeline(file: string): TimelineRecorder {
  const startedAt = new Map<number, number>()
  const marks = new Map<{ readonly name: string | symbol }, (message: never) => Mark | undefined>([
    [
      writeChannel,
      ({ actor, workspaceDir }: Write) => ({
        track: 'workspaces',
        lane: workspaceLetter(workspaceDir),
        label: actor,
        kind: 'state',
      }),
    ],
    [
      rowChannel,
      ({ call, row, workspaceDir }: RowSeen) => ({
        track: 'workspaces',
        lane: workspaceLetter(workspaceDir),
        label: `row ${row + 1}`,
        series: `call ${call}`,
      }),
    ],
    [
      scanChannel,
      ({ workspaceDir, plugins, tookMs }: Scan) => ({
        track: 'scans',
        label: workspaceLetter(workspaceDir),
        kind: 'span',
        durationMs: tookMs,
        fields: { plugins },
      }),
    ],
    [callStartChannel, ({ call }: CallEvent) => void startedAt.set(call, performance.now())],
    [
      callEndChannel,
      ({ call }: CallEvent) => ({
        track: 'calls',
        lane: recorder.mode,
        label: `call ${call}`,
        kind: 'span',
        durationMs: performance.now() - startedAt.get(call)!,
      }),
    ],
  ])
  const channels = Object.fromEntries(
    [...marks].map(([{ name }, markOf]) => [String(name), markOf as (message: unknown) => Mark | undefined]),
  )
  const recording = record({ to: file, channels })
  const recorder: TimelineRecorder = { mode: modes[0], stop: () => recording.stop() }
  return recorder
}

/** One call of each mode, as the picture shows it. */
export type SeenCall = {
  mode: Mode
  /** On the recording's clock, in microseconds. */
  from: number
  to: number
  /** The workspace of each row. */
  rows: readonly string[]
  scans: number
}

/** The last call of each mode. */
export function callsOf({ events }: Recording): SeenCall[] {
  const marks = events.filter((event) => event.type === 'mark')
  return modes.flatMap((mode) => {
    const call = marks.findLast((mark) => mark.track === 'calls' && mark.lane === mode)
    if (call === undefined) return []
    const [from, to] = [call.t - call.durationMs! * 1000, call.t]
    const scans = marks.filter((mark) => mark.track === 'scans' && mark.t >= from && mark.t <= to).length
    const rows = marks.filter((mark) => mark.series === call.label).map((mark) => mark.lane!)
    return [{ mode, from, to, rows, scans }]
  })
}

/** The page of a recording, and a picture of its last call per mode. */
export async function renderTimeline(file: string, about: string): Promise<{ page: string; svg: string }> {
  const recording = await readRecording(file)
  const calls = callsOf(recording)
  const svg = renderPicture(recording, {
    title: `One call of sessions.list, ${calls[0]?.rows.length ?? 0} rows, on a busy gateway`,
    text:
      'Read the dots from left to right: each is a row, in the lane of the workspace whose manifests resolved it; each call ' +
      `is on a time scale of its own. An answer that belongs together is a straight line. Recorded from real calls; ${about}.`,
    panels: calls.map((call) => ({ ...reading(call), from: call.from, to: call.to })),
    tracks: ['workspaces', 'scans'],
    sources: false,
    legend: {
      state: 'an actor sets its workspace; active until the next write',
      point: 'a row resolved',
      span: 'a scan of all manifests',
    },
  })
  return { page: await renderPage(recording, { title: 'sessions.list, without and with epochs' }), svg }
}

function reading({ mode, rows, scans, from, to }: SeenCall): { title: string; text: string } {
  const facts =
    `${count(new Set(rows).size, 'workspace')} in the answer, ${count(scans, 'scan')}, ` +
    `${((to - from) / 1000).toFixed(0)} ms`
  switch (mode) {
    case 'live':
      return {
        title: `live, without epochs: ${facts}`,
        text:
          'Each row reads the workspace that was set last, misses the one slot that remembers metadata, and scans again. ' +
          'By the time it has, the next turn is due.',
      }
    case 'epoch':
      return {
        title: `epoch, the same call pinned: ${facts}`,
        text: 'The actors go on writing, and the call goes on reading the workspace that was active when it came in.',
      }
    case 'derived':
      return {
        title: `derived, pinned and shared between calls: ${facts}`,
        text:
          'Pinned as well, and what an earlier call computed from the same workspace is used again: a scan is needed only ' +
          'for a workspace that no call has seen yet.',
      }
  }
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}
