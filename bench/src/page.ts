/**
 * The results as one HTML file to look at: plots first, then the tables. It needs nothing from anywhere, follows the
 * reader's light or dark setting, and prints. The plots' drawing is in `plots.ts`; which of them there are is said here.
 */
import { dotPlot, type DotRow, linePlot, type Series } from './plots.js'
import { curvesOf, findPair, type Results, type RuntimeResult } from './results.js'
import {
  bytesTable,
  contendersTable,
  costsTable,
  nanoseconds,
  scaleTable,
  type Table,
  targetsTable,
  times,
} from './tables.js'
import type { Verdict } from './targets.js'

export function pageOf(results: Results, verdicts: readonly Verdict[]): string {
  const { runtimes } = results
  const met = verdicts.filter(({ outcome }) => outcome === 'met').length
  const promised = verdicts.filter(({ outcome }) => outcome !== 'none').length
  const sections = [
    section(
      'Targets',
      `Each dot is one runtime: what was measured, as a share of what is allowed. Left of the line is met. ${met} of ${promised} are.`,
      dotPlot({ rows: targetRows(verdicts), mark: 1, unit: '× the bound' }),
    ),
    ...contenderSections(results),
    ...(has(runtimes, 'enter:cells')
      ? [
          section(
            'Entering, by the number of sources',
            'Nanoseconds for one entry and its end. A cell costs nothing at entry; a source with a getter is one call.',
            pair(
              linePlot({
                title: 'cells',
                series: enterSeries(runtimes, 'cells'),
                x: 'cells',
                y: nanoseconds,
                log: true,
              }),
              linePlot({
                title: 'sources with a getter',
                series: enterSeries(runtimes, 'sources'),
                x: 'sources',
                y: nanoseconds,
                log: true,
              }),
            ),
          ),
        ]
      : []),
    ...scaleSections(runtimes),
    ...tables(results, verdicts).map((table) => section(table.title, table.note ?? '', tableOf(table))),
  ]
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>withepoch: what it costs</title>
<style>${STYLE}</style>
<main>
<h1>What withepoch costs</h1>
<p>${escape(results.machine)}. ${results.date}, ${results.minutes.toFixed(1)} minutes.${
    results.kind === 'smoke' ? ' <strong>A smoke run: the numbers mean nothing.</strong>' : ''
  }</p>
<p class="legend">${runtimes.map(({ title }, index) => `<span><i class="r${index % 7}"></i>${escape(title)}</span>`).join('')}</p>
${sections.join('\n')}
</main>
</html>
`
}

function targetRows(verdicts: readonly Verdict[]): DotRow[] {
  const runtimes = [...new Set(verdicts.map(({ runtime }) => runtime))]
  return [...new Set(verdicts.map(({ target }) => target))].map((target) => ({
    label: target.title.replaceAll('`', ''),
    dots: verdicts
      .filter(
        (verdict) =>
          verdict.target === target && verdict.measured !== undefined && verdict.atMost !== undefined,
      )
      .map(({ runtime, measured, atMost, outcome }) => ({
        series: runtimes.indexOf(runtime),
        // Fewer bytes than raw AsyncLocalStorage has no logarithm; it is as good as it gets.
        value: Math.max(measured!.value / atMost!, 0.01),
        spread: measured!.spread && ([measured!.spread[0] / atMost!, measured!.spread[1] / atMost!] as const),
        title: `${runtime.title}: ${times(measured!.value)}, at most ${times(atMost!)} (${outcome})`,
      })),
  }))
}

function contenderSections({ runtimes, contenders }: Results): string[] {
  const rows = (group: string, name: string): DotRow[] =>
    Object.entries(contenders).map(([contender, label]) => ({
      label,
      dots: runtimes.flatMap((runtime, series) => {
        const found = findPair(runtime, `${group}:${contender}`, name)
        if (found === undefined) return []
        const title = `${runtime.title}: ${times(found.ratio)}, ${nanoseconds(found.sideNs)}`
        return [{ series, value: found.ratio, spread: found.spread, title }]
      }),
    }))
  const charts: ReadonlyArray<readonly [title: string, text: string, group: string, name: string]> = [
    [
      'A whole request',
      '50 reads of 10 globals and 5 awaits, as a multiple of the same with live globals.',
      'request',
      'request',
    ],
    [
      'Entering and ending',
      'A synchronous function, as a multiple of raw AsyncLocalStorage.run.',
      'contender',
      'enter',
    ],
    ['Reading inside', 'As a multiple of getStore() and a field.', 'contender', 'read inside'],
  ]
  return charts.flatMap(([title, text, group, name]) => {
    const found = rows(group, name).filter(({ dots }) => dots.length > 0)
    return found.length < 2 ? [] : [section(title, text, dotPlot({ rows: found, mark: 1, unit: '×' }))]
  })
}

