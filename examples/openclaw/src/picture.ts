/** The slowest call of each condition, unmodified and with the preload, as an SVG. */
import { dotPlot, type DotRow } from '../../../bench/src/plots.js'
import { type Cell, MODES } from './conditions.js'
import { timesOf } from './times.js'

const STYLE = `svg{color-scheme:light dark;--ink:#1d2430;--soft:#5c6675;--line:#d5dae2;--paper:#fff;--c0:#b3261e;--c1:#0b62c4}
@media (prefers-color-scheme:dark){svg{--ink:#e6eaf0;--soft:#9aa5b4;--line:#343c48;--paper:#14181e;--c0:#ff8a80;--c1:#6db1ff}}
text{fill:var(--ink);font:12px system-ui,sans-serif}.soft{fill:var(--soft)}.grid{stroke:var(--line)}.mark{stroke:var(--ink);stroke-dasharray:4 3}
.r0{stroke:var(--c0);fill:var(--c0)}.r1{stroke:var(--c1);fill:var(--c1)}.paper{fill:var(--paper)}`

/** A second: what a person notices. */
const MARK_MS = 1000

export function pictureOf(cells: readonly Cell[]): string {
  const rows = new Map<string, DotRow & { dots: DotRow['dots'][number][] }>()
  for (const { rows: count, registry, load, mode, calls } of cells) {
    const label = `${count} rows, registry ${registry}, ${load}`
    const row = rows.get(label) ?? { label, dots: [] }
    rows.set(label, row)
    const ms = timesOf({ calls })
    const scans = Math.max(...calls.map((call) => call.scans))
    const value = Math.max(...ms)
    row.dots.push({
      series: MODES.indexOf(mode),
      value,
      spread: [Math.min(...ms), value],
      title: `${mode}: ${Math.round(value)} ms, ${scans} scans`,
    })
  }
  const plot = dotPlot({ rows: [...rows.values()], mark: MARK_MS, unit: 'ms' })
  const [, width = '', height = ''] = /viewBox="0 0 (\S+) (\S+)"/.exec(plot) ?? []
  const legend = MODES.map(
    (mode, index) =>
      `<circle class="r${index}" cx="${20 + index * 140}" cy="20" r="4.5"/><text x="${32 + index * 140}" y="24">${mode}</text>`,
  )
  const top = 60
  const tall = Number(height) + top
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall}" role="img" aria-label="sessions.list of openclaw, by condition">` +
    `<style>${STYLE}</style><rect class="paper" width="${width}" height="${tall}"/>${legend.join('')}` +
    `<text class="soft" x="20" y="46">sessions.list, slowest call; the bar reaches down to the fastest. Dashed: one second.</text>` +
    `${plot.replace('<svg ', `<svg y="${top}" width="${width}" height="${height}" `)}</svg>\n`
  )
}
