/** Other threads: nothing crosses. What is to be seen there is sent, and an epoch opened with it. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Group } from '../primitive.js'

export const threads: Group = {
  id: 'threads',
  primitives: [
    {
      name: '`Worker`: what its code sees',
      intuitive: 'none',
      async run({ as, note, after }) {
        const worker = as('creator', () => new Worker(new URL('thread.js', import.meta.url)))
        after(() => worker.terminate())
        const [seen] = (await once(worker, 'message')) as [string]
        note(seen)
      },
    },
    {
      name: '`Worker`: an epoch with the values that it was sent',
      async run({ as, note, after }) {
        const worker = as(
          'creator',
          () => new Worker(new URL('thread.js', import.meta.url), { workerData: { who: 'own' } }),
        )
        after(() => worker.terminate())
        const [seen] = (await once(worker, 'message')) as [string]
        note(seen)
      },
    },
  ],
}
