/**
 * What came out, as tables: plain text for the terminal, Markdown for `docs/performance.md`. The page has the same rows
 * and takes them from here.
 */
import { PROFILED } from './plan.js'
import { findFact, findPair, findReason, groupOf, type Results, type RuntimeResult } from './results.js'
import type { Verdict } from './targets.js'

/** A table before it has a form: the first row and column are headings. */
export interface Table {
  readonly title: string
  readonly note?: string
  readonly head: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
  /** Below the table: why there are dashes. */
  readonly footnotes?: readonly string[]
}

/** What the library's own groups measured, by case; the second name is what it is a multiple of. */
const OWN_CASES: ReadonlyArray<readonly [group: string, name: string, title: string]> = [
  ['enter:cells', 'enter at 1 cells', 'enter and end, 1 cell, × `als.run(new Epoch)`'],
  ['enter:cells', 'enter at 10 cells', '10 cells'],
  ['enter:cells', 'enter at 100 cells', '100 cells'],
  ['enter:cells', 'enter at 1000 cells', '1,000 cells'],
  ['enter:sources', 'enter at 1 sources', 'enter and end, 1 source with a getter, × the same'],
  ['enter:sources', 'enter at 10 sources', '10 sources'],
  ['enter:sources', 'enter at 100 sources', '100 sources'],
  ['enter:sources', 'enter at 1000 sources', '1,000 sources'],
  ['read', 'read inside, cell', 'read inside, a cell, × `getStore()` and a field'],
  ['read', 'read inside, source', 'read inside, a source, × the same'],
  ['read', 'read by handle, cell', 'read by handle, a cell, × the same'],
  ['read', 'read by handle, source', 'read by handle, a source, × the same'],
  ['outside', 'read outside, cell', 'read outside, a cell, × a property'],
  ['outside', 'read outside, source', 'read outside, a source, × its getter'],
  [
    'outside',
    'read outside, cell, others open',
    'read outside while others are open, × `getStore()` and a property',
  ],
  ['write', 'write, none taken', 'write, no epoch taken since, × an assignment'],
  ['write', 'publish of two writes', '`publish` of two writes, × two assignments'],
  ['write', 'enter, then write at 10 cells', 'enter, then write, 10 cells, × enter'],
  ['write', 'enter, then write at 100 cells', '100 cells'],
  ['write', 'enter, then write at 1000 cells', '1,000 cells'],
  ['reuse', 'memo hit', '`memo` hit, × a `Map` in the store'],
  ['reuse', 'derived hit inside', '`derived` hit inside, × a `Map` by the pinned value'],
  ['reuse', 'derived hit outside', '`derived` hit outside, × a `Map` by the live value'],
  ['reuse', 'nested reuse', 'nested entry that joins, × `getStore() ? fn() : run`'],
  ['request:withepoch', 'request', 'a whole request, × live globals'],
  ['request:withepoch', 'request against ten pins', 'a whole request, × ten hand-written pins'],
]

const CONTENDER_CASES = [
  'enter',
  'enter, 1 await',
  'enter, 10 awaits',
  'enter, 100 awaits',
  'read inside',
  'read by handle',
  'read outside',
  'write',
  'nested entry',
]

const BYTES: ReadonlyArray<readonly [group: string, title: string]> = [
  ['bytes:10', '10 cells, nothing written'],
  ['bytes:1000', '1,000 cells, nothing written'],
  ['bytes:10-written', '10 cells, one written between any two entries'],
  ['bytes:100-written', '100 cells, one written between any two entries'],
]

export function targetsTable(verdicts: readonly Verdict[]): Table {
  const targets = [...new Set(verdicts.map(({ target }) => target))]
  const runtimes = [...new Set(verdicts.map(({ runtime }) => runtime))]
  const footnotes = new Set<string>()
  const rows = targets.map((target) => [
    target.title,
    ...runtimes.map((runtime) => {
      const verdict = verdicts.find((each) => each.target === target && each.runtime === runtime)
      if (verdict?.outcome === 'none' && target.without !== undefined)
        footnotes.add(`No target for ${target.title} on ${runtime.title}: ${target.without}.`)
      return verdict === undefined ? '–' : verdictAsText(verdict)
    }),
  ])
  return {
    title: 'Targets',
    note: 'Measured (at most).',
    head: ['', ...runtimes.map(({ title }) => title)],
    rows,
    footnotes: [...footnotes],
  }
}

