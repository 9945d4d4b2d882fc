/**
 * The least that anything of this kind could do: an AsyncLocalStorage, and an object with a snapshot in it. What the
 * library costs beyond that is its own.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { carrier } from './carrier.js'
import type { Side } from '../pair.js'

/** What an epoch cannot do without: who it is, whose child, and what it sees. A class, as the library's is. */
export class Epoch {
  readonly id: number
  readonly name: string
  readonly parentId: number | undefined
  values: unknown[] | undefined

  constructor(values: unknown[], name: string, parentId: number | undefined) {
    this.id = ++lastId
    this.name = name
    this.parentId = parentId
    this.values = values
  }
}

let lastId = 0

export const storage = new AsyncLocalStorage<Epoch>()

/** The live values of the floor's epochs. */
export const liveValues: unknown[] = [0, undefined, 1]

export function floor(name: string, slice: Side['slice']): Side {
  return { name, slice, storages: [storage as AsyncLocalStorage<unknown>] }
}

export function plain(name: string, slice: Side['slice']): Side {
  return { name, slice, storages: [] }
}

export function ours(slice: Side['slice']): Side {
  return { name: 'withepoch', slice, storages: [carrier.storage] }
}
