/** Fastify: one line at the door, and a request that awaits sees one tenant and one locale, whoever changes them meanwhile. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { epochPerRequest } from '@withepoch/fastify'
import fastify from 'fastify'
import { cell, publish } from 'withepoch'

const tenant = cell('tenant', 'acme')
const locale = cell('locale', 'en')

const app = fastify()
await app.register(epochPerRequest)
app.get('/greeting', async () => {
  const before = tenant.get()
  await sleep(50) // somebody else moves on to the next tenant
  return [before, tenant.get(), locale.get()]
})

const url = await app.listen({ port: 0, host: '127.0.0.1' })
const answer = fetch(`${url}/greeting`).then((response) => response.json())
await once(app.server, 'request')
publish(() => {
  tenant.set('globex')
  locale.set('fr')
})
console.log(await answer, 'live:', tenant.get())
await app.close()
