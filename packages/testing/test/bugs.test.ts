/**
 * The bugs that the kit is there for, each as a handler that has it and one that is cured, under each way to drive. That
 * the cured ones pass is as much of a promise as that the others fail.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { assertIsolation, type Drive, IsolationError, type IsolationOptions, watch } from '@withepoch/testing'
import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { bind, cell, group, memo, source, withEpoch } from 'withepoch'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
/** Not a limit on the work, only on a hang: shrinking takes what it takes on a busy machine. */
vi.setConfig({ testTimeout: 300_000 })

/** Fails `handler`, and says what was found. */
async function violationsOf<I, R, V extends object>(options: IsolationOptions<I, R, V>): Promise<string[]> {
  const error: unknown = await assertIsolation(options, { seed: SEED, numRuns: 1000 }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof IsolationError)) throw error ?? new Error('the kit found nothing')
  return [...new Set(error.violations.map(({ kind }) => kind))]
}

/** Another request's workspace: #90814 of openclaw. A row reads the global; the loader keeps the last workspace only. */
const runtime: { workspaceDir: string | undefined; metadata: string } = {
  workspaceDir: '/a',
  metadata: 'of /a',
}
const workspaceDir = source('bugs.workspaceDir', () => runtime.workspaceDir)
const metadata = source('bugs.metadata', () => runtime.metadata)
const dirs = fc.constantFrom('/a', '/b', undefined)
const sources = {
  workspaceDir: {
    source: workspaceDir,
    values: dirs,
    set: (dir: string | undefined) => void (runtime.workspaceDir = dir),
  },
}
const bothSources = {
  ...sources,
  metadata: {
    source: metadata,
    values: fc.constantFrom('of /a', 'of /b'),
    set: (value: string) => void (runtime.metadata = value),
  },
}

