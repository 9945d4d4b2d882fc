/**
 * What requests leave behind and the process keeps for as long as it lives: timers, sockets, listeners, promises. Each
 * holds the async context that it was made in, or the epoch itself. So many requests leave one each, once with nothing
 * around them, once in an epoch, once in a plain AsyncLocalStorage whose store has the same values in it; what a holder
 * costs is the growth of the heap, and whether the values went is told by a FinalizationRegistry.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { createSocket } from 'node:dgram'
import { EventEmitter, on, once, setMaxListeners } from 'node:events'
import { Agent, createServer, get, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { PassThrough, pipeline } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { Core } from './epochs.js'
import { collectUntil, heapInUse } from './heap.js'

/** What a request has to hand. In an epoch these are the library's own; elsewhere, what does the same without it. */
interface Tools {
  readonly keep: (held: unknown) => void
  readonly bind: <F extends () => unknown>(fn: F) => F
  readonly bindEmitter: (emitter: EventEmitter) => EventEmitter
  readonly bindIterable: (rows: Iterator<unknown>) => unknown
  /** The epoch's handle, a fork's, the epoch's signal. */
  readonly handle: () => unknown
  readonly fork: () => unknown
  readonly signal: () => AbortSignal
  /** Runs `fn` in a memoised computation, in a derived one. */
  readonly memoised: (fn: () => void) => unknown
  readonly derived: (fn: () => void) => unknown
}

type Leave = (tools: Tools) => unknown

/** Runs a request that leaves something, in a context of its own. */
type Enter = (leave: Leave) => Promise<unknown>

export interface Holder {
  /** What a request does to leave it. */
  readonly leave?: Leave
  /** For those that need a server: makes so many requests. */
  readonly serve?: (enter: Enter, count: number, tools: Tools) => Promise<void>
  /** The handler never ends, or hands out a generator that nobody finishes: the epoch is closed at its `maxAgeMs`. */
  readonly ends?: 'never' | 'generator'
  /** A plain AsyncLocalStorage is known to keep its store for it on every line: if not, nothing was measured. */
  readonly control?: true
  /** At most so many, for what is heavy. */
  readonly most?: number
  /** Bytes that it may cost in an epoch, where that is more than a husk, and what for. */
  readonly allowed?: readonly [bytes: number, why: string]
}

const METHODS = [2048, '`bindEmitter` puts eight methods on the emitter'] as const
const ITERATOR = [2048, 'a bound iterator has three methods of its own'] as const

