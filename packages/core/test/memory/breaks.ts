/**
 * Whether all this could fail: the published bundle broken, one thing at a time, each with the case that has to notice.
 * The texts are the bundle's own; one that is not found there is to be brought up to date.
 */

export interface Break {
  /** The library with … */
  readonly what: string
  /** A text that the bundle has once, and what stands there instead. */
  readonly text: string
  readonly instead: string
  /** The case that notices, and in which words. */
  readonly title: string
  readonly says: RegExp
}

const PARENT = 'this.parentId = parent?.id;'
const DROPPED = 'this.#values = void 0;\n    this.#extra = void 0;'

export const BREAKS: readonly Break[] = [
  {
    what: 'an epoch that keeps its values',
    text: DROPPED,
    instead: 'this.kept = this.#values;\n this.#values = void 0; this.#extra = void 0;',
    title: 'an interval',
    says: /\d+ of 50 values \(captured\) are still held/,
  },
  {
    what: 'an epoch that keeps its memos',
    text: DROPPED,
    instead: 'this.kept = this.#extra;\n this.#values = void 0; this.#extra = void 0;',
    title: 'an idle keep-alive connection of a server',
    says: /\d+ of 50 values \(memoised\) are still held/,
  },
  {
    what: 'a flight that keeps its result',
    text: 'node.result = launch(',
    instead: 'flight.node = node; node.result = launch(',
    title: 'an interval of a memoised computation',
    says: /\d+ of 50 values \(computed\) are still held/,
  },
  {
    what: 'an epoch that holds its parent',
    text: PARENT,
    instead: `${PARENT} this.parent = parent;`,
    title: 'fresh, each in the last',
    says: /grows by \d+/,
  },
  {
    what: 'an AsyncLocalStorage for each epoch',
    text: PARENT,
    instead: `${PARENT} this.storage = new AsyncLocalStorage();`,
    title: 'every exported name, in three copies',
    says: /made \d{4,} AsyncLocalStorages/,
  },
  {
    what: 'an AsyncLocalStorage for each copy',
    text: 'carrier.storage ??= new AsyncLocalStorage()',
    instead: '(new AsyncLocalStorage(), carrier.storage ??= new AsyncLocalStorage())',
    title: 'every exported name, in three copies',
    says: /made 4 AsyncLocalStorages/,
  },
  {
    what: 'a list that closed epochs stay in',
    text: DROPPED,
    instead: `${DROPPED} (carrier.closed ??= []).push(this);`,
    title: 'reads ten sources, and computes twice',
    says: /grows by \d+/,
  },
  {
    what: 'derived results without a bound',
    text: 'forget(oldest);',
    instead: 'break;',
    title: 'asks for derived values',
    says: /grows by \d+/,
  },
  {
    what: 'replaced values that are never forgotten',
    text: 'this.#waiting.delete(old);',
    instead: '',
    title: 'publishes, rolls back and retires',
    says: /grows by \d+/,
  },
]

/** The bundle with `one` in it; undefined when it does not have the text exactly once. */
export function broken(bundle: string, { text, instead }: Break): string | undefined {
  return bundle.split(text).length === 2 ? bundle.replace(text, () => instead) : undefined
}
