/**
 * The report that this library starts from, as its user would write it down: a list reads the process-global workspace
 * directory for each row, other work sets it between two awaits, and because the directory is part of the memo's key
 * each row scans again. The five promises of the first fix, and those that it did not make.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { cell, memo, source, withEpoch } from 'withepoch'

/** The program's own global, which the library did not make and cannot change. */
const runtime: { workspaceDir: string | undefined } = { workspaceDir: '/main' }
const workspaceDir = source('plugins.workspaceDir', () => runtime.workspaceDir)

beforeEach(() => {
  runtime.workspaceDir = '/main'
})

/** Another actor: sets the workspace on every turn of the event loop, until stopped. */
function otherAgents(): () => void {
  const dirs = ['/agent-a', '/agent-b', '/cron']
  let turns = 0
  let timer = setImmediate(function next() {
    runtime.workspaceDir = dirs[turns++ % dirs.length]
    timer = setImmediate(next)
  })
  return () => {
    clearImmediate(timer)
    runtime.workspaceDir = '/main'
  }
}

describe('the workspace directory', () => {
  test('is stable inside the scope, and live outside and after it', async () => {
    runtime.workspaceDir = '/a'
    const seen: Array<[string, string | undefined]> = []
    const listing = withEpoch({ name: 'sessions.list' }, async () => {
      seen.push(['inside, before', workspaceDir.get()])
      await turn()
      seen.push(['inside, after the change', workspaceDir.get()])
      await turn()
      seen.push(['inside, a turn later', workspaceDir.get()])
    })
    runtime.workspaceDir = '/b'
    seen.push(['outside, meanwhile', workspaceDir.get()])
    await listing
    seen.push(['outside, afterwards', workspaceDir.get()])
    expect(seen).toEqual([
      ['inside, before', '/a'],
      ['outside, meanwhile', '/b'],
      ['inside, after the change', '/a'],
      ['inside, a turn later', '/a'],
      ['outside, afterwards', '/b'],
    ])
  })

  test('is each call’s own in calls that overlap, in whichever order they end', async () => {
    const releases: Array<() => void> = []
    const call = (dir: string) => {
      runtime.workspaceDir = dir
      return withEpoch(async () => {
        const first = workspaceDir.get()
        await new Promise<void>((resolve) => releases.push(resolve))
        return [first, workspaceDir.get()]
      })
    }
    const calls = ['/a', '/b', '/c'].map(call)
    runtime.workspaceDir = '/d'
    for (const index of [1, 2, 0]) {
      releases[index]!()
      await calls[index]
    }
    expect(await Promise.all(calls)).toEqual([
      ['/a', '/a'],
      ['/b', '/b'],
      ['/c', '/c'],
    ])
    expect(workspaceDir.get()).toBe('/d')
  })

  test('is the outer call’s in a nested one; an entry point inside asks for a fresh one', async () => {
    runtime.workspaceDir = '/a'
    const seen = await withEpoch(async () => {
      runtime.workspaceDir = '/b'
      await turn()
      return [
        withEpoch(() => workspaceDir.get()),
        await withEpoch(async () => (await turn(), workspaceDir.get())),
        withEpoch({ ifNested: 'fresh' }, () => workspaceDir.get()),
        workspaceDir.get(),
      ]
    })
    expect(seen).toEqual(['/a', '/a', '/b', '/a'])
  })

  test('is live again after a call that failed, at once or later', async () => {
    runtime.workspaceDir = '/a'
    await expect(
      withEpoch(async () => {
        runtime.workspaceDir = '/b'
        await turn()
        throw new Error(`no sessions in ${workspaceDir.get()}`)
      }),
    ).rejects.toThrow('no sessions in /a')
    expect(workspaceDir.get()).toBe('/b')
    expect(() =>
      withEpoch(() => {
        runtime.workspaceDir = '/c'
        throw new Error(`no sessions in ${workspaceDir.get()}`)
      }),
    ).toThrow('no sessions in /b')
    expect(workspaceDir.get()).toBe('/c')
  })

  test('stays undefined when it was undefined at entry: a pinned undefined is pinned, and nests', async () => {
    runtime.workspaceDir = undefined
    const seen = await withEpoch(async () => {
      runtime.workspaceDir = '/late'
      await turn()
      return [workspaceDir.get(), withEpoch(() => workspaceDir.get()), workspaceDir.live()]
    })
    expect(seen).toEqual([undefined, undefined, '/late'])
  })

  test('is the same through a second copy of the library', async () => {
    runtime.workspaceDir = '/a'
    vi.resetModules()
    const copy = await import('withepoch')
    expect(copy.withEpoch).not.toBe(withEpoch)
    const seen = await withEpoch(async (epoch) => {
      runtime.workspaceDir = '/b'
      await turn()
      return [
        copy.getEpoch().get(workspaceDir),
        copy.getEpoch() === epoch,
        copy.withEpoch(() => workspaceDir.get()),
      ]
    })
    expect(seen).toEqual(['/a', true, '/a'])
    expect(
      await copy.withEpoch(async () => ((runtime.workspaceDir = '/c'), await turn(), workspaceDir.get())),
    ).toBe('/b')
  })
})

