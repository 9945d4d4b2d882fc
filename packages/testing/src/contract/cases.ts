/**
 * The cases of the contract: what an adapter promises, each as a script over a real connection. A case knows nothing of any
 * framework.
 */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type EpochEvent, withEpoch } from 'withepoch'
import { assertNoOpenEpochs } from '../strict.js'
import { type Client, clientOf } from './client.js'
import type { Connection, Door, Served, StreamRoute } from './door.js'
import { type Seen, Service } from './service.js'

/** How long a case may take; longer than the many calls take on a busy machine. */
const CASE_MS = 120_000

/** How many calls are under way at once among the many. */
const CONCURRENCY = 32

/** What a case has to hand. */
class Stage {
  readonly service: Service
  readonly client: Client
  readonly served: Served
  readonly #door: Door
  readonly #opened: number[]
  readonly #open: Set<number>
  /** How long what must happen may take; it only bounds a hang. */
  readonly #patienceMs: number

  constructor(
    door: Door,
    service: Service,
    served: Served,
    opened: number[],
    open: Set<number>,
    patienceMs: number,
  ) {
    this.#door = door
    this.service = service
    this.served = served
    this.client = clientOf(served, door.name)
    this.#opened = opened
    this.#open = open
    this.#patienceMs = patienceMs
  }

  nameOf(route: string): string {
    const found = this.service.route(route)
    return this.#door.nameOf?.(found) ?? `${found.method} ${found.path}`
  }

  call(route: string, input?: unknown, signal?: AbortSignal): Promise<Seen> {
    const seen = this.client.call(this.service.route(route), input, signal).then(seenIn)
    seen.catch(() => {}) // a case that fails before it awaits the call has its own error
    return seen
  }

  async webSocket(): Promise<Connection> {
    const connection = await this.served.connect?.()
    assert.ok(connection, 'start() must return connect(), which opens a WebSocket')
    return connection
  }

  stream(route: string, signal?: AbortSignal): AsyncIterable<string> {
    return this.client.stream(this.service.route(route) as StreamRoute, signal)
  }

  /** The ids of the epochs that were opened since the last look. */
  opened(): number[] {
    return this.#opened.splice(0)
  }

  isOpen(id: number): boolean {
    return this.#open.has(id)
  }

