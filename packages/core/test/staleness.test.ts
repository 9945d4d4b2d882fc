/**
 * Knowing that the world has moved: `isStale`, `advance` and `validate`, the fence against the write skew that a
 * snapshot does not prevent. `isStale` looks at every source of the process, so tests here release what they declare.
 */
import { afterEach, expect, test as once } from 'vitest'
import { bind, cell, detach, type Epoch, holders, memo, publish, source, withEpoch } from 'withepoch'
import { test } from './epoch-test.js'
import { hold } from './held-epoch.js'
import { refusal } from './refusal.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('staleness')

const declared: Array<{ release(): void }> = []
function keep<S extends { release(): void }>(one: S): S {
  declared.push(one)
  return one
}
afterEach(() => {
  for (const one of declared.splice(0)) one.release()
})

const stale = (epoch: Epoch, names: string, them: 'it' | 'them') =>
  `EPOCH_STALE: epoch.validate() of epoch #${epoch.id} "${epoch.name}": ${names} changed since the epoch captured ${them}. ` +
  'Retry the work in a new epoch, or epoch.advance() and decide again.'

const closed = (call: string, epoch: Epoch, phase = 'closed') =>
  `EPOCH_CLOSED: ${call}: epoch #${epoch.id} "${epoch.name}" is ${phase}. Work that goes on after its request takes a lease ` +
  "with epoch.waitUntil(promise), runs with no epoch in detach(fn), or opens its own with withEpoch({ ifNested: 'fresh' }, fn)."

// --- isStale ---

once('an epoch is stale when any captured value is no longer live, read or not', () => {
  let foreign = 1
  keep(source(unique('foreign'), () => foreign))
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    const flags = [epoch.isStale()]
    foreign = 2
    flags.push(epoch.isStale())
    foreign = 1
    flags.push(epoch.isStale())
    detach(() => c.set(2))
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, true, false, true])
})

once('looking does not advance: a stale epoch reads as before', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    detach(() => c.set(2))
    return [epoch.isStale(), c.get(), epoch.isStale()]
  })
  expect(seen).toEqual([true, 1, true])
})

once('one’s own published write does not make one stale; another’s after it does', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    c.set(2)
    const own = epoch.isStale()
    detach(() => c.set(3))
    return [own, epoch.isStale()]
  })
  expect(seen).toEqual([false, true])
})

once('overrides and local writes do not make an epoch stale; the value they stand for does', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  const seen = withEpoch({ values: [[a, 10]], writes: 'local' }, (epoch) => {
    b.set(20)
    const flags = [epoch.isStale()]
    detach(() => b.set(20)) // live is now what the local value happens to be; what was captured has moved
    flags.push(epoch.isStale())
    detach(() => b.set(1))
    flags.push(epoch.isStale())
    detach(() => a.set(2))
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, true, false, true])
})

once('however often a value is written locally, what counts is the one that was captured', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch({ values: [[c, 10]], writes: 'local' }, (epoch) => {
    c.set(20)
    c.set(30)
    const flags = [epoch.isStale()]
    detach(() => c.set(10))
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, true])
})

once('read-committed sources never make an epoch stale, repeatable-read ones once they were read', () => {
  const kill = keep(cell(unique('kill'), 1, { isolation: 'read-committed' }))
  const lazy = keep(cell(unique('lazy'), 1, { isolation: 'repeatable-read' }))
  const seen = withEpoch((epoch) => {
    kill.get()
    detach(() => [kill.set(2), lazy.set(2)])
    const flags = [epoch.isStale()]
    lazy.get()
    flags.push(epoch.isStale())
    detach(() => lazy.set(3))
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, false, true])
})

once(
  'a getter that threw at capture makes the epoch stale when it recovers; one that breaks later does, too',
  () => {
    let broken = true
    keep(
      source(unique('flaky'), () => {
        if (broken) throw new Error('down')
        return 1
      }),
    )
    const seen = withEpoch((epoch) => {
      const flags = [epoch.isStale()]
      broken = false
      flags.push(epoch.isStale())
      return flags
    })
    const later = withEpoch((epoch) => {
      broken = true
      return epoch.isStale()
    })
    expect([...seen, later]).toEqual([false, true, true])
  },
)

once('a change in place makes an epoch stale when the source has a version', () => {
  const list = [1]
  let version = 0
  keep(source(unique('list'), () => list, { copy: (value) => [...value], version: () => version }))
  const seen = withEpoch((epoch) => {
    const flags = [epoch.isStale()]
    list.push(2)
    version++
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, true])
})

once('a source registered while the epoch is open makes it stale only after its first read', () => {
  const seen = withEpoch((epoch) => {
    const late = keep(cell(unique('late'), 1))
    detach(() => late.set(2))
    const flags = [epoch.isStale()]
    late.get()
    detach(() => late.set(3))
    flags.push(epoch.isStale())
    return flags
  })
  expect(seen).toEqual([false, true])
})

// --- advance ---