describe('the list of sessions', () => {
  const scans: Array<string | undefined> = []
  const manifests = memo(async (dir: string | undefined) => {
    scans.push(dir)
    await turn()
    return { dir, plugins: 3 }
  })

  /** One row per session; each reads the workspace and what was scanned there, with other work in between. */
  async function sessionsList(rows: number): Promise<Array<string | undefined>> {
    const list: Array<string | undefined> = []
    for (let row = 0; row < rows; row++) {
      const { dir } = await manifests(workspaceDir.get())
      list.push(dir === workspaceDir.get() ? dir : `torn: ${dir} and ${workspaceDir.get()}`)
    }
    return list
  }

  async function underLoad<T>(call: () => Promise<T>): Promise<T> {
    scans.length = 0
    const stop = otherAgents()
    try {
      return await call()
    } finally {
      stop()
    }
  }

  test('without an epoch scans for every row, and mixes workspaces: the bug', async () => {
    const list = await underLoad(() => sessionsList(13))
    expect(scans).toHaveLength(13)
    expect(new Set(scans).size).toBeGreaterThan(1)
    expect(list.some((row) => row?.startsWith('torn'))).toBe(true)
  })

  test.each([7, 13, 50])(
    'of %i rows scans once in an epoch, and every row is of one workspace',
    async (rows) => {
      const list = await underLoad(() => withEpoch({ name: 'sessions.list' }, () => sessionsList(rows)))
      expect(scans).toEqual(['/main'])
      expect(list).toEqual(Array.from({ length: rows }, () => '/main'))
    },
  )

  test('scans once per call: calls that overlap share no result, calls that follow see the world as it is then', async () => {
    const lists = await underLoad(async () => {
      const overlapping = [1, 2].map(() => withEpoch(() => sessionsList(5)))
      await turn()
      await turn()
      const later = withEpoch(() => sessionsList(5))
      return Promise.all([...overlapping, later])
    })
    expect(scans).toHaveLength(3)
    expect(lists.map((list) => new Set(list).size)).toEqual([1, 1, 1])
    expect(lists[0]).toEqual(lists[1])
    expect(lists[2]![0]).toBe(scans[2])
    expect(scans[2]).not.toBe('/main')
  })

  test('is consistent over several globals: the workspace and the configuration of one moment', async () => {
    const config = cell('plugins.configOf', '/main')
    runtime.workspaceDir = '/main'
    const stop = withEpoch({ ifNested: 'fresh' }, () => otherAgents)()
    const following = source('plugins.dirAgain', () => runtime.workspaceDir)
    const pairs = await withEpoch(async () => {
      const seen: unknown[] = []
      for (let row = 0; row < 5; row++) {
        await turn()
        config.update(() => `/row-${row}`)
        seen.push([workspaceDir.get(), following.get()])
      }
      return seen
    })
    stop()
    expect(pairs).toEqual(Array.from({ length: 5 }, () => ['/main', '/main']))
  })
})
