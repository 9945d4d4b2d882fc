/**
 * The recording as the page works with it: columns as typed arrays, and the epochs put together from their events. It
 * does not know what is shown of it, or where.
 */
import { type Extra, NONE, type PageData, TYPES } from './page-data.js'

export { NONE }

export type EventType = (typeof TYPES)[number]

/** What a point is, for its shape; the order is that of importance where several fall on one spot. */
export const KINDS = [
  'mark',
  'hit',
  'miss',
  'read',
  'retire',
  'write',
  'group',
  'conflict',
  'drift',
  'late',
] as const
export type Kind = (typeof KINDS)[number]

export interface EpochInfo {
  readonly index: number
  readonly id: number
  readonly name: string
  /** Index of the parent, or `NONE`: none, or not in the recording. */
  parent: number
  parentId: number | undefined
  start: number
  /** Of one that is still open, the end of the recording. */
  end: number
  /** It was open before the recording started. */
  before: boolean
  /** Still open when the recording ended. */
  open: boolean
  observing: boolean
  version: number
  overdue: Extra | undefined
  /** Of its last event: a late read comes after its end. */
  last: number
  reads: number
  drifted: number
  late: number
  torn: boolean
  hits: number
  misses: number
  writes: number
  conflicts: number
  /** Events of the epoch other than its opening and closing, in time. */
  events: number[]
  children: number[]
}

export class Model {
  readonly data: PageData
  readonly length: number
  readonly t: Float64Array
  readonly type: Uint8Array
  readonly value: Int32Array
  readonly live: Int32Array
  /** Of each event the index into `KINDS`; of what is no point, one past the last. */
  readonly kinds: Uint8Array
  readonly epochs: EpochInfo[] = []
  /** What happened, without the recorder's own lines. */
  eventCount = 0
  /** From the first event to the last, without the idle time before and after; of none, the whole recording. */
  readonly first: number
  readonly last: number
  /** Index of the epoch of each event, or `NONE`. */
  readonly epochOf: Int32Array
  readonly #extra: Map<number, Extra>
  readonly #byId = new Map<number, EpochInfo>()
  /** By source and number, wherever the recording has it. */
  readonly #described = new Map<string, string>()

  constructor(data: PageData) {
    this.data = data
    this.length = data.type.length
    this.type = Uint8Array.from(data.type)
    this.value = Int32Array.from(data.value)
    this.live = Int32Array.from(data.live)
    this.kinds = new Uint8Array(this.length)
    this.t = new Float64Array(this.length)
    this.epochOf = new Int32Array(this.length).fill(NONE)
    this.#extra = new Map(data.extra as [number, Extra][])
    let t = data.start
    let first = Infinity
    let last = -Infinity
    for (let n = 0; n < this.length; n++) {
      t += data.dt[n]!
      this.t[n] = t
      const kind = this.#findKind(n)
      this.kinds[n] = kind === undefined ? KINDS.length : KINDS.indexOf(kind)
      const extra = this.#extra.get(n)
      const described = extra?.['described']
      if (typeof described === 'string' && this.value[n] !== NONE) {
        this.#described.set(`${data.subject[n]} ${this.value[n]}`, described)
      }
      const type = this.typeOf(n)
      if (type !== 'stop' && type !== 'dropped') {
        const lasted = typeof extra?.['durationMs'] === 'number' ? extra['durationMs'] * 1000 : 0
        first = Math.min(first, t - lasted)
        last = t
        this.eventCount += 1
      }
      this.#take(n)
    }
    this.first = this.eventCount === 0 ? data.start : Math.max(first, data.start)
    this.last = this.eventCount === 0 ? data.end : last
    for (const epoch of this.epochs) {
      const parent = epoch.parentId === undefined ? undefined : this.#byId.get(epoch.parentId)
      // A file may claim what it likes: a parent is one that was there before its child.
      if (parent === undefined || parent.index >= epoch.index) continue
      epoch.parent = parent.index
      parent.children.push(epoch.index)
    }
  }

  typeOf(event: number): EventType {
    return TYPES[this.type[event]!]!
  }

  subjectOf(event: number): string {
    return this.data.strings[this.data.subject[event]!] ?? ''
  }

  wordOf(event: number): string {
    return this.data.strings[this.data.word[event]!] ?? ''
  }

