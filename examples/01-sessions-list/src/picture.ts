/**
 * The picture of recorded calls: per mode a lane for each actor, in which its turns are drawn, and across the lanes the
 * rows of the call, each in the lane of the workspace that it saw; below them the scans and the answer. One drawing in
 * SVG, alone or in a page that holds it at three widths. It invents nothing: every mark is an event of the recording.
 *
 * No network, no script. A workspace is a lane and a letter as well as a colour; the fills are light enough for black
 * letters, so that they are the same on a light and on a dark page.
 */
import type { RecordedCall } from './measurement.js'

const FILLS: Record<string, string> = { A: '#e69f00', B: '#56b4e9', C: '#2bb58c', D: '#f0e442', E: '#e08fc0' }

const STYLE = `
.sessions-list { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --faint: #59636e; --line: #d1d9e0; --lane: #f3f5f7; }
@media (prefers-color-scheme: dark) {
  .sessions-list { --page: #0d1117; --ink: #e6edf3; --faint: #9aa4b0; --line: #343b44; --lane: #171c23; }
}
.sessions-list text { font-family: system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: var(--ink); }
.sessions-list .faint { fill: var(--faint); }
.sessions-list .strong { font-weight: 650; }
.sessions-list .letter { fill: #111111; font-weight: 650; text-anchor: middle; }
.sessions-list .page { fill: var(--page); }
.sessions-list .lane { fill: var(--lane); }
.sessions-list .line { stroke: var(--line); }
.sessions-list .path { fill: none; stroke: var(--ink); stroke-opacity: 0.55; }
.sessions-list .row { fill: var(--ink); stroke: var(--page); }
.sessions-list .bar { fill: var(--faint); }
`

const TEXT = 13
const SMALL = 11.5
const LINE_HEIGHT = 18
const LANE_HEIGHT = 24
const SCAN_HEIGHT = 22

/** The drawing alone, as a file of its own. */
export function renderSvg(calls: readonly RecordedCall[], about: string, width = 960): string {
  return drawing(calls, about, width, `xmlns="http://www.w3.org/2000/svg" `, `<style>${STYLE}</style>`)
}

