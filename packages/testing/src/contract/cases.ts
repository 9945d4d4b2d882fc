/**
 * The cases of the contract: what an adapter promises, each as a script over a real connection. A case knows nothing of any
 * framework, nor of the runtime that serves.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type Client, clientOf } from './client.js'
import type { Connection, Door, Route, Served, StreamRoute } from './door.js'
import type { Host } from './host.js'
import type { Seen } from './service.js'

/** How long a case may take, which only bounds a hang: 20,000 calls of MCP take minutes on a busy machine. */
const CASE_MS = 900_000

/** How many calls are under way at once among the many. */
const CONCURRENCY = 32

/** What is known of a door whose server may run elsewhere. */
export type Doorplate = Pick<Door, 'name' | 'nameOf' | 'without'>

/** A handler that waits. */
interface Arrival {
  goOn(): Promise<void>
}

/** What a case has to hand. */
class Stage {
  readonly #door: Doorplate
  readonly #host: Host
  /** How long what must happen may take; it only bounds a hang. */
  readonly #patienceMs: number
  #served: Served | undefined
  #client: Client | undefined

  constructor(door: Doorplate, host: Host, patienceMs: number) {
    this.#door = door
    this.#host = host
    this.#patienceMs = patienceMs
  }

  /** Starts the server, anew where it runs. */
  async start(options: { readonly inEpoch: boolean }): Promise<void> {
    await this.close()
    this.#served = await this.#host.start(options)
    this.#client = clientOf(this.#served, this.#door.name)
  }

  get client(): Client {
    return this.#client!
  }

  get served(): Served {
    return this.#served!
  }

  route(name: string): Route {
    return this.#host.routes.find((route) => route.name === name)!
  }

  nameOf(route: string): string {
    const found = this.route(route)
    return this.#door.nameOf?.(found) ?? `${found.method} ${found.path}`
  }

  call(route: string, input?: unknown, signal?: AbortSignal): Promise<Seen> {
    const seen = this.client.call(this.route(route), input, signal).then(seenIn)
    seen.catch(() => {}) // a case that fails before it awaits the call has its own error
    return seen
  }

  /** Plays what is to go over one connection, and holds it to that: by what was taken, not by what the door says. */
  async overOne(open: () => Promise<Connection>, script: (connection: Connection) => Promise<void>) {
    await this.call('read') // what the door opens for itself is open then
    const before = this.#host.connections()
    const connection = await open()
    try {
      await script(connection)
      assert.equal(this.#host.connections() - before, 1, 'connections that the server took for the calls')
    } finally {
      await connection.close()
    }
  }

  stream(route: string, signal?: AbortSignal): AsyncIterable<string> {
    return this.client.stream(this.route(route) as StreamRoute, signal)
  }

  set(value: number): Promise<void> {
    return this.#host.ask('set', value)
  }

  /** The next handler of `wait` to arrive. */
  async arrival(): Promise<Arrival> {
    const arrival = await this.#host.ask('arrival')
    return { goOn: () => this.#host.ask('goOn', arrival) }
  }

  /** How many handlers of that route have returned. */
  returned(route: string): Promise<number> {
    return this.#host.ask('returned', route)
  }

  turns(count: number): Promise<void> {
    return this.#host.ask('turns', count)
  }

  /** Another world on every turn, until what it returns is called. */
  churn(): () => Promise<void> {
    const churning = this.#host.ask('churn')
    churning.catch(() => {}) // awaited at its end
    return async () => {
      await this.#host.ask('calm')
      await churning
    }
  }

  /** The ids of the epochs that were opened since the last look. */
  opened(): Promise<number[]> {
    return this.#host.ask('opened')
  }

  async isOpen(id: number): Promise<boolean> {
    return (await this.#host.ask('openIds')).includes(id)
  }

  async until(holds: () => Promise<boolean>, what: () => string | Promise<string>): Promise<void> {
    const end = performance.now() + this.#patienceMs
    while (!(await holds())) {
      if (performance.now() > end) assert.fail(await what())
      await turn()
    }
  }

  /** Waits until that epoch has closed. */
  async closed(id: number): Promise<void> {
    await this.until(
      async () => !(await this.isOpen(id)),
      () => `epoch #${id} is still open`,
    )
  }

  async noneOpen(): Promise<void> {
    const openIds = (): Promise<number[]> => this.#host.ask('openIds')
    await this.until(
      async () => (await openIds()).length === 0,
      async () => `still open: ${(await openIds()).map((id) => `#${id}`).join(', ')}`,
    )
  }

  async close(): Promise<void> {
    await this.#client?.close()
  }
}

function seenIn(answer: unknown): Seen {
  const seen = (answer as { seen?: Seen }).seen ?? (answer as Seen)
  assert.ok(
    Array.isArray(seen?.reads),
    `an answer of the handler, got ${JSON.stringify(answer)?.slice(0, 200)}`,
  )
  return seen
}

async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `not done after ${ms} ms` })), ms)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** All reads are of one world. */
function assertOneWorld(seen: Seen, value?: number): void {
  const [first] = seen.reads
  const world = value ?? first![0]
  for (const [left, right] of seen.reads) assert.deepEqual([left, right], [world, world], 'a torn read')
}

