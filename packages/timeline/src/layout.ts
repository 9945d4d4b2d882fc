/**
 * Where everything stands: rows from top to bottom, each with bars and points in the order of time. Epochs are packed:
 * one takes the uppermost row that is free, with its forks in the rows below it. It knows time and rows, no pixels.
 */
import { type EpochInfo, KINDS, type Model, NONE } from './model.js'
import type { Selection } from './search.js'

type RowKind = 'heading' | 'source' | 'lane' | 'epochs' | 'outside'

/** Spans in one row, in the order of time; they do not overlap. */
export interface Bars {
  readonly start: Float64Array
  readonly end: Float64Array
  /** Index of an epoch in an `epochs` row, of an event elsewhere. */
  readonly ref: Int32Array
  /** `alarming[n]`: how many of the first n are overdue or never closed. */
  readonly alarming: Int32Array
}

/** Events in one row, in the order of time. */
export interface Points {
  readonly ref: Int32Array
  readonly t: Float64Array
  /** By kind, `before[kind][n]`: how many of the first n are of it. */
  readonly before: readonly Int32Array[]
  /** `changes[n]`: how many of the first n read another source or value than the read before. */
  readonly changes: Int32Array
}

export interface Row {
  readonly kind: RowKind
  readonly label: string
  /** Which section it belongs to: a track's name, `sources` or `epochs`. */
  readonly section: string
  /** Which lane of its track it is, from 1. */
  readonly lane?: number
  readonly bars: Bars
  readonly points: Points
}

/** Points that a line joins, across the lanes of a track. */
interface Series {
  readonly name: string
  readonly t: Float64Array
  /** Index of the row of each. */
  readonly row: Int32Array
}

export interface Layout {
  readonly rows: readonly Row[]
  readonly series: readonly Series[]
  /** Row of each epoch, by index; `NONE` where it is filtered out. */
  readonly rowOfEpoch: Int32Array
}

export function lay(model: Model, selection: Selection): Layout {
  const rows: Row[] = []
  const series: Series[] = []
  layTracks(model, selection, rows, series)
  laySources(model, selection, rows)
  const rowOfEpoch = layEpochs(model, selection, rows)
  return { rows, series, rowOfEpoch }
}

/** Index of the first of `times` that is at least `t`. */
export function firstAtLeast(times: Float64Array, t: number, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle]! < t) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Packs spans into rows: the uppermost row that is free from its start on, for as many rows as it is tall.
 *
 * @param spans in the order of their starts.
 * @returns the first row of each, and how many rows there are.
 */
function pack(spans: readonly { start: number; end: number; height: number }[]): {
  rows: number[]
  height: number
} {
  if (spans.length === 1) return { rows: [0], height: spans[0]!.height }
  /** When each row is free again. */
  const free: number[] = []
  const rows = spans.map(({ start, end, height }) => {
    let row = 0
    for (let below = 0; below < height;) {
      if ((free[row + below] ?? -Infinity) <= start) below += 1
      else {
        row += below + 1
        below = 0
      }
    }
    for (let below = 0; below < height; below++) free[row + below] = end
    return row
  })
  return { rows, height: free.length }
}

function layTracks(model: Model, selection: Selection, rows: Row[], series: Series[]): void {
  const tracks = new Map<string, Map<string, number[]>>()
  for (let event = 0; event < model.length; event++) {
    if (model.typeOf(event) !== 'mark') continue
    const track = model.subjectOf(event)
    if (!selection.hasSubject('track', track)) continue
    const named = model.extraOf(event)?.['lane']
    const lane = typeof named === 'string' ? named : ''
    let lanes = tracks.get(track)
    if (lanes === undefined) tracks.set(track, (lanes = new Map()))
    const events = lanes.get(lane)
    if (events === undefined) lanes.set(lane, [event])
    else events.push(event)
  }
  for (const [track, lanes] of tracks) {
    rows.push(heading(track, track))
    const stateEnds = endsOfStates(model, lanes)
    const bySeries = new Map<string, { t: number; row: number }[]>()
    const sorted = [...lanes].toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    for (const [index, [lane, events]] of sorted.entries()) {
      const bars: { start: number; end: number; ref: number }[] = []
      const points: number[] = []
      for (const event of events) {
        const extra = model.extraOf(event)
        const t = model.t[event]!
        if (extra?.['kind'] === 'state') bars.push({ start: t, end: stateEnds.get(event)!, ref: event })
        else if (extra?.['kind'] === 'span') {
          bars.push({ start: t - Number(extra['durationMs'] ?? 0) * 1000, end: t, ref: event })
        } else points.push(event)
        const name = extra?.['series']
        if (typeof name === 'string' && extra?.['kind'] !== 'span' && extra?.['kind'] !== 'state') {
          const line = bySeries.get(name)
          const point = { t, row: rows.length }
          if (line === undefined) bySeries.set(name, [point])
          else line.push(point)
        }
      }
      // Spans end in the order of their lines and may overlap: those that do go into rows of their own.
      bars.sort((a, b) => a.start - b.start)
      const packed = pack(bars.map(({ start, end }) => ({ start, end, height: 1 })))
      for (let level = 0; level < Math.max(packed.height, 1); level++) {
        rows.push({
          kind: 'lane',
          label: level === 0 ? lane : '',
          section: track,
          lane: index + 1,
          bars: barsOf(bars.filter((_, at) => packed.rows[at] === level)),
          points: pointsOf(model, level === 0 ? points : []),
        })
      }
    }
    for (const [name, points] of bySeries) {
      points.sort((a, b) => a.t - b.t)
      series.push({
        name,
        t: Float64Array.from(points, (point) => point.t),
        row: Int32Array.from(points, (point) => point.row),
      })
    }
  }
}

