/**
 * The suite: each cell a test of `node:test`, the same file on Node, Bun and Deno. What was seen is written to the file
 * that REPORT names; the command that started this compares it with the golden file, across all columns.
 *
 * A test fails when a cell cannot be played, and when a remedy does not do what it is for.
 */
import { strictEqual } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { groups } from './groups.js'
import { type Way, waysOf } from './primitive.js'
import { play, remedied } from './stage.js'

const { REPORT, ONLY, ALONE_FLAGS = '' } = process.env

/** By group, primitive and way: the actors seen, or why it cannot be played here. */
const seen: Record<string, Record<string, Record<string, string>>> = {}

for (const { id, primitives } of groups) {
  for (const primitive of primitives) {
    if (ONLY !== undefined && !`${id} ${primitive.name}`.includes(ONLY)) continue
    for (const way of waysOf(primitive)) {
      void test(`${id} | ${primitive.name} | ${way}`, async () => {
        const actors = await (primitive.alone === true
          ? playAlone(primitive.name, way)
          : play(primitive, way))
        ;((seen[id] ??= {})[primitive.name] ??= {})[way] = actors
        const due = remedied(way)
        if (due !== undefined && !actors.startsWith('unsupported: ')) strictEqual(actors, due)
      })
    }
  }
}

void test('the report', () => {
  if (REPORT !== undefined) writeFileSync(REPORT, JSON.stringify(seen))
})

/** In a process of its own, of the same runtime with the same flags. */
function playAlone(name: string, way: Way): Promise<string> {
  const program = fileURLToPath(new URL('alone.js', import.meta.url))
  const flags = ALONE_FLAGS === '' ? process.execArgv : ALONE_FLAGS.split(' ')
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, program, name, way], { timeout: 30_000 })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)))
    child.on('error', reject)
    child.on('close', () => {
      const said = /^seen: (.*)$/m.exec(output)?.[1]
      if (said === undefined) reject(new Error(`a process of its own said:\n${output}`))
      else resolve(said)
    })
  })
}