describe.each<{ drive: Drive; pause: () => Promise<unknown> }>([
  { drive: 'real', pause: () => turn() },
  { drive: 'simulated', pause: () => sleep(5) },
  { drive: 'exact', pause: () => Promise.resolve() },
])(`driven $drive (seed ${SEED})`, ({ drive, pause }) => {
  const rows = [1, 2, 3]

  test('the list of the report is torn and scans again; with an epoch and a memo it is neither', async () => {
    let slot: { dir: string | undefined; plugins: string } | undefined
    const scan = watch((dir: string | undefined) => `plugins of ${dir}`, { name: 'scan' })
    const load = (dir: string | undefined) => {
      if (slot?.dir !== dir || slot === undefined) slot = { dir, plugins: scan(dir) }
      return slot.plugins
    }
    const list = async (loadPlugins: (dir: string | undefined) => string) => {
      const answer: string[] = []
      for (const row of rows) {
        answer.push(`${row}: ${loadPlugins(workspaceDir.get())}`)
        await pause()
      }
      return answer
    }
    const reset = () => (slot = undefined)
    expect(await violationsOf({ drive, sources, reset, handler: () => list(load) })).toContain('torn')
    // Each row is of one workspace, and still there is one scan too many.
    const sameAnswer = () => true
    const rescans = await violationsOf({
      drive,
      sources,
      reset,
      handler: () => list(load),
      equals: sameAnswer,
    })
    expect(rescans).toEqual(['loaded-twice'])
    const loadOnce = memo(scan)
    await assertIsolation(
      { drive, sources, reset, handler: () => withEpoch(() => list(loadOnce)) },
      { seed: SEED },
    )
  })

  test('one value pinned and the other read live is a skew; both pinned is none', async () => {
    const pair = async () => {
      const dir = workspaceDir.get()
      await pause()
      return [dir, metadata.get()]
    }
    const onePinned = () =>
      withEpoch(async () => {
        const dir = workspaceDir.get()
        await pause()
        return [dir, metadata.live()]
      })
    expect(await violationsOf({ drive, sources: bothSources, handler: onePinned })).toEqual(['torn'])
    await assertIsolation({ drive, sources: bothSources, handler: () => withEpoch(pair) }, { seed: SEED })
  })

  test('values captured at their first read, each at its own moment, are a skew', async () => {
    const lazily = () => {
      const pinned = new Map<unknown, unknown>()
      const get = (one: typeof workspaceDir | typeof metadata): unknown => {
        if (!pinned.has(one)) pinned.set(one, one.live())
        return pinned.get(one)
      }
      return async () => {
        const first = get(workspaceDir)
        await pause()
        return [first, get(metadata), get(workspaceDir)]
      }
    }
    expect(await violationsOf({ drive, sources: bothSources, handler: () => lazily()() })).toEqual(['torn'])
  })

  test('a writer that stops half-way is seen half-way unless the two are a group', async () => {
    const state = { dir: 'a', meta: 'a' }
    const [dir, meta] = ['dir', 'meta'].map((key) =>
      source(`bugs.${drive}.half-way.${key}`, () => state[key as 'dir' | 'meta']),
    ) as [typeof workspaceDir, typeof workspaceDir]
    const together = {
      pair: {
        source: [dir, meta],
        values: fc.constantFrom('a', 'b', 'c').map((name): [string, string] => [name, name]),
        *set([one, other]: [string, string]) {
          state.dir = one
          yield
          state.meta = other
        },
      },
    }
    const handler = () => withEpoch(async () => [dir.get(), await pause(), meta.get()])
    expect(await violationsOf({ drive, sources: together, handler })).toEqual(['torn'])
    group(`bugs.${drive}.half-way`, [dir, meta], { coherent: (one, other) => one === other })
    await assertIsolation({ drive, sources: together, handler }, { seed: SEED })
  })

  test('work that outlives its epoch reads late; held by waitUntil it does not', async () => {
    const handler = (held: boolean) => () =>
      withEpoch(async (epoch) => {
        const work = pause().then(() => Promise.resolve().then(bind(() => workspaceDir.get())))
        if (held) epoch.waitUntil(work)
        return workspaceDir.get()
      })
    expect(await violationsOf({ drive, sources, handler: handler(false) })).toEqual(['late-read'])
    await assertIsolation({ drive, sources, handler: handler(true) }, { seed: SEED })
  })

  test('an epoch that something holds for ever is left open', async () => {
    const handler = (forEver: boolean) => () =>
      withEpoch({ name: 'held' }, (epoch) => {
        epoch.waitUntil(forEver ? new Promise(() => {}) : pause())
        return workspaceDir.get()
      })
    expect(await violationsOf({ drive, sources, settleMs: 5, handler: handler(true) })).toEqual(['left-open'])
    await assertIsolation({ drive, sources, handler: handler(false) }, { seed: SEED })
  })

  test('an array that is changed in place is torn unless its source copies it', async () => {
    const list: number[] = []
    const entry = (copy: boolean) => {
      const name = `bugs.${drive}.list.${copy ? 'copied' : 'shared'}`
      return {
        source: source(name, () => list, copy ? { copy: (value) => [...value] } : {}),
        values: fc.array(fc.nat(3), { maxLength: 2 }),
        set: (value: number[]) => void list.splice(0, list.length, ...value),
      }
    }
    const read = (one: ReturnType<typeof entry>) => () =>
      withEpoch(async () => [one.source.get().length, await pause(), one.source.get().join()])
    const [shared, copied] = [entry(false), entry(true)]
    expect(await violationsOf({ drive, sources: { list: shared }, handler: read(shared) })).toEqual(['torn'])
    await assertIsolation({ drive, sources: { list: copied }, handler: read(copied) }, { seed: SEED })
  })

  test('a call that never ends hangs', async () => {
    const handler = () => new Promise<void>(() => {})
    expect(await violationsOf({ drive, sources, timeoutMs: 20, handler })).toEqual(['hung'])
  })

  test('rows that a generator hands out are its answer', async () => {
    const live = async function* () {
      for (const row of rows) {
        yield [row, workspaceDir.get()]
        await pause()
      }
    }
    expect(await violationsOf({ drive, sources, handler: live })).toEqual(['torn'])
    await assertIsolation({ drive, sources, handler: () => withEpoch(live) }, { seed: SEED })
  })

  test('an error is an answer: the same in the frozen world, or it is torn', async () => {
    const flag = cell(`bugs.${drive}.flag`, true)
    const handler = async () => {
      const before = flag.get()
      await pause()
      if (flag.get() !== before) throw new Error('changed')
      if (!before) throw new Error('off')
    }
    const flags = { flag: { source: flag, values: fc.boolean() } }
    expect(await violationsOf({ drive, sources: flags, handler })).toEqual(['torn'])
    await assertIsolation({ drive, sources: flags, handler: () => withEpoch(handler) }, { seed: SEED })
  })
})
