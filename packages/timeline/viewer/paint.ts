/**
 * Draws what is visible: the rows on the screen, and of each the part between two times, found by binary search. Spans
 * narrower than a few pixels are merged, points closer than a shape's width become one shape, which is that of the most
 * important among them, so that a drift or a late read is never lost in a crowd. So the work of a frame depends on the
 * size of the screen, not on that of the recording; it is counted.
 */
import { trace, traceDetail } from '../src/glyphs.js'
import { type Bars, firstAtLeast, type Layout, type Points, type Row } from '../src/layout.js'
import { KINDS, type Kind, type Model, NONE } from '../src/model.js'
import { formatTime, type Span, ticks } from '../src/scale.js'
import { onValueColour, type Theme, valueColour } from '../src/theme.js'

/** Heights of rows, in pixels. */
const HEIGHTS: Readonly<Record<Row['kind'], number>> = {
  heading: 28,
  source: 26,
  lane: 24,
  epochs: 34,
  outside: 24,
}
export const AXIS_HEIGHT = 26

/** What is selected or pointed at: a span or an event, and its row. */
export interface Target {
  readonly row: number
  readonly in: 'bars' | 'points'
  /** Index among the row's bars or points. */
  readonly at: number
}

export interface Scene {
  readonly model: Model
  readonly layout: Layout
  readonly tops: Float64Array
  readonly span: Span
  readonly scrollTop: number
  readonly width: number
  readonly height: number
  /** Width of the labels' column. */
  readonly gutter: number
  readonly theme: Theme
  readonly selected: Target | undefined
}

/** The work of one frame. */
export interface Work {
  rows: number
  bars: number
  points: number
  texts: number
  /** Calls of fill and stroke. */
  fills: number
}

/** Bars narrower than this are merged with their neighbours. */
const LEAST_BAR = 3
/** Points closer than this become one. */
const POINT_ROOM = 9
const RADIUS = 4.2
const FONT = '12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
const BOLD = `600 ${FONT}`

/** The top of each row, and after them the height of all. */
export function topsOf(layout: Layout): Float64Array {
  const tops = new Float64Array(layout.rows.length + 1)
  for (const [at, row] of layout.rows.entries()) tops[at + 1] = tops[at]! + HEIGHTS[row.kind]
  return tops
}

function xOf(scene: Pick<Scene, 'span' | 'width' | 'gutter'>, t: number): number {
  const { from, to } = scene.span
  return scene.gutter + ((t - from) / (to - from)) * (scene.width - scene.gutter)
}

export function timeAt(scene: Pick<Scene, 'span' | 'width' | 'gutter'>, x: number): number {
  const { from, to } = scene.span
  return from + ((x - scene.gutter) / (scene.width - scene.gutter)) * (to - from)
}

/** Where the points of a row stand, below its top. */
function pointLine(row: Row): number {
  return row.kind === 'epochs' ? 23 : HEIGHTS[row.kind] / 2
}

export function paint(context: CanvasRenderingContext2D, scene: Scene): Work {
  const work: Work = { rows: 0, bars: 0, points: 0, texts: 0, fills: 0 }
  const { layout, tops, theme, width, height, gutter, scrollTop } = scene
  context.font = FONT
  context.textBaseline = 'middle'
  context.fillStyle = theme.page
  context.fillRect(0, 0, width, height)
  const first = Math.max(firstAtLeast(tops, scrollTop + 0.001) - 1, 0)
  const end = Math.min(firstAtLeast(tops, scrollTop + height - AXIS_HEIGHT), layout.rows.length)
  const yOf = (row: number) => AXIS_HEIGHT + tops[row]! - scrollTop

  context.save()
  context.beginPath()
  context.rect(gutter, 0, width - gutter, height)
  context.clip()
  paintGrid(context, scene, work)
  for (let at = first; at < end; at++) {
    const row = layout.rows[at]!
    const y = yOf(at)
    work.rows += 1
    if (row.kind === 'heading') continue
    context.fillStyle = theme.lane
    if (row.kind !== 'epochs') context.fillRect(gutter, y + 2, width - gutter, HEIGHTS[row.kind] - 4)
    paintBars(context, scene, row, y, work)
  }
  paintSeries(context, scene, first, end, yOf, work)
  for (let at = first; at < end; at++) paintPoints(context, scene, layout.rows[at]!, yOf(at), work)
  paintSelected(context, scene, yOf, work)
  context.restore()

  paintLabels(context, scene, first, end, yOf, work)
  paintAxis(context, scene, work)
  return work
}

