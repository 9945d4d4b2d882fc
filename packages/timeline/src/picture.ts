/**
 * A picture of parts of a recording, as one SVG: for a README, a report, an issue. It draws what the page draws, from the
 * same layout, without its hands; nothing is merged, so it is for some hundreds of events. It follows the reader's light
 * or dark setting, where it is shown as a file of its own.
 */
import { EpochError } from 'withepoch'
import { type Path, trace, traceDetail } from './glyphs.js'
import { lay, type Layout, type Row } from './layout.js'
import { KINDS, type Kind, Model } from './model.js'
import { withObservedCalls } from './observed.js'
import { packRecording } from './page-data.js'
import type { Recording, TimelineEvent } from './recording.js'
import { formatDuration, formatTime, ticks } from './scale.js'
import { select } from './search.js'
import { onValueColour, THEMES, type Theme, valueColour } from './theme.js'

/** A part of the recording, under a heading of its own. */
export interface PicturePanel {
  readonly title: string
  /** A sentence or two below the title. */
  readonly text?: string
  /** From when until when, in microseconds on the recording's clock. */
  readonly from: number
  readonly to: number
}

export interface PictureOptions {
  readonly title: string
  readonly text?: string
  /** One below the other, each with a scale of its own. Without, all of the recording. */
  readonly panels?: readonly PicturePanel[]
  /** Which tracks of marks are drawn. All of them, by default. */
  readonly tracks?: readonly string[]
  /** Whether the sources are drawn. @default true */
  readonly sources?: boolean
  /** Whether the epochs are drawn. @default true */
  readonly epochs?: boolean
  /** What a state, a point and a span of your marks are, in the legend. */
  readonly legend?: { readonly state?: string; readonly point?: string; readonly span?: string }
  /** In pixels. @default 960 */
  readonly width?: number
}

const HEIGHTS: Readonly<Record<Row['kind'], number>> = {
  heading: 22,
  source: 22,
  lane: 22,
  epochs: 42,
  outside: 22,
}
const MARGIN = 16
const GUTTER = 112
const RADIUS = 4

/**
 * Draws a recording, or parts of it, as an SVG.
 *
 * @throws INVALID_ARGUMENT when a panel's `to` is not after its `from`.
 * @example
 * import { parseRecording, renderPicture } from '@withepoch/timeline'
 * const recording = await parseRecording([
 *   '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n',
 *   '{"type":"epoch:open","t":1000,"epoch":1,"name":"page"}\n',
 *   '{"type":"epoch:close","t":3000,"epoch":1,"name":"page"}\n',
 * ])
 * renderPicture(recording, { title: 'One page' }).startsWith('<svg') // => true
 */
export function renderPicture(recording: Recording, options: PictureOptions): string {
  const { title, text, width = 960 } = options
  const last = recording.events.at(-1)?.t ?? recording.header.t
  const panels = options.panels ?? [
    { title: '', from: recording.header.t, to: Math.max(last, recording.header.t + 1) },
  ]
  for (const { from, to } of panels) {
    if (!(to > from)) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `renderPicture: a panel goes from ${from} to ${to}; to must be after from.`,
      )
    }
  }
  const sheet = new Sheet(width)
  sheet.gap(6)
  sheet.paragraph(title, { size: 21, style: 'strong' })
  if (text !== undefined) sheet.paragraph(text)
  sheet.gap(4)
  const drawn = panels.map((panel) => ({ panel, model: modelOf(recording, panel, options) }))
  drawLegend(sheet, new Set(drawn.flatMap(({ model }) => kindsOf(model))), options.legend)
  for (const { panel, model } of drawn) drawPanel(sheet, panel, model, options.sources ?? true)
  if (panels.length > 1) sameScale(sheet, panels)
  sheet.gap(10)
  const height = Math.ceil(sheet.y)
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="withepoch-timeline" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${escape(title)}"><style>${STYLE}</style><rect class="page" width="${width}" height="${height}"/>` +
    `${sheet.marks.join('')}</svg>\n`
  )
}

