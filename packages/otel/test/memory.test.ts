/** What was told of an epoch does not keep it: instrumented, a closed epoch is collected as without. */
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type Epoch, withEpoch } from 'withepoch'
import { EpochSpanProcessor } from '@withepoch/otel'
import { aCell, elsewhere } from './a-cell.js'
import { instrument, startTelemetry } from './telemetry.js'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('closed epochs are collected, though they had spans, drift and late reads, and the spans are kept', async () => {
  const { tracer, spans } = startTelemetry({ processors: [new EpochSpanProcessor()] })
  instrument()
  const locale = aCell('en')
  const epochs: Array<WeakRef<Epoch>> = []
  for (let request = 0; request < 20; request++) {
    await tracer.startActiveSpan('request', async (span) => {
      const closed = await withEpoch(async (epoch) => {
        epochs.push(new WeakRef(epoch))
        elsewhere(() => locale.update((former) => `${former}!`))
        await null
        locale.get()
        return epoch
      })
      span.end()
      closed.get(locale)
    })
  }
  const left = () => epochs.filter((each) => each.deref() !== undefined).length
  for (let round = 0; round < 50 && left() > 0; round++) {
    await pause(1)
    collectGarbage()
  }
  expect(left()).toBe(0)
  expect(spans().map(({ name }) => name)).toEqual(
    Array.from({ length: 20 }, () => ['request', 'withepoch.source.late_read']).flat(),
  )
})
