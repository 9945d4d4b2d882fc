/** NestJS: one global interceptor, and a request that awaits sees one tenant and one locale, whoever changes them meanwhile. */
import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { epochPerRequest } from '@withepoch/nestjs'
import { cell, publish } from 'withepoch'

const tenant = cell('tenant', 'acme')
const locale = cell('locale', 'en')
const requests = new EventEmitter()

class Greetings {
  async greet() {
    const before = tenant.get()
    requests.emit('begun')
    await sleep(50) // somebody else moves on to the next tenant
    return [before, tenant.get(), locale.get()]
  }
}
class AppModule {}
// With the decorators' syntax: `@Controller() class Greetings { @Get('greeting') async greet() { … } }`
Get('greeting')(Greetings.prototype, 'greet', Object.getOwnPropertyDescriptor(Greetings.prototype, 'greet')!)
Controller()(Greetings)
Module({ controllers: [Greetings] })(AppModule)

const app = await NestFactory.create(AppModule, { logger: false, forceCloseConnections: true })
app.useGlobalInterceptors(epochPerRequest())
await app.listen(0, '127.0.0.1')

const answer = fetch(`${await app.getUrl()}/greeting`).then((response) => response.json())
await once(requests, 'begun')
publish(() => {
  tenant.set('globex')
  locale.set('fr')
})
console.log(await answer, 'live:', tenant.get())
await app.close()