const VARIABLES: readonly (readonly [string, keyof Theme])[] = [
  ['page', 'page'],
  ['lane', 'lane'],
  ['line', 'line'],
  ['ink', 'ink'],
  ['faint', 'faint'],
  ['bar', 'bar'],
  ['bar-line', 'barLine'],
  ['alarm', 'alarm'],
  ['alarm-fill', 'alarmFill'],
]
const variables = (theme: Theme) => VARIABLES.map(([name, key]) => `--${name}:${theme[key]}`).join(';')
const ROOT = '.withepoch-timeline'
const STYLE =
  `${ROOT}{color-scheme:light dark;${variables(THEMES.light)}}` +
  `@media (prefers-color-scheme:dark){${ROOT}{${variables(THEMES.dark)}}}` +
  `${ROOT} text{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:var(--ink)}` +
  `${ROOT} .faint{fill:var(--faint)}${ROOT} .strong{font-weight:650}${ROOT} .page{fill:var(--page)}` +
  `${ROOT} .lane{fill:var(--lane)}${ROOT} .line{stroke:var(--line)}${ROOT} .series{fill:none;stroke:var(--ink);stroke-opacity:.6}` +
  `${ROOT} .shape{stroke:var(--ink)}${ROOT} .mark{fill:var(--ink);stroke:var(--page)}${ROOT} .hit{fill:var(--faint)}` +
  `${ROOT} .miss{fill:var(--page)}${ROOT} .fault{fill:var(--alarm)}${ROOT} .detail{fill:none;stroke-width:1.4}` +
  `${ROOT} .epoch{fill:var(--bar);stroke:var(--bar-line)}${ROOT} .overdue{fill:var(--alarm-fill);stroke:var(--alarm)}` +
  `${ROOT} .span{fill:var(--bar);stroke:var(--bar-line)}${ROOT} .scale{fill:var(--faint)}`

/** What is being drawn: its marks so far, and how far down it has come. */
class Sheet {
  readonly width: number
  readonly marks: string[] = []
  y = 0

  constructor(width: number) {
    this.width = width
  }

  gap(height: number): void {
    this.y += height
  }

  /** Broken by a measure of the mean letter: SVG does not wrap. */
  paragraph(text: string, { size = 13, style = '' }: { size?: number; style?: string } = {}): void {
    const letters = Math.floor((this.width - 2 * MARGIN) / (size * (style === 'strong' ? 0.63 : 0.54)))
    for (const line of wrap(text, letters)) {
      this.y += Math.max(18, size * 1.3)
      this.text(MARGIN, this.y - 5, line, style, size)
    }
  }

  text(x: number, y: number, text: string, style = '', size = 11.5, anchor = ''): void {
    const attributes = `${style === '' ? '' : ` class="${style}"`}${anchor === '' ? '' : ` text-anchor="${anchor}"`}`
    this.marks.push(`<text x="${n(x)}" y="${n(y)}" font-size="${size}"${attributes}>${escape(text)}</text>`)
  }

  rule(): void {
    this.marks.push(`<path class="line" d="M${MARGIN} ${n(this.y)}H${this.width - MARGIN}"/>`)
  }
}

/** The panel's part as a model of its own. A state that began before it is there from its start. */
function modelOf(
  recording: Recording,
  { from, to }: PicturePanel,
  { tracks, sources = true, epochs = true }: PictureOptions,
): Model {
  const states = new Map<string, TimelineEvent>()
  const events: TimelineEvent[] = []
  const opened = new Map<number, TimelineEvent>()
  for (const event of withObservedCalls(recording).events) {
    if (event.t > to) break
    const isMark = event.type === 'mark'
    if (isMark && tracks !== undefined && !tracks.includes(event.track)) continue
    if (!isMark && !(event.type.startsWith('source:') && event.type !== 'source:read' ? sources : epochs))
      continue
    if (isMark && event.kind === 'span' && event.t - (event.durationMs ?? 0) * 1000 < from) continue
    if (event.t >= from) events.push(event)
    else if (isMark && event.kind === 'state') states.set(event.track, event)
    else if (event.type === 'epoch:open') opened.set(event.epoch, event)
    else if (event.type === 'epoch:close') opened.delete(event.epoch)
  }
  const before = [...states.values(), ...opened.values()].map((event) => ({ ...event, t: from }))
  const header = { ...recording.header, t: from }
  const end: TimelineEvent = { type: 'stop', t: to, events: 0, dropped: 0 }
  return new Model(packRecording({ ...recording, header, events: [...before, ...events, end] }, ''))
}