export const HOLDERS: Readonly<Record<string, Holder>> = {
  'an interval': { leave: ({ keep }) => keep(setInterval(idle, 1e8)), control: true },
  'a timeout': { leave: ({ keep }) => keep(setTimeout(idle, 1e8)), control: true },
  'a promise that never settles': { leave: ({ keep }) => void waitForEver(keep), control: true },
  'a handler that never ends': {
    leave: ({ keep }) => waitForEver(keep),
    ends: 'never',
    control: true,
    allowed: [2048, 'the promises that wait for the handler go on waiting'],
  },
  'a generator that nobody finishes': { ends: 'generator', allowed: ITERATOR },
  'a promise in a cache': { leave: ({ keep }) => keep([settled()]) },
  'an async resource': { leave: ({ keep }) => keep(new AsyncResource('pooled')), control: true },
  'a snapshot of the async context': {
    leave: ({ keep }) => keep(AsyncLocalStorage.snapshot()),
    control: true,
  },
  'an idle keep-alive connection of a server': { serve: connections, most: 1000 },
  'a pooled keep-alive socket of a client': { serve: pooledSockets, most: 500 },
  'a pooled object with a timer and listeners': {
    leave: ({ keep }) => keep(new Connection()),
    control: true,
  },
  'a listener': { leave: ({ keep }) => keep(new EventEmitter().on('row', () => idle())) },
  'a bound listener': {
    leave: ({ keep, bindEmitter }) => keep(bindEmitter(new EventEmitter()).on('row', () => idle())),
    control: true,
    allowed: METHODS,
  },
  'a bound `once` listener': {
    leave: ({ keep, bindEmitter }) => keep(bindEmitter(new EventEmitter()).once('row', () => idle())),
    control: true,
    allowed: METHODS,
  },
  'a waiting `events.once`': {
    leave: ({ keep }) => void waitForRow(keep),
    control: true,
    allowed: [
      1024,
      'several promises wait, and on Node 20 and 22 each has the context as a property of its own',
    ],
  },
  'an `events.on` that nobody finishes': { leave: ({ keep }) => keep(on(new EventEmitter(), 'row')) },
  'a bound abort listener': {
    leave: ({ keep, bind }) => {
      const listener = bind(() => idle())
      shutdown.signal.addEventListener('abort', listener)
      keep(listener)
    },
    control: true,
  },
  'an abort signal with a timeout': { leave: ({ keep }) => keep(AbortSignal.timeout(1e8)) },
  'a bound function': { leave: ({ keep, bind }) => keep(bind(() => idle())), control: true },
  'a bound iterator': {
    leave: ({ keep, bindIterable }) => keep(bindIterable([1].values())),
    control: true,
    allowed: ITERATOR,
  },
  'a stream pipeline that never ends': {
    leave: ({ keep }) => keep(pipeline(new PassThrough(), new PassThrough(), () => {})),
    most: 1000,
    allowed: [2048, 'Node binds the callbacks of a stream only where there is a context to bind them to'],
  },
  'a message port': { leave: leavePort, most: 1000 },
  'a datagram socket': { leave: ({ keep }) => keep(createSocket('udp4')), most: 1000 },
  'a worker': {
    leave: leaveWorker,
    most: 8,
    allowed: [64_000, 'of eight workers the heap tells only whether the values, 95 kB, are kept'],
  },
  'an interval of a memoised computation': {
    leave: ({ keep, memoised }) => memoised(() => keep(setInterval(idle, 1e8))),
    control: true,
  },
  'an interval of a derived computation': {
    leave: ({ keep, derived }) => derived(() => keep(setInterval(idle, 1e8))),
  },
  'the handle of the epoch': { leave: ({ keep, handle }) => keep(handle()), control: true },
  'the handle of a fork': { leave: ({ keep, fork }) => keep(fork()), control: true },
  'the signal of the epoch': { leave: ({ keep, signal }) => keep(signal()) },
}

/** How much each request's epoch has in it, twice: as the value of a source, and as the result of a memo. */
export const PAYLOAD_BYTES = 50_000

export interface HolderFound {
  readonly count: number
  /** Heap per holder: with nothing around the request, in an epoch, in a plain AsyncLocalStorage. */
  readonly alone: number
  readonly inEpoch: number
  readonly inStorage: number
  /** Of the epochs' values, by kind, how many were made and how many are gone while the holders live. */
  readonly values: Readonly<Record<string, Count>>
}

interface Count {
  made: number
  gone: number
}

export async function measureHolder(core: Core, holder: Holder, wanted: number): Promise<HolderFound> {
  const count = Math.min(wanted, holder.most ?? wanted)
  const alone = await left(holder, plainly, count)
  const { world, values } = epochs(core, holder)
  const inEpoch = await left(holder, world, count)
  const counted = { ...values() }
  // A plain store is never let go of, so fewer of them do.
  const inStorage = await left(holder, storage(), Math.min(count, 100))
  return { count, alone, inEpoch, inStorage, values: counted }
}

/** How a request is entered, and its tools. */
interface World {
  readonly enter: (leave: Leave, tools: Tools) => Promise<unknown>
  /** As `enter`, for a handler that does not end. */
  readonly open: (leave: Leave, tools: Tools) => void
  readonly generate: () => Iterator<unknown>
  readonly tools: Omit<Tools, 'keep'>
  /** Lets go of what is still live, waits until what can be collected is, and counts anew. */
  readonly settle?: () => Promise<void>
}

/** For ever: nothing of what a case leaves is let go of before the process ends. */
const everything: unknown[] = []

