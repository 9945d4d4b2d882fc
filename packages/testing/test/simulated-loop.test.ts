/** The simulated loop does what Node's does where that is settled, leaves to choice what is not, and keeps the context. */
import {
  setImmediate as immediate,
  setInterval as interval,
  scheduler,
  setTimeout as sleep,
} from 'node:timers/promises'
import { promisify } from 'node:util'
import { everySchedule, simulate } from '@withepoch/testing'
import { describe, expect, test } from 'vitest'
import { cell, detach, tryGetEpoch, withEpoch } from 'withepoch'

/** A program of four requests and two writers, which use every kind of timer. */
const word = cell('simulated.word', 0)
async function program(): Promise<unknown> {
  let stop = false
  const ticking = setInterval(() => word.update((n) => n + 1), 7)
  const writer = (async () => {
    while (!stop) {
      await immediate()
      word.update((n) => n + 100)
      await sleep(3)
    }
  })()
  const request = (n: number) =>
    withEpoch({ name: `request ${n}`, ifNested: 'fresh' }, async (epoch) => {
      const seen = [word.get(), word.live()]
      for (let row = 0; row < 3; row++) {
        await (row % 2 === 0 ? sleep(n + row) : immediate())
        seen.push(word.get(), word.live())
      }
      await promisify(setTimeout)(1)
      return [epoch.name, tryGetEpoch() === epoch, Date.now(), seen]
    })
  const answers = await Promise.all([1, 2, 3, 4].map(request))
  stop = true
  clearInterval(ticking)
  await writer
  word.set(0)
  return answers
}

describe('identical replay', () => {
  test('the same seed twice makes the same trace, the same choices and the same answers', async () => {
    const [first, second] = [await simulate(7, program), await simulate(7, program)]
    expect(second).toEqual(first)
    expect(first.trace.length).toBeGreaterThan(20)
    expect(new Set(first.choices).size).toBeGreaterThan(1)
  })

  test('the choices that a seed made, given as a list, make the same run', async () => {
    const { trace, answer, choices } = await simulate(8, program)
    expect(await simulate(choices, program)).toEqual({ trace, answer, choices })
  })

  test('other seeds make other runs', async () => {
    const traces = new Set<string>()
    for (let seed = 0; seed < 20; seed++) traces.add((await simulate(seed, program)).trace.join('\n'))
    expect(traces.size).toBeGreaterThan(15)
  })

  test('in all of them each request is in its own epoch and sees one world', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const { answer } = await simulate(seed, program)
      for (const [name, inside, , seen] of answer as Array<[string, boolean, number, number[]]>) {
        const pinned = seen.filter((_, index) => index % 2 === 0)
        expect([name, inside, new Set(pinned).size]).toEqual([name, true, 1])
      }
    }
  })

  test('a value that is read live is torn in most of them: the loop would find it', async () => {
    let torn = 0
    for (let seed = 0; seed < 50; seed++) {
      const { answer } = await simulate(seed, program)
      const live = (answer as Array<[string, boolean, number, number[]]>).map(([, , , seen]) =>
        seen.filter((_, index) => index % 2 === 1),
      )
      if (live.some((values) => new Set(values).size > 1)) torn++
    }
    expect(torn).toBe(50)
  })
})