test('advance moves the epoch to the newest snapshot, all sources together', async () => {
  let foreign = 1
  const f = keep(source(unique('foreign'), () => foreign))
  const c = keep(cell(unique('c'), 1))
  const seen = await withEpoch(async (epoch) => {
    const read = () => [f.get(), c.get()]
    const batches = [read()]
    foreign = 2
    detach(() => c.set(2))
    await null
    batches.push(read())
    epoch.advance()
    batches.push(read())
    foreign = 3
    batches.push(read())
    return { batches, stale: epoch.isStale() }
  })
  expect(seen).toEqual({
    batches: [
      [1, 1],
      [1, 1],
      [2, 2],
      [2, 2],
    ],
    stale: true,
  })
})

once('after advance the epoch is not stale, and its version is the newest', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    const before = epoch.version!
    detach(() => c.set(2))
    epoch.advance()
    return [
      epoch.isStale(),
      epoch.version! > before,
      epoch.version === detach(() => withEpoch((e) => e.version)),
    ]
  })
  expect(seen).toEqual([false, true, true])
})

once('local writes and overrides stay over an advance; published writes are what is live by then', () => {
  const [local, override, mine] = ['l', 'o', 'm'].map((word) => keep(cell(unique(word), 1))) as [
    ReturnType<typeof cell<number>>,
    ReturnType<typeof cell<number>>,
    ReturnType<typeof cell<number>>,
  ]
  const seen = withEpoch({ values: [[override, 10]] }, (epoch) => {
    mine.set(2)
    detach(() => [override.set(3), mine.set(3)])
    epoch.advance()
    const forked = withEpoch({ writes: 'local' }, (fork) => {
      local.set(20)
      detach(() => local.set(4))
      fork.advance()
      return [local.get(), override.get(), fork.isStale()]
    })
    return [forked, local.get(), override.get(), mine.get(), epoch.isStale()]
  })
  // The outer epoch has not advanced past the write of 4.
  expect(seen).toEqual([[20, 10, false], 1, 10, 3, true])
})

once('an advance over an override compares with the newly captured value from there on', () => {
  const c = keep(cell(unique('c'), 1))
  withEpoch({ values: [[c, 10]] }, (epoch) => {
    detach(() => c.set(2))
    expect(epoch.isStale()).toBe(true)
    epoch.advance()
    epoch.validate(c)
    detach(() => c.set(3))
    expect(refusal(() => epoch.validate(c))).toBe(stale(epoch, `"${c.name}"`, 'it'))
  })
})

once('advance lets a repeatable-read source, and a late one, be captured anew', () => {
  const lazy = keep(cell(unique('lazy'), 1, { isolation: 'repeatable-read' }))
  const seen = withEpoch((epoch) => {
    const late = keep(cell(unique('late'), 1))
    const first = [lazy.get(), late.get()]
    detach(() => [lazy.set(2), late.set(2)])
    epoch.advance()
    return [first, [lazy.get(), late.get()]]
  })
  expect(seen).toEqual([
    [1, 1],
    [2, 2],
  ])
})

once('advance drops memos, and moves neither the parent nor a fork', () => {
  const c = keep(cell(unique('c'), 1))
  const twice = memo(() => c.get() * 2)
  const seen = withEpoch((outer) => {
    const before = twice()
    detach(() => c.set(5))
    const fork = withEpoch({ ifNested: 'fork' }, (inner) => {
      inner.advance()
      return [twice(), c.get()]
    })
    const unmoved = [twice(), c.get()]
    outer.advance()
    return { before, fork, unmoved, after: [twice(), c.get()] }
  })
  expect(seen).toEqual({ before: 2, fork: [10, 5], unmoved: [2, 1], after: [10, 5] })
})

once('advance makes an epoch count as new, unless it still holds an override', async () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  const older = hold({ name: 'older', values: [[a, 10]] })
  const newer = hold({ name: 'newer' })
  const order = () => holders().open.map(({ name }) => name)
  older.epoch.advance()
  const orders = [order()]
  older.inside(() => b.set(2))
  older.epoch.advance()
  orders.push(order())
  older.inside(() => a.set(2)) // ends the override
  older.epoch.advance()
  orders.push(order())
  await Promise.all([older.end(), newer.end()])
  expect(orders).toEqual([
    ['older', 'newer'],
    ['older', 'newer'],
    ['newer', 'older'],
  ])
})

once('an advance to a version in which nothing moved changes nothing', () => {
  const c = keep(cell(unique('c'), 1))
  const seen = withEpoch((epoch) => {
    const before = epoch.version
    epoch.advance()
    return [epoch.version === before, c.get(), epoch.isStale()]
  })
  expect(seen).toEqual([true, 1, false])
})

// --- validate ---

test('validate passes while the named sources are as captured, whatever else has moved', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  withEpoch((epoch) => {
    a.get()
    b.get()
    epoch.validate(a, b)
    detach(() => b.set(2))
    epoch.validate(a)
  })
})

