/** What stands in for the platform: timers that a test turns by hand, and promises from before the language had them. */
import { mock } from 'node:test'
import Bluebird from 'bluebird'
import sinon from 'sinon'
import type { Group } from '../primitive.js'

export const fakes: Group = {
  id: 'fakes',
  primitives: [
    {
      name: 'sinon fake timers: `setTimeout`',
      package: 'sinon',
      remedies: ['bind'],
      run({ as, see, bind }) {
        const clock = sinon.useFakeTimers({ toFake: ['setTimeout'] })
        try {
          as('own', () => setTimeout(bind(see), 1_000))
          as('ticker', () => clock.tick(1_000))
        } finally {
          clock.restore()
        }
      },
    },
    {
      name: 'sinon fake timers: `await` of a promise that a `setTimeout` resolves',
      package: 'sinon',
      async run({ as, see }) {
        const clock = sinon.useFakeTimers({ toFake: ['setTimeout'] })
        try {
          const running = as('own', async () => {
            await new Promise((resolve) => setTimeout(resolve, 1_000))
            see()
          })
          as('ticker', () => clock.tick(1_000))
          await running
        } finally {
          clock.restore()
        }
      },
    },
    {
      name: '`node:test` mock timers: `setTimeout`',
      remedies: ['bind'],
      unsupported: () => (hasMockTimers() ? undefined : '`node:test` there has no `mock.timers`'),
      run({ as, see, bind }) {
        mock.timers.enable({ apis: ['setTimeout'] })
        try {
          as('own', () => setTimeout(bind(see), 1_000))
          as('ticker', () => mock.timers.tick(1_000))
        } finally {
          mock.timers.reset()
        }
      },
    },
    {
      name: 'bluebird: `then(listener)`',
      package: 'bluebird',
      remedies: ['bind'],
      run({ as, see, bind }) {
        let resolve!: () => void
        const promise = as('creator', () => ({
          promise: new Bluebird<void>((done) => (resolve = done)),
        })).promise
        as('own', () => void promise.then(bind(see)))
        as('resolver', () => resolve())
      },
    },
    {
      name: '`await` of a bluebird promise',
      package: 'bluebird',
      async run({ as, see }) {
        let resolve!: () => void
        const promise = new Bluebird<void>((done) => (resolve = done))
        const running = as('own', async () => {
          await promise
          see()
        })
        as('resolver', () => resolve())
        await running
      },
    },
  ],
}

function hasMockTimers(): boolean {
  try {
    mock.timers.enable({ apis: ['setTimeout'] })
    mock.timers.reset()
    return true
  } catch {
    return false
  }
}
