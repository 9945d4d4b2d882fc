/** Emitters and observables: a listener runs in the context of whoever emits. */
import { channel } from 'node:diagnostics_channel'
import { EventEmitter, on, once } from 'node:events'
import Emittery from 'emittery'
import { EventEmitter as EventEmitter3 } from 'eventemitter3'
import mitt from 'mitt'
import { BehaviorSubject, delay, firstValueFrom, from, of, share, Subject } from 'rxjs'
import { deferred } from '../deferred.js'
import type { Group } from '../primitive.js'

export const emitters: Group = {
  id: 'emitters',
  primitives: [
    ...(['on', 'once', 'prependListener', 'prependOnceListener'] as const).map(
      (method): Group['primitives'][number] => ({
        name: `\`EventEmitter\`: \`${method}\``,
        remedies: ['bind', 'bindEmitter'],
        run({ as, see, bind, bindEmitter }) {
          const emitter = bindEmitter(new EventEmitter())
          as('own', () => emitter[method]('event', bind(see)))
          as('emitter', () => emitter.emit('event'))
        },
      }),
    ),
    {
      name: '`EventEmitter`: one listener on two events, taken off one of them',
      remedies: ['bindEmitter'],
      run({ as, see, bindEmitter }) {
        const emitter = bindEmitter(new EventEmitter())
        as('own', () => emitter.on('kept', see).on('gone', see).off('gone', see))
        as('emitter of the event without listeners', () => emitter.emit('gone'))
        as('emitter', () => emitter.emit('kept'))
      },
    },
    {
      name: '`await events.once(emitter)`',
      async run({ as, see }) {
        const emitter = new EventEmitter()
        const running = as('own', async () => {
          await once(emitter, 'event')
          see()
        })
        as('emitter', () => emitter.emit('event'))
        await running
      },
    },
    {
      name: '`for await` of `events.on(emitter)`',
      async run({ as, see }) {
        const emitter = new EventEmitter()
        const running = as('own', async () => {
          for await (const _ of on(emitter, 'event')) {
            see()
            break
          }
        })
        as('emitter', () => emitter.emit('event'))
        await running
      },
    },
    {
      name: '`EventTarget`: a function',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const target = new EventTarget()
        as('own', () => target.addEventListener('event', bind(see)))
        as('emitter', () => target.dispatchEvent(new Event('event')))
      },
    },
    {
      name: '`EventTarget`: `handleEvent` of an object',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const target = new EventTarget()
        as('own', () => target.addEventListener('event', { handleEvent: bind(see) }))
        as('emitter', () => target.dispatchEvent(new Event('event')))
      },
    },
    {
      name: '`await events.once(eventTarget)`',
      async run({ as, see }) {
        const target = new EventTarget()
        const running = as('own', async () => {
          await once(target, 'event')
          see()
        })
        as('emitter', () => target.dispatchEvent(new Event('event')))
        await running
      },
    },
    {
      name: '`AbortSignal`: `abort`',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const controller = as('creator', () => new AbortController())
        as('own', () => controller.signal.addEventListener('abort', bind(see)))
        as('emitter', () => controller.abort())
      },
    },
    {
      name: '`AbortSignal.any`: `abort`',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const controller = new AbortController()
        const signal = as('creator', () => AbortSignal.any([controller.signal]))
        as('own', () => signal.addEventListener('abort', bind(see)))
        as('emitter', () => controller.abort())
      },
    },
    {
      name: '`AbortSignal.timeout`: `abort`',
      remedies: ['bind'],
      run({ as, see, bind, after }) {
        const signal = as('creator', () => AbortSignal.timeout(20))
        as('own', () => signal.addEventListener('abort', bind(see)))
        keepAlive(after)
      },
    },
    {
      name: '`diagnostics_channel`: `subscribe`',
      remedies: ['bind'],
      run({ as, see, bind, after }) {
        const events = channel('conformance:event')
        const listener = as('own', () => bind(see))
        events.subscribe(listener)
        after(() => events.unsubscribe(listener))
        as('emitter', () => events.publish({}))
      },
    },
    {
      name: '`process.emitWarning`: `warning`',
      remedies: ['bind'],
      run({ as, see, bind, after }) {
        const listener = as('own', () =>
          bind((warning: Error) => {
            if (warning.name === 'ConformanceWarning') see()
          }),
        )
        process.on('warning', listener)
        after(() => process.off('warning', listener))
        as('emitter', () => process.emitWarning('on purpose', 'ConformanceWarning'))
      },
    },
    {
      name: 'rxjs `Subject`: `subscribe`',
      package: 'rxjs',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const subject = new Subject<void>()
        as('own', () => subject.subscribe(bind(see)))
        as('emitter', () => subject.next())
      },
    },
    {
      name: 'rxjs `BehaviorSubject`: the value that is there at `subscribe`',
      package: 'rxjs',
      run({ as, see }) {
        const subject = as('emitter', () => new BehaviorSubject(1))
        as('own', () => subject.subscribe(see))
      },
    },
    {
      name: 'rxjs `delay`: `subscribe`',
      package: 'rxjs',
      run({ as, see }) {
        const delayed = as('creator', () => of(1).pipe(delay(1)))
        as('own', () => delayed.subscribe(see))
      },
    },
    {
      name: 'rxjs `share`: the work behind it',
      package: 'rxjs',
      remedies: ['detach'],
      run({ as, see, detach }) {
        const { promise, resolve } = deferred()
        const shared = from(promise).pipe(share())
        shared.subscribe({ error() {} }).unsubscribe()
        as('first caller', () => detach(() => shared.subscribe(see)))
        as('second caller', () => shared.subscribe())
        as('resolver', resolve)
      },
    },
    {
      name: '`await` of rxjs `firstValueFrom`',
      package: 'rxjs',
      async run({ as, see }) {
        const subject = new Subject<void>()
        const running = as('own', async () => {
          await firstValueFrom(subject)
          see()
        })
        as('emitter', () => subject.next())
        await running
      },
    },
    {
      name: 'mitt: `on`',
      package: 'mitt',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const emitter = mitt()
        as('own', () => emitter.on('event', bind(see)))
        as('emitter', () => emitter.emit('event'))
      },
    },
    {
      name: 'eventemitter3: `on`',
      package: 'eventemitter3',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const emitter = new EventEmitter3()
        as('own', () => emitter.on('event', bind(see)))
        as('emitter', () => emitter.emit('event'))
      },
    },
    {
      name: 'emittery: `on`',
      package: 'emittery',
      remedies: ['bind'],
      async run({ as, see, bind }) {
        const emitter = new Emittery()
        as('own', () => emitter.on('event', bind(see)))
        await as('emitter', () => emitter.emit('event'))
      },
    },
    {
      name: '`await` of emittery `once`',
      package: 'emittery',
      async run({ as, see }) {
        const emitter = new Emittery()
        const running = as('own', async () => {
          await emitter.once('event')
          see()
        })
        await as('emitter', () => emitter.emit('event'))
        await running
      },
    },
  ],
}

/** What is not referenced by the event loop, such as the timer of `AbortSignal.timeout`, needs something that is. */
function keepAlive(after: (cleanUp: () => void) => void): void {
  const timer = setInterval(() => {}, 1_000)
  after(() => clearInterval(timer))
}