/** One HTML page that needs nothing else: the drawing for narrow, middling and wide windows. */
export function renderPage(calls: readonly RecordedCall[], about: string): string {
  const sizes = [
    { name: 'narrow', width: 372 },
    { name: 'middle', width: 760 },
    { name: 'wide', width: 1280 },
  ]
  const drawings = sizes.map(
    ({ name, width }) => `<div class="${name}">${drawing(calls, about, width, '', '')}</div>`,
  )
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>sessions.list, without and with epochs</title>
<style>
body { margin: 0 auto; padding: 14px; max-width: 1280px; background: #ffffff; }
@media (prefers-color-scheme: dark) { body { background: #0d1117; } }
svg { display: block; width: 100%; height: auto; }
.middle, .wide { display: none; }
@media (min-width: 680px) { .narrow { display: none; } .middle { display: block; } }
@media (min-width: 1080px) { .middle { display: none; } .wide { display: block; } }
${STYLE}</style>
<main>
${drawings.join('\n')}
</main>
</html>
`
}

/** What a drawing is being put together from: its marks so far, and how far down it has come. */
class Canvas {
  readonly width: number
  readonly margin: number
  readonly marks: string[] = []
  y = 0

  constructor(width: number) {
    this.width = width
    this.margin = width < 500 ? 4 : 16
  }

  /** A paragraph, broken by a measure of the mean letter: SVG does not wrap. */
  paragraph(text: string, { size = TEXT, style = '' }: { size?: number; style?: string } = {}): void {
    const meanLetter = size * (style === 'strong' ? 0.63 : 0.54)
    const letters = Math.floor((this.width - 2 * this.margin) / meanLetter)
    const lineHeight = Math.max(LINE_HEIGHT, size * 1.3)
    for (const line of wrap(text, letters)) {
      this.y += lineHeight
      this.marks.push(
        `<text x="${this.margin}" y="${n(this.y - 5)}" font-size="${size}" class="${style}">${escape(line)}</text>`,
      )
    }
  }

  gap(height: number): void {
    this.y += height
  }
}

function drawing(
  calls: readonly RecordedCall[],
  about: string,
  width: number,
  attributes: string,
  head: string,
): string {
  const canvas = new Canvas(width)
  const rows = calls[0]?.rows.length ?? 0
  const title = `One call of sessions.list, ${rows} rows, on a busy gateway`
  canvas.gap(6)
  canvas.paragraph(title, { size: width < 500 ? 17 : 21, style: 'strong' })
  canvas.gap(2)
  canvas.paragraph(
    'Read the dots from left to right: each is a row, in the lane of the workspace whose manifests resolved it; each call ' +
      'is on a time scale of its own. ' +
      'An answer that belongs together is a straight line.',
  )
  canvas.paragraph(`Recorded from real calls; ${about}.`, { size: SMALL, style: 'faint' })
  canvas.gap(6)
  legend(canvas)
  for (const call of calls) panel(canvas, call)
  sameScale(canvas, calls)
  canvas.gap(10)
  const height = Math.ceil(canvas.y)
  return (
    `<svg ${attributes}class="sessions-list" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">` +
    `${head}<rect class="page" width="${width}" height="${height}"/>${canvas.marks.join('')}</svg>`
  )
}

function legend(canvas: Canvas): void {
  const entries: { symbol: (x: number, y: number) => string; text: string }[] = [
    {
      symbol: (x, y) =>
        `<rect x="${x}" y="${y - 6}" width="18" height="12" fill="${FILLS['A']}" fill-opacity="0.5"/>` +
        `<rect x="${x}" y="${y - 6}" width="2.5" height="12" fill="${FILLS['A']}"/>`,
      text: 'an actor sets its workspace; active until the next write',
    },
    {
      symbol: (x, y) =>
        `<path class="path" d="M${x} ${y}h18"/><circle class="row" cx="${x + 9}" cy="${y}" r="4"/>`,
      text: 'a row resolved',
    },
    { symbol: (x, y) => scanMark(x, y - 6, 18, 12, 'A', ''), text: 'a scan of all manifests' },
  ]
  let x = canvas.margin
  canvas.y += 8
  for (const { symbol, text } of entries) {
    const width = 26 + text.length * SMALL * 0.53 + 16
    if (x > canvas.margin && x + width > canvas.width) {
      x = canvas.margin
      canvas.y += LINE_HEIGHT
    }
    canvas.marks.push(symbol(x, canvas.y))
    canvas.marks.push(
      `<text x="${n(x + 26)}" y="${n(canvas.y + 4)}" font-size="${SMALL}">${escape(text)}</text>`,
    )
    x += width
  }
  canvas.y += 10
}

function panel(canvas: Canvas, call: RecordedCall): void {
  canvas.gap(16)
  canvas.marks.push(
    `<path class="line" d="M${canvas.margin} ${n(canvas.y)}H${canvas.width - canvas.margin}"/>`,
  )
  canvas.gap(4)
  const { heading, sentence } = reading(call)
  canvas.paragraph(heading, { size: 15, style: 'strong' })
  canvas.paragraph(sentence)
  canvas.gap(8)

  const left = canvas.margin + (canvas.width < 500 ? 62 : 84)
  const right = canvas.width - canvas.margin - 8
  const at = (ms: number) =>
    left +
    ((clamp(ms, call.startMs, call.endMs) - call.startMs) / (call.endMs - call.startMs)) * (right - left)
  const lanes = lanesOf(canvas, call, left, right)
  turns(canvas, call, lanes, at)
  rowPath(canvas, call, lanes, at)
  scans(canvas, call, left, right, at)
  axis(canvas, call, left, right, at)
  answer(canvas, call)
}

/** The middle of each workspace's lane, by its letter. */
function lanesOf(canvas: Canvas, call: RecordedCall, left: number, right: number): Map<string, number> {
  const lanes = new Map<string, number>()
  for (const { name, letter } of call.actors.toSorted((a, b) => a.letter.localeCompare(b.letter))) {
    const middle = canvas.y + LANE_HEIGHT / 2
    lanes.set(letter, middle)
    const [kind = ''] = name.split(' ')
    canvas.marks.push(
      chip(canvas.margin, middle - 8, 16, 16, letter, `workspace ${letter}, set by ${name}`),
      `<text x="${canvas.margin + 22}" y="${n(middle + 4)}" font-size="${SMALL}">${escape(kind)}</text>`,
      `<rect class="lane" x="${n(left)}" y="${n(canvas.y + 2)}" width="${n(right - left)}" height="${LANE_HEIGHT - 4}"/>`,
    )
    canvas.y += LANE_HEIGHT
  }
  return lanes
}

function turns(
  canvas: Canvas,
  call: RecordedCall,
  lanes: Map<string, number>,
  at: (ms: number) => number,
): void {
  for (const [index, write] of call.writes.entries()) {
    const untilMs = call.writes[index + 1]?.atMs ?? call.endMs
    if (untilMs <= call.startMs || write.atMs >= call.endMs) continue
    const top = lanes.get(write.letter)! - LANE_HEIGHT / 2 + 2
    const x = at(write.atMs)
    const fill = FILLS[write.letter]
    const when = write.atMs < call.startMs ? 'before the call' : `at ${since(call, write.atMs)}`
    canvas.marks.push(
      `<g><title>${escape(`${write.actor} sets workspace ${write.letter} ${when}`)}</title>` +
        `<rect x="${n(x)}" y="${n(top)}" width="${n(Math.max(at(untilMs) - x, 1))}" height="${LANE_HEIGHT - 4}" fill="${fill}" fill-opacity="0.5"/>` +
        `<rect x="${n(x)}" y="${n(top)}" width="1.5" height="${LANE_HEIGHT - 4}" fill="${fill}"/></g>`,
    )
  }
}

function rowPath(
  canvas: Canvas,
  call: RecordedCall,
  lanes: Map<string, number>,
  at: (ms: number) => number,
): void {
  const points = call.rows.map(({ letter, atMs }) => ({ x: at(atMs), y: lanes.get(letter)!, letter, atMs }))
  canvas.marks.push(
    `<polyline class="path" points="${points.map(({ x, y }) => `${n(x)},${n(y)}`).join(' ')}"/>`,
  )
  const radius = canvas.width < 500 ? 3 : 4
  for (const [index, { x, y, letter, atMs }] of points.entries()) {
    const title = `row ${index + 1} resolved with workspace ${letter} at ${since(call, atMs)}`
    canvas.marks.push(
      `<circle class="row" cx="${n(x)}" cy="${n(y)}" r="${radius}"><title>${escape(title)}</title></circle>`,
    )
  }
}

function scans(
  canvas: Canvas,
  call: RecordedCall,
  left: number,
  right: number,
  at: (ms: number) => number,
): void {
  canvas.gap(6)
  const middle = canvas.y + SCAN_HEIGHT / 2
  canvas.marks.push(
    `<text x="${canvas.margin}" y="${n(middle + 4)}" font-size="${SMALL}">scans</text>`,
    `<path class="line" d="M${n(left)} ${n(middle)}H${n(right)}"/>`,
  )
  for (const { letter, plugins, startMs, endMs } of call.scans) {
    const ms = `${(endMs - startMs).toFixed(1)} ms`
    const title = `scan of workspace ${letter}: ${plugins} manifests, ${ms}, from ${since(call, startMs)}`
    const width = Math.max(at(endMs) - at(startMs), 2)
    const text = width > 58 ? `${letter} ${ms}` : width > 9 ? letter : ''
    canvas.marks.push(scanMark(at(startMs), canvas.y + 2, width, SCAN_HEIGHT - 4, letter, text, title))
  }
  canvas.y += SCAN_HEIGHT
}

function axis(
  canvas: Canvas,
  call: RecordedCall,
  left: number,
  right: number,
  at: (ms: number) => number,
): void {
  const spanMs = call.endMs - call.startMs
  const stepMs = niceStep(spanMs / (canvas.width < 500 ? 4 : 8))
  canvas.gap(4)
  canvas.marks.push(`<path class="line" d="M${n(left)} ${n(canvas.y)}H${n(right)}"/>`)
  for (let ms = 0; ms <= spanMs; ms += stepMs) {
    const x = at(call.startMs + ms)
    const anchor = ms === 0 ? 'start' : x > right - 24 ? 'end' : 'middle'
    canvas.marks.push(
      `<path class="line" d="M${n(x)} ${n(canvas.y)}v4"/>`,
      `<text class="faint" x="${n(x)}" y="${n(canvas.y + 16)}" font-size="${SMALL}" text-anchor="${anchor}">${Number(ms.toFixed(3))} ms</text>`,
    )
  }
  canvas.y += 22
}

function answer(canvas: Canvas, call: RecordedCall): void {
  canvas.gap(2)
  canvas.paragraph('The answer, row by row:', { size: SMALL })
  canvas.gap(2)
  const available = canvas.width - 2 * canvas.margin
  const size = clamp(Math.floor(available / call.rows.length), 18, 24)
  const perLine = Math.floor(available / size)
  for (const [index, { letter }] of call.rows.entries()) {
    const x = canvas.margin + (index % perLine) * size
    const y = canvas.y + Math.floor(index / perLine) * (size + 2)
    canvas.marks.push(chip(x, y, size - 2, size, letter, `row ${index + 1}: workspace ${letter}`))
  }
  canvas.y += Math.ceil(call.rows.length / perLine) * (size + 2)
}

/** The panels have a scale each; here the calls stand on one. */
function sameScale(canvas: Canvas, calls: readonly RecordedCall[]): void {
  canvas.gap(16)
  canvas.marks.push(
    `<path class="line" d="M${canvas.margin} ${n(canvas.y)}H${canvas.width - canvas.margin}"/>`,
  )
  canvas.gap(4)
  canvas.paragraph('The same calls on one scale', { size: 15, style: 'strong' })
  canvas.gap(4)
  const left = canvas.margin + 62
  const longestMs = Math.max(...calls.map((call) => call.endMs - call.startMs))
  const available = canvas.width - canvas.margin - left - 64
  for (const call of calls) {
    const ms = call.endMs - call.startMs
    const width = Math.max((ms / longestMs) * available, 1.5)
    canvas.marks.push(
      `<text x="${canvas.margin}" y="${n(canvas.y + 14)}" font-size="${TEXT}">${call.mode}</text>`,
      `<rect class="bar" x="${left}" y="${n(canvas.y + 3)}" width="${n(width)}" height="14"/>`,
      `<text x="${n(left + width + 8)}" y="${n(canvas.y + 14)}" font-size="${SMALL}">${ms.toFixed(0)} ms</text>`,
    )
    canvas.y += 24
  }
}

function reading(call: RecordedCall): { heading: string; sentence: string } {
  const workspaces = new Set(call.rows.map((row) => row.letter)).size
  const scanned = call.scans.length
  const facts =
    `${count(workspaces, 'workspace')} in the answer, ${count(scanned, 'scan')}, ` +
    `${(call.endMs - call.startMs).toFixed(0)} ms`
  switch (call.mode) {
    case 'live':
      return {
        heading: `live, without epochs: ${facts}`,
        sentence:
          'Each row reads the workspace that was set last, misses the one slot that remembers metadata, and scans again. ' +
          'By the time it has, the next turn is due.',
      }
    case 'epoch':
      return {
        heading: `epoch, the same call pinned: ${facts}`,
        sentence:
          'The actors go on writing, and the call goes on reading the workspace that was active when it came in.',
      }
    case 'derived':
      return {
        heading: `derived, pinned and shared between calls: ${facts}`,
        sentence:
          'Pinned as well, and what an earlier call computed from the same workspace is used again: a scan is needed only ' +
          'for a workspace that no call has seen yet.',
      }
  }
}

function chip(x: number, y: number, width: number, height: number, letter: string, title: string): string {
  return (
    `<g><title>${escape(title)}</title>` +
    `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" rx="2" fill="${FILLS[letter]}"/>` +
    `<text class="letter" x="${n(x + width / 2)}" y="${n(y + height / 2 + 4)}" font-size="${SMALL}">${letter}</text></g>`
  )
}

function scanMark(
  x: number,
  y: number,
  width: number,
  height: number,
  letter: string,
  text: string,
  title = '',
): string {
  return (
    `<g>${title === '' ? '' : `<title>${escape(title)}</title>`}` +
    `<rect x="${n(x)}" y="${n(y)}" width="${n(width)}" height="${n(height)}" fill="${FILLS[letter]}" stroke="#111111" stroke-width="0.8"/>` +
    `<text class="letter" x="${n(x + width / 2)}" y="${n(y + height / 2 + 4)}" font-size="${SMALL - 1}">${escape(text)}</text></g>`
  )
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

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!
}

function since(call: RecordedCall, atMs: number): string {
  return `${Math.max(atMs - call.startMs, 0).toFixed(1)} ms`
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

/** A coordinate, to a tenth of a pixel. */
function n(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`)
}