  extraOf(event: number): Extra | undefined {
    return this.#extra.get(event)
  }

  /** How the source of `event` was described with its value of that number, by whichever event. */
  describedAs(event: number, value: number): string | undefined {
    return this.#described.get(`${this.data.subject[event]} ${value}`)
  }

  epochById(id: number): EpochInfo | undefined {
    return this.#byId.get(id)
  }

  /** The shape of the point that an event is; undefined for what is no point. */
  kindOf(event: number): Kind | undefined {
    return KINDS[this.kinds[event]!]
  }

  #findKind(event: number): Kind | undefined {
    switch (this.typeOf(event)) {
      case 'source:read':
        if (this.wordOf(event) === 'late') return 'late'
        return this.wordOf(event) === 'pinned' && this.value[event] !== this.live[event] ? 'drift' : 'read'
      case 'source:drift':
        return 'drift'
      case 'source:late-read':
        return 'late'
      case 'source:write':
        return 'write'
      case 'source:write-conflict':
        return 'conflict'
      case 'source:retire':
        return 'retire'
      case 'group:broken':
      case 'group:error':
        return 'group'
      case 'memo:hit':
      case 'derived:hit':
        return 'hit'
      case 'memo:miss':
      case 'derived:miss':
        return 'miss'
      case 'mark':
        return 'mark'
      default:
        return undefined
    }
  }

  #take(n: number): void {
    const { data } = this
    const id = data.epoch[n]!
    if (id === NONE) return
    const t = this.t[n]!
    const type = this.typeOf(n)
    let epoch = this.#byId.get(id)
    if (epoch === undefined) {
      epoch = {
        index: this.epochs.length,
        id,
        name: data.strings[data.name[n]!] ?? '',
        parent: NONE,
        parentId: undefined,
        start: type === 'epoch:open' ? t : data.start,
        end: data.end,
        before: type !== 'epoch:open',
        open: true,
        observing: false,
        version: NONE,
        overdue: undefined,
        last: t,
        reads: 0,
        drifted: 0,
        late: 0,
        torn: false,
        hits: 0,
        misses: 0,
        writes: 0,
        conflicts: 0,
        events: [],
        children: [],
      }
      this.epochs.push(epoch)
      this.#byId.set(id, epoch)
    }
    this.epochOf[n] = epoch.index
    epoch.last = Math.max(epoch.last, t)
    switch (type) {
      case 'epoch:open': {
        const extra = this.#extra.get(n)
        epoch.parentId = extra?.['parent'] as number | undefined
        epoch.observing = extra?.['observing'] === true
        epoch.version = data.version[n]!
        return
      }
      case 'epoch:close':
        epoch.end = t
        epoch.open = false
        return
      case 'epoch:overdue':
        epoch.overdue = this.#extra.get(n) ?? {}
        return
    }
    const kind = this.kindOf(n)
    if (kind === undefined) return
    // A late read before any closing line is of an epoch that closed before the recording.
    if (kind === 'late' && epoch.open && epoch.before) {
      epoch.open = false
      epoch.end = epoch.start
    }
    epoch.events.push(n)
    if (kind === 'hit') epoch.hits += 1
    else if (kind === 'miss') epoch.misses += 1
    else if (kind === 'write') epoch.writes += 1
    else if (kind === 'conflict') epoch.conflicts += 1
    else if (kind === 'read' || kind === 'drift' || kind === 'late') {
      epoch.reads += 1
      if (kind === 'drift') epoch.drifted += 1
      if (kind === 'late') epoch.late += 1
      if (kind === 'read' && this.wordOf(n) === 'live' && !epoch.torn) epoch.torn = this.#tears(epoch, n)
    }
  }

  /** Whether the epoch's last read of the same source got another value, and it has not written this one itself. */
  #tears(epoch: EpochInfo, n: number): boolean {
    const subject = this.data.subject[n]
    for (let at = epoch.events.length - 2; at >= 0; at--) {
      const earlier = epoch.events[at]!
      if (this.data.subject[earlier] !== subject || this.value[earlier] === NONE) continue
      const kind = this.kindOf(earlier)
      if (kind === 'read' || kind === 'write') return this.value[earlier] !== this.value[n]
    }
    return false
  }
}
