/**
 * A program of its own, as a user would start it: TypeScript by tsx, a preload, and what it printed. Needs no build, since
 * tsx knows the `paths` of the repository's tsconfig.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const fixtures = new URL('fixtures/', import.meta.url)

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Child {
  /** Resolves when it has printed `text` on either stream. */
  says(text: string): Promise<void>
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ended>
}

/** Starts `program` with preloads, all of them files of the folder `fixtures` or absolute. */
export function start(program: string, preloads: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Child {
  const pathOf = (file: string): string => fileURLToPath(new URL(file, fixtures))
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      ...preloads.flatMap((file) => ['--import', new URL(file, fixtures).href]),
      pathOf(program),
    ],
    { cwd: root, env: { ...process.env, NODE_OPTIONS: '', ...env } },
  )
  const printed = { stdout: '', stderr: '' }
  const waiting: Array<() => void> = []
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      printed[stream] += text
      for (const look of waiting.slice()) look()
    })
  }
  return {
    says: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!(printed.stdout + printed.stderr).includes(text)) return
          waiting.splice(waiting.indexOf(look), 1)
          resolve()
        }
        waiting.push(look)
        look()
      }),
    kill: (signal) => void child.kill(signal),
    ended: new Promise((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal, ...printed }))
    }),
  }
}
