/**
 * The page's start and its hands: reads the recording that the page carries, and turns keys, pointer and wheel into what
 * is shown. Drawing, layout and search are told what to do and remember nothing.
 */
import type { PageData } from '../src/page-data.js'
import { describeEpoch, describeEvent, type Description, LEGEND } from './describe.js'
import { trace, traceDetail } from '../src/glyphs.js'
import { firstAtLeast, lay, type Layout } from '../src/layout.js'
import { type EpochInfo, type Kind, Model, NONE } from '../src/model.js'
import {
  AXIS_HEIGHT,
  hit,
  paint,
  paintOverview,
  type Scene,
  type Target,
  timeAt,
  topsOf,
  type Work,
} from './paint.js'
import { fillEpoch, fillEvent, fillSummary, type PanelActions } from './panel.js'
import { formatDuration, pan, type Span, within, zoom } from '../src/scale.js'
import { select, type Selection, STATE_WORDS } from '../src/search.js'
import { THEMES, valueColour } from '../src/theme.js'

function byId<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E
}

const model = new Model(JSON.parse(byId('recording').textContent) as PageData)
const { data } = model
const margin = Math.max((model.last - model.first) * 0.01, 5)
const all: Span = { from: model.first - margin, to: model.last + margin }

const canvas = byId<HTMLCanvasElement>('timeline')
// With alpha: a canvas that has just been sized shows the page behind it, not black.
const context = canvas.getContext('2d')!
const overview = byId<HTMLCanvasElement>('overview')
const scroll = byId('scroll')
const panel = byId('panel')
const tip = byId('tip')
const searchField = byId<HTMLInputElement>('search')

let selection: Selection
let layout: Layout
let tops: Float64Array
let span = all
let selected: Target | undefined
let size = { width: 0, height: 0 }
let dense: HTMLCanvasElement | undefined
let theme: 'light' | 'dark' = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'

/** What the last frames took, for whoever measures the page. */
const stats: { frames: number; last: Work; firstFrameMs: number } = {
  frames: 0,
  last: { rows: 0, bars: 0, points: 0, texts: 0, fills: 0 },
  firstFrameMs: 0,
}
Object.assign(globalThis, {
  withepochTimeline: { stats, shown: () => ({ ...span, scrollTop: scroll.scrollTop }) },
})

// What is shown

function gutter(): number {
  return size.width < 560 ? 84 : 168
}

function scene(): Scene {
  return {
    model,
    layout,
    tops,
    span,
    scrollTop: scroll.scrollTop,
    ...size,
    gutter: gutter(),
    theme: THEMES[theme],
    selected,
  }
}

let scheduled = false
function redraw(): void {
  if (scheduled) return
  scheduled = true
  requestAnimationFrame(() => {
    scheduled = false
    draw()
  })
}

function draw(): void {
  stats.last = paint(context, scene())
  stats.frames += 1
  if (stats.frames === 1) stats.firstFrameMs = performance.now()
  drawOverview()
}

function drawOverview(): void {
  const ratio = devicePixelRatio || 1
  const { clientWidth: width, clientHeight: height } = overview
  if (dense === undefined || dense.width !== Math.round(width * ratio)) {
    dense = document.createElement('canvas')
    sizeCanvas(dense, width, height)
    sizeCanvas(overview, width, height)
    paintOverview(dense.getContext('2d')!, { model, theme: THEMES[theme], width, height })
  }
  const on = overview.getContext('2d')!
  on.setTransform(1, 0, 0, 1, 0, 0)
  on.drawImage(dense, 0, 0)
  on.setTransform(ratio, 0, 0, ratio, 0, 0)
  const x = (t: number) => ((t - model.first) / Math.max(model.last - model.first, 1)) * width
  const [from, to] = [Math.max(x(span.from), 0), Math.min(x(span.to), width)]
  on.fillStyle = THEMES[theme].page
  on.globalAlpha = 0.68
  on.fillRect(0, 0, from, height)
  on.fillRect(to, 0, width - to, height)
  on.globalAlpha = 1
  on.strokeStyle = THEMES[theme].accent
  on.lineWidth = 2
  on.strokeRect(from + 1, 1, Math.max(to - from - 2, 2), height - 2)
}

