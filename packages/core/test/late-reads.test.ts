/**
 * Reads by work that outlived its epoch: a forgotten timer, a socket's listener, a promise nobody awaited. By default
 * they get the live value and a diagnostic that names the epoch; in strict mode they throw.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { cell, configure, detach, type Epoch, source, type SourceEvent, withEpoch } from 'withepoch'
import { listenTo } from './channel-listener.js'
import { strict } from './strict-mode.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('late-reads')

/** The late reads told of from here to the end of the test. */
function lateReads(): SourceEvent[] {
  const events: SourceEvent[] = []
  listenTo('withepoch:source:late-read', (event) => events.push(event as SourceEvent))
  return events
}

const lateMessage = (name: string, epoch: Epoch): string =>
  `A late read of "${name}": epoch #${epoch.id} "${epoch.name}" is closed. Work that goes on after its request takes a ` +
  "lease with epoch.waitUntil(promise), runs with no epoch in detach(fn), or opens its own with withEpoch({ ifNested: 'fresh' }, fn)."

describe('a late read', () => {
  test('gets the live value, and one diagnostic that names source and epoch', async () => {
    const dir = cell(unique('dir'), '/a')
    const events = lateReads()
    let late!: Promise<string>
    const epoch = withEpoch({ name: 'sessions.list' }, (inside) => {
      late = turn().then(() => dir.get())
      return inside
    })
    dir.set('/b')
    expect(await late).toBe('/b')
    expect(events).toHaveLength(1)
    expect(events[0]!.source).toBe(dir)
    expect(events[0]!.epoch).toBe(epoch)
    expect(events[0]!.epoch!.name).toBe('sessions.list')
    expect(events[0]).not.toHaveProperty('value')
    expect(events[0]!.described).toBe(undefined)
  })

  test('is told of with the live value as the source describes it, and with the live version', async () => {
    const dir = cell(unique('described'), '/a', { describe: (value) => `dir ${value}` })
    const events = lateReads()
    let late!: Promise<unknown>
    withEpoch(() => {
      late = turn().then(() => dir.get())
    })
    dir.set('/b')
    const live = withEpoch((epoch) => epoch.version)
    await late
    expect(events.map(({ described, version }) => [described, version])).toEqual([['dir /b', live]])
  })

  test('through the handle is late as well', () => {
    const dir = cell(unique('handle'), '/a')
    const events = lateReads()
    const epoch = withEpoch((inside) => inside)
    dir.set('/b')
    expect(epoch.get(dir)).toBe('/b')
    expect(events.map((event) => event.epoch)).toEqual([epoch])
  })

  test('is not what live() makes, nor a read inside, nor one outside', async () => {
    const dir = cell(unique('on time'), '/a')
    const events = lateReads()
    strict()
    let late!: Promise<string>
    withEpoch(() => {
      dir.get()
      late = turn().then(() => dir.live())
    })
    dir.get()
    expect(await late).toBe('/a')
    expect(events).toEqual([])
  })

  test('of every isolation gets the live value', async () => {
    let live = 1
    const sources = (['snapshot', 'repeatable-read', 'read-committed'] as const).map((isolation) =>
      source(unique(isolation), () => live, { isolation }),
    )
    let late!: Promise<number[]>
    withEpoch(() => {
      for (const each of sources) each.get()
      late = turn().then(() => sources.map((each) => each.get()))
    })
    live = 2
    expect(await late).toEqual([2, 2, 2])
  })

  test('gets no override and no local write of the epoch that has ended', async () => {
    const locale = cell(unique('locale'), 'en')
    const region = cell(unique('region'), 'eu')
    let late!: Promise<string[]>
    const inside = withEpoch({ values: [[locale, 'fr']], writes: 'local' }, () => {
      region.set('us')
      late = turn().then(() => [locale.get(), region.get()])
      return [locale.get(), region.get()]
    })
    expect(inside).toEqual(['fr', 'us'])
    expect(await late).toEqual(['en', 'eu'])
  })

  test('does not see the pinned value of another epoch that happens to be open', async () => {
    const dir = cell(unique('other epoch'), '/a')
    let late!: Promise<string>
    withEpoch(() => {
      late = turn().then(() => dir.get())
    })
    const other = withEpoch(async (epoch) => {
      detach(() => dir.set('/b'))
      const seen = await late
      return [seen, epoch.get(dir)]
    })
    expect(await other).toEqual(['/b', '/a'])
  })

  test('rethrows what the getter throws now', async () => {
    let broken = false
    const db = source(unique('broken'), () => {
      if (broken) throw new Error('db down')
      return 'up'
    })
    let late!: Promise<string>
    withEpoch(() => {
      late = turn().then(() => db.get())
    })
    broken = true
    await expect(late).rejects.toThrow('db down')
    broken = false
  })

  test('of a fork that outlived its parent is not late until the fork has closed', async () => {
    const dir = cell(unique('fork'), '/a')
    const events = lateReads()
    let fork!: Promise<string[]>
    let child!: Epoch
    const parent = withEpoch((outer) => {
      fork = withEpoch({ ifNested: 'fork', name: 'child' }, async (epoch) => {
        child = epoch
        const early = dir.get()
        await turn()
        return [early, dir.get()]
      })
      return outer
    })
    dir.set('/b')
    expect([parent.phase, child.phase]).toEqual(['closed', 'open'])
    expect(await fork).toEqual(['/a', '/a'])
    expect(events).toEqual([])
    expect(child.phase).toBe('closed')
  })
})