/** Round times since the recording's start. */
function ticksOf({ span, width, gutter, model }: Scene): { step: number; at: number[] } {
  const { start } = model.data
  return ticks({ from: span.from - start, to: span.to - start }, (width - gutter) / 90)
}

function paintGrid(context: CanvasRenderingContext2D, scene: Scene, work: Work): void {
  const { theme, height, model } = scene
  context.beginPath()
  for (const t of ticksOf(scene).at) {
    const x = Math.round(xOf(scene, t + model.data.start)) + 0.5
    context.moveTo(x, AXIS_HEIGHT)
    context.lineTo(x, height)
  }
  context.strokeStyle = theme.line
  context.lineWidth = 1
  context.stroke()
  work.fills += 1
}

function paintAxis(context: CanvasRenderingContext2D, scene: Scene, work: Work): void {
  const { theme, width, gutter, model } = scene
  context.fillStyle = theme.page
  context.fillRect(0, 0, width, AXIS_HEIGHT)
  context.fillStyle = theme.faint
  context.textAlign = 'left'
  const { step, at } = ticksOf(scene)
  for (const t of at) {
    const x = xOf(scene, t + model.data.start)
    if (x > width - 44 || x < gutter) continue
    context.fillText(formatTime(t, step), x + 4, AXIS_HEIGHT / 2)
    context.fillRect(Math.round(x), AXIS_HEIGHT - 7, 1, 7)
    work.texts += 1
  }
  context.fillRect(0, AXIS_HEIGHT - 1, width, 1)
}

type Box = { x0: number; x1: number; from: number; to: number }

/** The bars of a row that are visible, merged where they are too narrow: `from` until `to` are the bars in one. */
function* boxes(scene: Scene, bars: Bars): Generator<Box> {
  const { span, width, gutter } = scene
  const perPixel = (span.to - span.from) / (width - gutter)
  const { start, end } = bars
  let at = firstAtLeast(end, span.from)
  while (at < start.length && start[at]! <= span.to) {
    const from = at
    const x0 = xOf(scene, start[at]!)
    let x1 = xOf(scene, end[at]!)
    let last = at
    if (x1 - x0 < LEAST_BAR) {
      // All that start within the least width become one, but for a last one that is wide.
      last = firstAtLeast(start, start[at]! + LEAST_BAR * perPixel, at + 1) - 1
      if (last > from && end[last]! - start[last]! >= LEAST_BAR * perPixel) last -= 1
      x1 = Math.max(xOf(scene, end[last]!), x0 + LEAST_BAR)
    }
    yield { x0: Math.max(x0, gutter - 20), x1: Math.min(x1, width + 20), from, to: last + 1 }
    at = last + 1
  }
}

function paintBars(context: CanvasRenderingContext2D, scene: Scene, row: Row, y: number, work: Work): void {
  const top = y + 3
  const height = HEIGHTS[row.kind] - 6
  for (const box of boxes(scene, row.bars)) {
    work.bars += 1
    if (row.kind === 'epochs') epochBar(context, scene, row, box, top, height, work)
    else if (row.kind === 'source') sourceBar(context, scene, row, box, top, height, work)
    else laneBar(context, scene, row, box, top, height, work)
  }
}

