/**
 * Values that belong together, written in two steps by writers that are not ours, sometimes with an `await` between. An
 * epoch opened in the middle would capture a pair that never belonged together; a group says when they do, and hands
 * out the newest state in which they did. Where both writers are ours, `publish` is the better cure: it leaves no middle.
 */
import { groupBroken, groupError } from './diagnostics.js'
import { requireSource } from './epoch.js'
import { EpochError, kindOf, requireFunction, requireKnownOptions, requirePositive } from './errors.js'
import { type Coherence, root, UNSETTLED } from './snapshot.js'
import { sampling, type Source } from './source.js'
import { disown, isThenable } from './storage.js'

export interface GroupOptions<V extends readonly unknown[]> {
  /**
   * Whether these values belong together. Called with the live values, in the order of `sources`, at each write of a
   * member that is a cell and at each entry that finds another member changed; keep it cheap and synchronous. If it
   * throws, the values count as not coherent, and `withepoch:group:error` tells.
   */
  coherent: (...values: V) => boolean
  /**
   * How many milliseconds old the state handed out may be. Past that epochs get the live values, coherent or not, and
   * `withepoch:group:broken` says so.
   *
   * @default Infinity
   */
  maxLagMs?: number | undefined
}

/** What `group` returns. */
export interface Group {
  readonly name: string
  /** How many epochs were opened while the live values did not agree. */
  readonly brokenEntries: number
  /** Undoes the group: epochs opened from here on get the live values. */
  release(): void
}

/**
 * Declares that the values of `sources` belong together. Every epoch then captures the newest state in which `coherent`
 * held, even if another writer is half-way through a change when it opens.
 *
 * Use it where the writers are not yours: the active workspace and the metadata that was loaded for it, set by a program
 * in two assignments.
 *
 * **Caveat** A state between two foreign writes is noticed only if something looks: an entry, or a write of a member
 * that is a cell (`adopt` makes cells). While they never agree, epochs are held at the last state that did: bound that
 * with `maxLagMs`, and watch `withepoch:group:broken`. Before they have first agreed, epochs get the live values.
 *
 * @param sources pinned ones (`isolation: 'snapshot'`), each in one group at most.
 * @throws INVALID_ARGUMENT when an argument or option is not what it must be; nothing is declared.
 * @example
 * const dir = cell('docs.group.dir', '/a')
 * const metadata = cell('docs.group.metadata', { dir: '/a' })
 * group('docs.group', [dir, metadata], { coherent: (dir, metadata) => metadata.dir === dir })
 * dir.set('/b') // half-way
 * withEpoch(() => [dir.get(), metadata.get().dir]) // => ['/a', '/a']
 * metadata.set({ dir: '/b' })
 * withEpoch(() => [dir.get(), metadata.get().dir]) // => ['/b', '/b']
 */
export function group<const V extends readonly unknown[]>(
  name: string,
  sources: { readonly [K in keyof V]: Source<V[K]> },
  options: GroupOptions<V>,
): Group {
  if (typeof name !== 'string' || name === '') {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `group(name, …): name must be a non-empty string, got ${kindOf(name)}.`,
    )
  }
  const call = `group("${name}", …)`
  requireKnownOptions(options, call, ['coherent', 'maxLagMs'])
  requireFunction(options.coherent, call, 'coherent')
  requirePositive(options.maxLagMs, call, 'maxLagMs')
  if (!Array.isArray(sources) || sources.length < 2) {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `${call}: expected an array of two sources or more, got ${Array.isArray(sources) ? sources.length : kindOf(sources)}.`,
    )
  }
  for (const [index, source] of (sources as ReadonlyArray<Source<unknown>>).entries()) {
    requireSource(source, call)
    const twice = sources.indexOf(source) !== index
    if (twice || root.groupOf(source.slot) !== undefined || source.isolation !== 'snapshot') {
      const why = twice
        ? 'is named twice'
        : source.isolation === 'snapshot'
          ? 'is in a group already, and two groups could hold it at two states'
          : `is ${source.isolation}, so it is not captured together with the others`
      throw new EpochError('INVALID_ARGUMENT', `${call}: source "${source.name}" ${why}.`)
    }
  }
  return new Agreement(
    name,
    sources as ReadonlyArray<Source<unknown>>,
    options as unknown as GroupOptions<unknown[]>,
  )
}

class Agreement implements Group, Coherence {
  readonly name: string
  readonly slots: readonly number[]
  readonly #sources: Array<Source<unknown>>
  readonly #coherent: (...values: unknown[]) => boolean
  readonly #maxLagMs: number
  brokenEntries = 0
  /** The values last looked at, and the last that agreed. */
  #seen: readonly unknown[] | undefined
  #agreed: readonly unknown[] | undefined
  #brokenSince: number | undefined
  #overdue = false
  #warned = false
  #moved: Array<() => void> = []

