/**
 * `withEpoch` inside `withEpoch`: each of `ifNested` against an outer epoch that is open, closing, closed or detached
 * from, and what the inner one does to the life of the outer. A server started inside an epoch is here because it is
 * the reason why entry points say `fresh`.
 */
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test as once, vi } from 'vitest'
import { bind, cell, detach, type Epoch, getEpoch, publish, tryGetEpoch, withEpoch } from 'withepoch'
import { deferred } from './deferred.js'
import { refusal } from './refusal.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('nesting')

// --- outer open ---

once('reuse joins the outer epoch: one epoch, one snapshot, one life', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ name: 'outer' }, (outer) => {
    detach(() => c.set(2))
    const inner = withEpoch({ name: 'inner', ifNested: 'reuse' }, (epoch) => [
      epoch === outer,
      epoch.name,
      c.get(),
      getEpoch() === outer,
    ])
    return [...inner, outer.phase]
  })
  expect(seen).toEqual([true, 'outer', 1, true, 'open'])
})

once('reuse is the default', () => {
  withEpoch((outer) => {
    expect(withEpoch((epoch) => epoch === outer)).toBe(true)
    expect(withEpoch({}, (epoch) => epoch === outer)).toBe(true)
    expect(withEpoch({ values: [] }, (epoch) => epoch === outer)).toBe(true)
  })
})

once('what a joined handler writes is written by the outer epoch', () => {
  const [published, local] = [cell(unique('published'), 1), cell(unique('local'), 1)]
  withEpoch(() => {
    withEpoch(() => published.set(2))
    expect([published.get(), published.live()]).toEqual([2, 2])
  })
  withEpoch({ writes: 'local' }, () => {
    withEpoch(() => local.set(2))
    expect([local.get(), local.live()]).toEqual([2, 1])
  })
})

once('a joined handler that throws or rejects leaves the outer epoch open', async () => {
  const failure = new Error('inner')
  await withEpoch(async (outer) => {
    expect(() =>
      withEpoch(() => {
        throw failure
      }),
    ).toThrow(failure)
    await expect(withEpoch(async () => Promise.reject(failure))).rejects.toBe(failure)
    expect([outer.phase, getEpoch() === outer]).toEqual(['open', true])
  })
})

once('a joined handler holds the outer epoch open until its work is done', async () => {
  const c = cell(unique('c'), 1)
  const gate = deferred()
  let inner: Promise<number> | undefined
  const outer = withEpoch((epoch) => {
    inner = withEpoch(async () => {
      await gate.promise
      return c.get()
    })
    return epoch // the outer handler is done, and does not wait for the inner one
  })
  c.set(2)
  expect(outer.phase).toBe('open')
  gate.resolve()
  expect([await inner, outer.phase]).toEqual([1, 'closed'])
})

once('a joined handler that rejects lets go of the outer epoch', async () => {
  const gate = deferred()
  let inner: Promise<void> | undefined
  const outer = withEpoch((epoch) => {
    inner = withEpoch(() => gate.promise)
    return epoch
  })
  expect(outer.phase).toBe('open')
  gate.reject(new Error('inner'))
  await expect(inner).rejects.toThrow('inner')
  expect(outer.phase).toBe('closed')
})

once('a joined generator holds the outer epoch open until it finishes', () => {
  const c = cell(unique('c'), 1)
  let rows: Iterator<number> | undefined
  const outer = withEpoch((epoch) => {
    rows = withEpoch(function* () {
      yield c.get()
      yield c.get()
    })
    return epoch
  })
  c.set(2)
  const seen = [rows!.next().value, outer.phase, rows!.next().value, outer.phase]
  rows!.next()
  expect([...seen, outer.phase]).toEqual([1, 'open', 1, 'open', 'closed'])
})

once('a handler joined by a handler that joined holds, too', async () => {
  const gate = deferred()
  let inner: Promise<void> | undefined
  const outer = withEpoch((epoch) => {
    void withEpoch(async () => {
      inner = withEpoch(() => gate.promise)
    })
    return epoch
  })
  await turn()
  expect(outer.phase).toBe('open')
  gate.resolve()
  await inner
  expect(outer.phase).toBe('closed')
})

