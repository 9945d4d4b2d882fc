/** What docs/compatibility.md says in words about each group. Its snippets are run, like those of every page. */
export interface Section {
  readonly title: string
  /** For the table at the top: whose epoch, and the remedy. */
  readonly seen: string
  readonly remedy: string
  /** Above the group's own table. */
  readonly text: string
}

export const sections: Readonly<Record<string, Section>> = {
  promises: {
    title: 'Promises, `await`, thenables',
    seen: 'own',
    remedy: 'nothing',
    text: `What follows an \`await\`, and what \`then\`, \`catch\` and \`finally\` are given, runs in the epoch of whoever waits,
whoever settles the promise. The one thing to know: the body of a thenable's own \`then\` is called by the runtime, and runtimes do
not agree for whom.`,
  },
  timers: {
    title: 'Timers and queues of the event loop',
    seen: 'own',
    remedy: 'nothing; `detach` what should outlive the request',
    text: `A timer runs in the epoch in which it was armed. If it outlives the request, it reads late: arm such a timer inside
\`detach\`.

\`\`\`ts
const config = cell('config', 'v1')
const seen: string[] = []

withEpoch(() => {
  detach(() => setTimeout(() => seen.push(config.get()), 1))
})
config.set('v2')
await new Promise((resolve) => setTimeout(resolve, 20))
seen // => ['v2']
\`\`\``,
  },
  callbacks: {
    title: 'One-shot callbacks of the platform',
    seen: 'own',
    remedy: 'nothing',
    text: `Files, names, compression, cryptography, programs: a callback that is given with the call runs in the caller's epoch.`,
  },
  emitters: {
    title: 'Emitters, event targets, observables',
    seen: 'whoever emits',
    remedy: '`bindEmitter(emitter)`, `bind(listener)`; or `await once(emitter, …)`',
    text: `A listener is an ordinary function call, so it runs in the epoch of whoever emits. Bind the emitter or the listener, or
await the event: \`await once(…)\` and \`for await (… of on(…))\` are in the awaiter's epoch.

\`\`\`ts
import { EventEmitter } from 'node:events'

const progress = new EventEmitter()
const seen: unknown[] = []
const request = withEpoch({ name: 'request' }, async () => {
  progress.on('row', () => seen.push(tryGetEpoch()?.name))
  progress.on('row', bind(() => seen.push(tryGetEpoch()?.name)))
  await new Promise((resolve) => setImmediate(resolve))
})
withEpoch({ name: 'worker' }, () => progress.emit('row'))
await request
seen // => ['worker', 'request']
\`\`\`

\`bindEmitter\` takes emitters of Node's own kind, also streams, sockets, requests and responses. An \`EventTarget\`, an
\`AbortSignal\`, a \`MessagePort\`, rxjs, mitt, emittery, eventemitter3: bind the listener.`,
  },
  generators: {
    title: 'Generators and iterators',
    seen: 'whoever pulls',
    remedy: '`bindIterable(rows)`; or return it from `withEpoch`',
    text: `The body of a generator runs in the epoch of whoever calls \`next\`, step by step. A generator that the handler of \`withEpoch\`
is, or returns, is bound already. One that leaves the epoch in another way needs \`bindIterable\`.

\`\`\`ts
import { Readable } from 'node:stream'

const locale = cell('locale', 'en')
async function* rows() {
  yield locale.get()
}

await withEpoch({ values: [[locale, 'fr']] }, async () => {
  const body = Readable.from(bindIterable(rows()))
  return detach(() => body.toArray()) // whoever sends it
}) // => ['fr']
\`\`\``,
  },
  lazy: {
    title: 'Lazy thenables',
    seen: 'whoever calls `then`',
    remedy: 'nothing if the handler returns or awaits it',
    text: `The promises of Prisma, and the queries of most query builders, do nothing until their \`then\` is called, and then run in the epoch of
whoever called it. A handler of \`withEpoch\` may return one unawaited: the library calls its \`then\` inside. One that is built in one
epoch and awaited in another runs in the other; start it where it belongs, with \`query.then()\` or \`bind\`.

\`\`\`ts
const tenant = cell('tenant', 'nobody')
const query = () => ({ then: (done: (value: string) => void) => done(tenant.get()) })

await withEpoch({ values: [[tenant, 'acme']] }, () => query()) // => 'acme'
\`\`\``,
  },
  queries: {
    title: 'Query builders: knex and drizzle',
    seen: 'whoever calls `then`',
    remedy: 'nothing if the handler returns or awaits it',
    text: `The same with real builders over a real SQLite: what is looked at is the epoch in which the driver is asked.`,
  },
  pools: {
    title: 'Pools and queues',
    seen: 'own with promises; whoever frees the place with callbacks and tasks',
    remedy: '`bind(task)`, `bind(callback)`; or await the resource',
    text: `What waits for a place is called by whoever frees it: another request, perhaps another tenant's. Awaiting the resource is
right everywhere. A task or a callback that is handed over needs \`bind\`.

\`\`\`ts
const waiting: Array<() => void> = [] // a queue with one place, as most are inside
let taken = false
const push = (task: () => void) => (taken ? void waiting.push(task) : ((taken = true), task()))
const free = () => ((taken = false), waiting.shift()?.())

const seen: unknown[] = []
const look = () => seen.push(tryGetEpoch()?.name)
withEpoch({ name: 'acme' }, () => push(() => {}))
const request = withEpoch({ name: 'umbrella' }, async () => {
  push(look)
  push(bind(look))
  await new Promise((resolve) => setImmediate(resolve))
})
withEpoch({ name: 'acme, again' }, () => (free(), free()))
await request
seen // => ['acme, again', 'umbrella']
\`\`\`

\`pg\` and \`pg-pool\` are the real ones; the server is a stand-in on loopback that speaks the few messages needed, because whose
epoch a callback sees is decided in the client.`,
  },
  loaders: {
    title: 'Shared loaders',
    seen: 'whoever came first',
    remedy: '`detach` around the loader’s body; or `derived` in its place',
    text: `A batch, a cache's loader, a pool's factory, a module's first \`import()\`: done once for many, in the epoch of the first caller, whose
snapshot then is in everybody's result. Run the body with no epoch. Where the result depends on pinned values, use
[\`derived\`](derived.md), which shares it only among epochs that see the same.

\`\`\`ts
const region = cell('region', 'eu')
let shared: Promise<string> | undefined
const load = () => (shared ??= detach(async () => region.get())) // not the first caller's override

await withEpoch({ values: [[region, 'us']] }, load) // => 'eu'
\`\`\`

What follows the \`await\` of a shared load is in each caller's own epoch.`,
  },
  streams: {
    title: 'Streams',
    seen: 'own with `for await`; else whoever pushes, writes or ends',
    remedy: '`bindEmitter(stream)`; or `for await`, `stream/promises`',
    text: `The safe forms are \`for await\`, and \`pipeline\` and \`finished\` of \`node:stream/promises\`. Listeners, and the bodies of \`read\`, \`write\` and
\`transform\`, run in the epoch of whoever caused them.

\`\`\`ts
import { PassThrough } from 'node:stream'

const rows = new PassThrough({ objectMode: true })
const seen: unknown[] = []
const request = withEpoch({ name: 'request' }, async () => {
  bindEmitter(rows).on('data', () => seen.push(tryGetEpoch()?.name))
  await new Promise((resolve) => setImmediate(resolve))
})
withEpoch({ name: 'writer' }, () => rows.end('row'))
await request
seen // => ['request']
\`\`\``,
  },
  http: {
    title: 'HTTP, from both sides',
    seen: 'own in clients; none in a server’s listeners',
    remedy: '`bindEmitter(req)`, `bindEmitter(res)`; `withEpoch` at the door',
    text: `A client is right, also on a socket that another request opened. In a server the events of request and response come from the
connection, so listeners see no epoch even when they were added inside one. A server that is started inside an epoch hands it to its
handlers on most runtimes: say \`ifNested: 'fresh'\` at the door. The servers of Bun, Deno and workerd themselves are tried with
[Hono](adapters/hono.md#on-bun-deno-and-workerd), by [the contract of the adapters](adapters.md#on-other-runtimes). Under Bun, \`undici\` is Bun's own, which it puts in place of the package.

\`\`\`ts no-run
createServer((req, res) =>
  withEpoch({ name: req.url, ifNested: 'fresh' }, async (epoch) => {
    bindEmitter(req)
    bindEmitter(res)
    epoch.waitUntil(finished(res).catch(() => {})) // of node:stream/promises
    req.on('data', read) // in the epoch
    res.on('close', log) // in the epoch
  }),
)
\`\`\``,
  },
  handles: {
    title: 'Handles: watchers, programs, threads, sockets',
    seen: 'whoever made the handle, or nobody',
    remedy: 'make them inside `detach`; a new epoch per message',
    text: `A handle calls back for as long as it lives, in the epoch of whoever made it, on some runtimes of whoever listened first. By then that
epoch has long closed. Make the handle and listen to it inside \`detach\`, and open a new epoch for each message. \`bind\` is for a handle
that serves one request. Under Bun, \`ws\` is Bun's own, which it puts in place of the package.

\`\`\`ts no-run
const socket = detach(() => new WebSocket(url))
detach(() =>
  socket.addEventListener('message', (event) =>
    withEpoch({ name: 'message', ifNested: 'fresh' }, () => handle(event.data)),
  ),
)
\`\`\``,
  },
  threads: {
    title: 'Other threads',
    seen: 'nothing crosses',
    remedy: 'send the values, and open an epoch with them',
    text: `Another thread or process has a library, sources and epochs of its own. Send what it is to see, and give it to \`values\`.

\`\`\`ts no-run
new Worker(file, { workerData: { locale: locale.get() } }) // here
withEpoch({ values: [[locale, workerData.locale]] }, work) // there
\`\`\``,
  },
  process: {
    title: 'What the process calls',
    seen: 'depends on the runtime',
    remedy: 'treat as no epoch: for logging only',
    text: `Errors that nobody caught, signals and the garbage collector have no reliable epoch. Log there, and read nothing pinned.`,
  },
  fakes: {
    title: 'Fake timers and old promises',
    seen: 'whoever turns the clock, or resolves',
    remedy: '`bind(callback)`; or `await`',
    text: `A fake \`setTimeout\` calls back inside \`tick\`. What follows an \`await\` is right with fakes too, so prefer \`await\` in the code under test, or
do not fake \`setTimeout\` in tests of epochs.`,
  },
  library: {
    title: 'The library’s own calls',
    seen: 'as the reference says',
    remedy: 'nothing',
    text: `What the library itself promises, on every runtime. **none** is what is promised for \`detach\`, and for \`retire\` and \`drain\`, which belong
to no request.`,
  },
}