  openIds(): number[] {
    return [...this.#open]
  }

  async until(holds: () => boolean, what: () => string): Promise<void> {
    const end = performance.now() + this.#patienceMs
    while (!holds()) {
      if (performance.now() > end) assert.fail(what())
      await turn()
    }
  }

  /** Waits until that epoch has closed. */
  async closed(id: number): Promise<void> {
    await this.until(
      () => !this.#open.has(id),
      () => `epoch #${id} is still open`,
    )
  }

  async noneOpen(): Promise<void> {
    await this.until(
      () => this.#open.size === 0,
      () =>
        `still open: ${this.openIds()
          .map((id) => `#${id}`)
          .join(', ')}`,
    )
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
async function leftBeforeTheAnswer(stage: Stage): Promise<{ epoch: number; goOn: () => void }> {
  const gone = new AbortController()
  stage.opened()
  const call = stage.call('wait', undefined, gone.signal).then(
    () => assert.fail('a call whose client went was answered'),
    () => {}, // what it rejects with does not matter
  )
  const { goOn } = await stage.service.arrival()
  const [epoch] = stage.opened()
  assert.ok(epoch !== undefined, 'no epoch was opened')
  gone.abort()
  await call
  return { epoch, goOn }
}

export type Title = keyof typeof CASES

export const CASES = {
  async 'each call has an epoch of its own, and sees the world of its entry'(stage: Stage) {
    const ids: number[] = []
    for (const value of [1, 2, 3]) {
      stage.service.set(value)
      stage.opened()
      const seen = await stage.call('read')
      assertOneWorld(seen, value)
      ids.push(assertInEpoch(seen))
      assert.deepEqual(stage.opened(), [seen.epoch], 'the epochs that were opened for one call')
    }
    assert.equal(new Set(ids).size, 3)
  },

  async 'it is fresh, although the server was started inside an epoch that is open'(
    stage: Stage,
    door: Door,
  ) {
    await stage.served.close()
    stage.service.set(1)
    let release = (): void => {}
    const startUp = new Promise<void>((resolve) => (release = resolve))
    let startUpId = 0
    const running = new Promise<Served>((resolve, reject) => {
      void withEpoch({ name: 'start-up', ifNested: 'fresh' }, async (epoch) => {
        startUpId = epoch.id
        door.start(stage.service.routes).then(resolve, reject)
        await startUp
      })
    })
    const served = await running
    const client = clientOf(served, door.name)
    try {
      stage.service.set(2)
      const seen = seenIn(await client.call(stage.service.route('read')))
      assertOneWorld(seen, 2)
      assert.notEqual(assertInEpoch(seen), startUpId, 'the call runs in the epoch of the start-up')
    } finally {
      release()
      await client.close()
      await served.close()
    }
  },

  async 'it is named after the route'(stage: Stage) {
    assert.equal((await stage.call('read')).name, stage.nameOf('read'))
    assert.equal((await stage.call('item')).name, stage.nameOf('item'))
  },

  async 'two calls at a barrier: the second writes, and the first goes on in its world'(stage: Stage) {
    stage.service.set(1)
    const first = stage.call('wait')
    const arrival = await stage.service.arrival()
    const second = await stage.call('write', 2)
    assertOneWorld(second, 2)
    const later = await stage.call('read')
    assertOneWorld(later, 2)
    arrival.goOn()
    assertOneWorld(await first, 1)
    assert.equal(new Set([assertInEpoch(await first), assertInEpoch(second), assertInEpoch(later)]).size, 3)
  },

  async 'two calls at a barrier: the first is done first'(stage: Stage) {
    stage.service.set(1)
    const first = stage.call('wait')
    const arrivedFirst = await stage.service.arrival()
    stage.service.set(2)
    const second = stage.call('wait')
    const arrivedSecond = await stage.service.arrival()
    stage.service.set(3)
    arrivedFirst.goOn()
    assertOneWorld(await first, 1)
    await stage.closed(assertInEpoch(await first))
    stage.service.set(4)
    arrivedSecond.goOn()
    assertOneWorld(await second, 2)
  },

  async 'several calls over one connection, an epoch each'(stage: Stage) {
    const connection = await stage.client.oneConnection()
    try {
      const ids: number[] = []
      for (const value of [1, 2, 3]) {
        stage.service.set(value)
        const seen = seenIn(await connection.call(stage.service.route('read')))
        assertOneWorld(seen, value)
        ids.push(assertInEpoch(seen))
      }
      assert.equal(new Set(ids).size, 3)
      assert.ok(connection.reused(), 'the calls went over several connections')
    } finally {
      await connection.close()
    }
  },

  async 'a WebSocket: an epoch for each message, also for two at once'(stage: Stage) {
    const connection = await stage.webSocket()
    try {
      stage.service.set(1)
      const waiting = connection.call(stage.service.route('wait'))
      const arrival = await stage.service.arrival()
      stage.service.set(2)
      const seen = seenIn(await connection.call(stage.service.route('read')))
      assertOneWorld(seen, 2)
      arrival.goOn()
      const waited = seenIn(await waiting)
      assertOneWorld(waited, 1)
      assert.notEqual(assertInEpoch(waited), assertInEpoch(seen))
      await stage.noneOpen()
    } finally {
      await connection.close()
    }
  },

  async 'a body that was parsed: the handler is in the epoch'(stage: Stage) {
    stage.service.set(1)
    for (const input of ['short', 'long '.repeat(40_000)]) {
      const answer = (await stage.client.call(stage.service.route('echo'), input)) as {
        input: string
        seen: Seen
      }
      assert.equal(answer.input, input)
      assertOneWorld(answer.seen, 1)
      assertInEpoch(answer.seen)
    }
  },

  async 'a multipart upload: the handler is in the epoch'(stage: Stage) {
    stage.service.set(1)
    const content = 'content '.repeat(40_000)
    const answer = (await stage.client.call(stage.service.route('upload'), content)) as {
      bytes: number
      seen: Seen
    }
    assert.equal(answer.bytes, content.length)
    assertOneWorld(answer.seen, 1)
    assertInEpoch(answer.seen)
  },

  async 'a streamed answer: one world in all its chunks, open to the last'(stage: Stage) {
    stage.service.set(1)
    await assertStream(stage, 'rows')
  },

  async 'server-sent events: one world in all of them, open to the last'(stage: Stage) {
    stage.service.set(1)
    await assertStream(stage, 'events')
  },

  async 'the client goes amid a stream: the epoch closes'(stage: Stage) {
    const gone = new AbortController()
    let epoch = 0
    try {
      for await (const chunk of stage.stream('endless', gone.signal)) {
        epoch = assertInEpoch(JSON.parse(chunk) as Seen)
        assert.ok(stage.isOpen(epoch))
        gone.abort()
      }
    } catch (error) {
      if (!gone.signal.aborted) throw error
    }
    assert.notEqual(epoch, 0)
    await stage.closed(epoch)
  },

  async 'the client goes before the answer: the epoch closes once the handler is done'(stage: Stage) {
    const { epoch, goOn } = await leftBeforeTheAnswer(stage)
    goOn()
    await stage.closed(epoch)
  },

  async 'and the handler that goes on without its client is pinned to its end'(stage: Stage) {
    stage.service.set(1)
    const { epoch, goOn } = await leftBeforeTheAnswer(stage)
    for (let count = 0; count < 50; count++) await turn() // the server hears of it
    await stage.call('read')
    assert.ok(stage.isOpen(epoch), 'the epoch has closed under the handler')
    goOn()
    await stage.closed(epoch)
  },

  async 'a handler that throws, or rejects: an error is answered, and the epoch closes'(stage: Stage) {
    for (const route of ['throws', 'rejects']) {
      stage.opened()
      await assert.rejects(
        stage.client.call(stage.service.route(route)),
        `the answer of ${route} is no error`,
      )
      const [epoch, ...others] = stage.opened()
      assert.ok(epoch !== undefined && others.length === 0, `${route}: one epoch is opened`)
      await stage.closed(epoch)
    }
    assertInEpoch(await stage.call('read'))
  },

  async 'middleware that throws: an error is answered, and no epoch stays open'(stage: Stage) {
    await assert.rejects(stage.client.call(stage.service.route('broken')), 'the answer is no error')
    await stage.noneOpen()
    assertInEpoch(await stage.call('read'))
  },

  async 'open until the answer is written, closed after it'(stage: Stage) {
    const before = stage.service.returned.get('long') ?? 0
    stage.opened()
    const url = stage.served.url
    assert.ok(url !== undefined, 'the answer is written by others')
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
    try {
      socket.pause()
      socket.write('GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      await stage.until(
        () => (stage.service.returned.get('long') ?? 0) > before,
        () => 'the handler was not called',
      )
      const [epoch] = stage.opened()
      assert.ok(epoch !== undefined, 'no epoch was opened')
      for (let count = 0; count < 100; count++) await turn() // longer than it takes to end one on return
      assert.ok(stage.isOpen(epoch), 'the epoch has closed before the answer was written')
      socket.resume()
      await stage.closed(epoch)
    } finally {
      socket.destroy()
    }
  },

  async 'many calls while the world changes on every turn: none torn'(
    stage: Stage,
    door: Door,
    calls: number,
  ) {
    stage.service.set(0)
    let isOver = false
    const actor = (async () => {
      for (let value = 1; !isOver; value++) {
        stage.service.set(value)
        await turn()
      }
    })()
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
      isOver = true
      await actor
    }
    assert.equal(ids.size, calls, 'epochs of as many calls')
    assert.ok(worlds.size > 1, 'the world did not change meanwhile')
  },
} satisfies Record<string, (stage: Stage, door: Door, calls: number) => Promise<void>>

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

/** A case may end the server before its time. */
function closedOnce(served: Served): Served {
  let closing: Promise<void> | undefined
  const close = served.close.bind(served)
  return Object.assign(served, { close: () => (closing ??= close()) })
}

/** Plays one case on a server of its own; at its end no epoch is open. */
export async function play(door: Door, title: Title, calls: number, patienceMs: number): Promise<void> {
  const opened: number[] = []
  const open = new Set<number>()
  const onOpen = (event: unknown): void => {
    const { id, name } = (event as EpochEvent).epoch
    if (name === 'start-up') return
    open.add(id)
    opened.push(id)
  }
  const onClose = (event: unknown): void => void open.delete((event as EpochEvent).epoch.id)
  subscribe('withepoch:epoch:open', onOpen)
  subscribe('withepoch:epoch:close', onClose)
  const service = new Service()
  try {
    const served = closedOnce(await door.start(service.routes))
    const stage = new Stage(door, service, served, opened, open, patienceMs)
    try {
      await inTime(CASES[title](stage, door, calls), CASE_MS)
      await stage.noneOpen()
    } finally {
      await stage.client.close()
      await served.close()
    }
    await assertNoOpenEpochs({ withinMs: patienceMs })
  } finally {
    unsubscribe('withepoch:epoch:open', onOpen)
    unsubscribe('withepoch:epoch:close', onClose)
    service.release()
  }
}