once('reuse with values opens a fork, for joining would change the outer view', () => {
  const [c, other] = [cell(unique('c'), 1), cell(unique('other'), 1)]
  withEpoch({ name: 'outer' }, (outer) => {
    detach(() => other.set(2))
    const seen = withEpoch({ ifNested: 'reuse', values: [[c, 5]] }, (inner) => [
      inner.id === outer.id,
      inner.parentId,
      c.get(),
      other.get(),
    ])
    expect([seen, c.get(), other.get(), c.live()]).toEqual([[false, outer.id, 5, 1], 1, 1, 1])
  })
})

once('reuse with other writes than the outer epoch’s opens a fork', () => {
  const c = cell(unique('c'), 1)
  withEpoch((outer) => {
    withEpoch({ writes: 'local' }, (inner) => {
      expect(inner.parentId).toBe(outer.id)
      c.set(2)
      expect(c.get()).toBe(2)
    })
    expect([c.get(), c.live()]).toEqual([1, 1])
    expect(withEpoch({ writes: 'publish' }, (inner) => inner === outer)).toBe(true)
  })
})

once('fork starts from the parent’s snapshot, not from live', () => {
  const c = cell(unique('c'), 1)
  withEpoch((outer) => {
    detach(() => c.set(2))
    withEpoch({ ifNested: 'fork' }, (inner) => {
      expect([c.get(), inner.version, inner === outer]).toEqual([1, outer.version, false])
    })
  })
})

once('fork starts with the parent’s own writes and overrides, and what it pinned at first read', () => {
  const [local, override] = [cell(unique('local'), 1), cell(unique('override'), 1)]
  const lazy = cell(unique('lazy'), 1, { isolation: 'repeatable-read' })
  const seen = withEpoch({ writes: 'local', values: [[override, 10]] }, () => {
    local.set(2)
    lazy.get()
    detach(() => lazy.set(2))
    return withEpoch({ ifNested: 'fork' }, () => [local.get(), override.get(), lazy.get()])
  })
  expect(seen).toEqual([2, 10, 1])
})

once('a fork’s local writes stay its own, and the parent’s later ones do not reach it', async () => {
  const [a, b] = [cell(unique('a'), 1), cell(unique('b'), 1)]
  const seen = await withEpoch({ writes: 'local' }, async () => {
    const gate = deferred()
    b.set(2)
    const child = withEpoch({ ifNested: 'fork' }, async () => {
      const atFork = b.get()
      await gate.promise
      a.set(2)
      return [a.get(), b.get(), atFork]
    })
    b.set(3)
    gate.resolve()
    return { child: await child, parent: [a.get(), b.get()], live: [a.live(), b.live()] }
  })
  expect(seen).toEqual({ child: [2, 2, 2], parent: [1, 3], live: [1, 1] })
})

once('a fork’s published write goes live and to itself, not to the parent', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch(() => {
    const child = withEpoch({ ifNested: 'fork' }, () => {
      c.set(2)
      return c.get()
    })
    return [child, c.get(), c.live()]
  })
  expect(seen).toEqual([2, 1, 2])
})

once('a fork takes its parent’s way with writes, and its name, unless it is given its own', () => {
  const c = cell(unique('c'), 1)
  withEpoch({ name: 'parent', writes: 'local' }, () => {
    withEpoch({ ifNested: 'fork' }, (child) => {
      c.set(2)
      expect([child.name, c.live()]).toEqual(['parent', 1])
    })
    withEpoch({ ifNested: 'fork', name: 'child', writes: 'publish' }, (child) => {
      c.set(3)
      expect([child.name, c.live()]).toEqual(['child', 3])
    })
    expect(c.get()).toBe(1)
  })
})