function epochBar(
  context: CanvasRenderingContext2D,
  scene: Scene,
  row: Row,
  { x0, x1, from, to }: Box,
  top: number,
  height: number,
  work: Work,
): void {
  const { theme, model } = scene
  const alarming = row.bars.alarming[to]! - row.bars.alarming[from]!
  if (to - from > 1) {
    context.fillStyle = alarming > 0 ? theme.alarm : theme.merged
    context.fillRect(x0, top, x1 - x0, height)
    work.fills += 1
    return
  }
  const epoch = model.epochs[row.bars.ref[from]!]!
  context.fillStyle = alarming > 0 ? theme.alarmFill : theme.bar
  context.fillRect(x0, top, x1 - x0, height)
  // Late work: the dashes lead from the epoch's end to its last read.
  const lastX = xOf(scene, epoch.last)
  if (lastX > x1 + 1) {
    context.beginPath()
    context.setLineDash([3, 3])
    context.moveTo(x1, top + height - 8)
    context.lineTo(lastX, top + height - 8)
    context.strokeStyle = theme.alarm
    context.stroke()
    context.setLineDash([])
    work.fills += 1
  }
  if (x1 - x0 < 5) {
    work.fills += 1
    context.fillStyle = alarming > 0 ? theme.alarm : theme.barLine
    context.fillRect(x0, top, Math.max(x1 - x0 - 1, 1), height)
    return
  }
  if (alarming > 0) hatch(context, theme, x0, x1, top, 13, work)
  context.strokeStyle = alarming > 0 ? theme.alarm : theme.barLine
  context.beginPath()
  context.moveTo(x1 - 0.5, top + 0.5)
  context.lineTo(x0 + 0.5, top + 0.5)
  if (epoch.before) context.moveTo(x0 + 0.5, top + height - 0.5)
  else context.lineTo(x0 + 0.5, top + height - 0.5)
  context.lineTo(x1 - 0.5, top + height - 0.5)
  // One that is still open has no right edge.
  if (!epoch.open) context.lineTo(x1 - 0.5, top + 0.5)
  context.stroke()
  work.fills += 2
  const state =
    epoch.overdue === undefined
      ? epoch.open
        ? 'still open'
        : ''
      : epoch.open
        ? 'overdue, still open'
        : 'overdue'
  const text = `${epoch.name} #${epoch.id}${state === '' ? '' : ` · ${state}`}`
  barText(
    context,
    text,
    Math.max(x0, scene.gutter),
    x1,
    top + 8,
    theme.ink,
    work,
    alarming > 0 ? theme.alarmFill : undefined,
  )
}

function hatch(
  context: CanvasRenderingContext2D,
  theme: Theme,
  x0: number,
  x1: number,
  top: number,
  height: number,
  work: Work,
) {
  const left = Math.max(x0, 0)
  context.save()
  context.beginPath()
  context.rect(left, top, x1 - left, height)
  context.clip()
  context.beginPath()
  for (let x = left - height; x < x1; x += 7) {
    context.moveTo(x, top + height)
    context.lineTo(x + height, top)
  }
  context.globalAlpha = 0.45
  context.strokeStyle = theme.alarm
  context.stroke()
  context.restore()
  work.fills += 1
}

function sourceBar(
  context: CanvasRenderingContext2D,
  scene: Scene,
  row: Row,
  { x0, x1, from, to }: Box,
  top: number,
  height: number,
  work: Work,
): void {
  const { theme, model } = scene
  work.fills += 1
  if (to - from > 1) {
    context.fillStyle = theme.merged
    context.fillRect(x0, top + 4, x1 - x0, height - 8)
    return
  }
  const event = row.bars.ref[from]!
  const value = model.typeOf(event) === 'source:read' ? model.live[event]! : model.value[event]!
  context.fillStyle = valueColour(value)
  context.fillRect(x0, top, Math.max(x1 - x0 - 1, 1), height)
  const described = model.describedAs(event, value)
  const text = described !== undefined ? `${value}: ${described}` : `value ${value}`
  barText(
    context,
    x1 - x0 < 50 ? String(value) : text,
    Math.max(x0 + 6, scene.gutter),
    x1,
    top + height / 2,
    onValueColour(value),
    work,
  )
}

function laneBar(
  context: CanvasRenderingContext2D,
  scene: Scene,
  row: Row,
  { x0, x1, from, to }: Box,
  top: number,
  height: number,
  work: Work,
): void {
  const { theme, model } = scene
  const event = row.bars.ref[from]!
  work.fills += 1
  context.fillStyle = theme.merged
  if (to - from > 1) {
    context.fillRect(x0, top + 3, x1 - x0, height - 6)
    return
  }
  const isSpan = model.extraOf(event)?.['kind'] === 'span'
  if (!isSpan) context.fillStyle = valueColour(row.lane ?? 1)
  context.globalAlpha = isSpan ? 1 : 0.5
  context.fillRect(x0, top, Math.max(x1 - x0 - 1, 1), height)
  context.globalAlpha = 1
  if (isSpan) {
    context.strokeStyle = theme.barLine
    context.strokeRect(x0 + 0.5, top + 0.5, Math.max(x1 - x0 - 2, 1), height - 1)
    work.fills += 1
  }
  barText(context, model.wordOf(event), Math.max(x0, scene.gutter), x1, top + height / 2, theme.ink, work)
}

