/**
 * A real resource: undici's Pool and Agent, swapped again and again under load against a server on loopback. No request
 * fails, no pool is used after it was closed, and each replaced one is closed exactly once, after its last reader. It
 * stands beside `retire.test.ts` because the promise there is about calls, and here about sockets.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Agent, type Dispatcher, Pool } from 'undici'
import { cell, drain, type Epoch, withEpoch } from 'withepoch'

let server: Server
let origin: string
/** Responses that are held back, so that a request is under way for as long as the test wants. */
const heldBack: ServerResponse[] = []

beforeAll(async () => {
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/held') heldBack.push(response)
    else setImmediate(() => response.end(request.url))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

type Client = Dispatcher & { readonly closed: boolean; readonly destroyed: boolean }

interface Swapped {
  readonly current: ReturnType<typeof cell<Client>>
  readonly made: Client[]
  readonly closed: Client[]
  /** Puts a new one in the place of the current one. */
  readonly swap: () => void
}

let names = 0

function swappable(make: () => Client): Swapped {
  const made = [make()]
  const closed: Client[] = []
  const current = cell(`retire-pool.client.${++names}`, made[0]!, {
    retire: async (old) => {
      closed.push(old)
      await old.close()
    },
  })
  const swap = (): void => {
    made.push(make())
    current.set(made.at(-1)!)
  }
  return { current, made, closed, swap }
}

const kinds: ReadonlyArray<readonly [name: string, make: () => Client]> = [
  ['a Pool', () => new Pool(origin, { connections: 4 })],
  ['an Agent', () => new Agent({ connections: 4 })],
]

describe.each(kinds)('%s', (_, make) => {
  async function get(client: Client, path: string): Promise<string> {
    const { body } = await client.request({ origin, path, method: 'GET' })
    return body.text()
  }

  test('swapped under load: no request fails, and each old one is closed exactly once', async () => {
    const { current, made, closed, swap } = swappable(make)
    const answers: string[] = []
    const wanted: string[] = []
    let usedClosed = 0
    const worker = async (id: number): Promise<void> => {
      for (let turn = 0; turn < 12; turn++) {
        const paths = ['first', 'second', 'third'].map((step) => `/${id}/${turn}/${step}`)
        wanted.push(...paths)
        await withEpoch({ name: `worker ${id}` }, async (epoch: Epoch) => {
          const mine = epoch.get(current)
          for (const path of paths) {
            if (current.get() !== mine || mine.closed) usedClosed++
            answers.push(await get(current.get(), path))
          }
        })
      }
    }
    const load = Promise.all(Array.from({ length: 8 }, (_unused, id) => worker(id)))
    let busy = true
    void load.finally(() => {
      busy = false
    })
    while (busy) {
      swap()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await load
    await drain({ timeoutMs: 10_000 })
    expect(answers.toSorted()).toEqual(wanted.toSorted())
    expect(usedClosed).toBe(0)
    expect(made.length).toBeGreaterThan(10)
    expect(closed).toEqual(made.slice(0, -1))
    expect(made.map((client) => client.closed)).toEqual(made.map((client) => client !== made.at(-1)))
    await made.at(-1)!.close()
  })

  test('is closed after its last reader, though others have long gone on to the next', async () => {
    const { current, made, closed, swap } = swappable(make)
    const slow = withEpoch({ name: 'slow' }, async () => {
      const held = await get(current.get(), '/held')
      return [held, await get(current.get(), '/another')]
    })
    while (heldBack.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    swap()
    const quick = await withEpoch(async () => [current.get() === made[1], await get(current.get(), '/quick')])
    const before = [closed.length, made[0]!.closed]
    heldBack.pop()!.end('held')
    expect([before, quick]).toEqual([
      [0, false],
      [true, '/quick'],
    ])
    expect(await slow).toEqual(['held', '/another'])
    await drain({ timeoutMs: 10_000 })
    expect(closed).toEqual([made[0]])
    expect([made[0]!.closed, made[1]!.closed]).toEqual([true, false])
    await made[1]!.close()
  })

  test('closed by the writer at once, as without retire, fails the request that is under way', async () => {
    const current = cell(`retire-pool.closed-at-once.${++names}`, make())
    const slow = withEpoch(async () => {
      await get(current.get(), '/first')
      await new Promise((resolve) => setImmediate(resolve))
      return get(current.get(), '/second')
    })
    const old = current.live()
    const next = make()
    current.set(next)
    void old.close()
    await expect(slow).rejects.toMatchObject({ code: 'UND_ERR_CLOSED' })
    await next.close()
  })
})
