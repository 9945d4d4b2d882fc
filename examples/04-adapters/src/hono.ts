/** Hono: one line at the door, and a request that awaits sees one tenant and one locale, whoever changes them meanwhile. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { epochPerRequest } from '@withepoch/hono'
import { Hono } from 'hono'
import { cell, publish } from 'withepoch'

const tenant = cell('tenant', 'acme')
const locale = cell('locale', 'en')

const app = new Hono()
app.use(epochPerRequest())
app.get('/greeting', async (c) => {
  const before = tenant.get()
  await sleep(50) // somebody else moves on to the next tenant
  return c.json([before, tenant.get(), locale.get()])
})

const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, async ({ port }) => {
  const answer = fetch(`http://127.0.0.1:${port}/greeting`).then((response) => response.json())
  await once(server, 'request')
  publish(() => {
    tenant.set('globex')
    locale.set('fr')
  })
  console.log(await answer, 'live:', tenant.get())
  server.close()
})