function barText(
  context: CanvasRenderingContext2D,
  text: string,
  x0: number,
  x1: number,
  y: number,
  colour: string,
  work: Work,
  behind?: string,
): void {
  const left = x0 + 5
  const room = x1 - left - 4
  if (room < 14) return
  const fitted = fit(context, text, room)
  if (fitted === '') return
  if (behind !== undefined) {
    context.fillStyle = behind
    context.fillRect(left - 3, y - 6, Math.min(context.measureText(fitted).width + 6, room + 4), 13)
  }
  context.fillStyle = colour
  context.textAlign = 'left'
  context.fillText(fitted, left, y)
  work.texts += 1
}

const widths = new Map<string, number>()

/** The text, cut so that it fits; empty where not even a few letters would. */
function fit(context: CanvasRenderingContext2D, text: string, room: number): string {
  const short = text.length > 200 ? text.slice(0, 200) : text
  let width = widths.get(short)
  if (width === undefined) {
    if (widths.size > 5000) widths.clear()
    width = context.measureText(short).width
    widths.set(short, width)
  }
  if (width <= room) return short
  const letters = Math.floor((short.length * (room - 8)) / width)
  return letters < 2 ? '' : `${short.slice(0, letters)}…`
}

type Cluster = { x: number; from: number; to: number }

/** The points of a row that are visible; those that would overlap are one. */
function* clusters(scene: Pick<Scene, 'span' | 'width' | 'gutter'>, points: Points): Generator<Cluster> {
  const { span, width, gutter } = scene
  const room = (POINT_ROOM * (span.to - span.from)) / (width - gutter)
  const { t } = points
  let at = firstAtLeast(t, span.from - room)
  while (at < t.length && t[at]! <= span.to + room) {
    const to = Math.max(firstAtLeast(t, t[at]! + room, at + 1), at + 1)
    // Alone it stands where it happened; a crowd in its own middle.
    const x = to - at === 1 ? xOf(scene, t[at]!) : (xOf(scene, t[at]!) + xOf(scene, t[to - 1]!)) / 2
    yield { x, from: at, to }
    at = to
  }
}

/** Of several points at one place the kind that matters most, and the first of that kind. */
function leading(points: Points, { from, to }: Cluster): { kind: Kind; at: number; many: boolean } {
  for (let code = KINDS.length - 1; code >= 0; code--) {
    const before = points.before[code]!
    if (before[to] === before[from]) continue
    let at = from
    for (let low = from, high = to; low < high;) {
      const middle = (low + high) >>> 1
      if (before[middle + 1]! > before[from]!) high = middle
      else low = middle + 1
      at = low
    }
    return { kind: KINDS[code]!, at, many: to - from > 1 }
  }
  return { kind: 'mark', at: from, many: to - from > 1 }
}

type Shape = { x: number; y: number; kind: Kind; r: number }

