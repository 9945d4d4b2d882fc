/** Makes docs/compatibility.md from the golden file alone, so that it can be compared without a runtime installed. */
import { type Cells, type Golden, isIntuitive, reasonIn, type Row } from './golden.js'
import { sections } from './sections.js'

export function pageOf(golden: Golden): string {
  const parts = [
    head(golden),
    ...golden.groups.map(({ id, rows }) => section(id, rows, golden)),
    differences(golden),
  ]
  return `${parts.join('\n\n')}\n`
}

function head({ columns, groups }: Golden): string {
  const rows = groups.flatMap((group) => group.rows)
  const cells = rows.flatMap(({ ways }) => Object.values(ways).flatMap((each) => Object.values(each)))
  const played = cells.filter((cell) => reasonIn(cell) === undefined)
  return `# Compatibility: which epoch a callback sees

<!-- Made from conformance/golden.json by \`npm run test:runtimes -- --page\`. Edit conformance/src/sections.ts instead. -->

Most callbacks run in the epoch of whoever registered them or awaits. Some run in somebody else's, or in none. This page says
which, and what to do about it.

Everything here was seen, none of it read somewhere: ${rows.length} ways to be called back, ${rows.filter((row) => row.package !== undefined).length} of them by the real npm
packages, against the bundle that is published. \`npm run test:runtimes\` plays all of it again and compares each of the ${cells.length}
cells with a golden file; ${cells.length - played.length} of them are open about why they cannot be played. A remedy named here works on every runtime that can play it.

The runtimes: ${Object.values(columns).join(' · ')}.

## In short

| what calls back | whose epoch it sees | what to do |
|---|---|---|
${groups.map(({ id }) => `| [${sections[id]!.title}](#${anchorOf(sections[id]!.title)}) | ${sections[id]!.seen} | ${sections[id]!.remedy} |`).join('\n')}

## How to read the tables

A row is one way to be called back. The second column says whose epoch the callback saw.

- **own**: the epoch of whoever registered the callback, or awaits. What one expects.
- **none**: no epoch. Reads are live.
- Any other word is another epoch, named for what it did: *emitter*, *creator*, *releaser*, *first caller*, *puller*. In a
  service that is another request, perhaps another tenant's.

Where runtimes differ, what most of them show comes first, and the others by name. The third column has the remedies, each
tried on every runtime. \`bind\`, \`bindEmitter\` and \`bindIterable\` give **own**; \`detach\` gives **none**. None of
them holds an epoch open: what is called after its end reads late, so \`epoch.waitUntil(…)\` what belongs to the request.`
}

function section(id: string, rows: readonly Row[], golden: Golden): string {
  const { title, text } = sections[id]!
  const table = rows.map((row) => {
    const by = row.package === undefined ? '' : ` <sub>${row.package}</sub>`
    return `| ${row.name}${by} | ${seenIn(row, golden)} | ${remediesOf(row)} |`
  })
  return `## ${title}

${text}

| what is called | sees | remedy |
|---|---|---|
${table.join('\n')}${leftOut(rows, golden)}`
}

/** What most columns show, then the exceptions. */
function seenIn({ ways, intuitive }: Row, { columns }: Golden): string {
  const [most, ...others] = byFrequency(ways['plain']!)
  if (most === undefined) return '–'
  const word = (cell: string): string =>
    cell === (intuitive ?? 'own') ? `**${cell}**` : cell.split(', ').join(', then ')
  const exceptions = others.map(
    ([cell, ids]) => `${ids.map((id) => shortTitle(id, columns)).join(', ')}: ${word(cell)}`,
  )
  return [word(most[0]), ...exceptions].join('; ')
}

/** What the columns show, with their ids, the most frequent first. */
function byFrequency(cells: Cells): Array<[cell: string, ids: string[]]> {
  const ids = new Map<string, string[]>()
  for (const [id, cell] of Object.entries(cells)) {
    if (reasonIn(cell) === undefined) ids.set(cell, [...(ids.get(cell) ?? []), id])
  }
  return [...ids].toSorted(([, one], [, other]) => other.length - one.length)
}

function remediesOf(row: Row): string {
  if (isIntuitive(row)) return ''
  return Object.keys(row.ways)
    .filter((way) => way !== 'plain')
    .map((way) => `\`${way}\``)
    .join(', ')
}

/** Which rows which column cannot play, and why. */
function leftOut(rows: readonly Row[], { columns }: Golden): string {
  const reasons = new Map<string, string[]>()
  for (const { name, ways } of rows) {
    for (const [id, cell] of Object.entries(ways['plain']!)) {
      const reason = reasonIn(cell)
      if (reason === undefined) continue
      const key = `${shortTitle(id, columns)} cannot play`
      const names = reasons.get(`${key}|${reason}`) ?? []
      reasons.set(`${key}|${reason}`, [...names, name])
    }
  }
  const lines = [...reasons].map(([key, names]) => {
    const [who, reason] = key.split('|') as [string, string]
    return names.length === rows.length
      ? `- ${who} any of these: ${reason}.`
      : `- ${who} ${names.join('; ')}: ${reason}.`
  })
  return lines.length === 0 ? '' : `\n\n${lines.join('\n')}`
}

/** All rows in which the columns do not agree, with a column each. */
function differences({ columns, groups }: Golden): string {
  const rows = groups
    .flatMap((group) => group.rows)
    .filter(
      ({ ways }) =>
        new Set(Object.values(ways['plain']!).filter((cell) => reasonIn(cell) === undefined)).size > 1,
    )
  const ids = Object.keys(columns)
  const cell = (value: string): string => (reasonIn(value) === undefined ? value : '–')
  return `## Where the runtimes differ

Node keeps the async context in one of two ways: by \`async_hooks\` (20 and 22), or by AsyncContextFrame (24 and 26). Two
columns have it the other way by a flag: Node 22 with \`--experimental-async-context-frame\`, Node 24 with
\`--no-async-context-frame\`. Code that is to behave the same everywhere uses the remedy, also where its own runtime does not
need it.

| what is called | ${ids.map((id) => shortTitle(id, columns)).join(' | ')} |
|---|${ids.map(() => '---|').join('')}
${rows.map(({ name, ways }) => `| ${name} | ${ids.map((id) => cell(ways['plain']![id]!)).join(' | ')} |`).join('\n')}`
}

/** A column's title without the patch version. */
function shortTitle(id: string, columns: Golden['columns']): string {
  return columns[id]!.replace(/ (\d+)\.[\d.]+/, (_, major: string) =>
    id.startsWith('node') ? ` ${major}` : '',
  )
}

/** The anchor that GitHub gives a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replace(/\s/g, '-')
}
