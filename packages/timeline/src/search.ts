/**
 * What the search field means. Words are looked for in names, all of them; `#12` is the epoch 12; `name:`, `source:`,
 * `memo:` and `mark:` look in one place; `is:drift`, `is:late`, `is:overdue`, `is:open`, `is:torn` and `is:fork` ask for
 * what an epoch did. Nothing is a pattern: a star is a star.
 */
import type { EpochInfo, Model } from './model.js'
import { NONE } from './model.js'

/** Which epochs and subjects are shown. */
export interface Selection {
  readonly text: string
  readonly epochs: Uint8Array
  readonly epochCount: number
  /** Whether a source's, a group's or a track's row is shown. */
  hasSubject(kind: 'source' | 'track', name: string): boolean
}

const STATES: Record<string, (epoch: EpochInfo) => boolean> = {
  drift: (epoch) => epoch.drifted > 0,
  late: (epoch) => epoch.late > 0,
  overdue: (epoch) => epoch.overdue !== undefined,
  open: (epoch) => epoch.open,
  torn: (epoch) => epoch.torn,
  fork: (epoch) => epoch.parentId !== undefined,
}
export const STATE_WORDS = Object.keys(STATES)

type Term = { place: string; text: string }

export function select(model: Model, text: string): Selection {
  const terms = termsOf(text)
  const epochs = new Uint8Array(model.epochs.length)
  const subjects = model.data.strings.map((string) => string.toLowerCase())
  let epochCount = 0
  for (const epoch of model.epochs) {
    if (!terms.every((term) => matches(model, subjects, epoch, term))) continue
    epochs[epoch.index] = 1
    epochCount += 1
  }
  const inRows = terms.filter(({ place }) => place === 'source' || place === 'mark' || place === '')
  return {
    text,
    epochs,
    epochCount,
    hasSubject: (kind, name) => {
      const lower = name.toLowerCase()
      const asked = inRows.filter(({ place }) => place === (kind === 'track' ? 'mark' : 'source'))
      if (asked.length > 0) return asked.every((term) => lower.includes(term.text))
      // Plain words narrow the rows as well, unless they mean epochs: then the rows stay as the setting.
      const words = inRows.filter(({ place }) => place === '')
      return words.length === 0 || epochCount > 0 || words.every((term) => lower.includes(term.text))
    },
  }
}

function termsOf(text: string): Term[] {
  return [...text.toLowerCase().matchAll(/(?:(name|source|memo|mark|is):)?(?:"([^"]*)"|(\S+))/g)].map(
    ([, place, quoted, word]) => ({ place: place ?? '', text: quoted ?? word ?? '' }),
  )
}

function matches(
  model: Model,
  subjects: readonly string[],
  epoch: EpochInfo,
  { place, text }: Term,
): boolean {
  if (text === '') return true
  const read = (types: readonly string[]) =>
    epoch.events.some(
      (event) =>
        model.data.subject[event] !== NONE &&
        subjects[model.data.subject[event]!]!.includes(text) &&
        types.includes(model.typeOf(event).split(':')[0]!),
    )
  switch (place) {
    case 'name':
      return epoch.name.toLowerCase().includes(text)
    case 'source':
      return read(['source'])
    case 'memo':
      return read(['memo', 'derived'])
    case 'mark':
      return read(['mark'])
    case 'is':
      return STATES[text]?.(epoch) ?? false
    default:
      if (/^#\d+$/.test(text)) return String(epoch.id) === text.slice(1)
      return epoch.name.toLowerCase().includes(text) || read(['source', 'memo', 'derived', 'mark'])
  }
}
