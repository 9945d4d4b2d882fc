/**
 * The contract as a table: cases against doors, and the reasons of those that a door is without. Made of what the doors
 * declare; that the other cells hold is for `contract.test.ts` of each adapter, and for `npm run contract`, to show.
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { CASES, type Doorplate, type Title } from '../../src/contract/cases.js'

/** The parts of the page: of the doors in Node, and of those whose server runs elsewhere. */
export type Part = keyof typeof PARTS

const PARTS = {
  node: { doors: 'test/doors.ts', name: 'contract', reasons: 'Reasons' },
  elsewhere: {
    doors: 'test/runtimes/doors.ts',
    name: 'contract on other runtimes',
    reasons: 'Reasons on other runtimes',
  },
} as const

const packages = fileURLToPath(new URL('../../../', import.meta.url))

/** The files in which adapters show their doors, by the adapter's folder. */
export function doorFiles(part: Part): Map<string, string> {
  const files = readdirSync(packages).map(
    (name) => [name, `${packages}${name}/${PARTS[part].doors}`] as const,
  )
  return new Map(files.filter(([, file]) => existsSync(file)))
}

export async function allDoors(part: Part): Promise<Doorplate[]> {
  const doors: Doorplate[] = []
  for (const file of doorFiles(part).values()) {
    const module = (await import(pathToFileURL(file).href)) as { doors: readonly Doorplate[] }
    doors.push(...module.doors)
  }
  return doors
}

/** The page with what is between the marks of that part replaced. */
export function documented(page: string, part: Part, doors: readonly Doorplate[], measured: string): string {
  const [begin, end] = marksOf(page, part)
  const parts = [measured, ...tables(doors, part), reasonsOf(doors, part)]
  return `${page.slice(0, begin)}\n\n${parts.join('\n\n')}\n\n${page.slice(end)}`
}

/** What stands there of the last full run. */
export function measuredIn(page: string, part: Part): string {
  const [begin, end] = marksOf(page, part)
  return page.slice(begin, end).trimStart().split('\n\n')[0]!
}

/** Where the part begins and ends, between its marks. */
function marksOf(page: string, part: Part): [begin: number, end: number] {
  const { name } = PARTS[part]
  const first = `<!-- ${name}: made by npm run contract -- --docs -->`
  const last = `<!-- ${name}: end -->`
  const begin = page.indexOf(first)
  const end = page.indexOf(last)
  if (begin < 0 || end < begin) throw new Error(`The page has to have "${first}" and "${last}" after it.`)
  return [begin + first.length, end]
}

/** So many columns go into a page. */
const WIDTH = 5

function tables(doors: readonly Doorplate[], part: Part): string[] {
  const reasons = numbered(doors)
  const titles = Object.keys(CASES) as Title[]
  const anchor = PARTS[part].reasons.toLowerCase().replaceAll(' ', '-')
  const parts: string[] = []
  for (let at = 0; at < doors.length; at += WIDTH) {
    const some = doors.slice(at, at + WIDTH)
    const cell = (door: Doorplate, title: Title): string => {
      const reason = door.without?.[title]
      return reason === undefined ? 'yes' : `– [${reasons.indexOf(reason) + 1}](#${anchor})`
    }
    parts.push(
      [
        ['case', ...some.map(({ name }) => name)],
        ['---', ...some.map(() => '---')],
        ...titles.map((title) => [title, ...some.map((door) => cell(door, title))]),
      ]
        .map((cells) => `| ${cells.join(' | ')} |`)
        .join('\n'),
    )
  }
  return parts
}

function reasonsOf(doors: readonly Doorplate[], part: Part): string {
  return [
    `### ${PARTS[part].reasons}`,
    '',
    ...numbered(doors).map((reason, index) => `${index + 1}. ${reason}`),
  ].join('\n')
}

/** Every reason that there is, once. */
function numbered(doors: readonly Doorplate[]): string[] {
  return [...new Set(doors.flatMap(({ without }) => Object.values(without ?? {})))]
}