function sizeCanvas(of: HTMLCanvasElement, width: number, height: number): void {
  const ratio = devicePixelRatio || 1
  of.width = Math.round(width * ratio)
  of.height = Math.round(height * ratio)
  of.getContext('2d')!.setTransform(ratio, 0, 0, ratio, 0, 0)
}

function resize(): void {
  const { clientWidth: width, clientHeight: height } = scroll
  if (width === 0 || height === 0) return
  size = { width, height }
  canvas.style.width = `${width}px`
  canvas.style.height = `${height}px`
  canvas.width = Math.round(width * (devicePixelRatio || 1))
  canvas.height = Math.round(height * (devicePixelRatio || 1))
  context.setTransform(devicePixelRatio || 1, 0, 0, devicePixelRatio || 1, 0, 0)
  // At once, not in the next frame: sizing has emptied the canvas, and this one is about to be shown.
  draw()
}

function showSpan(next: Span): void {
  span = within(next, all)
  tip.hidden = true
  redraw()
}

function setTheme(next: 'light' | 'dark'): void {
  theme = next
  document.documentElement.dataset['theme'] = theme
  byId('theme').textContent = theme === 'dark' ? 'Light' : 'Dark'
  byId('theme').setAttribute('aria-label', `Use the ${theme === 'dark' ? 'light' : 'dark'} theme`)
  dense = undefined
  drawLegend()
  redraw()
}

function setSearch(text: string): void {
  const kept = selected === undefined ? undefined : referent(selected)
  selection = select(model, text)
  layout = lay(model, selection)
  tops = topsOf(layout)
  byId('spacer').style.height = `${tops.at(-1)! + AXIS_HEIGHT + 12}px`
  selected = kept === undefined ? undefined : findTarget(kept)
  byId('found').textContent =
    text.trim() === ''
      ? ''
      : `${selection.epochCount} of ${model.epochs.length} ${plural('epoch', model.epochs.length)}`
  byId('empty').hidden = layout.rows.some((row) => row.bars.ref.length + row.points.ref.length > 0)
  for (const chip of byId('states').querySelectorAll('button')) {
    chip.setAttribute('aria-pressed', String(hasState(text, chip.dataset['state']!)))
  }
  redraw()
}

// What is selected

type Referent = { epoch: EpochInfo } | { event: number }

function referent(target: Target): Referent {
  const row = layout.rows[target.row]!
  if (target.in === 'points') return { event: row.points.ref[target.at]! }
  const ref = row.bars.ref[target.at]!
  return row.kind === 'epochs' ? { epoch: model.epochs[ref]! } : { event: ref }
}

function findTarget(what: Referent): Target | undefined {
  if ('epoch' in what) {
    const row = layout.rowOfEpoch[what.epoch.index]!
    if (row === NONE) return undefined
    return { row, in: 'bars', at: layout.rows[row]!.bars.ref.indexOf(what.epoch.index) }
  }
  const epoch = model.epochOf[what.event]!
  // Of an event that stands both in its epoch and in its source's row, that in the epoch.
  const preferred = epoch === NONE ? NONE : layout.rowOfEpoch[epoch]!
  for (const row of preferred === NONE ? layout.rows.keys() : [preferred, ...layout.rows.keys()]) {
    const { points, bars, kind } = layout.rows[row]!
    const at = points.ref.indexOf(what.event)
    if (at !== -1) return { row, in: 'points', at }
    const bar = kind === 'epochs' ? -1 : bars.ref.indexOf(what.event)
    if (bar !== -1) return { row, in: 'bars', at: bar }
  }
  return undefined
}

function descriptionOf(what: Referent): Description {
  return 'epoch' in what ? describeEpoch(what.epoch, data.start) : describeEvent(model, what.event)
}

function setSelected(target: Target | undefined, options: { reveal: boolean; announce: boolean }): void {
  selected = target
  if (target !== undefined) {
    if (options.reveal) reveal(target)
    const what = referent(target)
    if (options.announce) {
      const { title, sentence } = descriptionOf(what)
      byId('announcement').textContent = `${title}. ${sentence}`
    }
    if (!panel.hidden && panel.dataset['shows'] !== 'summary') showDetails()
  }
  redraw()
}

function timesOf({ row, in: where, at }: Target): Span {
  const { bars, points } = layout.rows[row]!
  if (where === 'bars') return { from: bars.start[at]!, to: bars.end[at]! }
  return { from: points.t[at]!, to: points.t[at]! }
}

