/** Together with nestjs-cls, which has an AsyncLocalStorage of its own: neither loses its context. */
import { Controller, Get } from '@nestjs/common'
import type { IncomingMessage } from 'node:http'
import { ClsModule, ClsServiceManager } from 'nestjs-cls'
import { cell, getEpoch, publish } from 'withepoch'
import { expect, test } from 'vitest'
import { epochPerRequest } from '../src/index.js'
import { decorate } from './decorate.js'
import { serve } from './served.js'

test('two requests that interleave have their own context and their own epoch', async () => {
  const tenant = cell('nestjs.cls.tenant', 'acme')
  const arrivals: Array<() => void> = []
  const waiting: Array<() => void> = []
  const arrival = (): Promise<void> => new Promise((resolve) => waiting.push(resolve))

  class Greetings {
    async greet(): Promise<unknown> {
      const look = (): string[] => [ClsServiceManager.getClsService().get<string>('user'), tenant.get()]
      const before = look()
      await new Promise<void>((goOn) => {
        arrivals.push(goOn)
        waiting.shift()?.()
      })
      return { reads: [before, look()], epoch: getEpoch().id }
    }
  }
  decorate(Greetings, 'greet', Get('greet'))
  Controller()(Greetings)
  const setup = (cls: { set(key: string, user: unknown): void }, request: IncomingMessage): void =>
    cls.set('user', request.headers['x-user'])
  const cls = ClsModule.forRoot({ global: true, middleware: { mount: true, setup } })
  const { app, url } = await serve({ controllers: [Greetings], imports: [cls] }, (each) =>
    each.useGlobalInterceptors(epochPerRequest()),
  )
  try {
    const greet = async (user: string): Promise<{ reads: unknown; epoch: number }> =>
      (await (await fetch(`${url}/greet`, { headers: { 'x-user': user } })).json()) as never
    const firstArrived = arrival()
    const first = greet('ann')
    await firstArrived
    publish(() => tenant.set('globex'))
    const secondArrived = arrival()
    const second = greet('bob')
    await secondArrived
    publish(() => tenant.set('initech'))
    arrivals[1]?.()
    expect((await second).reads).toEqual([
      ['bob', 'globex'],
      ['bob', 'globex'],
    ])
    arrivals[0]?.()
    expect((await first).reads).toEqual([
      ['ann', 'acme'],
      ['ann', 'acme'],
    ])
    expect((await first).epoch).not.toBe((await second).epoch)
  } finally {
    await app.close()
  }
})
