/**
 * What Stryker says, in the words that the documentation uses: of each mutant its file, the line it is in, and what was
 * put for what. A mutant is known by those, not by its place, which moves with every edit above it.
 */
import { readFileSync } from 'node:fs'

/** Stryker's statuses. A test that fails and one that hangs both detect; `RuntimeError` and the like say nothing. */
type Status = 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'Ignored' | 'RuntimeError' | 'CompileError'

interface Position {
  readonly line: number
  readonly column: number
}

/** The part of the mutation testing report schema (version 1) that is used here. */
interface Report {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly source: string
        readonly mutants: ReadonlyArray<{
          readonly mutatorName: string
          readonly replacement?: string
          readonly location: { readonly start: Position; readonly end: Position }
          readonly status: Status
          readonly statusReason?: string
          readonly static?: boolean
        }>
      }
    >
  >
}

export interface Mutant {
  /** Name of the file in `packages/core/src`. */
  readonly file: string
  readonly lineNumber: number
  /** The line that it begins in. */
  readonly line: string
  /** `what stood there → what was put there`, on one line. */
  readonly change: string
  readonly mutator: string
  readonly status: Status
  /** Detected only because a test, or the whole run, took too long. */
  readonly hung: boolean
  readonly isStatic: boolean
}

/** Longer pieces of code are told by their beginning. */
const SHOWN = 100

export function mutantsOf(reportFile: string): Mutant[] {
  const { files } = JSON.parse(readFileSync(reportFile, 'utf8')) as Report
  return Object.entries(files).flatMap(([path, { source, mutants }]) => {
    const lines = source.split('\n')
    return mutants.map(({ location: { start, end }, ...mutant }) => {
      const line = (lines[start.line - 1] ?? '').trim()
      const original = textBetween(lines, start, end)
      return {
        file: path.slice(path.lastIndexOf('/') + 1),
        lineNumber: start.line,
        line,
        change: `${shown(original)} → ${shown(mutant.replacement ?? '')}`,
        mutator: mutant.mutatorName,
        status: mutant.status,
        hung: mutant.status === 'Timeout' || mutant.statusReason?.startsWith('Test timed out in ') === true,
        isStatic: mutant.static === true,
      }
    })
  })
}

export function isDetected({ status }: Mutant): boolean {
  return status === 'Killed' || status === 'Timeout'
}

export function isUndetected({ status }: Mutant): boolean {
  return status === 'Survived' || status === 'NoCoverage'
}

function textBetween(lines: readonly string[], start: Position, end: Position): string {
  if (start.line === end.line) return (lines[start.line - 1] ?? '').slice(start.column - 1, end.column - 1)
  return [
    (lines[start.line - 1] ?? '').slice(start.column - 1),
    ...lines.slice(start.line, end.line - 1),
    (lines[end.line - 1] ?? '').slice(0, end.column - 1),
  ].join('\n')
}

function shown(code: string): string {
  const line = code.replaceAll(/\s+/g, ' ')
  return line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line
}