function reveal(target: Target): void {
  const { from, to } = timesOf(target)
  const width = span.to - span.from
  if (to < span.from || from > span.to)
    span = within({ from: from - width / 3, to: from + (width * 2) / 3 }, all)
  else if (from === to && (from < span.from + width * 0.02 || from > span.to - width * 0.02)) {
    span = within({ from: from - width / 2, to: from + width / 2 }, all)
  }
  const top = tops[target.row]!
  const bottom = tops[target.row + 1]!
  const room = size.height - AXIS_HEIGHT
  if (top < scroll.scrollTop) scroll.scrollTop = top - 30
  else if (bottom > scroll.scrollTop + room) scroll.scrollTop = bottom - room + 30
}

const actions: PanelActions = {
  showEpoch(epoch) {
    if (layout.rowOfEpoch[epoch.index] === NONE) useSearch('')
    setSelected(findTarget({ epoch }), { reveal: true, announce: false })
    showDetails()
  },
  showEvent(event) {
    const target = findTarget({ event })
    if (target === undefined) return
    setSelected(target, { reveal: true, announce: false })
    showDetails()
  },
  search: useSearch,
  close: closePanel,
}

function showDetails(): void {
  if (selected === undefined) return
  const what = referent(selected)
  panel.dataset['shows'] = 'details'
  openPanel()
  if ('epoch' in what) fillEpoch(panel, model, what.epoch, actions)
  else fillEvent(panel, model, what.event, actions)
  panel.scrollTop = 0
}

function toggleSummary(): void {
  if (!panel.hidden && panel.dataset['shows'] === 'summary') return closePanel()
  panel.dataset['shows'] = 'summary'
  openPanel()
  fillSummary(panel, model, actions)
}

function openPanel(): void {
  panel.hidden = false
  byId('summary').setAttribute('aria-expanded', String(panel.dataset['shows'] === 'summary'))
  resize()
}

function closePanel(): void {
  const hadFocus = panel.contains(document.activeElement)
  panel.hidden = true
  byId('summary').setAttribute('aria-expanded', 'false')
  resize()
  if (hadFocus) canvas.focus({ preventScroll: true })
}

/** The next thing of the row in time, or the one before. */
function step(by: 1 | -1): void {
  if (selected === undefined)
    return selectNear(Math.max(firstAtLeast(tops, scroll.scrollTop + 0.001) - 1, 0), 1)
  const { points, bars } = layout.rows[selected.row]!
  const { from: t } = timesOf(selected)
  const isPoint = selected.in === 'points'
  let point: number
  let bar: number
  if (by === 1) {
    point = isPoint ? selected.at + 1 : firstAtLeast(points.t, t)
    bar = isPoint ? firstAtLeast(bars.start, t + 1e-6) : selected.at + 1
  } else {
    point = isPoint ? selected.at - 1 : firstAtLeast(points.t, t) - 1
    bar = isPoint ? firstAtLeast(bars.start, t + 1e-6) - 1 : selected.at - 1
  }
  const hasPoint = point >= 0 && point < points.t.length
  const hasBar = bar >= 0 && bar < bars.start.length
  if (!hasPoint && !hasBar) return
  const takePoint =
    hasPoint &&
    (!hasBar || (by === 1 ? points.t[point]! < bars.start[bar]! : points.t[point]! >= bars.start[bar]!))
  setSelected(
    takePoint ? { row: selected.row, in: 'points', at: point } : { row: selected.row, in: 'bars', at: bar },
    {
      reveal: true,
      announce: true,
    },
  )
}

/** From `row` on, in that direction, the first row that has something, and of that what is nearest in time. */
function selectNear(row: number, by: 1 | -1): void {
  const t = selected === undefined ? (span.from + span.to) / 2 : timesOf(selected).from
  for (let at = row; at >= 0 && at < layout.rows.length; at += by) {
    const { bars, points } = layout.rows[at]!
    if (bars.ref.length + points.ref.length === 0) continue
    const bar = Math.min(firstAtLeast(bars.end, t), bars.ref.length - 1)
    const point = Math.min(firstAtLeast(points.t, t), points.ref.length - 1)
    const target: Target = bar >= 0 ? { row: at, in: 'bars', at: bar } : { row: at, in: 'points', at: point }
    return setSelected(target, { reveal: true, announce: true })
  }
}

