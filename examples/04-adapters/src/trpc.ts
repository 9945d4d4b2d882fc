/** tRPC: one line under all procedures, and a streamed answer is of one world, whoever changes it meanwhile. */
import type { AddressInfo } from 'node:net'
import { createTRPCClient, httpBatchStreamLink } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import { createHTTPServer } from '@trpc/server/adapters/standalone'
import { epochPerCall } from '@withepoch/trpc'
import { cell, detach } from 'withepoch'

const currency = cell('currency', 'EUR')

const t = initTRPC.create()
const procedure = t.procedure.use(epochPerCall())
const router = t.router({
  prices: procedure.query(async function* () {
    for (const price of [10, 20, 30]) {
      yield `${price} ${currency.get()}`
      detach(() => currency.set('USD')) // somebody else, between two rows
    }
  }),
})

const server = createHTTPServer({ router })
server.listen(0, async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createTRPCClient<typeof router>({ links: [httpBatchStreamLink({ url })] })
  const rows: string[] = []
  for await (const row of await client.prices.query()) rows.push(row)
  console.log(rows, 'live:', currency.get())
  server.close()
  server.closeAllConnections()
})
