/** Run with --expose-gc: of 20 recorded epochs, how many values are collected while a stream has not taken a byte. */
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { record } from '@withepoch/timeline'
import { cell, withEpoch } from 'withepoch'

const stuck = new Writable({ write: () => {} })
const epochs = 20
let collected = 0
const registry = new FinalizationRegistry(() => {
  collected += 1
})
const held = cell('held', {})
record({ to: stuck, maxBufferedBytes: 10_000 })
for (let n = 0; n < epochs; n++) {
  await withEpoch({ name: `epoch ${n}`, ifNested: 'fresh' }, async () => {
    const value = { n }
    registry.register(value, n)
    held.set(value)
    held.get()
    await null
  })
}
held.set({})
for (let round = 0; round < 50 && collected < epochs; round++) {
  await turn()
  globalThis.gc!()
}
process.stdout.write(JSON.stringify({ epochs, collected }))
process.exit()
