/**
 * What has to be gone when this process ends, however it ends: on return, on a thrown error, on SIGINT, SIGTERM and
 * SIGHUP. It is done in the `exit` event, which all of these reach, and which allows nothing asynchronous.
 *
 * SIGKILL reaches nothing: then the gateway ends by itself (actor.ts), and the temporary folder stays behind.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import path from 'node:path'

const folders = new Set<string>()
const children = new Set<ChildProcess>()
let watching = false

export function temporaryFolder(): string {
  watch()
  const folder = mkdtempSync(path.join(tmpdir(), 'withepoch-openclaw-'))
  folders.add(folder)
  return folder
}

/** In a process group of its own, so that what it starts itself ends with it. */
export function start(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  watch()
  const child = spawn(command, args, { ...options, detached: true })
  children.add(child)
  child.once('exit', () => {
    killGroup(child)
    children.delete(child)
  })
  return child
}

/** Asks it to end, and after `graceMs` makes it; resolves when it is gone. */
export async function end(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => killGroup(child), graceMs)
  await gone
  clearTimeout(timer)
}

function watch(): void {
  if (watching) return
  watching = true
  process.on('exit', () => {
    for (const child of children) killGroup(child)
    // What has just been killed may still have been writing.
    for (const folder of folders)
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Not once: without a listener a second signal, from whoever passes signals on, would end it in the middle of this.
    process.on(signal, () => process.exit(128 + constants.signals[signal]))
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nobody of the group is left.
  }
}