function kindsOf(model: Model): string[] {
  const kinds: string[] = [...model.kinds]
    .filter((code) => code < KINDS.length)
    .map((code) => KINDS[code]!)
    .filter((kind) => kind !== 'mark')
  for (let event = 0; event < model.length; event++) {
    const kind = model.extraOf(event)?.['kind']
    if (model.typeOf(event) === 'mark') kinds.push(typeof kind === 'string' ? kind : 'point')
  }
  return kinds
}

function drawLegend(sheet: Sheet, kinds: ReadonlySet<string>, words: PictureOptions['legend'] = {}): void {
  const shape = (kind: Kind) => (x: number, y: number) => glyph(kind, x + 9, y, valueColour(2))
  const entries: { kind: string; symbol: (x: number, y: number) => string; text: string }[] = [
    {
      kind: 'state',
      symbol: (x, y) =>
        `<rect x="${x}" y="${y - 6}" width="18" height="12" fill="${valueColour(2)}" fill-opacity=".55"/>`,
      text: words.state ?? 'a state, until the next',
    },
    {
      kind: 'point',
      symbol: (x, y) => `<path class="series" d="M${x} ${y}h18"/>${dot(x + 9, y)}`,
      text: words.point ?? 'a mark, joined with its series',
    },
    {
      kind: 'span',
      symbol: (x, y) => `<rect class="span" x="${x}" y="${y - 6}" width="18" height="12"/>`,
      text: words.span ?? 'a span',
    },
    { kind: 'read', symbol: shape('read'), text: 'a read' },
    { kind: 'drift', symbol: shape('drift'), text: 'drift: a pinned read of what has changed' },
    { kind: 'late', symbol: shape('late'), text: 'a late read' },
    { kind: 'write', symbol: shape('write'), text: 'a write' },
    { kind: 'hit', symbol: shape('hit'), text: 'memo hit' },
    { kind: 'miss', symbol: shape('miss'), text: 'memo miss' },
  ]
  let x = MARGIN
  sheet.y += 10
  for (const { kind, symbol, text } of entries) {
    if (!kinds.has(kind)) continue
    const width = 26 + text.length * 6.3 + 14
    if (x > MARGIN && x + width > sheet.width) {
      x = MARGIN
      sheet.y += 19
    }
    sheet.marks.push(symbol(x, sheet.y))
    sheet.text(x + 25, sheet.y + 4, text)
    x += width
  }
  sheet.y += 10
}

function drawPanel(
  sheet: Sheet,
  { title, text, from, to }: PicturePanel,
  model: Model,
  sources: boolean,
): void {
  sheet.gap(14)
  sheet.rule()
  sheet.gap(4)
  if (title !== '') sheet.paragraph(title, { size: 15, style: 'strong' })
  if (text !== undefined) sheet.paragraph(text)
  sheet.gap(6)
  const left = MARGIN + GUTTER
  const right = sheet.width - MARGIN
  const xOf = (t: number) => left + ((Math.min(Math.max(t, from), to) - from) / (to - from)) * (right - left)
  const layout = lay(model, { ...select(model, ''), hasSubject: (kind) => kind === 'track' || sources })
  const tops: number[] = []
  const named = new Set<string>()
  for (const [at, row] of layout.rows.entries()) {
    const next = layout.rows[at + 1]
    // A track of one lane without a name needs no heading: it takes the heading's name.
    const lone =
      row.kind === 'heading' &&
      next?.kind === 'lane' &&
      next.label === '' &&
      layout.rows[at + 2]?.section !== row.section
    tops.push(sheet.y)
    if (row.kind === 'heading') {
      if (lone) named.add(row.section)
      else {
        sheet.text(MARGIN, sheet.y + 15, row.label, 'strong', 12)
        sheet.gap(HEIGHTS.heading)
      }
      continue
    }
    drawBars(sheet, model, row, xOf, named.has(row.section) ? row.section : row.label)
    sheet.gap(HEIGHTS[row.kind])
  }
  drawSeries(sheet, layout, tops, xOf)
  for (const [at, row] of layout.rows.entries()) drawPoints(sheet, model, row, tops[at]!, xOf)
  axis(sheet, from, to, xOf)
}