once('a fork has a life of its own: it may outlive its parent, and end before it', async () => {
  const c = cell(unique('c'), 1)
  const gate = deferred()
  let child: Promise<[number, string]> | undefined
  const parent = withEpoch((epoch) => {
    const short = withEpoch({ ifNested: 'fork' }, (fork) => fork)
    expect([short.phase, epoch.phase]).toEqual(['closed', 'open'])
    child = withEpoch({ ifNested: 'fork' }, async (fork) => {
      await gate.promise
      return [c.get(), fork.phase]
    })
    return epoch
  })
  c.set(2)
  expect(parent.phase).toBe('closed')
  gate.resolve()
  expect(await child).toEqual([1, 'open'])
})

once('fresh captures live anew, and leaves the outer epoch as it is', () => {
  const c = cell(unique('c'), 1)
  const seen = withEpoch({ values: [[c, 10]], writes: 'local' }, (outer) => {
    detach(() => c.set(2))
    const fresh = withEpoch({ ifNested: 'fresh' }, (inner) => {
      const read = [c.get(), inner.name, inner === outer]
      c.set(3)
      return [...read, c.get(), c.live()]
    })
    return [fresh, c.get(), getEpoch() === outer]
  })
  expect(seen).toEqual([[2, 'anonymous', false, 3, 3], 10, true])
})

once('throw is refused with the outer epoch’s name, and the handler does not run', () => {
  const handler = vi.fn<() => void>()
  withEpoch({ name: 'outer' }, (outer) => {
    expect(refusal(() => withEpoch({ ifNested: 'throw' }, handler))).toBe(
      `NESTED_EPOCH: withEpoch({ ifNested: 'throw' }) was called inside epoch #${outer.id} "outer". Say 'reuse' to join it, ` +
        "'fork' for a child of it, or 'fresh' for a new capture.",
    )
    expect(outer.phase).toBe('open')
  })
  expect(handler.mock.calls).toEqual([])
})

// --- outer closing, closed, detached, none ---

const ALL = ['reuse', 'fork', 'fresh', 'throw'] as const

once.each(ALL)('outside any epoch %s opens a new one, without a parent', (ifNested) => {
  const c = cell(unique('c'), 1)
  expect(withEpoch({ ifNested }, (epoch) => [c.get(), epoch.parentId, epoch.phase])).toEqual([
    1,
    undefined,
    'open',
  ])
})

once.each(ALL)('while the outer epoch is closing, %s opens a new one, from live', async (ifNested) => {
  const c = cell(unique('c'), 1)
  const found = deferred<unknown[]>()
  const id = withEpoch({ writes: 'local' }, (outer) => {
    c.set(50)
    detach(() => c.set(2))
    outer.onClose(() => {
      const own = [outer.phase, c.get()]
      const inner = withEpoch({ ifNested }, (epoch) => [
        epoch === outer,
        epoch.parentId,
        epoch.phase,
        c.get(),
      ])
      found.resolve([own, inner])
    })
    return outer.id
  })
  expect(await found.promise).toEqual([
    ['closing', 50],
    [false, id, 'open', 2],
  ])
})

once.each(ALL)('in work that outlived its epoch, %s opens a new one, from live', async (ifNested) => {
  const c = cell(unique('c'), 1)
  const gate = deferred()
  let late: Promise<unknown[]> | undefined
  const outer = withEpoch({ name: 'gone' }, (epoch) => {
    late = gate.promise.then(() =>
      withEpoch({ ifNested }, (inner) => [inner === epoch, inner.name, inner.parentId, inner.phase, c.get()]),
    )
    return epoch
  })
  c.set(2)
  gate.resolve()
  expect([await late, outer.phase]).toEqual([[false, 'anonymous', outer.id, 'open', 2], 'closed'])
})

once.each(ALL)('in detached work %s opens a new one, without a parent', async (ifNested) => {
  const c = cell(unique('c'), 1)
  const seen = await withEpoch(async (outer) => {
    c.get()
    return detach(async () => {
      c.set(2)
      await null
      return withEpoch({ ifNested }, (inner) => [inner === outer, inner.parentId, c.get()])
    })
  })
  expect(seen).toEqual([false, undefined, 2])
})

