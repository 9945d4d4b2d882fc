/** Two answers of `sessions.list` to the same question, row by row. */
import { isDeepStrictEqual } from 'node:util'
import type { Row } from './conditions.js'

export interface Difference {
  readonly key: string
  /** `(row)` if only one of the answers has the row at all. */
  readonly field: string
  readonly before: unknown
  readonly after: unknown
}

/** What `after` says otherwise than `before`, and in which field. Rows are found by their key, whatever their order. */
export function compare(before: readonly Row[], after: readonly Row[]): Difference[] {
  const differences: Difference[] = []
  const rows = new Map(after.map((row) => [row.key, row]))
  for (const row of before) {
    const other = rows.get(row.key)
    rows.delete(row.key)
    if (other === undefined) {
      differences.push({ key: row.key, field: '(row)', before: row, after: undefined })
      continue
    }
    for (const field of new Set([...Object.keys(row), ...Object.keys(other)])) {
      if (isDeepStrictEqual(row[field], other[field])) continue
      differences.push({ key: row.key, field, before: row[field], after: other[field] })
    }
  }
  for (const row of rows.values()) {
    differences.push({ key: row.key, field: '(row)', before: undefined, after: row })
  }
  return differences
}