test('validate throws the names of those that have moved', () => {
  const [a, b, c] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1)), keep(cell(unique('c'), 1))]
  withEpoch({ name: 'commit', ifNested: 'fresh' }, (epoch) => {
    detach(() => a.set(2))
    expect(refusal(() => epoch.validate(a, b))).toBe(stale(epoch, `"${a.name}"`, 'it'))
    detach(() => c.set(2))
    expect(refusal(() => epoch.validate(a, b, c))).toBe(stale(epoch, `"${a.name}", "${c.name}"`, 'them'))
    expect(refusal(() => epoch.validate())).toBe(stale(epoch, `"${a.name}", "${c.name}"`, 'them'))
  })
})

once('validate() without sources looks at all of them', () => {
  const c = keep(cell(unique('c'), 1))
  withEpoch((epoch) => {
    epoch.validate()
    detach(() => c.set(2))
    expect(refusal(() => epoch.validate())).toBe(stale(epoch, `"${c.name}"`, 'it'))
    epoch.advance()
    epoch.validate()
  })
})

once('validate looks at what was captured, not at an override or a local write', () => {
  const [a, b] = [keep(cell(unique('a'), 1)), keep(cell(unique('b'), 1))]
  withEpoch({ values: [[a, 10]], writes: 'local' }, (epoch) => {
    b.set(20)
    epoch.validate(a, b)
    detach(() => b.set(20))
    expect(refusal(() => epoch.validate(a, b))).toBe(stale(epoch, `"${b.name}"`, 'it'))
  })
})

once('validate refuses what is no source, and never shows it', () => {
  withEpoch((epoch) => {
    expect([
      refusal(() => epoch.validate('secret' as never)),
      refusal(() => epoch.validate(null as never)),
    ]).toEqual([
      'INVALID_ARGUMENT: epoch.validate(...sources): expected a source or a cell, got a string.',
      'INVALID_ARGUMENT: epoch.validate(...sources): expected a source or a cell, got null.',
    ])
  })
})

once('a closed epoch has nothing to compare with, and nowhere to advance to', () => {
  const c = keep(cell(unique('c'), 1))
  const epoch = withEpoch({ name: 'gone' }, (open) => open)
  expect([
    refusal(() => epoch.isStale()),
    refusal(() => epoch.validate(c)),
    refusal(() => epoch.advance()),
    epoch.version,
  ]).toEqual([
    closed('epoch.isStale()', epoch),
    closed('epoch.validate()', epoch),
    closed('epoch.advance()', epoch),
    undefined,
  ])
})

once('a closing epoch still knows whether it is stale, but does not advance', async () => {
  const c = keep(cell(unique('c'), 1))
  const seen = await new Promise<unknown[]>((resolve) => {
    withEpoch((epoch) => {
      epoch.onClose(() => {
        detach(() => c.set(2))
        resolve([
          epoch.isStale(),
          refusal(() => epoch.advance()) === closed('epoch.advance()', epoch, 'closing'),
        ])
      })
    })
  })
  expect(seen).toEqual([true, true])
})

// --- write skew ---

/** Two doctors who may go off call while another one is on; each looks at a snapshot that shows the other on call. */
function twoDoctorsGoOffCall(fence: (epoch: Epoch, other: ReturnType<typeof cell<boolean>>) => void) {
  const [alice, bob] = [keep(cell(unique('alice'), true)), keep(cell(unique('bob'), true))]
  const steps: Array<() => void> = []
  const goOffCall = (self: typeof alice, other: typeof alice) =>
    withEpoch((epoch) => {
      const allowed = other.get()
      steps.push(
        bind(() =>
          publish(() => {
            fence(epoch, other)
            if (allowed) self.set(false)
          }),
        ),
      )
      return new Promise<void>((resolve) => steps.push(resolve))
    })
  void goOffCall(alice, bob)
  void goOffCall(bob, alice)
  const outcomes = [refusal(steps[0]!), refusal(steps[2]!)]
  steps[1]!()
  steps[3]!()
  return { outcomes, onCall: [alice.live(), bob.live()], names: [alice.name, bob.name] }
}

once(
  'a snapshot does not prevent write skew: two decisions from one snapshot break what both relied on',
  () => {
    const { outcomes, onCall } = twoDoctorsGoOffCall(() => {})
    expect([outcomes, onCall]).toEqual([
      ['not refused', 'not refused'],
      [false, false],
    ])
  },
)

once('validate inside the publish is the fence: the second decision is refused, and writes nothing', () => {
  const { outcomes, onCall, names } = twoDoctorsGoOffCall((epoch, other) => epoch.validate(other))
  expect(outcomes[0]).toBe('not refused')
  expect(outcomes[1]).toMatch(/^EPOCH_STALE: epoch\.validate\(\) of epoch #\d+ "anonymous": /)
  expect(outcomes[1]).toContain(`"${names[0]}" changed since the epoch captured it.`)
  expect(onCall).toEqual([false, true])
})