/** Goes through the epochs that match, in the order of time. */
function nextMatch(by: 1 | -1): void {
  const shown = model.epochs.filter((epoch) => selection.epochs[epoch.index] === 1)
  if (shown.length === 0) return
  const what = selected === undefined ? undefined : referent(selected)
  const index = what === undefined ? NONE : 'epoch' in what ? what.epoch.index : model.epochOf[what.event]!
  const now = shown.findIndex((epoch) => epoch.index === index)
  const next = now === -1 ? (by === 1 ? 0 : shown.length - 1) : (now + by + shown.length) % shown.length
  setSelected(findTarget({ epoch: shown[next]! }), { reveal: true, announce: true })
}

// Search

function useSearch(text: string): void {
  searchField.value = text
  setSearch(text)
}

function hasState(text: string, state: string): boolean {
  return text.split(/\s+/).includes(`is:${state}`)
}

function toggleState(state: string): void {
  const words = searchField.value.split(/\s+/).filter((word) => word !== '')
  const next = hasState(searchField.value, state)
    ? words.filter((word) => word !== `is:${state}`)
    : [...words, `is:${state}`]
  useSearch(next.join(' '))
}

let waiting: ReturnType<typeof setTimeout> | undefined
searchField.addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(() => setSearch(searchField.value), 120)
})
searchField.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') {
    clearTimeout(waiting)
    setSearch(searchField.value)
    canvas.focus({ preventScroll: true })
    nextMatch(1)
  } else if (event.key === 'Escape') {
    useSearch('')
    canvas.focus({ preventScroll: true })
  }
})

// Keys

const KEYS: Readonly<Record<string, () => void>> = {
  '+': () => zoomBy(1 / 1.6),
  '=': () => zoomBy(1 / 1.6),
  '-': () => zoomBy(1.6),
  _: () => zoomBy(1.6),
  '0': () => showSpan(all),
  f: zoomToSelected,
  n: () => nextMatch(1),
  p: () => nextMatch(-1),
  s: toggleSummary,
  t: () => setTheme(theme === 'dark' ? 'light' : 'dark'),
  '?': () => byId<HTMLDialogElement>('help').showModal(),
  '/': () => searchField.focus(),
}

const CANVAS_KEYS: Readonly<Record<string, () => void>> = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  ArrowUp: () => selectNear((selected?.row ?? 1) - 1, -1),
  ArrowDown: () => selectNear((selected?.row ?? -1) + 1, 1),
  Enter: () => {
    if (selected === undefined) selectNear(0, 1)
    showDetails()
    panel.focus()
  },
  Home: () => showSpan({ from: all.from, to: all.from + (span.to - span.from) }),
  End: () => showSpan({ from: all.to - (span.to - span.from), to: all.to }),
  PageUp: () => (scroll.scrollTop -= size.height * 0.8),
  PageDown: () => (scroll.scrollTop += size.height * 0.8),
  'Shift+ArrowLeft': () => showSpan(pan(span, all, -0.2)),
  'Shift+ArrowRight': () => showSpan(pan(span, all, 0.2)),
  'Shift+ArrowUp': () => (scroll.scrollTop -= 60),
  'Shift+ArrowDown': () => (scroll.scrollTop += 60),
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target === searchField) return
  if (byId<HTMLDialogElement>('help').open) return
  if (event.key === 'Escape') {
    if (!panel.hidden) closePanel()
    else setSelected(undefined, { reveal: false, announce: false })
    return
  }
  const onCanvas = event.target === canvas
  const key = event.shiftKey && event.key.startsWith('Arrow') ? `Shift+${event.key}` : event.key
  const action = KEYS[key] ?? (onCanvas ? CANVAS_KEYS[key] : undefined)
  if (action === undefined) return
  event.preventDefault()
  action()
})

function zoomBy(factor: number): void {
  const { from, to } = selected === undefined ? span : timesOf(selected)
  const middle = (Math.max(from, span.from) + Math.min(to, span.to)) / 2
  showSpan(
    zoom(span, all, factor, middle >= span.from && middle <= span.to ? middle : (span.from + span.to) / 2),
  )
}

function zoomToSelected(): void {
  if (selected === undefined) return
  const { from, to } = timesOf(selected)
  const room = Math.max((to - from) * 0.08, 50)
  showSpan({ from: from - room, to: to + room })
}

