/** Express: one line at the door, and a request that awaits sees one tenant and one locale, whoever changes them meanwhile. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import { epochPerRequest } from '@withepoch/http'
import express from 'express'
import { cell, publish } from 'withepoch'

const tenant = cell('tenant', 'acme')
const locale = cell('locale', 'en')

const app = express()
app.use(epochPerRequest())
app.get('/greeting', async (_request, response) => {
  const before = tenant.get()
  await sleep(50) // somebody else moves on to the next tenant
  response.json([before, tenant.get(), locale.get()])
})

const server = app.listen(0, async () => {
  const { port } = server.address() as AddressInfo
  const answer = fetch(`http://127.0.0.1:${port}/greeting`).then((response) => response.json())
  await once(server, 'request')
  publish(() => {
    tenant.set('globex')
    locale.set('fr')
  })
  console.log(await answer, 'live:', tenant.get())
  server.close()
  server.closeAllConnections()
})