describe('as in Node', () => {
  const order = async (from: number | number[], start: (log: (what: string) => () => void) => void) => {
    const seen: string[] = []
    await simulate(from, () => start((what) => () => void seen.push(what)))
    return seen
  }

  test('timers run by the time at which they are due, those of one time in the order in which they were set', async () => {
    const run = (seed: number) =>
      order(seed, (log) => {
        setTimeout(log('5 first'), 5)
        setTimeout(log('3'), 3)
        setTimeout(log('5 second'), 5)
        setTimeout(log('none'))
      })
    for (let seed = 0; seed < 10; seed++)
      expect(await run(seed)).toEqual(['none', '3', '5 first', '5 second'])
  })

  test('immediates run in the order in which they were set; before or after a timer is left to choice', async () => {
    const start = (log: (what: string) => () => void) => {
      setImmediate(log('a'))
      setImmediate(log('b'))
      setTimeout(log('timer'), 1)
    }
    const orders = new Set<string>()
    const walk = await everySchedule(async (choices) => {
      const seen: string[] = []
      await simulate(choices, () => start((what) => () => void seen.push(what)))
      orders.add(seen.join(' '))
    })
    expect(walk.complete).toBe(true)
    expect([...orders].sort()).toEqual(['a b timer', 'a timer b', 'timer a b'])
  })

  test('microtasks run between two tasks, all of them', async () => {
    const seen = await order(0, (log) => {
      setImmediate(() => {
        log('task')()
        queueMicrotask(() => queueMicrotask(log('microtask of a microtask')))
        process.nextTick(log('tick'))
      })
      setImmediate(log('next task'))
    })
    expect(seen).toEqual(['task', 'tick', 'microtask of a microtask', 'next task'])
  })

  test('time stands still in a task and goes on to when a timer is due', async () => {
    const { answer } = await simulate(0, async () => {
      const times = [Date.now(), performance.now()]
      await sleep(3_600_000)
      return [Date.now() - times[0]!, performance.now() - times[1]!, new Date().getTime() - times[0]!]
    })
    expect(answer).toEqual([3_600_000, 3_600_000, 3_600_000])
  })

  test('Date is still Date: instanceof, dates that are given, parse and call', async () => {
    const before = new Date(5)
    const { answer } = await simulate(0, () => [
      before instanceof Date,
      new Date(7) instanceof Date,
      new Date(7).getTime(),
      new Date('2020-02-03').getTime() === Date.parse('2020-02-03'),
      typeof Date(),
    ])
    expect(answer).toEqual([true, true, 7, true, 'string'])
  })

  test('what is cleared does not run, by its handle, by its number, or by the other clear function', async () => {
    const seen = await order(0, (log) => {
      clearTimeout(setTimeout(log('timeout'), 1))
      clearTimeout(Number(setTimeout(log('by number'), 1)))
      clearInterval(setTimeout(log('by clearInterval'), 1))
      clearImmediate(setImmediate(log('immediate')))
      setTimeout(log('closed'), 1).close()
      clearTimeout(undefined)
      setTimeout(log('stays'), 1)
    })
    expect(seen).toEqual(['stays'])
  })

  test('an interval goes on until it is cleared, and one that nobody clears does not keep the loop', async () => {
    const { answer } = await simulate(0, async () => {
      let ticks = 0
      const one = setInterval(() => ++ticks === 3 && clearInterval(one), 10)
      setInterval(() => {}, 1_000)
      await sleep(100)
      return ticks
    })
    expect(answer).toBe(3)
  })

  test('what the callback of an interval sets for the same time comes before its next tick', async () => {
    const seen: string[] = []
    await simulate(0, async () => {
      const ticking = setInterval(() => {
        if (seen.push('tick') === 1) setTimeout(() => seen.push('set by the first tick'), 10)
        else clearInterval(ticking)
      }, 10)
      await sleep(30)
    })
    expect(seen).toEqual(['tick', 'set by the first tick', 'tick'])
  })

  test('refresh does not revive what is cleared, and runs again what has run', async () => {
    const seen = await order(0, (log) => {
      const cleared = setTimeout(log('cleared'), 5)
      clearTimeout(cleared)
      cleared.refresh()
      const twice = setTimeout(log('twice'), 5)
      setTimeout(() => twice.refresh(), 7)
    })
    expect(seen).toEqual(['twice', 'twice'])
  })

  test('an unreferenced timer is not waited for; refresh sets one back', async () => {
    const seen = await order(0, (log) => {
      setTimeout(log('unreferenced'), 100).unref()
      const late = setTimeout(log('refreshed'), 10)
      setTimeout(() => late.refresh(), 5)
      setTimeout(log('12'), 12)
    })
    expect(seen).toEqual(['12', 'refreshed'])
  })

  test('the promises: values, abort before and after, intervals, scheduler.wait and scheduler.yield', async () => {
    const { answer } = await simulate(0, async () => {
      const aborting = new AbortController()
      const aborted = sleep(10, 'never', { signal: aborting.signal }).catch((error: Error) => error.name)
      aborting.abort()
      const ticks: unknown[] = []
      for await (const tick of interval(5, 'tick')) if (ticks.push(tick) === 2) break
      await scheduler.wait(5)
      await scheduler.yield()
      return [
        await sleep(1, 'value'),
        await immediate('now'),
        await aborted,
        await sleep(1, '', { signal: AbortSignal.abort() }).catch((error: { code: string }) => error.code),
        ticks,
      ]
    })
    expect(answer).toEqual(['value', 'now', 'AbortError', 'ABORT_ERR', ['tick', 'tick']])
  })

  test('a callback that throws fails the simulation with its error', async () => {
    const error = new Error('thrown in a timer')
    await expect(
      simulate(0, () => {
        setTimeout(() => {
          throw error
        }, 1)
      }),
    ).rejects.toBe(error)
  })
})

test('a callback runs in the async context in which its timer was set', async () => {
  const { answer } = await simulate(0, async () => {
    const names: unknown[] = []
    await withEpoch({ name: 'outer' }, async () => {
      setImmediate(() => names.push(tryGetEpoch()?.name))
      detach(() => setTimeout(() => names.push(tryGetEpoch()?.name), 1))
      await sleep(5)
    })
    return names
  })
  expect(answer).toHaveLength(2)
  expect(new Set(answer)).toEqual(new Set(['outer', undefined]))
})

test('a second simulation at the same time is refused, and the first ends as ever', async () => {
  const originals = [setTimeout, Date]
  const first = simulate(0, () => sleep(5, 'first'))
  await expect(simulate(0, () => {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect((await first).answer).toBe('first')
  expect([setTimeout, Date]).toEqual(originals)
})

test('the originals are back afterwards, whether it passed or failed', async () => {
  const originals = [setTimeout, setImmediate, Date, Object.getOwnPropertyDescriptor(performance, 'now')]
  await simulate(0, () => {})
  await simulate(0, () => Promise.reject(new Error('failed'))).catch(() => {})
  expect([setTimeout, setImmediate, Date, Object.getOwnPropertyDescriptor(performance, 'now')]).toEqual(
    originals,
  )
  expect(Math.abs(Date.now() - performance.timeOrigin - performance.now())).toBeLessThan(60_000)
})
