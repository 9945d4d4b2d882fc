/**
 * The golden file: what each cell showed when somebody last looked at it and agreed. It knows the columns' versions and
 * the packages', so that a difference after an update says what it comes from, and the page is made from it alone.
 */

/** By column: an actor, several joined by commas, or `unsupported: ` and a reason. */
export type Cells = Readonly<Record<string, string>>

export interface Row {
  readonly name: string
  /** The npm package and its version, where it is not part of the runtime. */
  readonly package?: string
  /** What one would expect, where it is not the own epoch. */
  readonly intuitive?: string
  /** The plain way and each remedy. */
  readonly ways: Readonly<Record<string, Cells>>
}

export interface Golden {
  /** The title of each column, with its version. */
  readonly columns: Readonly<Record<string, string>>
  readonly groups: ReadonlyArray<{ readonly id: string; readonly rows: readonly Row[] }>
}

const UNSUPPORTED = 'unsupported: '

/** Why a cell cannot be played; undefined where it can. */
export function reasonIn(cell: string): string | undefined {
  return cell.startsWith(UNSUPPORTED) ? cell.slice(UNSUPPORTED.length) : undefined
}

export function unsupported(reason: string): string {
  return `${UNSUPPORTED}${reason}`
}

/** What the cell of a remedy must show in every column that can play it. */
export function dueTo(way: string): string | undefined {
  if (way === 'plain') return undefined
  return way === 'detach' ? 'none' : 'own'
}

/** Whether a row needs no remedy anywhere. */
export function isIntuitive({ ways, intuitive = 'own' }: Row): boolean {
  return Object.values(ways['plain'] ?? {}).every(
    (cell) => reasonIn(cell) !== undefined || cell === intuitive,
  )
}

/** What is wrong with the golden file itself, whatever the columns show. */
export function faultsOf({ groups }: Golden): string[] {
  return groups.flatMap(({ id, rows }) =>
    rows.flatMap((row) => {
      const remedies = Object.entries(row.ways).filter(([way]) => way !== 'plain')
      const faults = remedies.flatMap(([way, cells]) =>
        Object.entries(cells).flatMap(([column, cell]) =>
          reasonIn(cell) !== undefined || cell === dueTo(way)
            ? []
            : [`${id}: ${row.name}: ${way} does not help on ${column}: it shows ${cell}`],
        ),
      )
      if (remedies.length > 0 || isIntuitive(row)) return faults
      return [...faults, `${id}: ${row.name}: no remedy is shown for what is not intuitive`]
    }),
  )
}

/** One line per way, so that a change of a cell is a change of a line. */
export function goldenAsText(golden: Golden): string {
  const text = JSON.stringify(golden, null, 2)
  const onOneLine = text.replace(/(": )\{\s*("node-20": [^{}]*?)\s*\}/g, (_, key: string, cells: string) => {
    return `${key}{ ${cells.replace(/\s*\n\s*/g, ' ')} }`
  })
  return `${onOneLine}\n`
}