describe('in strict mode', () => {
  test('a late read throws EPOCH_CLOSED and says what was read, in which epoch, and what to do', async () => {
    const name = unique('strict')
    const dir = cell(name, '/a')
    strict()
    let late!: Promise<string>
    const epoch = withEpoch({ name: 'sessions.list' }, (inside) => {
      late = turn().then(() => dir.get())
      return inside
    })
    await expect(late).rejects.toMatchObject({ code: 'EPOCH_CLOSED', message: lateMessage(name, epoch) })
    expect(() => epoch.get(dir)).toThrow(lateMessage(name, epoch))
  })

  test('pinned reads, reads outside and detached reads do not throw', async () => {
    const dir = cell(unique('allowed'), '/a')
    strict()
    let late!: Promise<unknown>
    const inside = await withEpoch(async () => {
      late = turn().then(() => detach(() => dir.get()))
      await null
      return dir.get()
    })
    expect([inside, dir.get(), await late]).toEqual(['/a', '/a', '/a'])
  })

  test('restoring the settings makes late reads live again', () => {
    const dir = cell(unique('restored'), '/a')
    const epoch = withEpoch((inside) => inside)
    const restore = configure({ strict: true })
    expect(() => epoch.get(dir)).toThrow(expect.objectContaining({ code: 'EPOCH_CLOSED' }))
    restore()
    expect(epoch.get(dir)).toBe('/a')
  })

  test('a late read inside an onClose hook is not late: the values are still held', () => {
    const dir = cell(unique('hook'), '/a')
    strict()
    const seen: string[] = []
    withEpoch((epoch) => {
      epoch.onClose(() => seen.push(dir.get()))
      detach(() => dir.set('/b'))
    })
    expect(seen).toEqual(['/a'])
  })
})

describe('work of every kind that outlives its epoch', () => {
  test('reads live from timers, ticks, microtasks and immediates', async () => {
    const dir = cell(unique('timers'), '/a')
    const events = lateReads()
    const seen: Record<string, string> = {}
    const all: Array<Promise<void>> = []
    const start = (kind: string, schedule: (run: () => void) => void): void => {
      all.push(
        new Promise((resolve) =>
          schedule(() => {
            seen[kind] = dir.get()
            resolve()
          }),
        ),
      )
    }
    const epoch = withEpoch((inside) => {
      start('setTimeout', (run) => setTimeout(run, 0))
      start('setInterval', (run) => {
        const interval = setInterval(() => {
          clearInterval(interval)
          run()
        }, 1)
      })
      start('setImmediate', (run) => setImmediate(run))
      start('nextTick', (run) => process.nextTick(run))
      start('microtask', (run) => queueMicrotask(run))
      start('promise', (run) => void Promise.resolve().then(run))
      return inside
    })
    dir.set('/b')
    await Promise.all(all)
    expect(seen).toEqual({
      setTimeout: '/b',
      setInterval: '/b',
      setImmediate: '/b',
      nextTick: '/b',
      microtask: '/b',
      promise: '/b',
    })
    expect(events.map((event) => event.epoch)).toEqual(Array.from({ length: 6 }, () => epoch))
  })

  test('reads live from the socket that a request opened and left open', async () => {
    const dir = cell(unique('socket'), '/a')
    const events = lateReads()
    const server = createServer((socket) => socket.pipe(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    let socket!: Socket
    const seen: Array<[string, string]> = []
    const epoch = await withEpoch(async (inside) => {
      socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.on('data', (data) => seen.push([String(data), dir.get()]))
      await once(socket, 'connect')
      socket.write('inside')
      await once(socket, 'data')
      return inside
    })
    dir.set('/b')
    socket.write('after')
    await once(socket, 'data')
    socket.destroy()
    server.close()
    expect(seen).toEqual([
      ['inside', '/a'],
      ['after', '/b'],
    ])
    expect(events.map((event) => event.epoch)).toEqual([epoch])
  })

  test('reads live and untold when it was detached: it never belonged to the epoch', async () => {
    const dir = cell(unique('detached'), '/a')
    const events = lateReads()
    strict()
    let late!: Promise<string[]>
    await withEpoch(async () => {
      late = detach(async () => {
        const first = dir.get()
        await turn()
        return [first, dir.get()]
      })
      detach(() => dir.set('/b'))
    })
    dir.set('/c')
    expect(await late).toEqual(['/a', '/c'])
    expect(events).toEqual([])
  })

  test('reads a fresh epoch of its own when it opens one: a poller never reads late', async () => {
    const dir = cell(unique('poller'), '/0')
    const events = lateReads()
    strict()
    const ticks: string[] = []
    let done!: () => void
    const finished = new Promise<void>((resolve) => (done = resolve))
    withEpoch({ name: 'subscribe' }, () => {
      const tick = (): void =>
        withEpoch({ name: 'tick', ifNested: 'fresh' }, () => {
          ticks.push(dir.get())
          detach(() => dir.set(`/${ticks.length}`))
          if (ticks.length < 4) setImmediate(tick)
          else done()
        })
      setImmediate(tick)
    })
    await finished
    expect(ticks).toEqual(['/0', '/1', '/2', '/3'])
    expect(events).toEqual([])
  })
})