/** Why a target is missed where it is, as the items of a list. */
export function reasonsOf(verdicts: readonly Verdict[]): string[] {
  const missed = new Set(verdicts.filter(({ outcome }) => outcome === 'missed').map(({ target }) => target))
  return [...missed].map(({ title, because }) => `**${title}**: ${because}.`)
}

/** Of what is profiled, the functions with the largest shares. */
export function profileTable({ runtimes }: Results): Table {
  const profiled = runtimes.filter(
    (runtime) => groupOf(runtime, `profile:${PROFILED[0]}`)?.reason === undefined,
  )
  return {
    title: 'Where the time goes',
    note: "The largest shares, as V8's profiler samples them. Functions that are compiled into their caller count as the caller.",
    head: ['', ...profiled.map(({ title }) => title)],
    rows: PROFILED.map((name) => [
      name === 'enter' ? 'enter and end' : 'a whole request',
      ...profiled.map((runtime) => {
        const facts = Object.entries(groupOf(runtime, `profile:${name}`)?.processes[0]?.facts ?? {})
        const shares = facts.flatMap(([fn, share]) =>
          typeof share === 'number' ? [[fn, share] as const] : [],
        )
        shares.sort(([, a], [, b]) => b - a)
        return (
          shares
            .slice(0, 8)
            .map(([fn, share]) => `${fn} ${share.toFixed(0)} %`)
            .join(', ') || '–'
        )
      }),
    ]),
  }
}

function verdictAsText({ measured, atMost, outcome, target }: Verdict): string {
  const value =
    measured === undefined ? '–' : target.unit === 'bytes' ? bytes(measured.value) : times(measured.value)
  if (atMost === undefined) return `${value} (no target)`
  const bound = target.unit === 'bytes' ? bytes(atMost) : times(atMost)
  return outcome === 'missed' ? `**${value}** (${bound}, missed)` : `${value} (${bound})`
}

export function costsTable({ runtimes }: Results): Table {
  return {
    title: 'What it costs',
    note: 'Median of the ratios, and nanoseconds for doing it once.',
    head: ['', ...runtimes.map(({ title }) => title)],
    rows: OWN_CASES.map(([group, name, title]) => [
      title,
      ...runtimes.map((runtime) => {
        const pair = findPair(runtime, group, name)
        return pair === undefined ? '–' : `${times(pair.ratio)}, ${nanoseconds(pair.sideNs)}`
      }),
    ]),
  }
}

export function bytesTable({ runtimes }: Results): Table {
  return {
    title: 'Bytes per open epoch over raw AsyncLocalStorage',
    head: ['', ...runtimes.map(({ title }) => title)],
    rows: BYTES.map(([group, title]) => [
      title,
      ...runtimes.map((runtime) => {
        const over = findFact(runtime, group, 'over raw')
        return over === undefined ? '–' : bytes(over)
      }),
    ]),
  }
}

export function scaleTable({ runtimes }: Results): Table {
  const row = (title: string, cell: (runtime: RuntimeResult) => string | undefined): string[] => [
    title,
    ...runtimes.map((runtime) => cell(runtime) ?? '–'),
  ]
  const fact = (runtime: RuntimeResult, name: string): number | undefined => findFact(runtime, 'scale', name)
  const megabytes = (name: string) => (runtime: RuntimeResult) => {
    const value = fact(runtime, name)
    return value === undefined ? undefined : `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} MB`
  }
  const first = runtimes[0]
  const count = (name: string): string =>
    ((first && fact(first, name)) ?? 0).toLocaleString('en-US', { maximumFractionDigits: 0 })
  return {
    title: 'Scale',
    note: `${count('open epochs')} epochs open at once, ${count('cells')} cells, ${count('writes')} writes while they are open.`,
    head: ['', ...runtimes.map(({ title }) => title)],
    rows: [
      row('held by the open requests, one snapshot', megabytes('bytes held')),
      row('the same, computed', megabytes('bytes computed')),
      row(`held by ${count('versions')} requests with a snapshot each`, megabytes('bytes held by versions')),
      row('the same, computed', megabytes('bytes computed for versions')),
      row('left when they have closed', megabytes('bytes left')),
    ],
  }
}