  constructor(name: string, sources: ReadonlyArray<Source<unknown>>, options: GroupOptions<unknown[]>) {
    this.name = name
    this.slots = sources.map((source) => source.slot)
    this.#sources = [...sources]
    this.#coherent = options.coherent
    this.#maxLagMs = options.maxLagMs ?? Infinity
    root.addGroup(this)
    this.#checkWhole()
  }

  release(): void {
    if (root.groupOf(this.slots[0] as number) !== this) return
    root.removeGroup(this)
    if (this.#held !== undefined) root.bump() // as when it is overdue
    this.#flushMoved()
  }

  check(): void {
    let values: unknown[]
    try {
      values = this.#sources.map((source) => source.sample())
    } catch (error) {
      return this.#fail(error)
    }
    this.#look(values)
  }

  enter(): readonly unknown[] | undefined {
    const values = this.slots.map((slot) => root.read(slot))
    if (values.some((value, index) => this.#seen === undefined || !Object.is(value, this.#seen[index])))
      this.#look(values)
    if (this.#brokenSince === undefined) return undefined
    this.brokenEntries++
    const brokenForMs = Date.now() - this.#brokenSince
    const handedOut = this.#handedOut(brokenForMs)
    const live = handedOut === undefined
    if (groupBroken.hasSubscribers) groupBroken.publish({ group: this.name, brokenForMs, live })
    return handedOut
  }

  agreed(): ReadonlyArray<readonly [number, unknown]> | undefined {
    this.#checkWhole()
    const values =
      this.#brokenSince === undefined ? this.#agreed : this.#handedOut(Date.now() - this.#brokenSince)
    return values?.map((value, index) => [this.slots[index] as number, value] as const)
  }

  holds(slot: number, value: unknown): boolean {
    return this.#held !== undefined && Object.is(this.#held[this.slots.indexOf(slot)], value)
  }

  follow(slot: number, source: Source<unknown>): void {
    this.#sources[this.slots.indexOf(slot)] = source
    this.#seen = [] // looked at when the next epoch opens: the source is still being made
  }

  whenMoved(moved: () => void): void {
    this.#moved.push(moved)
  }

  toJSON(): { group: string } {
    return { group: this.name }
  }

  /** Half a publication may agree by chance and yet be undone: it looks again when that is over. */
  #checkWhole(): void {
    if (!root.publishing) this.check()
  }

  /**
   * What is handed out in the place of the live values: the last that agreed, if there are any. Once overdue it stays so,
   * though the clock be set back: what it handed out may have been retired.
   */
  get #held(): readonly unknown[] | undefined {
    return this.#brokenSince === undefined || this.#overdue ? undefined : this.#agreed
  }

  /** While broken: the last values that agreed, unless they are too old or there are none. */
  #handedOut(brokenForMs: number): readonly unknown[] | undefined {
    const held = this.#held
    if (held === undefined || brokenForMs <= this.#maxLagMs) return held
    this.#overdue = true
    root.bump() // the live values from here on, under a version of their own
    this.#flushMoved()
    return undefined
  }

  #look(values: readonly unknown[]): void {
    this.#seen = values
    if (values.includes(UNSETTLED)) return this.#fail(new Error('the getter of a member threw'))
    let agree: unknown
    try {
      agree = sampling(() => this.#coherent(...values))
      if (isThenable(agree)) {
        disown(agree)
        throw new TypeError('coherent returned a promise; it must be synchronous')
      }
    } catch (error) {
      return this.#fail(error)
    }
    this.#warned = false
    if (agree !== true) return this.#break()
    this.#agreed = values
    this.#brokenSince = undefined
    this.#overdue = false
    this.#flushMoved()
  }

  #break(): void {
    this.#brokenSince ??= Date.now()
  }

  /** The group's error, never the request's: told of, and the values count as not coherent. */
  #fail(error: unknown): void {
    this.#break()
    if (groupError.hasSubscribers) {
      groupError.publish({
        group: this.name,
        brokenForMs: Date.now() - (this.#brokenSince ?? 0),
        live: false,
        error,
      })
    }
    if (this.#warned) return
    this.#warned = true
    const message = error instanceof Error ? error.message : kindOf(error)
    process.emitWarning(
      `group("${this.name}"): coherent could not be asked, so its values count as broken: ${message}`,
      {
        type: 'EpochWarning',
        code: 'GROUP_ERROR',
      },
    )
  }

  #flushMoved(): void {
    for (const moved of this.#moved.splice(0)) moved()
  }
}
