/** Time on the screen: which part is shown, where its ticks stand, and how a time is written. In microseconds. */

export interface Span {
  readonly from: number
  readonly to: number
}

/** The closest that one comes: ten microseconds across the screen. */
const LEAST = 10

/** Zooms by `factor` (below 1: closer) about the time `at`, within `all`. */
export function zoom(span: Span, all: Span, factor: number, at: number): Span {
  const width = clamp((span.to - span.from) * factor, Math.min(LEAST, all.to - all.from), all.to - all.from)
  const share = (at - span.from) / (span.to - span.from)
  return within({ from: at - share * width, to: at + (1 - share) * width }, all)
}

/** Moves by a share of what is shown, within `all`. */
export function pan(span: Span, all: Span, share: number): Span {
  const by = (span.to - span.from) * share
  return within({ from: span.from + by, to: span.to + by }, all)
}

export function within(span: Span, all: Span): Span {
  const width = Math.min(span.to - span.from, all.to - all.from)
  const from = clamp(span.from, all.from, all.to - width)
  return { from, to: from + width }
}

/** Round times, some `room` apart at least; `step` is the time between two. */
export function ticks(span: Span, most: number): { step: number; at: number[] } {
  const least = (span.to - span.from) / Math.max(most, 1)
  const power = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= least) ?? least
  const at: number[] = []
  for (let n = Math.ceil(span.from / step); n * step <= span.to; n++) at.push(n * step)
  return { step, at }
}

/** A time as one reads it; `step` says how fine. */
export function formatTime(us: number, step = 0): string {
  const size = Math.max(Math.abs(us), step)
  if (size >= 1e6) return `${fine(us / 1e6, step / 1e6)} s`
  if (size >= 1e3) return `${fine(us / 1e3, step / 1e3)} ms`
  return `${fine(us, step)} µs`
}

/** A duration, to three figures. */
export function formatDuration(us: number): string {
  if (us >= 60e6) return `${Math.floor(us / 60e6)} min ${Math.round((us % 60e6) / 1e6)} s`
  const [value, unit] = us >= 1e6 ? [us / 1e6, 's'] : us >= 1e3 ? [us / 1e3, 'ms'] : [us, 'µs']
  const digits = unit === 'µs' || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${unit}`
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

function fine(value: number, step: number): string {
  const digits = step > 0 ? clamp(Math.ceil(-Math.log10(step) - 1e-9), 0, 3) : 3
  return value.toFixed(digits)
}
