/** Being given again what was computed before: a memo hit, a derived hit, a nested entry; against what one writes by hand. */
import { cell, derived, memo, withEpoch } from '../withepoch/index.js'
import { AsyncLocalStorage } from 'node:async_hooks'
import { ours, plain } from './floor.js'
import { pair, type Run } from './group.js'
import type { Side } from '../pair.js'

const KEYS = ['/a', '/b', '/c', '/d']
const workspace = cell('reuse.workspace', '/a')
const lengthOf = memo((dir: string) => dir.length)
const derivedLength = derived((suffix: string) => workspace.get().length + suffix.length)

interface Store {
  readonly value: string
  readonly cache: Map<string, number>
}
const pin = new AsyncLocalStorage<Store>()
const live = { value: '/a' }
const shared = new Map<string, Map<string, number>>()
const byHand = (name: string, slice: Side['slice']): Side => ({
  name,
  slice,
  storages: [pin as AsyncLocalStorage<unknown>],
})

export async function reuseGroup(run: Run): Promise<void> {
  await pair(run, 'memo hit', ours(hittingMemo), byHand('a Map in the store', hittingMap))
  await pair(
    run,
    'derived hit inside',
    ours(hittingDerived),
    byHand('a Map by the pinned value', hittingSharedMap),
  )
  await pair(
    run,
    'derived hit outside',
    ours(hittingDerivedOutside),
    plain('a Map by the live value', hittingLiveMap),
  )
  await pair(run, 'nested reuse', ours(nesting), byHand('getStore() ? fn() : run', nestingByHand))
}

function hittingMemo(times: number): number {
  return withEpoch(() => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += lengthOf(KEYS[index & 3]!)
    return sum
  }) as number
}

function hittingMap(times: number): number {
  return pin.run({ value: live.value, cache: new Map() }, () => {
    let sum = 0
    for (let index = 0; index < times; index++) {
      const { cache } = pin.getStore()!
      const key = KEYS[index & 3]!
      let found = cache.get(key)
      if (found === undefined) cache.set(key, (found = key.length))
      sum += found
    }
    return sum
  })
}

function hittingDerived(times: number): number {
  return withEpoch(() => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += derivedLength(KEYS[index & 3]!)
    return sum
  }) as number
}

function hittingSharedMap(times: number): number {
  return pin.run({ value: live.value, cache: new Map() }, () => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += lookUp(pin.getStore()!.value, KEYS[index & 3]!)
    return sum
  })
}

function hittingDerivedOutside(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += derivedLength(KEYS[index & 3]!)
  return sum
}

function hittingLiveMap(times: number): number {
  let sum = 0
  for (let index = 0; index < times; index++) sum += lookUp(live.value, KEYS[index & 3]!)
  return sum
}

function lookUp(value: string, key: string): number {
  let byKey = shared.get(value)
  if (byKey === undefined) shared.set(value, (byKey = new Map()))
  let found = byKey.get(key)
  if (found === undefined) byKey.set(key, (found = value.length + key.length))
  return found
}

const nothing = (): number => 1

function nesting(times: number): number {
  return withEpoch(() => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += withEpoch(nothing) as number
    return sum
  }) as number
}

function nestingByHand(times: number): number {
  const enter = (): number =>
    pin.getStore() ? nothing() : pin.run({ value: live.value, cache: new Map() }, nothing)
  return pin.run({ value: live.value, cache: new Map() }, () => {
    let sum = 0
    for (let index = 0; index < times; index++) sum += enter()
    return sum
  })
}