/** Bytes per holder that `count` requests leave. */
async function left(holder: Holder, world: World, count: number): Promise<number> {
  await repeat(holder, world, Math.min(count, 100)) // the code and the shapes come into being
  await world.settle?.()
  const before = await heapInUse()
  const kept = await repeat(holder, world, count)
  if (kept.length !== count) throw new Error(`${kept.length} holders of ${count} requests`)
  await world.settle?.()
  return ((await heapInUse()) - before) / count
}

async function repeat({ leave = () => {}, serve, ends }: Holder, world: World, count: number) {
  const kept: unknown[] = []
  everything.push(kept)
  const tools: Tools = { ...world.tools, keep: (held) => void kept.push(held) }
  const enter: Enter = (of) => world.enter(of, tools)
  if (serve !== undefined) await serve(enter, count, tools)
  else {
    for (let index = 0; index < count; index++) {
      if (ends === 'never') world.open(leave, tools)
      else if (ends === 'generator') leaveGenerator(world, tools)
      else await enter(leave)
      await turn()
    }
  }
  return kept
}

const plainly: World = {
  enter: async (leave, tools) => void (await leave(tools)),
  open: (leave, tools) => void leave(tools),
  generate: () => rows(),
  tools: {
    bind: (fn) => fn,
    bindEmitter: (emitter) => emitter,
    bindIterable: (iterator) => iterator,
    handle: () => ({}),
    fork: () => ({}),
    signal: () => AbortSignal.abort(),
    memoised: async (fn) => (await null, fn()),
    derived: async (fn) => (await null, fn()),
  },
}

/** Each request in an epoch with values of its own in every place that can hold one. */
function epochs(core: Core, { ends }: Holder) {
  const { bind, bindEmitter, bindIterable, cell, derived, detach, drain, getEpoch, memo, source, withEpoch } =
    core
  let settled: Record<string, Count> = {}
  let counts: Record<string, Count> = {}
  const registry = new FinalizationRegistry<Count>((count) => void count.gone++)
  const payload = (kind: string, bytes = PAYLOAD_BYTES): object => {
    const made = { bytes: arrayOf(bytes) }
    const count = (counts[kind] ??= { made: 0, gone: 0 })
    count.made++
    registry.register(made, count)
    return made
  }
  let current: object | undefined
  const global = source('global', () => current)
  const override = cell<object | undefined>('override', undefined)
  const written = cell<object | undefined>('written', undefined)
  const load = memo(async (_argument: object) => (await null, payload('memoised')))
  const computed = memo(async (fn: () => void) => (await null, fn(), payload('computed')))
  const shared = derived(
    async (fn: () => void) => {
      global.get()
      await null
      fn()
      return payload('derived')
    },
    { max: 1 },
  )
  const limits = ends === undefined ? {} : ({ maxAgeMs: 20, ifOverdue: 'close' } as const)
  // In a function of its own: closures made in one function keep each other's variables alive.
  const hook = (): (() => unknown) => {
    const cleanup = payload('hook', 1000)
    return () => cleanup
  }
  const open = <R>(handler: () => R): R => {
    current = payload('captured')
    return detach(() =>
      withEpoch(
        { name: 'request', values: [[override, payload('overridden', 1000)]], writes: 'local', ...limits },
        (epoch) => {
          written.set(payload('written', 1000))
          epoch.onClose(hook())
          epoch.get(global)
          return handler()
        },
      ),
    )
  }
  const handle = async (leave: Leave, tools: Tools): Promise<void> => {
    await load(payload('argument', 1000))
    await leave(tools)
  }
  const settle = async (): Promise<void> => {
    await drain({ timeoutMs: 60_000 })
    current = undefined
    shared.clear()
    withEpoch(() => {}) // the root polls the global: the last value is live until then
    const those = counts
    await collectUntil(() => Object.values(those).every(({ made, gone }) => gone === made))
    settled = those
    counts = {}
  }
  const world: World = {
    settle,
    enter: (leave, tools) => open(() => handle(leave, tools)),
    open: (leave, tools) => void open(() => handle(leave, tools)),
    generate: () =>
      open(() => {
        void load(payload('argument', 1000))
        return rows()
      }),
    tools: {
      bind: (fn) => bind(fn) as typeof fn,
      bindEmitter,
      bindIterable: (iterator) => bindIterable(iterator as Iterator<unknown> & Iterable<unknown>),
      handle: () => getEpoch(),
      fork: () => withEpoch({ ifNested: 'fork' }, (fork) => (fork.get(global), fork)),
      signal: () => getEpoch().signal,
      memoised: computed,
      derived: shared,
    },
  }
  return { world, values: () => settled }
}