// Pointer

type Drag = { x: number; y: number; span: Span; scrollTop: number; moved: boolean; range: boolean }
let drag: Drag | undefined
/** Fingers on the canvas. */
const fingers = new Map<number, { x: number; y: number }>()
let pinch: { distance: number; span: Span; at: number } | undefined

function twoFingers(): [{ x: number }, { x: number }] {
  const [a, b] = fingers.values()
  return [a!, b!]
}

canvas.addEventListener('pointerdown', (event) => {
  if (event.button !== 0) return
  canvas.setPointerCapture(event.pointerId)
  fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY })
  if (fingers.size === 2) {
    const [a, b] = twoFingers()
    pinch = { distance: Math.max(Math.abs(a.x - b.x), 20), span, at: timeAt(scene(), (a.x + b.x) / 2) }
    drag = undefined
    return
  }
  drag = {
    x: event.offsetX,
    y: event.offsetY,
    span,
    scrollTop: scroll.scrollTop,
    moved: false,
    range: event.shiftKey,
  }
})

canvas.addEventListener('pointermove', (event) => {
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY })
  if (pinch !== undefined && fingers.size === 2) {
    const [a, b] = twoFingers()
    showSpan(zoom(pinch.span, all, pinch.distance / Math.max(Math.abs(a.x - b.x), 20), pinch.at))
    return
  }
  if (drag === undefined) return point(event)
  const [dx, dy] = [event.offsetX - drag.x, event.offsetY - drag.y]
  if (!drag.moved && Math.hypot(dx, dy) < 5) return
  drag.moved = true
  if (drag.range) return drawRange(drag.x, event.offsetX)
  canvas.classList.add('dragging')
  scroll.scrollTop = drag.scrollTop - dy
  showSpan(pan(drag.span, all, -dx / (size.width - gutter())))
})

function endDrag(event: PointerEvent): void {
  fingers.delete(event.pointerId)
  if (fingers.size < 2) pinch = undefined
  const done = drag
  drag = undefined
  canvas.classList.remove('dragging')
  if (done === undefined || event.type === 'pointercancel') return redraw()
  if (!done.moved) {
    setSelected(hit(scene(), event.offsetX, event.offsetY), { reveal: false, announce: true })
    if (selected !== undefined) showDetails()
  } else if (done.range) {
    const [from, to] = [done.x, event.offsetX].toSorted((a, b) => a - b) as [number, number]
    showSpan({ from: timeAt(scene(), from), to: Math.max(timeAt(scene(), to), timeAt(scene(), from) + 10) })
  }
}
canvas.addEventListener('pointerup', endDrag)
canvas.addEventListener('pointercancel', endDrag)
canvas.addEventListener('pointerleave', () => (tip.hidden = true))

function drawRange(from: number, to: number): void {
  paint(context, scene())
  context.fillStyle = THEMES[theme].accent
  context.globalAlpha = 0.2
  context.fillRect(Math.min(from, to), 0, Math.abs(to - from), size.height)
  context.globalAlpha = 1
}

function point(event: PointerEvent): void {
  const target = event.pointerType === 'touch' ? undefined : hit(scene(), event.offsetX, event.offsetY)
  canvas.style.cursor = target === undefined ? '' : 'pointer'
  tip.hidden = target === undefined
  if (target === undefined) return
  const { title, sentence } = descriptionOf(referent(target))
  const name = document.createElement('b')
  name.textContent = title
  tip.replaceChildren(name, sentence)
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)
  const below = event.clientY + 18
  const top = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below
  tip.style.left = `${Math.max(left, 4)}px`
  tip.style.top = `${top}px`
}

canvas.addEventListener(
  'wheel',
  (event) => {
    const inGutter = event.offsetX < gutter()
    // Rows scroll as any page does; the rest of the wheel is for time.
    if ((event.shiftKey || inGutter) && !event.ctrlKey) {
      event.preventDefault()
      scroll.scrollTop += event.deltaY === 0 ? event.deltaX : event.deltaY
      return
    }
    event.preventDefault()
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY))
      return showSpan(pan(span, all, event.deltaX / (size.width - gutter())))
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY
    showSpan(
      zoom(
        span,
        all,
        Math.exp(Math.max(Math.min(pixels, 200), -200) * 0.003),
        timeAt(scene(), event.offsetX),
      ),
    )
  },
  { passive: false },
)

