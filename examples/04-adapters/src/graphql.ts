/** GraphQL Yoga: one plugin, and all resolvers of an operation see one tenant, whoever changes it meanwhile. */
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressInfo } from 'node:net'
import { epochPerOperation } from '@withepoch/graphql'
import { createSchema, createYoga } from 'graphql-yoga'
import { cell, detach } from 'withepoch'

const tenant = cell('tenant', 'acme')

const schema = createSchema({
  typeDefs: 'type Order { owner: String } type Query { orders: [Order] }',
  resolvers: {
    Query: { orders: () => [{}, {}, {}] },
    Order: {
      owner: async () => {
        await sleep(10)
        const owner = tenant.get()
        detach(() => tenant.set('globex')) // somebody else moves on to the next tenant
        return owner
      },
    },
  },
})

const server = createServer(createYoga({ schema, plugins: [epochPerOperation()] }))
server.listen(0, async () => {
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/graphql?query={orders{owner}}`)
  const { data } = (await response.json()) as { data: { orders: Array<{ owner: string }> } }
  console.log(data.orders.map(({ owner }) => owner).join(), 'live:', tenant.get())
  server.close()
  server.closeAllConnections()
})