/** One runtime's contenders, as multiples of raw AsyncLocalStorage. */
export function contendersTable(runtime: RuntimeResult, { contenders }: Results): Table {
  const names = Object.keys(contenders)
  const footnotes = new Map<string, string[]>()
  const cell = (name: string, group: string, case_: string): string => {
    const pair = findPair(runtime, group, case_)
    if (pair !== undefined) return times(pair.ratio)
    const reason = findReason(runtime, group, case_) ?? 'not measured'
    const title = contenders[name] ?? name
    const key = `${title}: ${reason}`
    footnotes.set(key, [...(footnotes.get(key) ?? []), case_])
    return '–'
  }
  const rows = CONTENDER_CASES.map((case_) => [
    case_,
    ...names.map((name) => cell(name, `contender:${name}`, case_)),
  ])
  rows.push([
    'a whole request, × live globals',
    ...names.map((name) => cell(name, `request:${name}`, 'request')),
  ])
  return {
    title: runtime.title,
    head: ['', ...names.map((name) => contenders[name] ?? name)],
    rows,
    footnotes: [...footnotes].map(([reason, cases]) =>
      cases.length > 5 ? `${reason}.` : `${reason} (${cases.join('; ')}).`,
    ),
  }
}

/** The lines that a terminal shows: one per target and runtime. */
export function targetsAsText(verdicts: readonly Verdict[], colour: boolean): string {
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
  const marks = {
    met: paint(32, 'met   '),
    missed: paint(31, 'MISSED'),
    none: '      ',
    unmeasured: paint(31, 'ABSENT'),
  }
  const lines: string[] = []
  let last: Verdict['target'] | undefined
  for (const { target, runtime, measured, atMost, outcome } of verdicts) {
    if (target !== last) lines.push('', target.title.replaceAll('`', ''))
    last = target
    const show = target.unit === 'bytes' ? bytes : times
    const value = measured === undefined ? '–' : show(measured.value)
    const spread =
      measured?.spread === undefined ? '' : `${show(measured.spread[0])} to ${show(measured.spread[1])}`
    const bound = atMost === undefined ? `no target: ${target.without ?? ''}` : `at most ${show(atMost)}`
    lines.push(
      `  ${marks[outcome]}  ${runtime.title.padEnd(16)} ${value.padStart(9)}  ${spread.padEnd(16)}  ${bound}`,
    )
  }
  return `${lines.join('\n').trimStart()}\n`
}

const BEGIN = '<!-- begin: written by npm run bench -- --docs -->'
const END = '<!-- end -->'

/** The page of the documentation with the tables between its marks replaced. */
export function documented(text: string, results: Results, verdicts: readonly Verdict[]): string {
  const [before, rest, tooMany] = text.split(BEGIN)
  const after = rest?.split(END)
  if (before === undefined || after?.length !== 2 || tooMany !== undefined) {
    throw new Error(`docs/performance.md: expected one "${BEGIN}" and one "${END}" after it.`)
  }
  return `${before}${BEGIN}\n\n${tablesAsMarkdown(results, verdicts)}\n\n${END}${after[1]}`
}

function tablesAsMarkdown(results: Results, verdicts: readonly Verdict[]): string {
  return [
    `Measured on ${results.date}: ${results.machine}.`,
    markdown(targetsTable(verdicts), 3),
    `Why a target is missed where it is:\n\n${reasonsOf(verdicts)
      .map((reason) => `- ${reason}`)
      .join('\n')}`,
    markdown(profileTable(results), 3),
    markdown(costsTable(results), 3),
    markdown(bytesTable(results), 3),
    markdown(scaleTable(results), 3),
    '### Beside others\n\nMultiples of raw `AsyncLocalStorage` in the same process. Its own column is it against itself: ' +
      'how far it is from 1.00 is the noise.',
    ...results.runtimes.map(
      (runtime) =>
        `<details>\n<summary>${runtime.title}</summary>\n\n${markdown(contendersTable(runtime, results), 0)}\n\n</details>`,
    ),
  ].join('\n\n')
}

function markdown({ title, note, head, rows, footnotes = [] }: Table, level: number): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    ...(level > 0 ? [`${'#'.repeat(level)} ${title}`] : []),
    ...(note === undefined ? [] : [note]),
    [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n'),
    ...(footnotes.length === 0 ? [] : [footnotes.map((footnote) => `- ${footnote}`).join('\n')]),
  ].join('\n\n')
}

export function times(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function nanoseconds(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} ms`
  if (value >= 1e4) return `${(value / 1e3).toFixed(0)} µs`
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} µs`
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ns`
}

function bytes(value: number): string {
  return `${Math.round(value)} B`
}