/** A state lasts until the next of its track, in whichever lane. */
function endsOfStates(model: Model, lanes: ReadonlyMap<string, readonly number[]>): Map<number, number> {
  const states = [...lanes.values()]
    .flat()
    .filter((event) => model.extraOf(event)?.['kind'] === 'state')
    .toSorted((a, b) => a - b)
  return new Map(
    states.map((event, at) => [event, at + 1 < states.length ? model.t[states[at + 1]!]! : model.data.end]),
  )
}

function laySources(model: Model, selection: Selection, rows: Row[]): void {
  const sources = new Map<string, number[]>()
  for (let event = 0; event < model.length; event++) {
    const kind = model.kindOf(event)
    if (kind === undefined || kind === 'mark' || kind === 'hit' || kind === 'miss') continue
    const name = kind === 'group' ? `group ${model.subjectOf(event)}` : model.subjectOf(event)
    const events = sources.get(name)
    if (events === undefined) sources.set(name, [event])
    else events.push(event)
  }
  const shown = [...sources].filter(([name]) => selection.hasSubject('source', name))
  if (shown.length > 0) rows.push(heading('Sources', 'sources'))
  for (const [name, events] of shown) {
    const points = events.filter((event) => {
      const kind = model.kindOf(event)
      return kind === 'write' || kind === 'retire' || kind === 'conflict' || kind === 'group'
    })
    rows.push({
      kind: 'source',
      label: name,
      section: 'sources',
      bars: barsOf(liveValues(model, events)),
      points: pointsOf(model, points),
    })
  }
}

/** For how long each value was the live one, as far as writes and reads tell. */
function liveValues(model: Model, events: readonly number[]): { start: number; end: number; ref: number }[] {
  const bars: { start: number; end: number; ref: number }[] = []
  let live = NONE
  for (const event of events) {
    const type = model.typeOf(event)
    const seen =
      type === 'source:read'
        ? model.live[event]!
        : type === 'source:write' && model.wordOf(event) !== 'local'
          ? model.value[event]!
          : NONE
    if (seen === NONE || seen === live) continue
    const t = model.t[event]!
    if (bars.length > 0) bars.at(-1)!.end = t
    // What the first read found had been there before.
    bars.push({
      start: live === NONE && type === 'source:read' ? model.data.start : t,
      end: model.data.end,
      ref: event,
    })
    live = seen
  }
  return bars
}

function layEpochs(model: Model, selection: Selection, rows: Row[]): Int32Array {
  const rowOfEpoch = new Int32Array(model.epochs.length).fill(NONE)
  const outside: number[] = []
  for (let event = 0; event < model.length; event++) {
    if (model.epochOf[event] !== NONE) continue
    const kind = model.kindOf(event)
    if (kind === 'read' || kind === 'drift' || kind === 'late' || kind === 'hit' || kind === 'miss')
      outside.push(event)
  }
  const shown = (index: number) => selection.epochs[index] === 1
  /** The nearest that is shown: below it a fork stands, even if those between are filtered out. */
  const parentOf = (epoch: EpochInfo): number => {
    let parent = epoch.parent
    while (parent !== NONE && !shown(parent)) parent = model.epochs[parent]!.parent
    return parent
  }
  const children = new Map<number, EpochInfo[]>()
  const roots: EpochInfo[] = []
  for (const epoch of model.epochs) {
    if (!shown(epoch.index)) continue
    const parent = parentOf(epoch)
    if (parent === NONE) roots.push(epoch)
    else if (children.has(parent)) children.get(parent)!.push(epoch)
    else children.set(parent, [epoch])
  }
  if (roots.length === 0 && outside.length === 0) return rowOfEpoch
  rows.push(heading('Epochs', 'epochs'))
  if (outside.length > 0) {
    rows.push({
      kind: 'outside',
      label: 'no epoch',
      section: 'epochs',
      bars: barsOf([]),
      points: pointsOf(model, outside),
    })
  }
  const first = rows.length
  const { height } = placeAll(roots, children, (epoch, row) => (rowOfEpoch[epoch.index] = row))
  const byRow = Array.from({ length: height }, (): EpochInfo[] => [])
  for (const epoch of model.epochs) {
    const row = rowOfEpoch[epoch.index]!
    if (row === NONE) continue
    byRow[row]!.push(epoch)
    rowOfEpoch[epoch.index] = row + first
  }
  for (const epochs of byRow) {
    epochs.sort((a, b) => a.start - b.start)
    const points: number[] = []
    for (const epoch of epochs) {
      for (const event of epoch.events) if (model.kindOf(event) !== 'mark') points.push(event)
    }
    rows.push({
      kind: 'epochs',
      label: '',
      section: 'epochs',
      bars: barsOf(
        epochs.map((epoch) => ({ start: epoch.start, end: epoch.end, ref: epoch.index })),
        (ref) => model.epochs[ref]!.open || model.epochs[ref]!.overdue !== undefined,
      ),
      points: pointsOf(
        model,
        points.sort((a, b) => a - b),
      ),
    })
  }
  return rowOfEpoch
}

