/** What a worker thread does for `primitives/threads.ts`: says what its own copy of the library sees. */
import { parentPort, workerData } from 'node:worker_threads'
import { cell, withEpoch } from 'withepoch'

const who = cell('conformance.who', 'none')
const sent = workerData as { who: string } | null | undefined

const seen =
  typeof sent?.who === 'string' ? withEpoch({ values: [[who, sent.who]] }, () => who.get()) : who.get()
parentPort!.postMessage(seen)
