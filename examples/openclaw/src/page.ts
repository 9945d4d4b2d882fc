/** The part of docs/openclaw.md that is made from results, between its two marks, and the picture beside it. */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Results } from './conditions.js'
import { pictureOf } from './picture.js'
import { forPage } from './table.js'
import { verdictsOf } from './verdict.js'

const PAGE = fileURLToPath(new URL('../../../docs/openclaw.md', import.meta.url))
const PICTURE = fileURLToPath(new URL('../../../docs/images/openclaw.svg', import.meta.url))
const BEGIN = '<!-- begin: written by npm run demo:openclaw -- --docs -->'
const END = '<!-- end: openclaw -->'

export async function writePage(results: Results): Promise<void> {
  await writeFile(PICTURE, pictureOf(results.cells))
  await writeFile(PAGE, withResults(await readFile(PAGE, 'utf8'), results))
}

/** @throws when the page has lost its marks. */
export function withResults(page: string, results: Results): string {
  const from = page.indexOf(BEGIN)
  const to = page.indexOf(END)
  if (from < 0 || to < from) throw new Error(`docs/openclaw.md has no ${BEGIN} followed by ${END}`)
  return `${page.slice(0, from)}${BEGIN}\n\n${made(results)}\n\n${page.slice(to)}`
}

function made(results: Results): string {
  const { date, machine, openclaw, node, cells } = results
  const verdicts = verdictsOf(results)
  const list = (those: typeof verdicts): string =>
    those.map(({ holds, says }) => `- ${holds === false ? '**Does not hold:** ' : ''}${says}`).join('\n')
  return [
    `openclaw ${openclaw} on Node ${node}, ${date}, ${machine}.`,
    forPage(cells),
    'What has to hold with the preload:',
    list(verdicts.filter(({ holds }) => holds !== undefined)),
    'What is shown for comparison and not judged:',
    list(verdicts.filter(({ holds }) => holds === undefined)),
  ].join('\n\n')
}