/** What an epoch takes with all that stands below it: so many rows, until so late. */
type Tree = { height: number; end: number }

/**
 * Packs epochs with their forks below them; `place` hears the row of each, counted from the first of these. Without
 * recursion, since a chain of forks may be deeper than the stack.
 *
 * @returns how many rows there are.
 */
function placeAll(
  roots: readonly EpochInfo[],
  children: ReadonlyMap<number, readonly EpochInfo[]>,
  place: (epoch: EpochInfo, row: number) => void,
): { height: number } {
  const trees = new Map<EpochInfo, Tree>()
  const rowAmongSiblings = new Map<EpochInfo, number>()
  const packAll = (epochs: readonly EpochInfo[]): Tree => {
    const sorted = epochs.toSorted((a, b) => a.start - b.start)
    const packed = pack(sorted.map((epoch) => ({ start: epoch.start, ...trees.get(epoch)! })))
    let end = -Infinity
    for (const [at, epoch] of sorted.entries()) {
      rowAmongSiblings.set(epoch, packed.rows[at]!)
      end = Math.max(end, trees.get(epoch)!.end)
    }
    return { height: packed.height, end }
  }
  const none: readonly EpochInfo[] = []
  const childrenOf = (epoch: EpochInfo) => children.get(epoch.index) ?? none
  const parentsFirst: EpochInfo[] = []
  for (const pending = [...roots]; pending.length > 0;) {
    const epoch = pending.pop()!
    parentsFirst.push(epoch)
    for (const child of childrenOf(epoch)) pending.push(child)
  }
  for (const epoch of parentsFirst.toReversed()) {
    const forks = childrenOf(epoch)
    const below = forks.length === 0 ? undefined : packAll(forks)
    const end = Math.max(epoch.end, epoch.last, below?.end ?? 0)
    trees.set(epoch, { height: 1 + (below?.height ?? 0), end })
  }
  const { height } = packAll(roots)
  const rows = new Map<EpochInfo, number>(roots.map((epoch) => [epoch, rowAmongSiblings.get(epoch)!]))
  for (const epoch of parentsFirst) {
    const row = rows.get(epoch)!
    place(epoch, row)
    for (const child of childrenOf(epoch)) rows.set(child, row + 1 + rowAmongSiblings.get(child)!)
  }
  return { height }
}

const NO_POINTS: Points = {
  ref: new Int32Array(0),
  t: new Float64Array(0),
  before: KINDS.map(() => new Int32Array(1)),
  changes: new Int32Array(1),
}

function heading(label: string, section: string): Row {
  return { kind: 'heading', label, section, bars: barsOf([]), points: NO_POINTS }
}

function barsOf(
  bars: readonly { start: number; end: number; ref: number }[],
  isAlarming: (ref: number) => boolean = () => false,
): Bars {
  const alarming = new Int32Array(bars.length + 1)
  for (const [at, { ref }] of bars.entries()) alarming[at + 1] = alarming[at]! + (isAlarming(ref) ? 1 : 0)
  return {
    start: Float64Array.from(bars, (bar) => bar.start),
    end: Float64Array.from(bars, (bar) => bar.end),
    ref: Int32Array.from(bars, (bar) => bar.ref),
    alarming,
  }
}

function pointsOf(model: Model, events: readonly number[]): Points {
  if (events.length === 0) return NO_POINTS
  const before = KINDS.map(() => new Int32Array(events.length + 1))
  const changes = new Int32Array(events.length + 1)
  let last = NONE
  for (let at = 0; at < events.length; at++) {
    const event = events[at]!
    for (let code = 0; code < KINDS.length; code++) before[code]![at + 1] = before[code]![at]!
    if (model.kinds[event]! < KINDS.length) before[model.kinds[event]!]![at + 1]! += 1
    const kind = model.kindOf(event)
    const isRead = kind === 'read' || kind === 'drift' || kind === 'late'
    const same =
      !isRead ||
      last === NONE ||
      (model.value[last] === model.value[event] && model.data.subject[last] === model.data.subject[event])
    changes[at + 1] = changes[at]! + (same ? 0 : 1)
    if (isRead) last = event
  }
  const t = Float64Array.from(events, (event) => model.t[event]!)
  return { ref: Int32Array.from(events), t, before, changes }
}
