/** Starting programs so that none is left running: each in a process group of its own, ended with all it started. */
import { type ChildProcess, spawn } from 'node:child_process'

export interface Ended {
  readonly status: number | null
  readonly output: string
  readonly timedOut: boolean
}

export interface Start {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Whether its output is shown as it comes, and not only returned. */
  readonly shown?: boolean
}

const running = new Set<ChildProcess>()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(1)
  })
}

export function run(program: string, args: readonly string[], start: Start): Promise<Ended> {
  // The settings of whoever runs this must not reach one column and not the other.
  const { NODE_OPTIONS: _options, TEST_REPORT: _report, NODE_TEST_CONTEXT: _context, ...env } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: start.cwd,
      env: { ...env, ...start.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let output = ''
    let timedOut = false
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        if (start.shown === true) process.stdout.write(text)
      })
    }
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(child)
    }, start.timeoutMs)
    child.on('error', reject)
    child.on('close', (status) => {
      clearTimeout(timer)
      running.delete(child)
      killGroup(child) // what it may have left
      resolve({ status, output, timedOut })
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // nobody is left
  }
}