function paintPoints(context: CanvasRenderingContext2D, scene: Scene, row: Row, y: number, work: Work): void {
  const { theme, model } = scene
  const { points } = row
  if (points.ref.length === 0) return
  const line = y + pointLine(row)
  /** Shapes by the colour that fills them; '' is hollow. */
  const byFill = new Map<string, Shape[]>()
  const crowds: Cluster[] = []
  for (const cluster of clusters(scene, points)) {
    const { kind, at, many } = leading(points, cluster)
    const event = points.ref[at]!
    const uniform = points.changes[cluster.to] === points.changes[Math.min(cluster.from + 1, cluster.to)]
    const fill =
      kind === 'miss' || kind === 'hit'
        ? kind === 'hit'
          ? theme.faint
          : theme.page
        : kind === 'conflict' || kind === 'group'
          ? theme.alarm
          : kind === 'mark'
            ? theme.ink
            : kind === 'retire' || model.value[event] === NONE || (kind === 'read' && many && !uniform)
              ? theme.merged
              : valueColour(model.value[event]!)
    const shape: Shape = { x: cluster.x, y: line, kind, r: many ? RADIUS + 0.6 : RADIUS }
    const shapes = byFill.get(fill)
    if (shapes === undefined) byFill.set(fill, [shape])
    else shapes.push(shape)
    if (many) crowds.push(cluster)
    work.points += 1
  }
  context.lineWidth = 1.2
  for (const [fill, shapes] of byFill) {
    context.beginPath()
    for (const { kind, x, y: at, r } of shapes) trace(context, kind, x, at, r)
    context.fillStyle = fill
    context.fill()
    context.strokeStyle = theme.ink
    context.stroke()
    work.fills += 2
  }
  // A bar below a shape says that it stands for several.
  if (crowds.length > 0) {
    context.fillStyle = theme.ink
    for (const { x } of crowds) context.fillRect(x - 3.5, line + RADIUS + 2.6, 7, 1.6)
    work.fills += 1
  }
  for (const [fill, shapes] of byFill) {
    context.beginPath()
    let any = false
    for (const { kind, x, y: at, r } of shapes) any = traceDetail(context, kind, x, at, r) || any
    if (!any) continue
    context.strokeStyle =
      fill === '#f0e442' || fill === '#e69f00' || fill === '#56b4e9' ? '#111111' : '#ffffff'
    context.lineWidth = 1.5
    context.stroke()
    work.fills += 1
  }
  context.lineWidth = 1
}

function paintSeries(
  context: CanvasRenderingContext2D,
  scene: Scene,
  first: number,
  end: number,
  yOf: (row: number) => number,
  work: Work,
): void {
  const { layout, span, theme, width, gutter } = scene
  const pixel = (span.to - span.from) / (width - gutter)
  for (const { t, row } of layout.series) {
    const rowMiddle = (at: number) => yOf(row[at]!) + pointLine(layout.rows[row[at]!]!)
    const from = Math.max(firstAtLeast(t, span.from) - 1, 0)
    if (from >= t.length || t[from]! > span.to) continue
    if (t.length > 0 && t.at(-1)! < span.from) continue
    context.beginPath()
    let last = from
    let any = false
    for (let at = from; at < t.length;) {
      const x = xOf(scene, t[at]!)
      if (at === from) context.moveTo(x, rowMiddle(at))
      else context.lineTo(x, rowMiddle(at))
      any ||= row[at]! >= first && row[at]! < end
      last = at
      if (t[at]! > span.to) break
      // At most one point per pixel: the eye cannot tell more.
      at = Math.max(firstAtLeast(t, t[at]! + pixel, at + 1), at + 1)
    }
    if (!any || last === from) continue
    context.strokeStyle = theme.ink
    context.globalAlpha = 0.6
    context.stroke()
    context.globalAlpha = 1
    work.fills += 1
  }
}

function paintSelected(
  context: CanvasRenderingContext2D,
  scene: Scene,
  yOf: (row: number) => number,
  work: Work,
): void {
  const { selected, layout, theme, gutter, width } = scene
  const row = selected === undefined ? undefined : layout.rows[selected.row]
  if (selected === undefined || row === undefined) return
  context.strokeStyle = theme.accent
  context.lineWidth = 2.5
  context.beginPath()
  if (selected.in === 'points') {
    const x = xOf(scene, row.points.t[selected.at]!)
    const y = yOf(selected.row) + pointLine(row)
    context.arc(x, y, RADIUS + 5, 0, 2 * Math.PI)
  } else {
    const x0 = Math.max(xOf(scene, row.bars.start[selected.at]!), gutter - 10)
    const x1 = Math.min(xOf(scene, row.bars.end[selected.at]!), width + 10)
    context.rect(x0 - 1, yOf(selected.row) + 2, Math.max(x1 - x0, 3) + 2, HEIGHTS[row.kind] - 4)
  }
  context.stroke()
  context.lineWidth = 1
  work.fills += 1
}