function assertInEpoch({ epoch }: Seen): number {
  assert.equal(typeof epoch, 'number', 'the handler runs in no epoch')
  return epoch!
}

/** A call whose client goes while the handler waits: its epoch, and what lets the handler go on. */
async function leftBeforeTheAnswer(stage: Stage): Promise<{ epoch: number; arrival: Arrival }> {
  const gone = new AbortController()
  await stage.opened()
  const call = stage.call('wait', undefined, gone.signal).then(
    () => assert.fail('a call whose client went was answered'),
    () => {}, // what it rejects with does not matter
  )
  const arrival = await stage.arrival()
  const [epoch] = await stage.opened()
  assert.ok(epoch !== undefined, 'no epoch was opened')
  gone.abort()
  await call
  return { epoch, arrival }
}

export type Title = keyof typeof CASES

export const CASES = {
  async 'each call has an epoch of its own, and sees the world of its entry'(stage: Stage) {
    const ids: number[] = []
    for (const value of [1, 2, 3]) {
      await stage.set(value)
      await stage.opened()
      const seen = await stage.call('read')
      assertOneWorld(seen, value)
      ids.push(assertInEpoch(seen))
      assert.deepEqual(await stage.opened(), [seen.epoch], 'the epochs that were opened for one call')
    }
    assert.equal(new Set(ids).size, 3)
  },

  async 'it is fresh, although the server was started inside an epoch that is open'(stage: Stage) {
    await stage.start({ inEpoch: true })
    await stage.set(2)
    await stage.opened()
    const seen = await stage.call('read')
    assert.ok(
      seen.inherits,
      'the context of the start does not reach the handler: there is nothing to inherit',
    )
    assertOneWorld(seen, 2)
    assert.deepEqual(await stage.opened(), [assertInEpoch(seen)], 'the epochs that were opened for the call')
  },

  async 'it is named after the route'(stage: Stage) {
    assert.equal((await stage.call('read')).name, stage.nameOf('read'))
    assert.equal((await stage.call('item')).name, stage.nameOf('item'))
  },

  async 'two calls at a barrier: the second writes, and the first goes on in its world'(stage: Stage) {
    await stage.set(1)
    const first = stage.call('wait')
    const arrival = await stage.arrival()
    const second = await stage.call('write', 2)
    assertOneWorld(second, 2)
    const later = await stage.call('read')
    assertOneWorld(later, 2)
    await arrival.goOn()
    assertOneWorld(await first, 1)
    assert.equal(new Set([assertInEpoch(await first), assertInEpoch(second), assertInEpoch(later)]).size, 3)
  },

  async 'two calls at a barrier: the first is done first'(stage: Stage) {
    await stage.set(1)
    const first = stage.call('wait')
    const arrivedFirst = await stage.arrival()
    await stage.set(2)
    const second = stage.call('wait')
    const arrivedSecond = await stage.arrival()
    await stage.set(3)
    await arrivedFirst.goOn()
    assertOneWorld(await first, 1)
    await stage.closed(assertInEpoch(await first))
    await stage.set(4)
    await arrivedSecond.goOn()
    assertOneWorld(await second, 2)
  },

  async 'several calls over one connection, an epoch each'(stage: Stage) {
    await stage.overOne(
      () => stage.client.oneConnection(),
      async (connection) => {
        const ids: number[] = []
        for (const value of [1, 2, 3]) {
          await stage.set(value)
          const seen = seenIn(await connection.call(stage.route('read')))
          assertOneWorld(seen, value)
          ids.push(assertInEpoch(seen))
        }
        assert.equal(new Set(ids).size, 3)
      },
    )
  },

  async 'two calls at once over one connection, an epoch each'(stage: Stage) {
    await stage.overOne(
      async () => (await stage.served.connect?.()) ?? assert.fail('start() must return connect()'),
      async (connection) => {
        await stage.set(1)
        const waiting = connection.call(stage.route('wait'))
        const arrival = await stage.arrival()
        await stage.set(2)
        const seen = seenIn(await connection.call(stage.route('read')))
        assertOneWorld(seen, 2)
        await arrival.goOn()
        const waited = seenIn(await waiting)
        assertOneWorld(waited, 1)
        assert.notEqual(assertInEpoch(waited), assertInEpoch(seen))
        await stage.noneOpen()
      },
    )
  },

  async 'a body that was parsed: the handler is in the epoch'(stage: Stage) {
    await stage.set(1)
    for (const input of ['short', 'long '.repeat(40_000)]) {
      const answer = (await stage.client.call(stage.route('echo'), input)) as {
        input: string
        seen: Seen
      }
      assert.equal(answer.input, input)
      assertOneWorld(answer.seen, 1)
      assertInEpoch(answer.seen)
    }
  },

  async 'a multipart upload: the handler is in the epoch'(stage: Stage) {
    await stage.set(1)
    const content = 'content '.repeat(40_000)
    const answer = (await stage.client.call(stage.route('upload'), content)) as {
      bytes: number
      seen: Seen
    }
    assert.equal(answer.bytes, content.length)
    assertOneWorld(answer.seen, 1)
    assertInEpoch(answer.seen)
  },

  async 'a streamed answer: one world in all its chunks, open to the last'(stage: Stage) {
    await stage.set(1)
    await assertStream(stage, 'rows')
  },

  async 'server-sent events: one world in all of them, open to the last'(stage: Stage) {
    await stage.set(1)
    await assertStream(stage, 'events')
  },

  async 'the client goes amid a stream: the epoch closes'(stage: Stage) {
    const gone = new AbortController()
    let epoch = 0
    try {
      for await (const chunk of stage.stream('endless', gone.signal)) {
        epoch = assertInEpoch(JSON.parse(chunk) as Seen)
        assert.ok(await stage.isOpen(epoch))
        gone.abort()
        break // what has come meanwhile is of an epoch that may have closed
      }
    } catch (error) {
      if (!gone.signal.aborted) throw error
    }
    assert.notEqual(epoch, 0)
    await stage.closed(epoch)
  },

  async 'the client goes before the answer: the epoch closes once the handler is done'(stage: Stage) {
    const { epoch, arrival } = await leftBeforeTheAnswer(stage)
    await arrival.goOn()
    await stage.closed(epoch)
  },

  async 'and the handler that goes on without its client is pinned to its end'(stage: Stage) {
    await stage.set(1)
    const { epoch, arrival } = await leftBeforeTheAnswer(stage)
    await stage.turns(50) // the server hears of it
    await stage.call('read')
    assert.ok(await stage.isOpen(epoch), 'the epoch has closed under the handler')
    await arrival.goOn()
    await stage.closed(epoch)
  },

  async 'a handler that throws, or rejects: an error is answered, and the epoch closes'(stage: Stage) {
    for (const route of ['throws', 'rejects']) {
      await stage.opened()
      await assert.rejects(stage.client.call(stage.route(route)), `the answer of ${route} is no error`)
      const [epoch, ...others] = await stage.opened()
      assert.ok(epoch !== undefined && others.length === 0, `${route}: one epoch is opened`)
      await stage.closed(epoch)
    }
    assertInEpoch(await stage.call('read'))
  },

  async 'middleware that throws: an error is answered, and no epoch stays open'(stage: Stage) {
    await assert.rejects(stage.client.call(stage.route('broken')), 'the answer is no error')
    await stage.noneOpen()
    assertInEpoch(await stage.call('read'))
  },

  async 'open until the answer is written, closed after it'(stage: Stage) {
    const before = await stage.returned('long')
    await stage.opened()
    const url = stage.served.url
    assert.ok(url !== undefined, 'the answer is written by others')
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
    try {
      socket.pause()
      socket.write('GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      await stage.until(
        async () => (await stage.returned('long')) > before,
        () => 'the handler was not called',
      )
      const [epoch] = await stage.opened()
      assert.ok(epoch !== undefined, 'no epoch was opened')
      await stage.turns(100) // longer than it takes to end one on return
      assert.ok(await stage.isOpen(epoch), 'the epoch has closed before the answer was written')
      socket.resume()
      await stage.closed(epoch)
    } finally {
      socket.destroy()
    }
  },

  async 'many calls while the world changes on every turn: none torn'(stage: Stage, calls: number) {
    const calm = stage.churn()
    let started = 0
    const ids = new Set<number>()
    const worlds = new Set<number>()
    const caller = async (): Promise<void> => {
      while (started++ < calls) {
        const seen = await stage.call('read')
        assertOneWorld(seen)
        ids.add(assertInEpoch(seen))
        worlds.add(seen.reads[0]![0])
      }
    }
    try {
      await Promise.all(Array.from({ length: CONCURRENCY }, caller))
    } finally {
      await calm()
    }
    assert.equal(ids.size, calls, 'epochs of as many calls')
    assert.ok(worlds.size > 1, 'the world did not change meanwhile')
  },
} satisfies Record<string, (stage: Stage, calls: number) => Promise<void>>

async function assertStream(stage: Stage, route: string): Promise<void> {
  const ids = new Set<number>()
  let chunks = 0
  for await (const chunk of stage.stream(route)) {
    const seen = JSON.parse(chunk) as Seen
    assertOneWorld(seen, 1)
    ids.add(assertInEpoch(seen))
    chunks++
  }
  assert.equal(chunks, 20, 'chunks')
  assert.equal(ids.size, 1, 'epochs of one answer')
  await stage.closed([...ids][0]!)
}

/** Plays one case on a server of its own; at its end no epoch is open. */
export async function play(
  door: Doorplate,
  host: Host,
  title: Title,
  calls: number,
  patienceMs: number,
): Promise<void> {
  const stage = new Stage(door, host, patienceMs)
  try {
    await stage.start({ inEpoch: false })
    await inTime(CASES[title](stage, calls), CASE_MS)
    await stage.noneOpen()
    await host.ask('drained', patienceMs)
  } finally {
    await stage.close()
    await host.end()
  }
}