function drawBars(sheet: Sheet, model: Model, row: Row, xOf: (t: number) => number, label: string): void {
  const { bars, kind } = row
  const height = HEIGHTS[kind]
  sheet.text(MARGIN + 8, sheet.y + height / 2 + 4, fit(label, GUTTER - 14), 'faint')
  const left = xOf(-Infinity)
  if (kind !== 'epochs') {
    sheet.marks.push(
      `<rect class="lane" x="${n(left)}" y="${n(sheet.y + 1)}" width="${n(xOf(Infinity) - left)}" height="${height - 2}"/>`,
    )
  }
  for (const [at, ref] of bars.ref.entries()) {
    const x = xOf(bars.start[at]!)
    const width = Math.max(xOf(bars.end[at]!) - x, 1)
    const rect = `x="${n(x)}" y="${n(sheet.y + 2)}" width="${n(width)}" height="${height - 4}"`
    const duration = formatDuration(bars.end[at]! - bars.start[at]!)
    if (kind === 'epochs') {
      const epoch = model.epochs[ref]!
      const style = epoch.overdue === undefined ? 'epoch' : 'overdue'
      const name = `${epoch.name} #${epoch.id}${epoch.overdue === undefined ? '' : ' · overdue'}`
      sheet.marks.push(titled(`${name}: ${duration}`, `<rect class="${style}" ${rect}/>`))
      barText(sheet, name, x, width, sheet.y + 13)
    } else if (kind === 'source') {
      const value = Math.max(model.live[ref]!, model.value[ref]!)
      sheet.marks.push(titled(`value ${value}: ${duration}`, `<rect ${rect} fill="${valueColour(value)}"/>`))
      barText(sheet, String(value), x, width, sheet.y + height / 2 + 4, onValueColour(value))
    } else {
      const isState = model.extraOf(ref)?.['kind'] === 'state'
      const fill = isState ? ` fill="${valueColour(row.lane ?? 1)}" fill-opacity=".55"` : ' class="span"'
      sheet.marks.push(titled(`${model.wordOf(ref)}: ${duration}`, `<rect ${rect}${fill}/>`))
      if (!isState) barText(sheet, model.wordOf(ref), x, width, sheet.y + height / 2 + 4)
    }
  }
}

function drawSeries(sheet: Sheet, layout: Layout, tops: readonly number[], xOf: (t: number) => number): void {
  for (const { t, row } of layout.series) {
    const points = [...t].map(
      (time, at) => `${n(xOf(time))},${n(tops[row[at]!]! + pointLine(layout.rows[row[at]!]!))}`,
    )
    if (points.length > 1) sheet.marks.push(`<polyline class="series" points="${points.join(' ')}"/>`)
  }
}

function drawPoints(sheet: Sheet, model: Model, row: Row, top: number, xOf: (t: number) => number): void {
  for (const [at, event] of row.points.ref.entries()) {
    const kind = model.kindOf(event)!
    // Below the reads, which they follow at once and would hide.
    const isMemo = row.kind === 'epochs' && (kind === 'hit' || kind === 'miss')
    const y = top + (isMemo ? HEIGHTS.epochs - 9 : pointLine(row))
    const x = xOf(row.points.t[at]!)
    const lane = model.extraOf(event)?.['lane']
    const title =
      kind === 'mark'
        ? `${model.wordOf(event)}${typeof lane === 'string' ? `, ${lane}` : ''}`
        : `${kind} of ${model.subjectOf(event)}${model.value[event]! > 0 ? `, value ${model.value[event]}` : ''}`
    sheet.marks.push(
      titled(title, kind === 'mark' ? dot(x, y) : glyph(kind, x, y, valueColour(model.value[event]!))),
    )
  }
}

function axis(sheet: Sheet, from: number, to: number, xOf: (t: number) => number): void {
  const right = xOf(Infinity)
  sheet.gap(3)
  sheet.marks.push(`<path class="line" d="M${n(xOf(-Infinity))} ${n(sheet.y)}H${n(right)}"/>`)
  const { step, at } = ticks({ from: 0, to: to - from }, (sheet.width - GUTTER) / 110)
  for (const t of at) {
    const x = xOf(t + from)
    sheet.marks.push(`<path class="line" d="M${n(x)} ${n(sheet.y)}v4"/>`)
    sheet.text(
      x,
      sheet.y + 16,
      formatTime(t, step),
      'faint',
      11.5,
      t === 0 ? 'start' : x > right - 24 ? 'end' : 'middle',
    )
  }
  sheet.gap(22)
}

