/**
 * The contract as a table: cases against doors, and the reasons of those that a door is without. Made of what the doors
 * declare; that the other cells hold is for `contract.test.ts` of each adapter, and for `npm run contract`, to show.
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { contract, type Door, type Title } from '@withepoch/testing/contract'

const BEGIN = '<!-- contract: made by npm run contract -- --docs -->'
const END = '<!-- contract: end -->'

const packages = fileURLToPath(new URL('../../../', import.meta.url))

/** The files in which adapters show their doors, by the adapter's folder. */
export function doorFiles(): Map<string, string> {
  const files = readdirSync(packages).map((name) => [name, `${packages}${name}/test/doors.ts`] as const)
  return new Map(files.filter(([, file]) => existsSync(file)))
}

export async function allDoors(): Promise<Door[]> {
  const doors: Door[] = []
  for (const file of doorFiles().values()) {
    const module = (await import(pathToFileURL(file).href)) as { doors: readonly Door[] }
    doors.push(...module.doors)
  }
  return doors
}

/** The page with the part between its marks replaced. */
export function documented(page: string, doors: readonly Door[], measured: string): string {
  const begin = page.indexOf(BEGIN)
  const end = page.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`The page has to have "${BEGIN}" and "${END}" after it.`)
  const parts = [measured, ...tables(doors), reasonsOf(doors)]
  return `${page.slice(0, begin)}${BEGIN}\n\n${parts.join('\n\n')}\n\n${page.slice(end)}`
}

/** What stands there of the last full run. */
export function measuredIn(page: string): string {
  return page
    .slice(page.indexOf(BEGIN) + BEGIN.length)
    .trimStart()
    .split('\n\n')[0]!
}

/** So many columns go into a page. */
const WIDTH = 5

function tables(doors: readonly Door[]): string[] {
  const reasons = numbered(doors)
  const titles = contract(doors[0]!).map(({ title }) => title)
  const parts: string[] = []
  for (let at = 0; at < doors.length; at += WIDTH) {
    const some = doors.slice(at, at + WIDTH)
    const cell = (door: Door, title: Title): string => {
      const reason = door.without?.[title]
      return reason === undefined ? 'yes' : `– [${reasons.indexOf(reason) + 1}](#reasons)`
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

function reasonsOf(doors: readonly Door[]): string {
  return ['### Reasons', '', ...numbered(doors).map((reason, index) => `${index + 1}. ${reason}`)].join('\n')
}

/** Every reason that there is, once. */
function numbered(doors: readonly Door[]): string[] {
  return [...new Set(doors.flatMap(({ without }) => Object.values(without ?? {})))]
}
