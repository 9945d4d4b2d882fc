/**
 * `test(title, body)` that runs the body three times: with no epoch around it, inside one that it would join, and
 * inside a fork. Most promises must hold in all three, since code seldom knows whether it was called from a request.
 * A statement about the outermost epoch alone uses vitest's own `test`. It stands beside the test files because it
 * states nothing itself; it knows nothing of what the bodies say.
 *
 * Sources made in the body are registered while the outer epoch is open and so are captured at their first read there:
 * read, let the world change, read again.
 */
/* oxlint-disable vitest/expect-expect -- the bodies, which are the callers', assert */
import { test as once } from 'vitest'
import { withEpoch } from 'withepoch'

type Body = () => void | Promise<void>

const AROUND: ReadonlyArray<readonly [where: string, run: (body: Body) => void | Promise<void>]> = [
  ['no outer epoch', (body) => body()],
  ['in a reused epoch', (body) => withEpoch({ name: 'outer' }, body)],
  [
    'in a forked epoch',
    (body) => withEpoch({ name: 'outer' }, () => withEpoch({ name: 'fork', ifNested: 'fork' }, body)),
  ],
]

/** Registers `title` three times, once per surrounding. */
export function test(title: string, body: Body): void {
  for (const [where, run] of AROUND) once(`${title} (${where})`, () => run(body))
}