/** The panels have a scale each; here they stand on one. */
function sameScale(sheet: Sheet, panels: readonly PicturePanel[]): void {
  sheet.gap(12)
  sheet.rule()
  sheet.gap(4)
  sheet.paragraph('On one scale', { size: 15, style: 'strong' })
  sheet.gap(4)
  const longest = Math.max(...panels.map(({ from, to }) => to - from))
  const left = MARGIN + GUTTER
  for (const { title, from, to } of panels) {
    const width = Math.max(((to - from) / longest) * (sheet.width - MARGIN - left - 70), 1.5)
    sheet.text(MARGIN, sheet.y + 14, fit(title.split(/[,:]/)[0]!, GUTTER - 8), '', 13)
    sheet.marks.push(
      `<rect class="scale" x="${left}" y="${n(sheet.y + 3)}" width="${n(width)}" height="14"/>`,
    )
    sheet.text(left + width + 8, sheet.y + 14, formatDuration(to - from))
    sheet.gap(24)
  }
}

function pointLine(row: Row): number {
  return row.kind === 'epochs' ? 23 : HEIGHTS[row.kind] / 2
}

function dot(x: number, y: number): string {
  return `<circle class="mark" cx="${n(x)}" cy="${n(y)}" r="${RADIUS}"/>`
}

function glyph(kind: Kind, x: number, y: number, colour: string): string {
  const outline = new SvgPath()
  trace(outline, kind, x, y, RADIUS)
  const named: Partial<Record<Kind, string>> = {
    hit: 'hit',
    miss: 'miss',
    conflict: 'fault',
    group: 'fault',
    retire: 'hit',
  }
  const fill = named[kind] === undefined ? ` fill="${colour}"` : ''
  const shape = `<path class="shape ${named[kind] ?? ''}"${fill} d="${outline.d}"/>`
  const detail = new SvgPath()
  return traceDetail(detail, kind, x, y, RADIUS)
    ? `${shape}<path class="detail" stroke="#111" d="${detail.d}"/>`
    : shape
}

class SvgPath implements Path {
  d = ''

  moveTo(x: number, y: number): void {
    this.d += `M${n(x)} ${n(y)}`
  }

  lineTo(x: number, y: number): void {
    this.d += `L${n(x)} ${n(y)}`
  }

  /** Whole circles are all that is asked for. */
  arc(x: number, y: number, r: number): void {
    this.d += `M${n(x + r)} ${n(y)}A${r} ${r} 0 1 1 ${n(x - r)} ${n(y)}A${r} ${r} 0 1 1 ${n(x + r)} ${n(y)}`
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.d += `M${n(x)} ${n(y)}h${n(width)}v${n(height)}h${n(-width)}Z`
  }

  closePath(): void {
    this.d += 'Z'
  }
}

function barText(sheet: Sheet, text: string, x: number, width: number, y: number, fill?: string): void {
  const fitted = fit(text, width - 8)
  if (fitted.length < 1) return
  const colour = fill === undefined ? '' : ` style="fill:${fill}"`
  sheet.marks.push(`<text x="${n(x + 5)}" y="${n(y)}" font-size="11"${colour}>${escape(fitted)}</text>`)
}

/** As much of a text as has room, by a measure of the mean letter. */
function fit(text: string, room: number): string {
  const letters = Math.floor(room / 6.4)
  if (text.length <= letters) return text
  return letters < 3 ? '' : `${text.slice(0, letters - 1)}…`
}

function titled(title: string, mark: string): string {
  return `<g><title>${escape(title)}</title>${mark}</g>`
}

function wrap(text: string, letters: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= letters)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A coordinate, to a tenth of a pixel. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** Control characters have no place in XML, escaped or not. */
function escape(text: string): string {
  return text.replace(/\p{Cc}/gu, '\u{FFFD}').replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