overview.addEventListener('pointerdown', (event) => {
  overview.setPointerCapture(event.pointerId)
  centre(event)
})
overview.addEventListener('pointermove', (event) => {
  if (overview.hasPointerCapture(event.pointerId)) centre(event)
})
function centre(event: PointerEvent): void {
  const t = model.first + (event.offsetX / overview.clientWidth) * (model.last - model.first)
  const half = (span.to - span.from) / 2
  showSpan({ from: t - half, to: t + half })
}

// The page around it

/** On a small screen the one in the help is the only one. */
function drawLegend(): void {
  byId('legend').replaceChildren(...legend())
  byId('help-legend').replaceChildren(...legend())
}

function legend(): HTMLElement[] {
  const colours = THEMES[theme]
  const entries: readonly (readonly [Kind, string])[] = LEGEND
  return [
    ...entries.map(([kind, text]) => {
      const shape = document.createElement('canvas')
      sizeCanvas(shape, 16, 16)
      const on = shape.getContext('2d')!
      on.beginPath()
      trace(on, kind, 8, 8, 4.6)
      on.fillStyle =
        kind === 'hit' ? colours.faint : kind === 'miss' ? colours.page : kind === 'conflict' ? colours.alarm : kind === 'read' ? valueColour(1) : colours.neutral // prettier-ignore
      on.fill()
      on.strokeStyle = colours.ink
      on.lineWidth = 1.2
      on.stroke()
      on.beginPath()
      if (traceDetail(on, kind, 8, 8, 4.6)) {
        on.strokeStyle = '#ffffff'
        on.lineWidth = 1.5
        on.stroke()
      }
      const entry = document.createElement('span')
      entry.append(shape, text)
      return entry
    }),
    (() => {
      const entry = document.createElement('span')
      entry.textContent = 'hatched, red: open too long'
      return entry
    })(),
  ]
}

function plural(noun: string, count: number): string {
  return `${noun}${count === 1 ? '' : 's'}`
}

function start(): void {
  document.title = data.title
  byId('title').textContent = data.title
  const count = (amount: number, noun: string) => `${amount.toLocaleString('en')} ${plural(noun, amount)}`
  const when = Number.isFinite(new Date(data.timeOrigin).getTime())
    ? new Date(data.timeOrigin + data.start / 1000).toISOString().replace('T', ' ').slice(0, 19)
    : ''
  byId('about').textContent =
    `${count(model.epochs.length, 'epoch')}, ${count(model.eventCount, 'event')} in ${formatDuration(data.end - data.start)} · ` +
    `process ${data.pid}, Node ${data.node}${when === '' ? '' : `, ${when} UTC`}`
  const missing = [
    ...(data.dropped > 0 ? [`${count(data.dropped, 'event')} dropped, because the disk was too slow`] : []),
    ...(data.unreadable > 0 ? [`${count(data.unreadable, 'line')} unreadable`] : []),
    ...(data.truncated ? ['the last line cut short'] : []),
  ]
  byId('warning').hidden = missing.length === 0
  byId('warning').textContent = missing.length === 0 ? '' : `Not everything is here: ${missing.join(', ')}.`
  for (const state of STATE_WORDS) {
    const chip = document.createElement('button')
    chip.type = 'button'
    chip.dataset['state'] = state
    chip.textContent = state
    chip.addEventListener('click', () => toggleState(state))
    byId('states').append(chip)
  }
  byId('zoom-in').addEventListener('click', () => zoomBy(1 / 1.6))
  byId('zoom-out').addEventListener('click', () => zoomBy(1.6))
  byId('zoom-all').addEventListener('click', () => showSpan(all))
  byId('theme').addEventListener('click', () => setTheme(theme === 'dark' ? 'light' : 'dark'))
  byId('summary').addEventListener('click', toggleSummary)
  byId('show-help').addEventListener('click', () => byId<HTMLDialogElement>('help').showModal())
  byId('clear').addEventListener('click', () => useSearch(''))
  scroll.addEventListener('scroll', redraw, { passive: true })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) =>
    setTheme(event.matches ? 'dark' : 'light'),
  )
  canvas.addEventListener('contextrestored', resize)
  setSearch('')
  setTheme(theme)
  resize()
  new ResizeObserver(resize).observe(scroll)
}

start()
