/** Streams, Node's and the web's, without a socket. */
import { finished, PassThrough, pipeline, Readable, Transform, Writable } from 'node:stream'
import { finished as finishedPromise, pipeline as pipelinePromise } from 'node:stream/promises'
import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGzip } from 'node:zlib'
import { turn } from '../deferred.js'
import type { Group, Primitive } from '../primitive.js'
import { someFile } from '../some-file.js'
import { notInWorkerd } from '../workerd.js'

function listener(event: 'data' | 'readable' | 'end' | 'close'): Primitive {
  return {
    name: `\`Readable\`: \`${event}\``,
    remedies: ['bind', 'bindEmitter'],
    async run({ as, see, bind, bindEmitter }) {
      const readable = bindEmitter(as('creator', () => new Readable({ read() {} })))
      as('own', () => readable.on(event, bind(see)))
      if (event === 'end' || event === 'close') as('reader', () => readable.resume())
      await turn() // the stream flows, and has nothing
      as('pusher', () => {
        readable.push('row')
        readable.push(null)
      })
    },
  }
}

export const streams: Group = {
  id: 'streams',
  primitives: [
    ...(['data', 'readable', 'end', 'close'] as const).map(listener),
    {
      name: '`for await` of a `Readable`',
      async run({ as, see }) {
        const readable = as('creator', () => new Readable({ read() {} }))
        const running = as('own', async () => {
          for await (const _ of readable) see()
        })
        as('pusher', () => {
          readable.push('row')
          readable.push(null)
        })
        await running
      },
    },
    {
      name: '`for await` of `fs.createReadStream`',
      async run({ as, see, after }) {
        const path = someFile(after)
        const readable = as('creator', () => createReadStream(path))
        await as('own', async () => {
          for await (const _ of readable) see()
        })
      },
    },
    {
      name: '`fs.createReadStream`: `data`',
      remedies: ['bind', 'bindEmitter'],
      run({ as, see, bind, bindEmitter, after }) {
        const path = someFile(after)
        const readable = bindEmitter(as('creator', () => createReadStream(path)))
        as('own', () => readable.on('data', bind(see)))
      },
    },
    {
      name: '`readline`: `for await` of the lines',
      async run({ as, see }) {
        const lines = as('creator', () => createInterface({ input: Readable.from(['row\n']) }))
        await as('own', async () => {
          for await (const _ of lines) see()
        })
      },
    },
    {
      name: '`readline`: `line`',
      unsupported: notInWorkerd('its `readline` emits nothing'),
      remedies: ['bind', 'bindEmitter'],
      run({ as, see, bind, bindEmitter }) {
        const input = new PassThrough()
        const lines = bindEmitter(as('creator', () => createInterface({ input })))
        as('own', () => lines.on('line', bind(see)))
        as('pusher', () => input.end('row\n'))
      },
    },
    {
      name: '`Readable`: the body of `read`',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const readable = as(
          'own',
          () =>
            new Readable({
              read: bind(function (this: Readable) {
                see()
                this.push(null)
              } as () => void),
            }),
        )
        as('reader', () => readable.resume())
      },
    },
    {
      name: '`Writable`: the body of `write`, while it is idle',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const writable = as('own', () => new Writable({ write: bind(writeBody(see)) }))
        as('writer', () => writable.write('row'))
      },
    },
    {
      name: '`Writable`: the body of `write`, for what had to wait',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        let done!: () => void
        let calls = 0
        const write = (_chunk: unknown, _encoding: string, callback: () => void) => {
          if (++calls === 1) done = callback
          else see()
        }
        const writable = as('own', () => new Writable({ write: bind(write) }))
        as('releaser', () => writable.write('first'))
        as('writer', () => writable.write('second'))
        as('releaser', () => done())
      },
    },
    {
      name: '`writable.write(chunk, callback)`: the callback, for what had to wait',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const held: Array<() => void> = []
        const writable = new Writable({ write: (_chunk, _encoding, callback) => void held.push(callback) })
        as('releaser', () => writable.write('first'))
        as('own', () => writable.write('second', bind(see)))
        as('releaser', () => held[0]!())
        as('second releaser', () => held[1]!())
      },
    },
    {
      name: '`Writable`: `finish`',
      remedies: ['bind', 'bindEmitter'],
      run({ as, see, bind, bindEmitter }) {
        const writable = bindEmitter(new Writable({ write: (_chunk, _encoding, callback) => callback() }))
        as('own', () => writable.on('finish', bind(see)))
        as('ender', () => writable.end())
      },
    },
    {
      name: '`Writable`: `drain`',
      remedies: ['bind', 'bindEmitter'],
      run({ as, see, bind, bindEmitter }) {
        let done!: () => void
        const writable = bindEmitter(
          new Writable({ highWaterMark: 1, write: (_chunk, _encoding, callback) => void (done = callback) }),
        )
        as('own', () => writable.on('drain', bind(see)))
        as('writer', () => writable.write('row'))
        as('releaser', () => done())
      },
    },
    {
      name: '`Transform`: the body of `transform`',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const transform = as('own', () => new Transform({ transform: bind(writeBody(see)) }))
        as('writer', () => transform.write('row'))
      },
    },
    {
      name: '`zlib.createGzip`: `data`',
      remedies: ['bind', 'bindEmitter'],
      run({ as, see, bind, bindEmitter }) {
        const gzip = bindEmitter(as('creator', () => createGzip()))
        as('own', () => gzip.once('data', bind(see)))
        as('writer', () => gzip.end('row'))
      },
    },
    {
      name: '`stream.finished`: the callback',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const writable = new Writable({ write: (_chunk, _encoding, callback) => callback() })
        as('own', () => finished(writable, bind(see)))
        as('ender', () => writable.end())
      },
    },
    {
      name: '`stream.pipeline`: the callback',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const input = new PassThrough()
        as('own', () => pipeline(input, new PassThrough().resume(), bind(see)))
        as('ender', () => input.end('row'))
      },
    },
    {
      name: '`await` of `stream/promises`: `finished`',
      async run({ as, see }) {
        const writable = new Writable({ write: (_chunk, _encoding, callback) => callback() })
        const running = as('own', async () => {
          await finishedPromise(writable)
          see()
        })
        as('ender', () => writable.end())
        await running
      },
    },
    {
      name: '`await` of `stream/promises`: `pipeline`',
      async run({ as, see }) {
        const input = new PassThrough()
        const running = as('own', async () => {
          await pipelinePromise(input, new PassThrough().resume())
          see()
        })
        as('ender', () => input.end('row'))
        await running
      },
    },
    {
      name: 'web `ReadableStream`: `await reader.read()`',
      async run({ as, see }) {
        let controller!: { enqueue(chunk: unknown): void }
        const stream = as(
          'creator',
          () => new ReadableStream({ start: (given) => void (controller = given) }),
        )
        const running = as('own', async () => {
          await stream.getReader().read()
          see()
        })
        as('enqueuer', () => controller.enqueue('row'))
        await running
      },
    },
    {
      name: 'web `ReadableStream`: the body of `pull`',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        const stream = as(
          'own',
          () =>
            new ReadableStream(
              {
                pull: bind((controller: { enqueue(chunk: unknown): void }) => {
                  see()
                  controller.enqueue('row')
                }),
              },
              { highWaterMark: 0 },
            ),
        )
        await turn() // it has started
        await as('puller', () => stream.getReader().read())
      },
    },
    {
      name: 'web `TransformStream`: the body of `transform`',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        const stream = as('own', () => new TransformStream({ transform: bind(() => see()) }))
        await turn() // it has started
        const reading = as('reader', () => stream.readable.getReader().read())
        const writer = stream.writable.getWriter()
        await as('writer', () => writer.write('row'))
        await writer.close()
        await reading
      },
    },
    {
      name: 'web `pipeTo`: the body of the sink’s `write`',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        let controller!: { enqueue(chunk: unknown): void; close(): void }
        const stream = new ReadableStream({ start: (given) => void (controller = given) })
        const sink = as('creator', () => new WritableStream({ write: as('own', () => bind(() => see())) }))
        const running = as('piper', () => stream.pipeTo(sink))
        // Only then does the pipe wait for a chunk, and not find one.
        await turn()
        as('enqueuer', () => controller.enqueue('row'))
        as('closer', () => controller.close())
        await running
      },
    },
  ],
}

/** The body of a `write` or `transform` that takes everything. */
function writeBody(see: () => void) {
  return (_chunk: unknown, _encoding: string, callback: () => void): void => {
    see()
    callback()
  }
}
