/** What an event or an epoch is, in words: for the details, for the pointer, and for those who listen to the page. */
import type { EpochInfo, Kind, Model } from '../src/model.js'
import { NONE } from '../src/model.js'
import { formatDuration, formatTime } from '../src/scale.js'

export interface Description {
  readonly title: string
  readonly sentence: string
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/** What each shape stands for, in the order of the legend. */
export const LEGEND: readonly (readonly [Kind, string])[] = [
  ['read', 'read; colour and number: which value'],
  ['drift', 'drift: pinned, and no longer live. A tear averted'],
  ['late', 'late read: its epoch had closed'],
  ['write', 'write'],
  ['conflict', 'write conflict, broken group'],
  ['retire', 'a value retired'],
  ['hit', 'memo hit'],
  ['miss', 'memo miss'],
]

export function describeEvent(model: Model, event: number): Description {
  const { data } = model
  const type = model.typeOf(event)
  const subject = model.subjectOf(event)
  const word = model.wordOf(event)
  const value = model.value[event]!
  const live = model.live[event]!
  const epoch = model.epochOf[event] === NONE ? undefined : model.epochs[model.epochOf[event]!]!
  const extra = { ...model.extraOf(event) }
  const where = epoch === undefined ? 'outside any epoch' : `in ${epoch.name} #${epoch.id}`
  const fields: [string, string][] = [['time', formatTime(model.t[event]! - data.start)]]
  if (epoch !== undefined) {
    fields.push(['epoch', `${epoch.name} #${epoch.id}`])
    fields.push(['since it opened', formatDuration(Math.max(model.t[event]! - epoch.start, 0))])
  }
  const described = typeof extra['described'] === 'string' ? extra['described'] : undefined
  if (type.startsWith('source:')) fields.push(['source', subject])
  if (value !== NONE) fields.push(['value', value === 0 ? 'none: the getter threw' : `number ${value}`])
  if (described !== undefined) fields.push(['described', described])
  if (type === 'source:read') {
    fields.push(['live value', live === 0 ? 'none: the getter throws' : `number ${live}`], ['from', word])
  }
  if (data.version[event] !== NONE) fields.push(['version', String(data.version[event])])
  const kind = model.kindOf(event)
  const make = (title: string, sentence: string): Description => ({
    title,
    sentence,
    fields: [...fields, ...rest(extra)],
  })
  switch (kind) {
    case 'read':
      return make(
        `Read of ${subject}`,
        `${where}, ${word === 'pinned' ? 'pinned, and still the live value' : 'the live value'}`,
      )
    case 'drift':
      return make(
        `Drift: read of ${subject}`,
        `${where}: the pinned value${value === NONE ? '' : `, number ${value},`} is no longer the live one${live === NONE ? '' : `, number ${live}`}. A live read would have seen two worlds.`,
      )
    case 'late':
      return make(`Late read of ${subject}`, `${where}: by work that outlived it, so it got the live value.`)
    case 'write':
      return make(
        `Write of ${subject}`,
        word === 'local'
          ? `${where}: local, nobody else sees it.`
          : word === 'polled'
            ? 'Found changed when an epoch opened.'
            : `${where}: live, the process sees it.`,
      )
    case 'conflict':
      return make(
        `Write conflict on ${subject}`,
        `${where}: the live value had moved since the epoch's capture.`,
      )
    case 'retire':
      return make(`A value of ${subject} retired`, 'Nobody can see it any more.')
    case 'group':
      return make(
        `Group ${subject} ${type === 'group:error' ? 'could not be asked' : 'was broken'}`,
        'An epoch opened while its values did not agree.',
      )
    case 'hit':
    case 'miss':
      return make(
        `${type.startsWith('derived') ? 'Derived' : 'Memo'} ${kind}: ${subject}`,
        `${where}: ${kind === 'hit' ? 'the result was there, or under way' : 'the function was called'}.`,
      )
    case 'mark': {
      if (typeof extra['durationMs'] === 'number')
        fields.push(['duration', formatDuration(extra['durationMs'] * 1000)])
      const lane = typeof extra['lane'] === 'string' ? extra['lane'] : undefined
      if (lane !== undefined) fields.push(['lane', lane])
      if (typeof extra['series'] === 'string') fields.push(['series', extra['series']])
      for (const [name, shown] of Object.entries((extra['fields'] ?? {}) as object))
        fields.push([name, String(shown)])
      return {
        title: `${word}${lane === undefined ? '' : ` · ${lane}`}`,
        sentence: `${subject}${epoch === undefined ? '' : `, ${where}`}`,
        fields,
      }
    }
    default:
      return make(type, where)
  }
}

export function describeEpoch(epoch: EpochInfo, start: number): Description {
  const state = epoch.open
    ? 'still open when the recording ended'
    : `closed after ${formatDuration(epoch.end - epoch.start)}`
  const alarm =
    epoch.overdue === undefined
      ? ''
      : `, overdue: past its limit of ${formatDuration(Number(epoch.overdue['maxAgeMs'] ?? 0) * 1000)}`
  const fields: [string, string][] = [
    ['opened', epoch.before ? 'before the recording' : formatTime(epoch.start - start)],
    ['open for', `${epoch.open ? 'more than ' : ''}${formatDuration(epoch.end - epoch.start)}`],
    ['reads', String(epoch.reads)],
    ['drifted', String(epoch.drifted)],
    ['late', String(epoch.late)],
  ]
  if (epoch.version !== NONE) fields.push(['version', String(epoch.version)])
  if (epoch.torn) fields.push(['torn', 'one source was read with two values'])
  if (epoch.observing) fields.push(['observing', 'its reads are live, and it ends with the last of them'])
  if (epoch.hits + epoch.misses > 0)
    fields.push(['memo hits', `${epoch.hits} of ${epoch.hits + epoch.misses}`])
  if (epoch.writes > 0) fields.push(['writes', String(epoch.writes)])
  if (epoch.conflicts > 0) fields.push(['write conflicts', String(epoch.conflicts)])
  if (epoch.overdue !== undefined)
    fields.push(['closed for being overdue', epoch.overdue['closed'] === true ? 'yes' : 'no'])
  if (typeof epoch.overdue?.['stack'] === 'string') fields.push(['opened at', epoch.overdue['stack']])
  return { title: `${epoch.name} #${epoch.id}`, sentence: `Epoch, ${state}${alarm}.`, fields }
}

const TOLD = new Set(['described', 'lane', 'kind', 'series', 'durationMs', 'fields', 'parent', 'observing'])

function rest(extra: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(extra)
    .filter(([name, value]) => !TOLD.has(name) && value !== undefined)
    .map(([name, value]) => [name, String(value)])
}
