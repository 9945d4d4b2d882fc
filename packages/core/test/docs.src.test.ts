/**
 * The documentation says the truth: its snippets run and give what their `// =>` say, the errors it shows are the ones
 * that are thrown, it covers every code, channel, exported name and source file, and its links lead somewhere. How an
 * example is made runnable is the business of `docstring-examples.ts`; what is right to say is not known here.
 *
 * A fence `ts` is run. A fence `ts throws` is run too: the fence after it is the message of what it throws, and the
 * heading above it the code. A fence `ts no-run` is not run.
 */
import { Channel } from 'node:diagnostics_channel'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import * as core from 'withepoch'
import * as fc from 'fast-check'
import { contract } from '../../testing/src/contract/index.js'
import * as kit from '../../testing/src/index.js'
import * as diagnostics from '../src/diagnostics.js'
import { EPOCH_ERROR_CODES } from '../src/errors.js'
import { root } from '../src/snapshot.js'
import { runnable } from './docstring-examples.js'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const pages = [
  'README.md',
  'packages/core/README.md',
  'packages/testing/README.md',
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file.split(sep).join('/')}`)
    .sort(),
]

interface Fence {
  readonly page: string
  readonly line: number
  /** What stands behind the opening backticks: `ts`, `ts no-run`, `text`. */
  readonly info: string
  readonly code: string
}

const fences = pages.flatMap((page): Fence[] => {
  const text = read(page)
  return Array.from(text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm), ({ index, 1: info, 2: code }) => ({
    page,
    line: text.slice(0, index).split('\n').length,
    info: info!,
    code: code!,
  }))
})
/** What a snippet can import. The kit's names are in scope only where they are imported. */
const scope = { ...core, ...kit, fc }
const folder = mkdtempSync(join(tmpdir(), 'withepoch-docs-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('snippets', () => {
  type Check = (index: number, actual: unknown, expected: () => unknown) => void
  const examples = fences.filter(({ info }) => info === 'ts' || info === 'ts throws').map(exampleOf)

  // Snippets use the names that a user would, and names are unique in the process.
  afterEach(() => {
    for (const source of root.sources()) source.release()
  })

  test.each(examples)('$title', async ({ expected, module, file, throws }) => {
    writeFileSync(file, module)
    const { default: run } = (await import(/* @vite-ignore */ file)) as {
      default: (exported: object, check: Check) => Promise<void>
    }
    const reached: number[] = []
    const wrong: string[] = []
    await run(scope, (at, actual, value) => {
      reached.push(at)
      // Compared here, reported below: thrown inside the snippet it might be caught there.
      try {
        expect(throws ? stable(actual) : actual).toStrictEqual(throws ? stable(value()) : value())
      } catch (error) {
        wrong.push(`// => ${expected[at]}: ${(error as Error).message}`)
      }
    })
    expect(wrong).toEqual([])
    expect([...new Set(reached)].sort((a, b) => a - b)).toEqual([...expected.keys()])
  })

  test('are found at all, and most say what they give', () => {
    expect(examples.length).toBeGreaterThan(60)
    expect(examples.filter(({ expected }) => expected.length > 0).length).toBeGreaterThan(50)
  })

  test('have one of the infos that mean something', () => {
    const known = ['ts', 'ts throws', 'ts no-run', 'js no-run', 'sh', 'text', 'json']
    expect(fences.filter(({ info }) => !known.includes(info))).toEqual([])
  })
})