once.each(ALL)(
  'with overrides, in work that outlived its epoch, %s opens a new one with them',
  (ifNested) => {
    const c = cell(unique('c'), 1)
    const late = withEpoch(() => bind(() => withEpoch({ ifNested, values: [[c, 7]] }, () => c.get())))
    expect([late(), c.get()]).toEqual([7, 1])
  },
)

once('getEpoch is refused outside any epoch, and in detached work, as in none', () => {
  const found =
    'NO_EPOCH: getEpoch(): the running code is in no epoch. Wrap the entry point in withEpoch(handler), or use ' +
    'tryGetEpoch() where none is fine.'
  expect([refusal(getEpoch), withEpoch(() => detach(() => refusal(getEpoch)))]).toEqual([found, found])
})

once('an epoch without an age of its own sets no timer', () => {
  const timers = vi.spyOn(globalThis, 'setInterval')
  onTestFinished(() => timers.mockRestore())
  withEpoch({ name: 'quick' }, () => {})
  expect(timers.mock.calls).toEqual([])
})

// --- who is whose parent ---

once('an epoch has the id of the one in which it was opened, forked or fresh; ids rise', () => {
  withEpoch((outer) => {
    const fork = withEpoch({ ifNested: 'fork' }, (inner) => [
      inner.parentId,
      inner.id,
      withEpoch({ ifNested: 'fork' }, (deeper) => deeper.parentId),
    ])
    const fresh = withEpoch({ ifNested: 'fresh' }, (inner) => [inner.parentId, inner.id])
    expect(outer.parentId).toBe(undefined)
    expect([fork[0], fork[2], fresh[0]]).toEqual([outer.id, fork[1], outer.id])
    expect(fork[1]).toBeGreaterThan(outer.id)
    expect(fresh[1]).toBeGreaterThan(fork[1]!)
  })
})

once('bound work belongs to its epoch, whoever calls it: reuse joins that one', () => {
  const c = cell(unique('c'), 1)
  withEpoch({ name: 'a', values: [[c, 2]] }, (a) => {
    const join = bind(() => withEpoch((epoch) => [epoch === a, c.get()]))
    expect(withEpoch({ name: 'b', ifNested: 'fresh' }, join)).toEqual([true, 2])
  })
})

once('the outer epoch is current again after the inner one, also when it threw', () => {
  withEpoch((outer) => {
    for (const ifNested of ['fork', 'fresh'] as const) {
      expect(withEpoch({ ifNested }, (inner) => tryGetEpoch() === inner)).toBe(true)
      expect(tryGetEpoch()).toBe(outer)
      expect(() =>
        withEpoch({ ifNested }, () => {
          throw new Error('inner')
        }),
      ).toThrow('inner')
      expect(tryGetEpoch()).toBe(outer)
    }
  })
})

// --- bad input ---

once('withEpoch refuses a handler that is no function, and options it does not know', () => {
  const handler = vi.fn<() => void>()
  const anyWithEpoch = withEpoch as unknown as (...args: unknown[]) => unknown
  expect([
    refusal(() => anyWithEpoch()),
    refusal(() => anyWithEpoch({})),
    refusal(() => anyWithEpoch({}, 'secret')),
    refusal(() => anyWithEpoch(null, handler)),
    refusal(() => anyWithEpoch('name', handler)),
    refusal(() => anyWithEpoch({ ifNested: 'inherit' }, handler)),
    refusal(() => anyWithEpoch({ ifNested: 3 }, handler)),
    refusal(() => anyWithEpoch({ writes: 'readonly' }, handler)),
    refusal(() => anyWithEpoch({ name: 7 }, handler)),
    refusal(() => anyWithEpoch({ ifnested: 'fork' }, handler)),
    refusal(() => anyWithEpoch(handler, handler)),
  ]).toEqual([
    'INVALID_ARGUMENT: withEpoch(options, handler): options must be an object, got undefined.',
    'INVALID_ARGUMENT: withEpoch(options?, handler): handler must be a function, got undefined.',
    'INVALID_ARGUMENT: withEpoch(options?, handler): handler must be a function, got a string.',
    'INVALID_ARGUMENT: withEpoch(options, handler): options must be an object, got null.',
    'INVALID_ARGUMENT: withEpoch(options, handler): options must be an object, got a string.',
    'INVALID_ARGUMENT: withEpoch(options, handler): ifNested is "inherit"; it is one of reuse, fork, fresh, throw.',
    'INVALID_ARGUMENT: withEpoch(options, handler): ifNested is a number; it is one of reuse, fork, fresh, throw.',
    'INVALID_ARGUMENT: withEpoch(options, handler): writes is "readonly"; it is one of publish, local, reject.',
    'INVALID_ARGUMENT: withEpoch(options, handler): name must be a string, got a number.',
    'INVALID_ARGUMENT: withEpoch(options, handler): unknown option "ifnested". Known: name, ifNested, values, writes, ' +
      'maxAgeMs, ifOverdue.',
    'INVALID_ARGUMENT: withEpoch(options, handler): options must be an object, got a function.',
  ])
  expect(handler.mock.calls).toEqual([])
})