function paintLabels(
  context: CanvasRenderingContext2D,
  scene: Scene,
  first: number,
  end: number,
  yOf: (row: number) => number,
  work: Work,
): void {
  const { layout, theme, gutter, width, height, model } = scene
  context.fillStyle = theme.page
  context.fillRect(0, AXIS_HEIGHT, gutter, height)
  context.textAlign = 'left'
  for (let at = first; at < end; at++) {
    const row = layout.rows[at]!
    const middle = yOf(at) + HEIGHTS[row.kind] / 2
    if (row.kind === 'heading') {
      context.font = BOLD
      context.fillStyle = theme.ink
      context.fillText(fit(context, row.label, width - 20), 10, middle + 2)
      context.fillStyle = theme.line
      context.fillRect(0, Math.round(yOf(at)), width, 1)
      context.font = FONT
      work.texts += 1
      continue
    }
    if (row.label === '') continue
    context.fillStyle = theme.faint
    context.fillText(fit(context, row.label, gutter - 18), 14, middle)
    work.texts += 1
  }
  context.fillStyle = theme.line
  context.fillRect(gutter - 1, AXIS_HEIGHT, 1, height)
  // In a section longer than the screen, one still sees which it is.
  const top = layout.rows[first]
  if (top !== undefined && top.kind === 'epochs') {
    context.fillStyle = theme.faint
    const open = model.epochs.length
    context.font = FONT
    context.fillText(fit(context, `epochs (${open})`, gutter - 18), 14, AXIS_HEIGHT + 17)
    work.texts += 1
  }
}

/** How dense the recording is, drawn once per size; the part that is shown is drawn over it. */
export function paintOverview(
  context: CanvasRenderingContext2D,
  { model, theme, width, height }: { model: Model; theme: Theme; width: number; height: number },
): void {
  const { first: start, last: end } = model
  const columns = Math.max(Math.floor(width), 1)
  const perColumn = columns / Math.max(end - start, 1)
  const counts = new Uint32Array(columns)
  const alarms = new Uint8Array(columns)
  const columnOf = (t: number) => Math.min(Math.floor((t - start) * perColumn), columns - 1)
  for (let event = 0; event < model.length; event++) {
    if (model.t[event]! > end) break // the recorder's own last line
    const column = columnOf(model.t[event]!)
    counts[column]! += 1
    const type = model.typeOf(event)
    const word = model.wordOf(event)
    if (
      type === 'source:late-read' ||
      word === 'late' ||
      type === 'epoch:overdue' ||
      type === 'source:write-conflict'
    ) {
      alarms[column] = 1
    }
  }
  let most = 1
  for (const count of counts) most = Math.max(most, count)
  context.fillStyle = theme.lane
  context.fillRect(0, 0, width, height)
  context.fillStyle = theme.barLine
  for (let column = 0; column < columns; column++) {
    const share = Math.log1p(counts[column]!) / Math.log1p(most)
    const tall = share * (height - 8)
    if (tall > 0) context.fillRect(column, height - tall, 1, tall)
  }
  context.fillStyle = theme.alarm
  for (let column = 0; column < columns; column++)
    if (alarms[column] === 1) context.fillRect(column - 1, 0, 2, 6)
}

/** What the pointer is on: the nearest point within reach, else the bar. */
export function hit(scene: Scene, x: number, y: number): Target | undefined {
  const { layout, tops, scrollTop, gutter, span, width } = scene
  if (y < AXIS_HEIGHT || x < gutter) return undefined
  const row = firstAtLeast(tops, y - AXIS_HEIGHT + scrollTop + 0.001) - 1
  const found = layout.rows[row]
  if (found === undefined) return undefined
  const t = timeAt(scene, x)
  const perPixel = (span.to - span.from) / (width - gutter)
  const { points, bars } = found
  const inPointLine = found.kind !== 'epochs' || y - (AXIS_HEIGHT + tops[row]! - scrollTop) > 15
  if (inPointLine) {
    let nearest: Target | undefined
    let distance = 8
    for (const cluster of clusters(
      { ...scene, span: { from: t - 20 * perPixel, to: t + 20 * perPixel }, width: gutter + 40 },
      points,
    )) {
      const lead = leading(points, cluster)
      const away = Math.abs(points.t[lead.at]! - t) / perPixel
      if (away < distance) [nearest, distance] = [{ row, in: 'points', at: lead.at }, away]
    }
    if (nearest !== undefined) return nearest
  }
  const at = firstAtLeast(bars.end, t - 2 * perPixel)
  if (at < bars.start.length && bars.start[at]! <= t + 2 * perPixel) return { row, in: 'bars', at }
  return undefined
}
