/**
 * One contender against raw AsyncLocalStorage, case by case. A process each: what one library has done to the process
 * (an AsyncLocalStorage that has run, call sites that have seen it) would be paid for by the next.
 */
import { contenders, type ContenderName } from '../contenders/index.js'
import { storagesOf } from '../isolation.js'
import { type Contender, globals, type OneValue } from '../contenders/contender.js'
import type * as Slices from '../slices.js'
import { type Run, pair } from './group.js'

/** The names under which the one module is loaded twice; spelled so that no compiler resolves them. */
const slicesOf = (side: string): Promise<typeof Slices> =>
  import(`../slices.js?${side}`) as Promise<typeof Slices>

export async function contenderGroup(run: Run): Promise<void> {
  const [{ contender, enterLocally }, storages] = await load(run.argument)
  const [{ contender: raw }, rawStorages] = await storagesOf(
    () => import(`../contenders/raw.js?${'baseline'}`) as Promise<{ contender: Contender }>,
  )
  if (typeof contender.one === 'string' || typeof raw.one === 'string') throw new Error('nothing to measure')
  const side = await slicesOf('side')
  const baseline = await slicesOf('baseline')
  const ours = side.oneValueSlices(contender.one, enterLocally)
  const theirs = baseline.oneValueSlices({ ...raw.one, ...forBaseline(raw.one) })
  const reasons: Record<string, unknown> = {
    enter: contender.one.enter,
    'read by handle': contender.one.readByHandle,
    'read outside': contender.one.readOutside,
    write: contender.one.write,
    'nested entry': contender.one.nested,
  }
  for (const name of Object.keys(ours) as Array<keyof typeof ours>) {
    const slice = ours[name]
    if (slice === undefined) {
      run.dashes[name] = String(reasons[name])
      continue
    }
    await pair(
      run,
      name,
      { name: contender.name, slice, storages },
      { name: raw.name, slice: theirs[name]!, storages: rawStorages },
    )
  }
}

/** A whole request against the same with live globals. */
export async function requestGroup(run: Run): Promise<void> {
  const [{ contender }, storages] = await load(run.argument)
  if (typeof contender.ten === 'string') {
    run.dashes['request'] = contender.ten
    return
  }
  const slice = (await slicesOf('side')).requestSlice(contender.ten)
  const live = (await slicesOf('baseline')).liveRequestSlice()
  await pair(
    run,
    'request',
    { name: contender.name, slice, storages },
    { name: 'live globals', slice: live, storages: [] },
  )
  if (run.argument !== 'withepoch') return
  const [{ contender: tenPins }, tenStorages] = await load('ten-pins')
  if (typeof tenPins.ten === 'string') throw new Error(tenPins.ten)
  const pinned = (await slicesOf('pins')).requestSlice(tenPins.ten)
  await pair(
    run,
    'request against ten pins',
    { name: contender.name, slice, storages },
    { name: tenPins.name, slice: pinned, storages: tenStorages },
  )
}

function load(
  name: string,
): ReturnType<typeof storagesOf<{ contender: Contender; enterLocally?: (work: () => number) => number }>> {
  if (!(name in contenders))
    throw new Error(`No contender "${name}"; there are ${Object.keys(contenders).join(', ')}.`)
  return storagesOf(contenders[name as ContenderName].load)
}

/**
 * What raw AsyncLocalStorage has no word for is measured against what is nearest: a read outside against a plain property,
 * a nested entry against a `run`; and a read by handle against one without, since what a handle saves is the question.
 */
function forBaseline({ enter, read }: OneValue): Pick<OneValue, 'readOutside' | 'nested' | 'readByHandle'> {
  return {
    readOutside: (index) => globals[index]!.value,
    nested: enter,
    readByHandle(times) {
      let sum = 0
      for (let index = 0; index < times; index++) sum += read()
      return sum
    },
  }
}