once('a handler returns what it returned, whatever that is', async () => {
  const values: unknown[] = [
    undefined,
    null,
    0,
    'x',
    Symbol.iterator,
    [1, 2],
    new Map(),
    { next: 1 },
    () => 1,
  ]
  for (const value of values) {
    expect(withEpoch(() => value)).toBe(value)
    expect(await withEpoch(async () => value)).toBe(value)
  }
})

// --- a server started inside an epoch ---

/** What `handler` answers to one request to a real server that was started inside an open epoch. */
async function answerOfServerStartedInside(handler: () => string, between: () => void): Promise<string> {
  const done = deferred()
  const server = createServer((_, response) => response.end(handler()))
  const outer = withEpoch({ name: 'start-up' }, async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await done.promise
  })
  await new Promise<void>((resolve) => (server.listening ? resolve() : server.once('listening', resolve)))
  detach(between)
  const { port } = server.address() as AddressInfo
  const body = await new Promise<string>((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
  done.resolve()
  await outer
  await new Promise((resolve) => server.close(resolve))
  return body
}

once(
  'a server started inside an epoch hands it to every request: reuse serves the start-up value',
  async () => {
    const c = cell(unique('c'), 'start-up')
    const answer = await answerOfServerStartedInside(
      () => withEpoch(() => `${c.get()} in ${getEpoch().name}`),
      () => c.set('reloaded'),
    )
    expect(answer).toBe('start-up in start-up')
  },
)

once('an entry point that says fresh serves the newest value, wherever its server was started', async () => {
  const c = cell(unique('c'), 'start-up')
  const answer = await answerOfServerStartedInside(
    () => withEpoch({ name: 'request', ifNested: 'fresh' }, () => `${c.get()} in ${getEpoch().name}`),
    () => publish(() => c.set('reloaded')),
  )
  expect(answer).toBe('reloaded in request')
})

once('a result whose properties throw when they are looked at is returned all the same', () => {
  const strictObject = new Proxy({} as { then?: never }, {
    get(_, key) {
      if (key === 'next') throw new Error('no such field')
      return undefined
    },
  })
  expect(withEpoch(() => strictObject) === strictObject).toBe(true)
})

once('what joined an epoch and ended it does not hold it: it stays ended', async () => {
  let outer!: Epoch
  const joined: Array<Promise<void>> = []
  const rows: Iterator<never> & Iterable<never> = {
    [Symbol.iterator]: () => rows,
    return: () => ({ done: true, value: undefined }),
    next() {
      // An asynchronous handler joins, and before it returns has closed the iterator that held the epoch open.
      for (let each = 0; each < 2; each++) joined.push(withEpoch(async () => void bound.return?.()))
      return { done: true, value: undefined }
    },
  }
  const bound = withEpoch((epoch) => ((outer = epoch), rows))
  bound.next()
  await Promise.all(joined)
  expect([outer.phase, outer.signal.aborted, refusal(() => outer.advance()).slice(0, 12)]).toEqual([
    'closed',
    true,
    'EPOCH_CLOSED',
  ])
})
