/** Two kinds of plot as SVG, with logarithmic or linear scales; colours come from the page's style sheet by class. */

export interface Dot {
  /** Which of the page's colours. */
  readonly series: number
  readonly value: number
  readonly spread?: readonly [number, number] | undefined
  /** Shown when one points at it. */
  readonly title: string
}

export interface DotRow {
  readonly label: string
  readonly dots: readonly Dot[]
}

export interface Series {
  readonly title: string
  readonly series: number
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

/** One row per label, one dot per series, on a logarithmic scale; a dashed line at `mark`. */
export function dotPlot({
  rows,
  mark,
  unit,
}: {
  rows: readonly DotRow[]
  mark: number
  unit: string
}): string {
  const width = 1000
  const left = 450
  const rowHeight = 30
  const top = 8
  const bottom = top + rows.length * rowHeight
  const values = rows.flatMap(({ dots }) => dots.map(({ value }) => value)).concat(mark)
  const x = scale(values, left + 12, width - 24, true)
  const lines = x.ticks.map(
    (tick) =>
      `<line class="grid" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${top}" y2="${bottom}"/>` +
      `<text class="soft" text-anchor="middle" x="${x.at(tick)}" y="${bottom + 18}">${tick} ${unit === '×' ? '×' : ''}</text>`,
  )
  const drawn = rows.map(({ label, dots }, row) => {
    const y = top + (row + 0.5) * rowHeight
    const ordered = dots.map(({ series, value, spread, title }, index) => {
      // A little apart, or equal values would hide each other.
      const dotY = y + (index - (dots.length - 1) / 2) * 3.2
      const bar =
        spread === undefined
          ? ''
          : `<line class="r${series % 7}" stroke-opacity=".45" stroke-width="2" x1="${x.at(spread[0])}" x2="${x.at(spread[1])}" y1="${dotY}" y2="${dotY}"/>`
      return `${bar}<circle class="r${series % 7}" cx="${x.at(value)}" cy="${dotY}" r="4.5"><title>${escape(title)}</title></circle>`
    })
    return `<text text-anchor="end" x="${left}" y="${y + 4}">${escape(label)}</text>${ordered.join('')}`
  })
  const atMark = `<line class="mark" x1="${x.at(mark)}" x2="${x.at(mark)}" y1="${top}" y2="${bottom}"/>`
  const unitLabel =
    unit === '×'
      ? ''
      : `<text class="soft" text-anchor="end" x="${left - 24}" y="${bottom + 18}">${escape(unit)}</text>`
  return `<svg viewBox="0 0 ${width} ${bottom + 28}" role="img">${lines.join('')}${atMark}${drawn.join('')}${unitLabel}</svg>`
}

export interface LinePlot {
  readonly title: string
  readonly series: readonly Series[]
  /** What the horizontal axis counts. */
  readonly x: string
  /** How a value is written at the vertical axis. */
  readonly y: (value: number) => string
  /** Both axes; linear otherwise, from 0. */
  readonly log: boolean
}

export function linePlot({ title, series, x: xLabel, y: format, log }: LinePlot): string {
  const [width, height, left, right, top, bottom] = [420, 260, 62, 26, 30, 214]
  const points = series.flatMap((each) => each.points)
  const x = scale(
    points.map(([at]) => at),
    left,
    width - right,
    log,
  )
  const y = scale(
    points.map(([, value]) => value),
    bottom,
    top,
    log,
  )
  const gridX = x.ticks.map(
    (tick) =>
      `<line class="grid" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${top}" y2="${bottom}"/>` +
      `<text class="soft" text-anchor="middle" x="${x.at(tick)}" y="${bottom + 16}">${short(tick)}</text>`,
  )
  const gridY = y.ticks.map(
    (tick) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y.at(tick)}" y2="${y.at(tick)}"/>` +
      `<text class="soft" text-anchor="end" x="${left - 6}" y="${y.at(tick) + 4}">${format(tick)}</text>`,
  )
  const lines = series
    .filter((each) => each.points.length > 0)
    .map(({ title: name, series: index, points: own }) => {
      const path = own.map(([at, value]) => `${x.at(at)},${y.at(value)}`).join(' ')
      const dots = own.map(
        ([at, value]) =>
          `<circle class="r${index % 7}" cx="${x.at(at)}" cy="${y.at(value)}" r="3"><title>${escape(name)}: ${format(value)} at ${short(at)}</title></circle>`,
      )
      return `<polyline class="r${index % 7}" points="${path}"/>${dots.join('')}`
    })
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img"><text font-weight="600" x="${left}" y="16">${escape(title)}</text>` +
    `${gridX.join('')}${gridY.join('')}${lines.join('')}` +
    `<text class="soft" text-anchor="middle" x="${(left + width - right) / 2}" y="${bottom + 36}">${escape(xLabel)}</text></svg>`
  )
}

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

/** Logarithmic from a power of ten below the values to one above, with at least one step; or linear from 0. */
function scale(values: readonly number[], from: number, to: number, log: boolean): Scale {
  const round = (place: number): number => Math.round(place * 10) / 10
  if (!log) {
    const most = Math.max(...values, 1)
    const step = stepFor(most)
    const end = Math.ceil(most / step) * step
    return {
      at: (value) => round(from + ((to - from) * value) / end),
      ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step),
    }
  }
  const positive = values.filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(...positive)))
  const high = Math.max(Math.ceil(Math.log10(Math.max(...positive))), low + 1)
  const clamp = (value: number): number => Math.min(Math.max(Math.log10(value), low), high)
  return {
    at: (value) => round(from + ((to - from) * (clamp(value) - low)) / (high - low)),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => Number((10 ** (low + index)).toPrecision(1))),
  }
}

/** 1, 2 or 5 times a power of ten, so that there are three to six steps. */
function stepFor(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 3))
  return power * ([1, 2, 5].find((factor) => most / (power * factor) <= 5) ?? 10)
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`
  if (value >= 1e4) return `${value / 1e3} k`
  return value.toLocaleString('en-US')
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}
