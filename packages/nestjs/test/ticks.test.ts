/** Ticks of @nestjs/schedule: the decorator opens an epoch for each, since Nest runs no interceptor for them. */
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule'
import { cell, type Epoch, getEpoch, withEpoch } from 'withepoch'
import { afterEach, expect, test } from 'vitest'
import { epochPerRequest } from '../src/index.js'
import { decorate } from './decorate.js'

const value = cell('nestjs.ticks.value', 0)
afterEach(() => value.set(0))

/** Starts an application with the provider in it, inside an epoch that stays open; returns what ends both. */
async function start(provider: new () => object): Promise<() => Promise<void>> {
  class Root {}
  Module({ imports: [ScheduleModule.forRoot()], providers: [provider] })(Root)
  let release = (): void => {}
  const stays = new Promise<void>((resolve) => (release = resolve))
  const app = await withEpoch({ name: 'start-up' }, (epoch) => {
    epoch.waitUntil(stays)
    return NestFactory.createApplicationContext(Root, { logger: false })
  })
  return async () => {
    await app.close()
    release()
  }
}

test.each(['below', 'above'])(
  'a cron tick has an epoch to its end, where the decorator stands %s',
  async (where) => {
    const seen: Array<{ epoch: Epoch; reads: number[]; self: unknown }> = []
    class Reports {
      async tick(): Promise<void> {
        const before = value.get()
        await turn()
        value.set(value.live() + 1)
        await turn()
        seen.push({ epoch: getEpoch(), reads: [before, value.get()], self: this })
      }
    }
    const both = [Cron('* * * * * *'), epochPerRequest({ writes: 'local' })]
    decorate(Reports, 'tick', ...(where === 'below' ? both : both.toReversed()))
    value.set(1)
    const stop = await start(Reports)
    try {
      value.set(2)
      while (seen.length === 0) await turn()
    } finally {
      await stop()
    }
    const [{ epoch, reads, self }] = seen as [(typeof seen)[0]]
    expect(epoch.name).toBe('Reports.tick')
    expect(reads).toEqual([2, 3])
    expect(self).toBeInstanceOf(Reports)
    expect(epoch.phase).toBe('closed')
  },
)

test('two ticks at once have an epoch each', async () => {
  const arrived: Array<{ epoch: Epoch; goOn: () => void }> = []
  const reads: number[] = []
  class Poller {
    async poll(): Promise<void> {
      const epoch = getEpoch()
      await new Promise<void>((goOn) => arrived.push({ epoch, goOn }))
      reads.push(value.get())
    }
  }
  decorate(Poller, 'poll', Interval(5), epochPerRequest({ name: 'polling' }))
  const stop = await start(Poller)
  try {
    while (arrived.length < 1) await turn()
    value.set(1)
    while (arrived.length < 2) await turn()
    value.set(2)
    const [first, second] = arrived as [(typeof arrived)[0], (typeof arrived)[0]]
    const closed = [once(second.epoch.signal, 'abort'), once(first.epoch.signal, 'abort')]
    second.goOn()
    await closed[0]
    first.goOn()
    await closed[1]
    expect(reads).toEqual([1, 0])
    expect([first.epoch.name, second.epoch.name]).toEqual(['polling', 'polling'])
  } finally {
    await stop()
    for (const { goOn } of arrived) goOn()
  }
})