/** Each request in a plain AsyncLocalStorage, whose store holds as much and is never emptied. */
function storage(): World {
  const store = new AsyncLocalStorage<object>()
  const full = (): object => {
    return { captured: arrayOf(PAYLOAD_BYTES), memoised: arrayOf(PAYLOAD_BYTES) }
  }
  return {
    enter: (leave, tools) => store.run(full(), async () => (await null, void (await leave(tools)))),
    open: (leave, tools) => void store.run(full(), async () => (await null, await leave(tools))),
    generate: () => store.run(full(), () => rows()),
    tools: {
      ...plainly.tools,
      bind: (fn) => AsyncResource.bind(fn),
      bindEmitter: (emitter) => new Proxy(emitter, { get: AsyncResource.bind(Reflect.get) }),
      bindIterable: (iterator) => ({ next: AsyncResource.bind(() => iterator.next()) }),
      handle: () => store.getStore(),
      fork: () => ({ ...store.getStore() }),
    },
  }
}

function arrayOf(bytes: number): number[] {
  return Array.from({ length: bytes / 8 }, () => 0)
}

function idle(): void {}

async function settled(): Promise<number> {
  await null
  return 1
}

async function waitForEver(keep: Tools['keep']): Promise<void> {
  await new Promise<void>(keep)
}

async function waitForRow(keep: Tools['keep']): Promise<void> {
  const emitter = new EventEmitter()
  keep(emitter)
  await once(emitter, 'row')
}

function* rows(): Generator<number> {
  yield 1
  yield 2
}

function leaveGenerator(world: World, { keep }: Tools): void {
  const generator = world.generate()
  generator.next()
  keep(generator)
}

/** What the whole process listens to. */
const shutdown = new AbortController()
setMaxListeners(0, shutdown.signal)

/** A pool's connection, made by the first request that needs it. */
class Connection extends EventEmitter {
  readonly heartbeat = setInterval(() => this.emit('ping'), 1e8)
  readonly ready = settled()

  constructor() {
    super()
    this.on('ping', () => this.ready)
  }
}

function leavePort({ keep }: Tools): void {
  const { port1, port2 } = new MessageChannel()
  port1.on('message', idle)
  keep([port1, port2])
}

async function leaveWorker({ keep }: Tools): Promise<void> {
  const worker = new Worker('setInterval(() => {}, 1e8)', { eval: true })
  keep(worker)
  await once(worker, 'online')
}

/** Clients that keep their connection after one request. */
async function connections(enter: Enter, count: number, { keep }: Tools): Promise<void> {
  const server = createServer((_request, response) => {
    void enter(() => void response.end('done'))
  })
  server.keepAliveTimeout = 1e8
  await listen(server)
  for (let index = 0; index < count; index++) {
    const socket = connect(portOf(server))
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await answered(socket)
    keep(socket)
  }
}

function answered(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (data) => {
      text += String(data)
      if (text.includes('done')) resolve()
    })
  })
}

/** All requests call a server at the same time, so that each opens a socket, which stays in the agent. */
async function pooledSockets(enter: Enter, count: number, { keep }: Tools): Promise<void> {
  const waiting: ServerResponse[] = []
  const server = createServer((_request, response) => {
    waiting.push(response)
    if (waiting.length === count) for (const each of waiting.splice(0)) each.end('done')
  })
  server.keepAliveTimeout = 1e8
  await listen(server)
  const agent = new Agent({ keepAlive: true, maxFreeSockets: count })
  const call = (): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ agent, host: '127.0.0.1', port: portOf(server) }, (response) =>
        response.resume().on('end', resolve),
      ).on('error', reject)
    })
  await Promise.all(Array.from({ length: count }, () => enter(call)))
  await turn()
  const free = Object.values(agent.freeSockets).flat()
  for (const socket of free) keep(socket)
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', resolve))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