function enterSeries(runtimes: readonly RuntimeResult[], kind: string): Series[] {
  return runtimes.map(({ title }, series) => ({
    title,
    series,
    points: [1, 10, 100, 1000].flatMap((size) => {
      const found = findPair(runtimes[series]!, `enter:${kind}`, `enter at ${size} ${kind}`)
      return found === undefined ? [] : [[size, found.sideNs] as const]
    }),
  }))
}

function scaleSections(runtimes: readonly RuntimeResult[]): string[] {
  const curves = runtimes.map(curvesOf)
  const names = [...(curves.find((each) => each.size > 0)?.keys() ?? [])]
  if (names.length === 0) return []
  const plot = (name: string, log: boolean, x: string): string =>
    linePlot({
      title: name,
      series: runtimes.map(({ title }, series) => ({
        title,
        series,
        points: curves[series]?.get(name) ?? [],
      })),
      x,
      y: log ? nanoseconds : (ms) => `${Math.round(ms)} ms`,
      log,
    })
  const costs = names.filter((name) => name !== 'writes')
  return [
    section(
      'Cost against the number of open epochs',
      'Nanoseconds for one, while so many others are open. A line that does not rise is a cost that does not depend on them.',
      pair(
        ...costs.map((name) => plot(name, true, 'open epochs')),
        plot('writes', false, 'writes while they are open'),
      ),
    ),
  ]
}

function tables(results: Results, verdicts: readonly Verdict[]): Table[] {
  const { runtimes } = results
  return [
    targetsTable(verdicts),
    costsTable(results),
    ...(has(runtimes, 'bytes:10') ? [bytesTable(results)] : []),
    ...(has(runtimes, 'scale') ? [scaleTable(results)] : []),
    ...(has(runtimes, 'contender:raw') ? runtimes.map((runtime) => contendersTable(runtime, results)) : []),
  ]
}

function has(runtimes: readonly RuntimeResult[], group: string): boolean {
  return runtimes.some(({ groups }) => groups.some((result) => result.group === group))
}

function section(title: string, text: string, body: string): string {
  return `<section><h2>${escape(title)}</h2>${text === '' ? '' : `<p>${escape(text)}</p>`}${body}</section>`
}

function pair(...plots: string[]): string {
  return `<div class="plots">${plots.join('')}</div>`
}

function tableOf({ head, rows, footnotes = [] }: Table): string {
  const cell = (text: string, index: number, tag: string): string =>
    `<${index === 0 ? 'th' : tag}>${inline(text)}</${index === 0 ? 'th' : tag}>`
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((text, index) => cell(text, index, tag)).join('')}</tr>`
  const notes = footnotes.map((footnote) => `<li>${inline(footnote)}</li>`).join('')
  return `<div class="table"><table><thead>${line(head, 'th')}</thead><tbody>${rows.map((row) => line(row, 'td')).join('')}</tbody></table></div>${
    notes === '' ? '' : `<ul>${notes}</ul>`
  }`
}

/** The two marks of Markdown that the tables use. */
function inline(text: string): string {
  return escape(text)
    .replace(/`([^`]+)`/g, '<code>$1</code>')
    .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
}

/** Seven colours, told apart in both schemes by people who see colours differently as well; each has a shape too. */
const STYLE = `
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5c6675; --line: #d5dae2; --paper: #ffffff; --bad: #b3261e;
  --c0: #0b62c4; --c1: #c2570c; --c2: #0c8a6b; --c3: #9c2f9e; --c4: #8a6d00; --c5: #c2185b; --c6: #4b5563; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa5b4; --line: #343c48; --paper: #14181e; --bad: #ff8a80;
  --c0: #6db1ff; --c1: #ff9f57; --c2: #45d1ab; --c3: #df8be0; --c4: #dcc04a; --c5: #ff7fae; --c6: #b3bcc9; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 8px; } h2 { font-size: 19px; margin: 40px 0 4px; }
p { margin: 0 0 12px; color: var(--soft); max-width: 75ch; }
.legend { position: sticky; top: 0; background: var(--paper); padding: 8px 0; display: flex; flex-wrap: wrap; gap: 6px 18px; border-bottom: 1px solid var(--line); color: var(--ink); max-width: none; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 6px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 16px; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .grid { stroke: var(--line); } svg .mark { stroke: var(--ink); stroke-dasharray: 4 3; }
${[0, 1, 2, 3, 4, 5, 6].map((index) => `.r${index} { background: var(--c${index}); stroke: var(--c${index}); fill: var(--c${index}); }`).join('\n')}
svg polyline[class] { fill: none; stroke-width: 2; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; font-weight: 400; white-space: normal; min-width: 220px; } thead th { font-weight: 600; white-space: normal; }
td strong { color: var(--bad); } ul { color: var(--soft); font-size: 13px; padding-left: 18px; }
`
