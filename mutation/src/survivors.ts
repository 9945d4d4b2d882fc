/**
 * The mutants that no test detects, each with the reason, from `survivors.json`; whether they are still those of a run; and
 * the list in the documentation that is made of them.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isUndetected, type Mutant } from './report.js'

/** Several mutants with one reason. */
interface Explained {
  readonly reason: string
  /** For each, the line that it begins in and the change, as in a run's report. */
  readonly mutants: ReadonlyArray<readonly [line: string, change: string]>
}

const BEGIN = '<!-- survivors: made by npm run mutants:stryker -- --docs -->'
const END = '<!-- end of survivors -->'

export function explained(): Readonly<Record<string, readonly Explained[]>> {
  const path = fileURLToPath(new URL('../survivors.json', import.meta.url))
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, readonly Explained[]>
}

/**
 * What is wrong with `survivors.json`, as sentences: a survivor of the run that it does not explain, or one that it does
 * although a test detects it or it is not there any more. Of files that were not run it says nothing.
 */
export function unexplained(mutants: readonly Mutant[]): string[] {
  const wrong: string[] = []
  const all = explained()
  for (const file of new Set(mutants.map((mutant) => mutant.file))) {
    const open = (all[file] ?? []).flatMap(({ mutants: known }) => known.map((each) => each.join('\n')))
    for (const mutant of mutants.filter((each) => each.file === file && isUndetected(each))) {
      const found = open.indexOf(`${mutant.line}\n${mutant.change}`)
      if (found >= 0) open.splice(found, 1)
      else wrong.push(`${file}:${mutant.lineNumber} survives and is not explained: ${mutant.change}`)
    }
    for (const each of open) {
      const [line, change] = each.split('\n')
      wrong.push(`${file}: explained as a survivor, but it is none: ${change} in the line ${line}`)
    }
  }
  return wrong
}

/** The list as it is to stand in the documentation. */
export function documented(): string {
  const files = Object.entries(explained()).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const lines = files.flatMap(([file, groups]) => [
    `### \`${file}\``,
    '',
    ...groups.flatMap(({ reason, mutants }) => [
      `- ${reason}`,
      ...mutants.map(([line, change]) => {
        const parts = change.split(' → ')
        const shown = parts.length === 2 ? parts.map(code).join(' → ') : code(change)
        return `  - ${shown}${line === parts[0] ? '' : ` in ${code(line)}`}`
      }),
    ]),
    '',
  ])
  return [BEGIN, '', ...lines, END].join('\n')
}

/** The text of the page, with the list in it. */
export function withSurvivors(page: string): string {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`The page has no place for the survivors:\n${BEGIN}\n${END}`)
  return page.slice(0, begin) + documented() + page.slice(end + END.length)
}

/** As Markdown has code with backticks in it. */
function code(text: string): string {
  if (text === '') return '*nothing*'
  if (!text.includes('`')) return `\`${text}\``
  return `\`\` ${text} \`\``
}