describe('coverage', () => {
  test('errors.md has a heading for each code, in the order of the list', () => {
    expect(headingsOf('docs/errors.md', 2)).toEqual([...EPOCH_ERROR_CODES])
  })

  test('reference.md has one heading for each name that index.ts exports', () => {
    const index = readSource('index.ts')
    const names = Array.from(index.matchAll(/\{([^}]*)\}/g), ([, list]) => list!.split(',')).flat()
    const exported = names.map((name) => name.replace(/^\s*type\s/, '').trim()).filter((name) => name !== '')
    const documented = headingsOf('docs/reference.md', 2).map((heading) => heading.replaceAll('`', ''))
    expect(exported.length).toBeGreaterThan(30)
    expect(documented.toSorted()).toEqual(exported.toSorted())
  })

  test('reference.md has an example, and says what a call returns or throws, for each value', () => {
    const sections = read('docs/reference.md').split(/^## /m)
    const incomplete = Object.keys(core).filter((name) => {
      const section = sections.find((each) => each.startsWith(`\`${name}\`\n`)) ?? ''
      return (
        !/^```ts\n/m.test(section) || !(name === 'EpochError' || /\*\*(Returns|Throws)\*\*/.test(section))
      )
    })
    expect(incomplete).toEqual([])
  })

  test('reference.md has a row for each option that a call takes', () => {
    const reference = read('docs/reference.md')
    const sections = new Map(reference.split(/^## /m).map((each) => [/^`(\w+)`/.exec(each)?.[1], each]))
    const options = optionsOf()
    expect(options.length).toBeGreaterThan(20)
    expect(options.filter(({ of, option }) => !rowOf(option).test(sections.get(of) ?? ''))).toEqual([])
  })

  test('diagnostics.md lists the channels that there are, and no others', () => {
    const channels = Object.values<unknown>(diagnostics)
      .filter((each) => each instanceof Channel)
      .map((channel) => String(channel.name))
    const listed = Array.from(
      read('docs/diagnostics.md').matchAll(/^\| `(withepoch:[\w:-]+)` \|/gm),
      ([, name]) => name!,
    )
    expect(listed.toSorted()).toEqual(channels.toSorted())
  })

  test('adapters.md has a row for each case of the contract, in their order', () => {
    const start = () => Promise.reject(new Error('no server is needed'))
    const titles = contract({ name: 'of any adapter', start }).map(({ title }) => title)
    const [, section] = read('docs/adapters.md').split(/^## The contract$|^<!-- contract: made by/m)
    const rows = Array.from(section!.matchAll(/^\| (.*?) \|/gm), ([, title]) => title)
    expect(rows.slice(rows.indexOf('case') + 1)).toEqual(titles)
  })

  test('architecture.md has the source files in an order in which a file imports only files to its left', () => {
    const files = readdirSync(new URL('../src/', import.meta.url)).map((file) => file.replace(/\.ts$/, ''))
    const order = fences
      .find(({ page, code }) => page === 'docs/architecture.md' && code.startsWith('errors → '))!
      .code.split('→')
      .map((file) => file.trim())
    expect(order.toSorted()).toEqual(files.toSorted())
    const rows = Array.from(
      read('docs/architecture.md').matchAll(/^\| `([\w-]+)\.ts` \|/gm),
      ([, file]) => file,
    )
    expect(rows).toEqual(order)
    const backwards = order.flatMap((file, index) =>
      Array.from(
        readSource(`${file}.ts`).matchAll(/^(?:import|export) (?!type )[^']*'\.\/([\w-]+)\.js'/gm),
        ([, from]) => from!,
      ).flatMap((from) => (order.indexOf(from) < index ? [] : [`${file} imports ${from}`])),
    )
    expect(backwards).toEqual([])
  })

  test('what architecture.md names stands in the file that it names', () => {
    const named = Array.from(
      read('docs/architecture.md').matchAll(/((?:`[\w.#]+`(?:,| and)? ?)+)(?:in |\()`([\w-]+\.ts)`/g),
      ([, names, file]) =>
        Array.from(names!.matchAll(/`([\w.#]+)`/g), ([, name]) => ({ name: name!, file: file! })),
    ).flat()
    expect(named.length).toBeGreaterThan(20)
    const isIn = (file: string) => (part: string) =>
      new RegExp(`(?<!\\w)${part}(?!\\w)`).test(readSource(file))
    expect(named.filter(({ name, file }) => !name.split('.').every(isIn(file)))).toEqual([])
  })

  test('every decision is in the index of decisions, under the title that it has', () => {
    const decisions = pages.filter((page) => /^docs\/decisions\/\d{4}-/.test(page))
    const listed = Array.from(
      read('docs/decisions/README.md').matchAll(/^\| \[(\d+)\]\((\d{4}-[\w-]+\.md)\) \| (.*?) \|/gm),
      ([, number, file, title]) => ({ page: `docs/decisions/${file}`, heading: `${number}. ${title}` }),
    )
    expect(listed).toEqual(decisions.map((page) => ({ page, heading: headingsOf(page, 1)[0] })))
    const parts = ['Requirement', 'Code that needs it', 'Alternatives', 'Chosen', 'What we give up']
    const missing = decisions.flatMap((page) =>
      parts.filter((part) => !read(page).includes(`\n**${part}`)).map((part) => `${page}: ${part}`),
    )
    expect(missing).toEqual([])
  })
})

test('README.md shows the two commands that CI reads from it, each on a line of its own', () => {
  const commands = read('README.md').split('\n').filter((line) => line.startsWith('npm ci')) // prettier-ignore
  expect(commands).toEqual(['npm ci && npm run demo', 'npm ci && npm test'])
})

describe('links', () => {
  test.each(pages)('of %s lead to a file and a heading that are there', (page) => {
    const dead = linksOf(page).filter((link) => {
      const [path, anchor] = link.split('#') as [string, string | undefined]
      const target = path === '' ? join(repository, page) : join(repository, dirname(page), path)
      if (!existsSync(target)) return true
      if (anchor === undefined || statSync(target).isDirectory()) return anchor !== undefined
      return !anchorsOf(relative(repository, target)).includes(anchor)
    })
    expect(dead).toEqual([])
  })

  test.each(pages)('of %s stay inside the repository', (page) => {
    const outside = linksOf(page).filter((link) => {
      const target = relative(repository, join(repository, dirname(page), link))
      return link.startsWith('/') || target.startsWith('..')
    })
    expect(outside).toEqual([])
  })

  test.each(pages)('%s names no path of a machine', (page) => {
    expect(read(page)).not.toMatch(/(?<![\w.])\/(work|tmp|root|home|Users|mnt)\//)
  })
})

function read(page: string): string {
  return readFileSync(join(repository, page), 'utf8')
}

function readSource(file: string): string {
  return readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8')
}

function exampleOf(fence: Fence, index: number) {
  const throws = fence.info === 'ts throws'
  const code = throws ? catching(fence) : fence.code
  const example = runnable(
    `${fence.page}:${fence.line}`,
    code,
    Object.keys(code.includes("from '@withepoch/testing") ? scope : core),
  )
  return { ...example, file: join(folder, `${index}.ts`), throws }
}

/** A snippet that throws, as one that gives the code and the message of what it threw. */
function catching({ page, line, code }: Fence): string {
  const message = fences.find((fence) => fence.page === page && fence.line > line)?.code.trimEnd()
  const before = read(page).split('\n').slice(0, line)
  const heading = before.findLast((each) => each.startsWith('## '))?.slice('## '.length)
  return (
    `let thrown\ntry {\n${code}} catch (error) {\n  thrown = error\n}\n` +
    `[thrown?.code, thrown?.message] // => ${JSON.stringify([heading, message])}\n`
  )
}

/** Code and message without what differs from run to run: ids, ages and places. */
function stable(thrown: unknown): string[] {
  return (thrown as unknown[]).map((text) =>
    String(text)
      .replace(/#\d+/g, '#1')
      .replace(/\(\d+ ms\)/g, '(1 ms)')
      .replace(/\bat (?:…|.*:\d+:\d+\)?)$/gm, 'at …'),
  )
}

/** The options that source files say a call knows, by the type that documents them. */
function optionsOf(): Array<{ of: string; option: string }> {
  const interfaces = [
    'source',
    'cell',
    'adopt',
    'group',
    'with-epoch',
    'memo',
    'derived',
    'drain',
    'configure',
  ].flatMap((file) =>
    Array.from(
      readSource(`${file}.ts`).matchAll(
        /^export interface (\w*(?:Options|Settings))\b[^{]*\{\n([\s\S]*?)^\}/gm,
      ),
      ([, of, body]) => ({ of: of!, body: body! }),
    ),
  )
  return interfaces.flatMap(({ of, body }) =>
    Array.from(body.matchAll(/^ {2}(\w+)\??[:(]/gm), ([, option]) => ({ of, option: option! })),
  )
}

function rowOf(option: string): RegExp {
  return new RegExp(`^\\|.*\`${option}(\\(.*?\\))?\`.*\\|`, 'm')
}

function withoutFences(page: string): string {
  return read(page).replace(/^```.*\n[\s\S]*?^```$/gm, '')
}

function headingsOf(page: string, level: number): string[] {
  return Array.from(
    withoutFences(page).matchAll(new RegExp(`^${'#'.repeat(level)} (.*)$`, 'gm')),
    ([, heading]) => heading!,
  )
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>()
  return Array.from(withoutFences(page).matchAll(/^#+ (.*)$/gm), ([, heading]) => {
    const slug = heading!
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replace(/\s/g, '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
}

/** Links and pictures, in Markdown and in HTML, that lead to no other site. */
function linksOf(page: string): string[] {
  const text = withoutFences(page).replace(/`[^`\n]*`/g, '')
  const links = [
    ...Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link!),
    ...Array.from(text.matchAll(/\b(?:src|href|srcset)="([^"]+)"/g), ([, link]) => link!),
  ]
  return links.filter((link) => !/^[a-z]+:/.test(link))
}
