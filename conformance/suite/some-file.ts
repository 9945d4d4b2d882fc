/** A small file of a cell's own, which is gone when the cell is done. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export function someFile(
  after: (cleanUp: () => void) => void,
  name = 'rows.txt',
  text = 'row\nrow\n',
): string {
  const folder = mkdtempSync(join(tmpdir(), 'withepoch-conformance-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
