/**
 * The measurement as a table for a terminal, with a sentence on how to read it. It does not know what a terminal is: it
 * is told whether to use colour.
 */
import Table from 'cli-table3'
import pc from 'picocolors'
import type { Cell } from './measurement.js'

export function renderTable(cells: readonly Cell[], { colour }: { colour: boolean }): string {
  const { bold, dim, green, red } = pc.createColors(colour)
  const table = new Table({
    head: ['rows', 'mode', 'load', 'scans/call', 'workspaces/answer', 'ms (median)', '× idle'].map((title) =>
      bold(title),
    ),
    colAligns: ['right', 'left', 'left', 'right', 'right', 'right', 'right'],
    // One rule under the head is enough.
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: colour ? ['grey'] : [] },
  })
  for (const cell of cells) {
    const torn = cell.workspaces > 1
    const rescans = cell.scans > 1
    const paint = (bad: boolean) => (cell.load === 'idle' ? dim : bad ? red : green)
    table.push([
      cell.rows,
      cell.mode,
      cell.load,
      paint(rescans)(String(cell.scans)),
      paint(torn)(String(cell.workspaces)),
      cell.ms.toFixed(1),
      cell.ratioToIdle.toFixed(1),
    ])
  }
  return `${table.toString()}\n\n${reading(cells)}`
}

function reading(cells: readonly Cell[]): string {
  const rows = Math.max(...cells.map((cell) => cell.rows))
  const busy = cells.filter((cell) => cell.rows === rows && cell.load === 'busy')
  return busy
    .map(({ mode, scans, workspaces, ms, ratioToIdle }) => {
      const answer = workspaces === 1 ? 'one workspace per answer' : `${workspaces} workspaces in one answer`
      const calls = mode === 'live' ? 'the median call' : 'the worst call'
      return (
        `Busy, ${mode}: ${calls} of ${rows} rows makes ${scans} ${scans === 1 ? 'scan' : 'scans'}, ${answer}, ` +
        `in ${ms.toFixed(0)} ms, ${ratioToIdle.toFixed(1)} times idle.`
      )
    })
    .join('\n')
}
