/**
 * `adopt`: somebody else's property becomes a cell in place. Two readers stand against each other all through this
 * file: code that has never heard of us, which says `object.key`, and the cell. What is a cell's anyway (isolation,
 * conflicts, publish) has its own files; real libraries are in `adopt-legacy.test.ts`.
 */
import * as fs from 'node:fs'
import * as namespace from 'node:path'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test as once, vi } from 'vitest'
import {
  adopt,
  type AdoptOptions,
  bind,
  cell,
  detach,
  type EpochError,
  group,
  publish,
  source,
  withEpoch,
  type WriteEvent,
} from 'withepoch'
import { listenTo } from './channel-listener.js'
import { test } from './epoch-test.js'
import { refusal } from './refusal.js'
import { strict } from './strict-mode.js'
import { unhandledDuring } from './unhandled-rejections.js'
import { uniqueNames } from './unique-name.js'

const unique = uniqueNames('adopt')

/** For arguments that the types forbid. */
const anyAdopt = adopt as (object: unknown, where: unknown, options?: unknown) => unknown

/** What a writer does who is in no epoch. */
const elsewhere = <R>(fn: () => R): R => detach(fn)

/** The property as its owner sees it, without running a getter. */
function shapeOf(object: object): PropertyDescriptor {
  return {
    value: undefined,
    writable: undefined,
    get: undefined,
    set: undefined,
    ...Object.getOwnPropertyDescriptor(object, 'key'),
  }
}

/** The function that stands there, to compare. */
const methodOf = (object: object, key: string): unknown => Reflect.get(object, key)

// --- reads and writes of code that has never heard of us ---

once('a write whose setter breaks the getter is a version, and is told of with it', () => {
  let broken = false
  const object = {
    get key() {
      if (broken) throw new Error('broken')
      return 1
    },
    set key(_value) {
      broken = true
    },
  }
  const key = adopt(object, 'key', { name: unique('key') })
  const before = withEpoch((epoch) => epoch.version!)
  const versions: number[] = []
  listenTo('withepoch:source:write', (message) => {
    const { source: written, version } = message as WriteEvent
    if (written.name === key.name) versions.push(version)
  })
  key.set(2)
  expect(versions).toEqual([before + 1])
  expect(() => withEpoch(() => key.get())).toThrow('broken')
})

/** A property that cannot be read before it was written once. */
function unreadable() {
  const written: unknown[] = []
  const object = {
    get key(): unknown {
      if (written.length === 0) throw new Error('not yet')
      return written.at(-1)
    },
    set key(value) {
      written.push(value)
    },
  }
  return { object, written }
}

once(
  'the first write of what could not be read replaces nothing: it is told of, and nothing is retired',
  () => {
    const { object, written } = unreadable()
    const retired: unknown[] = []
    const key = adopt(object, 'key', { name: unique('key'), retire: (old) => retired.push(old) })
    const told: string[] = []
    listenTo('withepoch:source:write', (message) => {
      const { source: of, to } = message as WriteEvent
      if (of.name === key.name) told.push(to)
    })
    key.set(1)
    expect([written, told, retired]).toEqual([[1], ['live'], []])
    key.set(2)
    expect([written, told, retired]).toEqual([[1, 2], ['live', 'live'], [1]])
    key.set(2) // the setter is called, but nothing has changed
    expect([written, told, retired]).toEqual([[1, 2, 2], ['live', 'live'], [1]])
  },
)

once('a publish that throws puts nothing back where nothing could be read', () => {
  const { object, written } = unreadable()
  const key = adopt(object, 'key', { name: unique('key') })
  const fail = () =>
    publish(() => {
      key.set(1)
      throw new Error('half-way')
    })
  expect(fail).toThrow('half-way')
  expect(written).toEqual([1])
})

once('what it stands on is named: the global object, a function with a name, and one without', () => {
  const cannot = (object: object, key: string): string =>
    refusal(() => anyAdopt(object, key, { name: unique('no') })).split(': ')[1]!
  const [named, nameless] = [function named() {}, (() => () => {})()].map((each) => Object.freeze(each))
  expect([cannot(globalThis, 'undefined'), cannot(named!, 'length'), cannot(nameless!, 'length')]).toEqual([
    'adopt(object, "undefined") on globalThis',
    'adopt(object, "length") on named',
    'adopt(object, "length") on a function',
  ])
})

test('inside an epoch the property is as it was at its first look, whatever others assign', async () => {
  const i18n = { language: 'en' }
  const language = adopt(i18n, 'language', { name: unique('language') })
  const seen = await withEpoch(async (epoch) => {
    const first = i18n.language
    elsewhere(() => (i18n.language = 'fr'))
    await null
    return [first, i18n.language, language.get(), epoch.get(language), language.live()]
  })
  expect(seen).toEqual(['en', 'en', 'en', 'en', 'fr'])
  expect(elsewhere(() => i18n.language)).toBe('fr')
})

once('it is captured at entry, read or not', () => {
  const i18n = { language: 'en' }
  adopt(i18n, 'language', { name: unique('language') })
  withEpoch(() => {
    elsewhere(() => (i18n.language = 'fr'))
    expect(i18n.language).toBe('en')
  })
})

once('outside any epoch nothing has changed: an assignment is read back at once', () => {
  const settings = { limit: 1 }
  const limit = adopt(settings, 'limit', { name: unique('limit') })
  settings.limit += 1
  settings.limit++
  expect([settings.limit, limit.get(), limit.live()]).toEqual([3, 3, 3])
  limit.set(9)
  expect(settings.limit).toBe(9)
})

once('two properties that are assigned in one publish are seen together or not at all', () => {
  const state = { dir: '/a', config: 'a' }
  adopt(state, 'dir', { name: unique('dir') })
  adopt(state, 'config', { name: unique('config') })
  const read = () => [state.dir, state.config]
  const failure = new Error('half-way')
  const assign = (dir: string, config: string, error?: Error) =>
    publish(() => {
      state.dir = dir
      if (error !== undefined) throw error
      state.config = config
    })
  expect(() => assign('/x', 'x', failure)).toThrow(failure)
  expect(read()).toEqual(['/a', 'a'])
  assign('/b', 'b')
  expect(withEpoch(read)).toEqual(['/b', 'b'])
})

once.each([
  ['publish', 'written', 'written'],
  ['local', 'written', 'before'],
] as const)(
  'an assignment in an epoch whose writes are %s is its own, and live: %s, %s',
  (writes, own, live) => {
    const state = { dir: 'before' }
    const dir = adopt(state, 'dir', { name: unique('dir') })
    withEpoch({ writes }, () => {
      state.dir = 'written'
      expect([state.dir, dir.get(), dir.live()]).toEqual([own, own, live])
    })
    expect(state.dir).toBe(live)
  },
)

once('an assignment in an epoch that rejects writes throws into the code that makes it', () => {
  const state = { dir: 'before' }
  const dir = adopt(state, 'dir', { name: unique('dir') })
  withEpoch({ writes: 'reject', name: 'report' }, (epoch) => {
    expect(refusal(() => (state.dir = 'written'))).toBe(
      `WRITE_REJECTED: A write to "${dir.name}" inside epoch #${epoch.id} "report", which was opened with writes: 'reject'. ` +
        "Write outside the epoch (detach), or open it with writes: 'local' or 'publish'.",
    )
  })
  expect(state.dir).toBe('before')
})

once('an override is what unedited code reads', () => {
  const i18n = { language: 'en', greet: () => `hello in ${i18n.language}` }
  const language = adopt(i18n, 'language', { name: unique('language') })
  expect([withEpoch({ values: [[language, 'fr']] }, () => i18n.greet()), i18n.greet()]).toEqual([
    'hello in fr',
    'hello in en',
  ])
})

once('an assignment is told of on withepoch:source:write, and the old value is retired', () => {
  const retired: string[] = []
  const told: Array<[string, string | undefined]> = []
  const pool = { current: 'one' }
  const current = adopt(pool, 'current', {
    name: unique('pool'),
    describe: (value) => `pool ${value}`,
    retire: (old) => void retired.push(old),
  })
  const listener = (event: unknown) => {
    const { source: written, to, described } = event as WriteEvent
    if (written.name === current.name) told.push([to, described])
  }
  subscribe('withepoch:source:write', listener)
  try {
    withEpoch(() => {
      elsewhere(() => (pool.current = 'two'))
      expect([pool.current, retired]).toEqual(['one', []])
    })
  } finally {
    unsubscribe('withepoch:source:write', listener)
  }
  expect([told, retired]).toEqual([[['live', 'pool two']], ['one']])
})

// --- the object looks as before ---

once('own keys, their order, JSON, spread, entries, in and hasOwn are as before', () => {
  const symbol = Symbol('s')
  const make = () => ({ first: 1, key: 'k', last: { deep: true }, [symbol]: 4 })
  const [before, adopted] = [make(), make()]
  adopt(adopted, 'key', { name: unique('key') })
  adopt(adopted, symbol, { name: unique('symbol') })
  const view = (object: ReturnType<typeof make>) => ({
    keys: Object.keys(object),
    own: Reflect.ownKeys(object),
    entries: Object.entries(object),
    json: JSON.stringify(object),
    spread: { ...object },
    assigned: Object.assign({}, object),
    cloned: structuredClone(object),
    in: 'key' in object && symbol in object,
    hasOwn: Object.hasOwn(object, 'key') && Object.hasOwn(object, symbol),
    enumerable: Object.prototype.propertyIsEnumerable.call(object, 'key'),
    forIn: (() => {
      const found = []
      for (const key in object) found.push(key)
      return found
    })(),
  })
  expect(view(adopted)).toEqual(view(before))
})

once('a property that is not enumerable stays out of sight', () => {
  const object = Object.defineProperty({ seen: 1 } as { seen: number; key?: number }, 'key', {
    value: 2,
    writable: true,
    configurable: true,
    enumerable: false,
  })
  adopt(object, 'key', { name: unique('hidden') })
  expect([JSON.stringify(object), Object.keys(object), { ...object }, object.key]).toEqual([
    '{"seen":1}',
    ['seen'],
    { seen: 1 },
    2,
  ])
})

once('in an epoch JSON and spread show what is pinned', () => {
  const object = { key: 'pinned' }
  adopt(object, 'key', { name: unique('key') })
  withEpoch(() => {
    elsewhere(() => (object.key = 'moved'))
    expect([JSON.stringify(object), { ...object }, Object.values(object)]).toEqual([
      '{"key":"pinned"}',
      { key: 'pinned' },
      ['pinned'],
    ])
  })
})

test('a property whose value is undefined is there, and pinned as undefined', () => {
  const object: { key: string | undefined } = { key: undefined }
  const key = adopt(object, 'key', { name: unique('key') })
  const seen = withEpoch(() => {
    const first = object.key
    elsewhere(() => (object.key = 'set'))
    return [first, object.key, key.live()]
  })
  expect([seen, 'key' in object]).toEqual([[undefined, undefined, 'set'], true])
})

// --- kinds of properties ---

once('a symbol key gives the cell its description for a name', () => {
  const [named, bare] = [Symbol.for('adopt.symbol.key'), Symbol()]
  const state = { [named]: 1, [bare]: 2 }
  const adopted = [adopt(state, named), adopt(state, bare)]
  expect(adopted.map(({ name }) => name)).toEqual(['adopt.symbol.key', 'symbol'])
  withEpoch(() => {
    elsewhere(() => (state[named] = 3))
    expect([state[named], state[bare]]).toEqual([1, 2])
  })
})

once('an element of an array, a global and a property of a function can be adopted', () => {
  const list = ['a', 'b']
  const fn = Object.assign(() => {}, { mode: 'slow' })
  const home = globalThis as { adoptedGlobal?: string }
  home.adoptedGlobal = 'g1'
  const cells = [
    adopt(list, 1, { name: unique('element') }),
    adopt(fn, 'mode', { name: unique('function') }),
    adopt(home, 'adoptedGlobal', { name: unique('global') }),
  ]
  withEpoch(() => {
    elsewhere(() => {
      list[1] = 'c'
      fn.mode = 'fast'
      home.adoptedGlobal = 'g2'
    })
    expect([...list, fn.mode, home.adoptedGlobal]).toEqual(['a', 'b', 'slow', 'g1'])
  })
  expect([...list, fn.mode, home.adoptedGlobal]).toEqual(['a', 'c', 'fast', 'g2'])
  for (const each of cells) each.release()
  delete home.adoptedGlobal
})

once('an object that takes no new properties still lets an old one be adopted', () => {
  const object = Object.preventExtensions({ key: 1 })
  const key = adopt(object, 'key', { name: unique('fixed') })
  withEpoch(() => {
    elsewhere(() => (object.key = 2))
    expect(object.key).toBe(1)
  })
  key.release()
  expect(shapeOf(object)).toMatchObject({ value: 2, writable: true })
})

describe('an accessor', () => {
  class Settings {
    static #locale = 'en'
    static reads = 0
    static get locale() {
      Settings.reads++
      return Settings.#locale
    }
    static set locale(value: string) {
      Settings.#locale = value.toLowerCase()
    }
    static setBehind(value: string) {
      Settings.#locale = value
    }
  }

  once('goes on keeping its value, and its setter goes on running', () => {
    const locale = adopt(Settings, 'locale', { name: unique('locale') })
    try {
      Settings.locale = 'FR'
      expect([Settings.locale, locale.live()]).toEqual(['fr', 'fr'])
      locale.set('DE')
      expect([Settings.locale, locale.live()]).toEqual(['de', 'de'])
    } finally {
      locale.release()
    }
  })

  once('is pinned even when its variable is changed behind it', () => {
    const locale = adopt(Settings, 'locale', { name: unique('locale') })
    try {
      Settings.setBehind('it')
      withEpoch(() => {
        Settings.setBehind('es')
        expect([Settings.locale, locale.live()]).toEqual(['it', 'es'])
      })
      expect(withEpoch(() => Settings.locale)).toBe('es')
    } finally {
      locale.release()
    }
  })

  once('that is written locally keeps what was written, as it was written: its setter does not run', () => {
    Settings.setBehind('en')
    const locale = adopt(Settings, 'locale', { name: unique('locale') })
    try {
      withEpoch({ writes: 'local' }, () => {
        Settings.locale = 'FR'
        expect([Settings.locale, locale.live()]).toEqual(['FR', 'en'])
      })
    } finally {
      locale.release()
    }
  })

  once('whose setter throws leaves everything as it was', () => {
    let value = 1
    const failure = new RangeError('too big')
    const object = {
      get key() {
        return value
      },
      set key(next: number) {
        if (next > 9) throw failure
        value = next
      },
    }
    const key = adopt(object, 'key', { name: unique('picky') })
    expect(() => (object.key = 10)).toThrow(failure)
    expect([object.key, key.live(), withEpoch(() => object.key)]).toEqual([1, 1, 1])
  })

  once('whose getter throws goes on throwing that, and can be released', () => {
    const failure = new Error('not configured')
    const object = {
      get key(): number {
        throw failure
      },
    }
    const before = Object.getOwnPropertyDescriptor(object, 'key')
    const key = adopt(object, 'key', { name: unique('throwing') })
    expect(() => object.key).toThrow(failure)
    expect(() => withEpoch(() => object.key)).toThrow(failure)
    key.release()
    expect(Object.getOwnPropertyDescriptor(object, 'key')).toEqual(before)
  })

  once('whose getter throws until it is set can be set', () => {
    let connection: string | undefined
    const app = {
      get key(): string {
        if (connection === undefined) throw new Error('not connected')
        return connection
      },
      set key(next: string) {
        connection = next
      },
    }
    const key = adopt(app, 'key', { name: unique('late') })
    app.key = 'connected'
    expect([app.key, key.live(), withEpoch(() => app.key)]).toEqual(['connected', 'connected', 'connected'])
  })

  once('has its setter called at each assignment, of the value that is there too', () => {
    const set: number[] = []
    const counter = {
      get key() {
        return 1
      },
      set key(next: number) {
        set.push(next)
      },
    }
    adopt(counter, 'key', { name: unique('counter') })
    counter.key = 1
    withEpoch(() => (counter.key = 1))
    expect(set).toEqual([1, 1])
  })

  once(
    'whose setter makes something else of it agrees with the epoch that wrote: no drift, no conflict',
    () => {
      strict()
      let locale = 'en'
      const object = {
        get key() {
          return locale
        },
        set key(next: string) {
          locale = next.toLowerCase()
        },
      }
      adopt(object, 'key', { name: unique('lower') })
      const seen = withEpoch((epoch) => {
        object.key = 'FR'
        const first = [object.key, epoch.isStale()]
        object.key = 'DE'
        return [...first, object.key, epoch.isStale()]
      })
      expect([seen, locale]).toEqual([['fr', false, 'de', false], 'de'])
    },
  )

  once('without a setter is read only, for the owner as for us, but can be overridden', () => {
    const object = {
      get key() {
        return 'fixed'
      },
    }
    const key = adopt(object, 'key', { name: unique('key') })
    expect(() => ((object as { key: string }).key = 'x')).toThrow(
      'Cannot set property key of #<Object> which has only a getter',
    )
    expect(refusal(() => key.set('x'))).toBe(
      'ADOPT_REFUSED: adopt(object, "key"): a write, but the property has a getter only. Override it with values in withEpoch.',
    )
    expect(withEpoch({ values: [[key, 'mine']] }, () => object.key)).toBe('mine')
    expect(object.key).toBe('fixed')
  })

  once('that returns a promise is refused, and left as it was', () => {
    const object = {
      get key() {
        return Promise.resolve(1)
      },
    }
    const before = Object.getOwnPropertyDescriptor(object, 'key')
    const name = unique('promise')
    expect(refusal(() => adopt(object, 'key', { name }))).toBe(
      `ASYNC_GETTER: The getter of source "${name}" returned a promise, which would be captured before it has a value. Let the ` +
        'getter return what is there now, and compute the rest with memo(async () => …) from it.',
    )
    expect(Object.getOwnPropertyDescriptor(object, 'key')).toEqual(before)
    cell(name, 'the name is free')
  })
})

once('a property that is not writable stays so, for the owner as for us', () => {
  const object = Object.defineProperty({} as { key: number }, 'key', {
    value: 1,
    writable: false,
    configurable: true,
    enumerable: true,
  })
  const key = adopt(object, 'key', { name: unique('readonly') })
  expect(() => (object.key = 2)).toThrow(TypeError)
  expect(refusal(() => key.set(2))).toBe(
    'ADOPT_REFUSED: adopt(object, "key"): a write, but the property is not writable. Override it with values in withEpoch.',
  )
  expect([object.key, withEpoch({ values: [[key, 3]] }, () => object.key)]).toEqual([1, 3])
  key.release()
  expect(shapeOf(object)).toEqual({
    value: 1,
    writable: false,
    enumerable: true,
    configurable: true,
    get: undefined,
    set: undefined,
  })
})

once('a getter, and a function that is called, get no arguments, for an heir either', () => {
  const given: unknown[][] = []
  const get = (...args: unknown[]) => void given.push(args)
  const object = Object.defineProperty({ get }, 'key', { get, configurable: true }) as {
    key: unknown
    get(): void
  }
  adopt(object, 'key', { name: unique('key') })
  adopt(object, 'get', { name: unique('get'), call: true })
  given.length = 0
  object.get()
  expect([object.key, (Object.create(object) as typeof object).key]).toEqual([undefined, undefined])
  expect(given.length).toBeGreaterThanOrEqual(3)
  expect(given.flat()).toEqual([])
})

once('a property is captured without a look at it; an accessor is found as it was written', () => {
  /** How many versions `run` and the next entry make; what any entry makes by copying others' values is taken off. */
  const versionsMade = (run: () => unknown): number => {
    const version = () => withEpoch((epoch) => epoch.version!)
    const [first, second] = [version(), version()] as const
    run()
    return version() - second - (second - first)
  }
  let value = 1
  const accessor = {
    get key() {
      return value
    },
    set key(next: number) {
      value = next
    },
  }
  expect(versionsMade(() => adopt({ key: 1 }, 'key', { name: unique('plain') }))).toBe(1)
  const key = adopt(accessor, 'key', { name: unique('accessor') })
  expect(versionsMade(() => key.set(2))).toBe(1)
})

once('what an accessor was given is copied once, as its getter then returns it', () => {
  const copied: string[][] = []
  let list: readonly string[] = ['a']
  const object = {
    get key() {
      return list
    },
    set key(next: readonly string[]) {
      list = next.map((each) => each.toUpperCase())
    },
  }
  const key = adopt(object, 'key', {
    name: unique('list'),
    copy: (value) => {
      copied.push([...value])
      return [...value]
    },
  })
  copied.length = 0
  key.set(['b'])
  // A listener that is told of the write may have a number of the new value made, of a copy of it.
  const told = channel('withepoch:source:write').hasSubscribers ? [['B']] : []
  expect(copied).toEqual([['B'], ...told])
})

once('a value that is mutated in place is pinned as its copy', () => {
  const state = { plugins: ['a'] }
  adopt(state, 'plugins', { name: unique('plugins'), copy: (list) => [...list] })
  withEpoch(() => {
    elsewhere(() => state.plugins.push('b'))
    expect(state.plugins).toEqual(['a'])
  })
  expect(state.plugins).toEqual(['a', 'b'])
})

once('repeatable-read and read-committed are as for any source', () => {
  const state = { dear: 1, revoked: false }
  adopt(state, 'dear', { name: unique('dear'), isolation: 'repeatable-read' })
  adopt(state, 'revoked', { name: unique('revoked'), isolation: 'read-committed' })
  withEpoch(() => {
    elsewhere(() => (state.dear = 2))
    const first = state.dear
    elsewhere(() => {
      state.dear = 3
      state.revoked = true
    })
    expect([first, state.dear, state.revoked]).toEqual([2, 2, true])
  })
})

// --- heirs and proxies ---

describe('those that inherit', () => {
  once('an object that inherits reads the pinned value, and an assignment makes its own property', () => {
    const defaults = { locale: 'en' }
    adopt(defaults, 'locale', { name: unique('locale') })
    const heir = Object.create(defaults) as typeof defaults
    withEpoch(() => {
      elsewhere(() => (defaults.locale = 'fr'))
      expect(heir.locale).toBe('en')
    })
    heir.locale = 'de'
    expect([heir.locale, Object.getOwnPropertyDescriptor(heir, 'locale'), defaults.locale]).toEqual([
      'de',
      { value: 'de', writable: true, enumerable: true, configurable: true },
      'fr',
    ])
  })

  once('a subclass that assigns a static field gets its own, as it did', () => {
    class Base {
      static retries = 1
    }
    class Sub extends Base {}
    adopt(Base, 'retries', { name: unique('retries') })
    Sub.retries = 5
    expect([Base.retries, Sub.retries, Object.hasOwn(Sub, 'retries')]).toEqual([1, 5, true])
  })

  once('an accessor is asked for the heir’s own value, and told of it', () => {
    const owner = {
      _value: 'owner',
      get key() {
        return this._value
      },
      set key(value: string) {
        this._value = value
      },
    }
    adopt(owner, 'key', { name: unique('key') })
    const heir = Object.create(owner, { _value: { value: 'heir', writable: true } }) as typeof owner
    expect([owner.key, heir.key]).toEqual(['owner', 'heir'])
    heir.key = 'mine'
    expect([owner.key, heir.key, Object.hasOwn(heir, 'key')]).toEqual(['owner', 'mine', false])

    class Base {
      static _value = 'base'
      static get key() {
        return this._value
      }
    }
    class Sub extends Base {
      static override _value = 'sub'
    }
    adopt(Base, 'key', { name: unique('static') })
    expect([Base.key, Sub.key]).toEqual(['base', 'sub'])
  })

  once('a Proxy of the object is the object: it reads what is pinned, and its writes are the cell’s', () => {
    const target = { key: 'a' }
    const key = adopt(target, 'key', { name: unique('key') })
    const proxy = new Proxy(target, {})
    withEpoch(() => {
      elsewhere(() => (proxy.key = 'b'))
      expect([proxy.key, target.key, key.live()]).toEqual(['a', 'a', 'b'])
    })
    expect(Object.keys(proxy)).toEqual(['key'])
  })

  once('a Proxy that lets everything through can be adopted itself', () => {
    const target = { key: 'a' }
    const proxy = new Proxy(target, {})
    adopt(proxy, 'key', { name: unique('key') })
    withEpoch(() => {
      elsewhere(() => (target.key = 'b'))
      expect([proxy.key, target.key]).toEqual(['a', 'a'])
    })
  })
})

// --- functions ---

describe('call: true', () => {
  once('pins what a function without parameters returns', () => {
    let dir = '/a'
    const host = {
      root: '/root',
      cwd(): string {
        return this.root + dir
      },
    }
    const before = methodOf(host, 'cwd')
    const cwd = adopt(host, 'cwd', { call: true, name: unique('cwd') })
    withEpoch(() => {
      dir = '/b'
      expect([host.cwd(), cwd.get(), cwd.live()]).toEqual(['/root/a', '/root/a', '/root/b'])
    })
    expect([host.cwd(), host.cwd.name, host.cwd.length]).toEqual(['/root/b', 'cwd', 0])
    cwd.release()
    expect(methodOf(host, 'cwd')).toBe(before)
  })

  once('works on process.cwd, which the file system functions then do not ask', () => {
    const before = methodOf(process, 'cwd')
    const home = process.cwd()
    const cwd = adopt(process, 'cwd', { call: true, name: unique('cwd') })
    try {
      const seen = withEpoch({ values: [[cwd, '/tenant']] }, () => [process.cwd(), namespace.resolve('x')])
      expect(seen).toEqual(['/tenant', '/tenant/x'])
      // Node's own reads of the working directory are the operating system's.
      expect(withEpoch({ values: [[cwd, '/tenant']] }, () => fs.realpathSync.native('.'))).toBe(
        fs.realpathSync.native(home),
      )
    } finally {
      cwd.release()
    }
    expect([methodOf(process, 'cwd'), process.cwd()]).toEqual([before, home])
  })

  once('leaves the function what it carries', () => {
    const usage = Object.assign(() => 'all', { rss: () => 'part' })
    const host = { usage }
    const adopted = adopt(host, 'usage', { call: true, name: unique('usage') })
    expect([host.usage(), host.usage.rss(), Object.keys(host.usage)]).toEqual(['all', 'part', ['rss']])
    adopted.release()
    expect(host.usage).toBe(usage)
  })

  once('cannot be written, but overridden', () => {
    const host = { now: () => 1 }
    const now = adopt(host, 'now', { call: true, name: unique('now') })
    expect(refusal(() => now.set(2))).toBe(
      'ADOPT_REFUSED: adopt(object, "now"): a write, but the property is a function, whose result nobody can set. Override it ' +
        'with values in withEpoch.',
    )
    expect([withEpoch({ values: [[now, 9]] }, () => host.now()), host.now()]).toEqual([9, 1])
  })

  once('keeps the function as enumerable and writable as it was', () => {
    const host = Object.defineProperty({} as { now: () => number }, 'now', {
      value: () => 1,
      configurable: true,
      writable: false,
      enumerable: false,
    })
    const before = Object.getOwnPropertyDescriptor(host, 'now')
    const now = adopt(host, 'now', { call: true, name: unique('now') })
    expect(Object.getOwnPropertyDescriptor(host, 'now')).toMatchObject({ writable: false, enumerable: false })
    now.release()
    expect(Object.getOwnPropertyDescriptor(host, 'now')).toEqual(before)
  })

  once('steps aside when somebody puts another function in its place', () => {
    const host = { now: () => 1 }
    const now = adopt(host, 'now', { call: true, name: unique('now') })
    const other = () => 2
    host.now = other
    expect(host.now()).toBe(2)
    now.release()
    expect(host.now).toBe(other)
  })

  once('cannot be written with what it returns either', () => {
    const host = { now: () => 1 }
    const now = adopt(host, 'now', { call: true, name: unique('now') })
    expect(refusal(() => now.set(1)).slice(0, 13)).toBe('ADOPT_REFUSED')
    expect(Object.getOwnPropertyDescriptor(host, 'now')).toMatchObject({ writable: true, enumerable: true })
  })

  once('stands in for one function, not for those that inherit from it', () => {
    const host = { now: () => 1, later: () => 2 }
    adopt(host, 'now', { call: true, name: unique('now') })
    Object.setPrototypeOf(host.later, host.now)
    const later = adopt(host, 'later', { call: true, name: unique('later') })
    expect([later.get(), host.later(), host.now()]).toEqual([2, 2, 1])
  })

  once('is refused for what takes parameters, is no function, or is a path', () => {
    const host = { greet: (name: string) => name, limit: 1 }
    expect([
      refusal(() => anyAdopt(host, 'greet', { call: true })),
      refusal(() => anyAdopt(host, 'limit', { call: true })),
      refusal(() => anyAdopt(host, ['greet'], { call: true })),
      refusal(() => anyAdopt(host, 'limit', { call: 1 })),
    ]).toEqual([
      'INVALID_ARGUMENT: adopt(object, "greet"): call: true is for a function without parameters, got a function of 1 parameter(s).',
      'INVALID_ARGUMENT: adopt(object, "limit"): call: true is for a function without parameters, got a number.',
      'INVALID_ARGUMENT: adopt(object, ["greet"]): call goes with a key, not with a path; adopt it on its object.',
      'INVALID_ARGUMENT: adopt(object, "limit"): call must be a boolean, got a number.',
    ])
    expect([host.greet('x'), host.limit]).toEqual(['x', 1])
  })

  once('is refused for a function that returns a promise, which is left as it was', () => {
    const load = async () => 1
    const host = { load }
    expect(refusal(() => anyAdopt(host, 'load', { call: true, name: unique('load') })).slice(0, 12)).toBe(
      'ASYNC_GETTER',
    )
    expect(host.load).toBe(load)
  })
})

// --- release ---

describe('release', () => {
  once('puts the descriptor back as it was, with the current value', () => {
    for (const enumerable of [true, false]) {
      const object = Object.defineProperty({} as { key: number }, 'key', {
        value: 1,
        writable: true,
        configurable: true,
        enumerable,
      })
      const key = adopt(object, 'key', { name: unique('key') })
      object.key = 2
      key.release()
      expect(shapeOf(object)).toEqual({
        value: 2,
        writable: true,
        enumerable,
        configurable: true,
        get: undefined,
        set: undefined,
      })
    }
  })

  once('puts the very accessor back', () => {
    const object = {
      _key: 1,
      get key() {
        return this._key
      },
      set key(value: number) {
        this._key = value
      },
    }
    const before = Object.getOwnPropertyDescriptor(object, 'key')
    const key = adopt(object, 'key', { name: unique('key') })
    object.key = 2
    key.release()
    expect([Object.getOwnPropertyDescriptor(object, 'key'), object._key]).toEqual([before, 2])
  })

  once('gives back the live value, not the pinned or the local one', () => {
    const object = { key: 'a' }
    const key = adopt(object, 'key', { name: unique('key') })
    withEpoch({ writes: 'local' }, () => {
      object.key = 'local'
      elsewhere(() => (object.key = 'live'))
      key.release()
      expect(object.key).toBe('live')
    })
  })

  once('frees the name and the property for another adoption; a second release is of no effect', () => {
    const object = { key: 1 }
    const name = unique('key')
    const first = adopt(object, 'key', { name })
    first.release()
    const second = adopt(object, 'key', { name })
    first.release()
    withEpoch(() => {
      elsewhere(() => (object.key = 2))
      expect([object.key, second.live()]).toEqual([1, 2])
    })
  })

  once.each(['get', 'set'] as const)('leaves alone what somebody else has redefined in part: %s', (part) => {
    const object = { key: 1 }
    const key = adopt(object, 'key', { name: unique('key') })
    const theirs = { ...Object.getOwnPropertyDescriptor(object, 'key'), [part]: () => 'theirs' }
    Object.defineProperty(object, 'key', theirs)
    key.release()
    expect(Object.getOwnPropertyDescriptor(object, 'key')).toEqual(theirs)
  })

  once('leaves alone what somebody else has redefined meanwhile', () => {
    const object: { key?: number } = { key: 1 }
    const key = adopt(object, 'key', { name: unique('key') })
    Object.defineProperty(object, 'key', { value: 'theirs', configurable: true })
    key.release()
    expect(Object.getOwnPropertyDescriptor(object, 'key')).toEqual({
      value: 'theirs',
      writable: false,
      enumerable: true,
      configurable: true,
    })
  })
})

// --- refusals ---

describe('what cannot be adopted is refused, with the reason and what to do, and left as it was:', () => {
  const DECLARE = 'Declare it with source(name, getter) instead.'
  const target = { key: 1 }
  const other = { key: 1 }
  adopt(other, 'key', { name: 'adopt.taken' })
  const refusing = (handler: ProxyHandler<object>) => new Proxy({ key: 1 }, handler)
  const no = () => {
    throw new Error('not allowed')
  }
  const REFUSES = 'It is a Proxy that refuses; adopt its target.'
  const NOT_REDEFINED = `"key" cannot be adopted: the object does not let it be redefined. ${REFUSES}`
  const NOT_SHOWN = `"key" cannot be adopted: the object refuses to show it. ${REFUSES}`
  class Base {
    static key = 1
    member() {}
    get accessor() {
      return 1
    }
  }
  class Sub extends Base {}
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()

  once.each<[what: string, object: object, key: string, message: string]>([
    [
      'frozen',
      Object.freeze({ key: 1 }),
      'key',
      `an object (Object): "key" cannot be adopted: the object is frozen. ${DECLARE}`,
    ],
    [
      'sealed',
      Object.seal({ key: 1 }),
      'key',
      `an object (Object): "key" cannot be adopted: the object is sealed. ${DECLARE}`,
    ],
    [
      'non-configurable',
      [1],
      'length',
      `an array: "length" cannot be adopted: it is not configurable. ${DECLARE}`,
    ],
    [
      'a module namespace',
      namespace,
      'sep',
      `an object …: "sep" cannot be adopted: it is an export in a module namespace, which nobody can redefine. ${DECLARE}`,
    ],
    [
      'an entry of process.env',
      process.env,
      'PATH',
      'process.env: "PATH" cannot be adopted: process.env does not take accessors. Use source(\'env.PATH\', () => process.env.PATH).',
    ],
    [
      'missing',
      {},
      'key',
      'an object (Object): "key" cannot be adopted: there is no such property. If it comes later, pass a path: ["key"].',
    ],
    [
      'inherited from a class',
      Sub,
      'key',
      'Sub: "key" cannot be adopted: it is inherited from Base. Adopt it there, on its owner.',
    ],
    [
      'inherited from a prototype',
      new Sub(),
      'member',
      'an object (Sub): "member" cannot be adopted: it is inherited from Base.prototype. Adopt it there, on its owner.',
    ],
    [
      'an inherited accessor',
      new Sub(),
      'accessor',
      `an object (Sub): "accessor" cannot be adopted: it is inherited from Base.prototype, where it is an accessor. ${DECLARE}`,
    ],
    [
      'write-only',
      Object.defineProperty({}, 'key', { set() {}, configurable: true }),
      'key',
      'an object (Object): "key" cannot be adopted: it is write-only. There is nothing to read.',
    ],
    [
      'adopted already',
      other,
      'key',
      'an object (Object): "key" cannot be adopted: it is adopted already, as "adopt.taken". Use that cell, or release() it first.',
    ],
    [
      'a Proxy that refuses to define',
      refusing({ defineProperty: () => false }),
      'key',
      `an object (Object): ${NOT_REDEFINED}`,
    ],
    [
      'a Proxy that throws at it',
      refusing({ defineProperty: no }),
      'key',
      `an object (Object): ${NOT_REDEFINED}`,
    ],
    [
      'a Proxy that lies about it',
      new Proxy(target, { defineProperty: () => true }),
      'key',
      `an object (Object): ${NOT_REDEFINED}`,
    ],
    [
      'fixed behind a Proxy that does not say how',
      new Proxy(Object.freeze({ key: 1 }), { get: no }),
      'key',
      `an object: ${NOT_SHOWN}`,
    ],
    [
      'a Proxy that shows nothing',
      refusing({ getOwnPropertyDescriptor: no }),
      'key',
      `an object: ${NOT_SHOWN}`,
    ],
    [
      'a Proxy with a secret prototype',
      new Proxy({}, { getPrototypeOf: no }),
      'key',
      `an object (Object): ${NOT_SHOWN}`,
    ],
    ['a revoked Proxy', revoked.proxy, 'key', `an object: ${NOT_SHOWN}`],
  ])('%s', (_what, object, key, message) => {
    const before = describeOwn(object)
    const name = unique('refused')
    const [head, tail] = message.split('…')
    const found = refusal(() => anyAdopt(object, key, { name }))
    expect(found).toMatch(`ADOPT_REFUSED: adopt(object, "${key}") on ${head}`)
    expect(found.endsWith(tail ?? message)).toBe(true)
    if (tail === undefined) expect(found).toBe(`ADOPT_REFUSED: adopt(object, "${key}") on ${message}`)
    expect(describeOwn(object)).toEqual(before)
    cell(name, 'the name is free')
  })

  once('a function that is adopted already', () => {
    const host = { now: () => 1 }
    const now = adopt(host, 'now', { call: true, name: unique('now') })
    const message =
      'ADOPT_REFUSED: adopt(object, "now") on an object (Object): "now" cannot be adopted: it is adopted already, as ' +
      `"${now.name}". Use that cell, or release() it first.`
    expect([
      refusal(() => adopt(host, 'now', { call: true, name: unique('again') })),
      refusal(() => adopt(host, 'now', { name: unique('again') })),
    ]).toEqual([message, message])
  })

  once('a Proxy that makes something else of it has what was there put back', () => {
    const plain = { key: 1 }
    const defined: Array<string | symbol> = []
    const proxy = new Proxy(plain, {
      defineProperty(target, key, descriptor) {
        const mangled = { value: 'mangled', writable: true, enumerable: true, configurable: true }
        return Reflect.defineProperty(target, key, defined.push(key) === 1 ? mangled : descriptor)
      },
    })
    expect(refusal(() => adopt(proxy, 'key', { name: unique('mangled') }))).toBe(
      `ADOPT_REFUSED: adopt(object, "key") on an object (Object): ${NOT_REDEFINED}`,
    )
    expect([plain, defined]).toEqual([{ key: 1 }, ['key', 'key']])
  })

  once('a Proxy’s own error is the cause; where nothing was thrown there is none', () => {
    const refused = (object: object): EpochError => {
      try {
        return anyAdopt(object, 'key', { name: unique('refused') }) as never
      } catch (error) {
        return error as EpochError
      }
    }
    expect(
      [{ defineProperty: no }, { getOwnPropertyDescriptor: no }].map((each) => refused(refusing(each)).cause),
    ).toEqual([new Error('not allowed'), new Error('not allowed')])
    expect(Object.hasOwn(refused({}), 'cause')).toBe(false)
  })

  function describeOwn(object: object): unknown {
    try {
      return Object.getOwnPropertyDescriptors(object)
    } catch {
      return 'refused'
    }
  }
})

once('bad arguments are refused by name', () => {
  const object = { key: 1 }
  expect([
    refusal(() => anyAdopt(null, 'key')),
    refusal(() => anyAdopt('text', 'length')),
    refusal(() => anyAdopt(object, undefined)),
    refusal(() => anyAdopt(object, [])),
    refusal(() => anyAdopt(object, ['key', {}])),
    refusal(() => anyAdopt(object, 'key', { nmae: 'x' })),
    refusal(() => anyAdopt(object, 'key', null)),
    refusal(() => anyAdopt(object, 'key', { name: '' })),
    refusal(() => anyAdopt(object, 'key', { name: unique('x'), copy: 1 })),
    refusal(() => anyAdopt(object, 'key', { name: unique('x'), retire: 1 })).replace(/\.\d+"/, '.n"'),
  ]).toEqual([
    'INVALID_ARGUMENT: adopt(object, "key"): expected an object, got null.',
    'INVALID_ARGUMENT: adopt(object, "length"): expected an object, got a string.',
    'INVALID_ARGUMENT: adopt(object, undefined): expected a property key, or a path of one key or more, got undefined.',
    'INVALID_ARGUMENT: adopt(object, []): expected a property key, or a path of one key or more, got an array.',
    'INVALID_ARGUMENT: adopt(object, ["key", [object Object]]): expected a property key, or a path of one key or more, got an array.',
    'INVALID_ARGUMENT: adopt(object, "key"): unknown option "nmae". Known: isolation, copy, version, describe, ifRegistered, ' +
      'retire, name, call.',
    'INVALID_ARGUMENT: adopt(object, "key"): options must be an object, got null.',
    'INVALID_ARGUMENT: adopt(name, …): name must be a non-empty string, got an empty string.',
    expect.stringMatching(
      /^INVALID_ARGUMENT: adopt\("adopt\.x\.\d+", …\): copy must be a function, got a number\.$/,
    ),
    'INVALID_ARGUMENT: adopt("adopt.x.n", …): retire must be a function, got a number.',
  ])
  expect(shapeOf(object)).toMatchObject({ value: 1, writable: true })
})

once('a name that is taken is refused before the property is touched', () => {
  const name = unique('taken')
  cell(name, 1)
  const object = { key: 1 }
  for (const where of ['key', ['key']]) {
    expect(refusal(() => anyAdopt(object, where, { name })).split('\n')[0]).toBe(
      `DUPLICATE_SOURCE: A source named "${name}" is already registered.`,
    )
    expect(shapeOf(object)).toMatchObject({ value: 1, writable: true })
  }
})

once('a module that is loaded again takes its adoption over: ifRegistered replace', () => {
  const state = { list: { dir: '/a' }, limit: 1, now: () => 1 }
  const load = () => {
    const again = { ifRegistered: 'replace' } as const
    return [
      adopt(state, 'limit', { name: 'adopt.reload.limit', ...again }),
      adopt(state, 'now', { name: 'adopt.reload.now', call: true, ...again }),
      adopt<string>(state, ['list', 'dir'], { name: 'adopt.reload.dir', ...again }),
    ] as const
  }
  const first = load()
  state.limit = 2
  state.list.dir = '/b'
  const second = load()
  expect(second.map((each) => each.get())).toEqual([2, 1, '/b'])
  for (const each of first) each.release()
  withEpoch(() => {
    elsewhere(() => {
      state.limit = 3
      state.list = { dir: '/c' }
    })
    expect([state.limit, state.list.dir, ...second.map((each) => each.live())]).toEqual([2, '/b', 3, 1, '/c'])
  })
  for (const each of second) each.release()
  expect(Object.getOwnPropertyDescriptors(state)).toMatchObject({
    list: { value: { dir: '/c' }, writable: true },
    limit: { value: 3, writable: true },
    now: { writable: true },
  })
})

once('nobody takes over who does not say so, under another name, or where nothing is', () => {
  const object: { key: number; other?: number } = { key: 1 }
  const name = unique('first')
  const key = adopt(object, 'key', { name })
  const taken =
    'ADOPT_REFUSED: adopt(object, "key") on an object (Object): "key" cannot be adopted: it is adopted already, as ' +
    `"${name}". Use that cell, or release() it first.`
  expect([
    refusal(() => adopt(object, 'key', { name })),
    refusal(() => adopt(object, 'key', { name, ifRegistered: 'throw' })),
    refusal(() => adopt(object, 'key', { name: unique('second'), ifRegistered: 'replace' })),
    refusal(() => adopt(object, 'other', { name, ifRegistered: 'replace' })),
  ]).toEqual([
    taken,
    taken,
    taken,
    'ADOPT_REFUSED: adopt(object, "other") on an object (Object): "other" cannot be adopted: there is no such property. If it ' +
      'comes later, pass a path: ["other"].',
  ])
  withEpoch(() => {
    elsewhere(() => (object.key = 2))
    expect([object.key, key.live()]).toEqual([1, 2])
  })
})

once('another object’s property under a name that is taken over leaves the first object its own', () => {
  const [first, second] = [{ v: 1 }, { v: 5 }]
  const name = unique('moved')
  adopt(first, 'v', { name })
  const taken = adopt(second, 'v', { name, ifRegistered: 'replace' })
  const before = [first.v, second.v]
  first.v = 7
  expect([before, first.v, second.v, taken.get()]).toEqual([[1, 5], 7, 5, 5])
})

// --- paths ---

describe('a path', () => {
  type State = { dir?: string; other?: number }
  type World = { state?: State; [key: symbol]: State | undefined }
  const adopted: Array<{ release(): void }> = []
  afterEach(() => {
    for (const each of adopted.splice(0)) each.release()
  })
  function adoptDir(
    world: World,
    options: AdoptOptions<string | undefined> = {},
    path: PropertyKey[] = ['state', 'dir'],
  ) {
    const dir = adopt<string>(world, path, { name: unique('dir'), ...options })
    adopted.push(dir)
    return dir
  }

  once('has its keys for a name', () => {
    const dir = adopt({}, [Symbol.for('adopt.app'), 'state', 0])
    adopted.push(dir)
    expect(dir.name).toBe('adopt.app.state.0')
  })

  once('to what is there pins it for code that has never heard of us', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/b'))
      expect([world.state!.dir, dir.get(), dir.live()]).toEqual(['/a', '/a', '/b'])
    })
    expect([world.state!.dir, JSON.stringify(world)]).toEqual(['/b', '{"state":{"dir":"/b"}}'])
  })

  once('does not make a container, or a property, seem to be there', () => {
    const world: World = {}
    const key = Symbol('app')
    const dir = adoptDir(world, {}, [key, 'dir'])
    expect([dir.get(), Object.hasOwn(world, key), key in world, Reflect.ownKeys(world)]).toEqual([
      undefined,
      false,
      false,
      [],
    ])
    world[key] = {}
    expect([withEpoch(() => dir.get()), Object.keys(world[key]!)]).toEqual([undefined, []])
  })

  once('to a container that comes later is pinned from the next entry on', () => {
    const world: World = {}
    const dir = adoptDir(world)
    withEpoch(() => {
      elsewhere(() => (world.state = { dir: '/a' }))
      expect([dir.get(), dir.live()]).toEqual([undefined, '/a'])
    })
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/b'))
      expect([world.state!.dir, dir.get(), dir.live()]).toEqual(['/a', '/a', '/b'])
    })
  })

  once('to a property that comes later in a container that is there is pinned too', () => {
    const world: World = { state: {} }
    const dir = adoptDir(world)
    elsewhere(() => (world.state!.dir = '/a'))
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/b'))
      expect([world.state!.dir, dir.live()]).toEqual(['/a', '/b'])
    })
  })

  once('of one key is for a property that comes later', () => {
    const world: State = {}
    const dir = adopt<string>(world, ['dir'], { name: unique('dir') })
    adopted.push(dir)
    expect([dir.get(), 'dir' in world]).toEqual([undefined, false])
    world.dir = '/a'
    withEpoch(() => {
      elsewhere(() => (world.dir = '/b'))
      expect([world.dir, dir.live()]).toEqual(['/a', '/b'])
    })
  })

  once('is not written before it is there, and says so; an override needs no property', () => {
    const world: World = {}
    const dir = adoptDir(world)
    expect(refusal(() => dir.set('/x'))).toBe(
      'ADOPT_REFUSED: adopt(object, ["state", "dir"]): a write, but the property is not there yet. Wait until its container exists.',
    )
    expect([Object.keys(world), withEpoch({ values: [[dir, '/mine']] }, () => dir.get())]).toEqual([
      [],
      '/mine',
    ])
    world.state = { dir: '/a' }
    dir.set('/b')
    expect(world.state.dir).toBe('/b')
  })

  once('follows a container that is replaced wholesale, at once, and gives the old one back', () => {
    const world: World = { state: { dir: '/a' } }
    const first = world.state!
    const dir = adoptDir(world)
    first.dir = '/b'
    world.state = { dir: '/c' }
    expect([dir.live(), withEpoch(() => world.state!.dir)]).toEqual(['/c', '/c'])
    expect(Object.getOwnPropertyDescriptor(first, 'dir')).toEqual({
      value: '/b',
      writable: true,
      enumerable: true,
      configurable: true,
    })
    first.dir = '/old'
    expect(dir.live()).toBe('/c')
    world.state.dir = '/d'
    withEpoch(() => {
      elsewhere(() => (world.state = { dir: '/e' }))
      expect([world.state!.dir, dir.live()]).toEqual(['/d', '/e'])
    })
  })

  once('tells of a replaced container as of a write, and retires what it held', () => {
    const retired: unknown[] = []
    const told: string[] = []
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world, { retire: (old) => void retired.push(old) })
    const listener = (event: unknown) => {
      const { source: written, to } = event as WriteEvent
      if (written.name === dir.name) told.push(to)
    }
    const open = withEpoch(function* () {
      yield dir.get()
    })
    open.next()
    subscribe('withepoch:source:write', listener)
    try {
      world.state = { dir: '/b' }
      world.state = { dir: '/b', other: 1 } // another container, the same value: no write
    } finally {
      unsubscribe('withepoch:source:write', listener)
    }
    expect([told, retired]).toEqual([['live'], []])
    open.return(undefined)
    expect(retired).toEqual(['/a'])
  })

  once('moves on when the container, or the property, is deleted and comes back', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    const seen: unknown[] = []
    const look = () =>
      seen.push(
        dir.live(),
        withEpoch(() => dir.get()),
      )
    delete world.state
    look()
    world.state = { dir: '/b' }
    look()
    delete world.state.dir
    look()
    world.state.dir = '/c'
    look()
    expect(seen).toEqual([undefined, undefined, '/b', '/b', undefined, undefined, '/c', '/c'])
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/d'))
      expect([world.state!.dir, dir.live()]).toEqual(['/c', '/d'])
    })
  })

  once('moves on when the container is redefined, which nobody is told of', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    Object.defineProperty(world, 'state', { value: { dir: '/b' }, writable: true, configurable: true })
    expect(withEpoch(() => [dir.get(), world.state!.dir])).toEqual(['/b', '/b'])
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/c'))
      expect([world.state!.dir, dir.live()]).toEqual(['/b', '/c'])
    })
  })

  once('follows a container behind an accessor, compared at each look', () => {
    let current: State = { dir: '/a' }
    const world = {
      get state() {
        return current
      },
    }
    const dir = adoptDir(world as World)
    const seen = withEpoch(() => {
      current = { dir: '/b' }
      return [dir.get(), dir.live()]
    })
    expect([seen, withEpoch(() => [dir.get(), world.state.dir])]).toEqual([
      ['/a', '/b'],
      ['/b', '/b'],
    ])
  })

  once('goes through a container that cannot be redefined, one that is inherited, and null', () => {
    const fixed = Object.freeze({ state: { dir: '/a' } as State })
    const heir = Object.create(fixed) as World
    const world: { at: World | null } = { at: null }
    const [a, b] = [adoptDir(fixed), adopt<string>(world, ['at', 'state', 'other'], { name: unique('null') })]
    adopted.push(b)
    expect([a.live(), b.live()]).toEqual(['/a', undefined])
    a.release()
    const c = adoptDir(heir)
    fixed.state.dir = '/b'
    expect([c.live(), withEpoch(() => heir.state!.dir)]).toEqual(['/b', '/b'])
  })

  once(
    'reads a container that comes frozen as it is, and says once that direct reads are not pinned',
    async () => {
      const warnings: unknown[] = []
      const onWarning = (warning: Error & { code?: string }) =>
        void warnings.push([warning.name, warning.code, warning.message])
      process.on('warning', onWarning)
      const world: World = { state: { dir: '/a' } }
      const dir = adoptDir(world)
      try {
        world.state = Object.freeze({ dir: '/b' })
        expect(dir.live()).toBe('/b')
        withEpoch(() => {
          elsewhere(() => (world.state = Object.freeze({ dir: '/c' })))
          expect([dir.get(), dir.live(), world.state!.dir]).toEqual(['/b', '/c', '/c'])
        })
        expect(refusal(() => dir.set('/x'))).toBe(
          'ADOPT_REFUSED: adopt(object, ["state", "dir"]): a write, but the property does not take it. Override it with values in ' +
            'withEpoch.',
        )
        await new Promise(setImmediate)
      } finally {
        process.off('warning', onWarning)
      }
      expect(warnings).toEqual([
        [
          'EpochWarning',
          'ADOPT_REFUSED',
          'adopt(object, ["state", "dir"]) on an object (Object): "dir" cannot be adopted: the object is frozen. Declare it with ' +
            `source(name, getter) instead. Until then "${dir.name}" is read where it is, and direct reads of the property are not pinned.`,
        ],
      ])
      world.state = { dir: '/d' }
      withEpoch(() => {
        elsewhere(() => (world.state!.dir = '/e'))
        expect(world.state!.dir).toBe('/d')
      })
    },
  )

  once('refuses at once what is there and cannot be adopted, and leaves the containers as they were', () => {
    const world = { state: { inner: Object.freeze({ dir: '/a' }) } }
    expect(refusal(() => adopt(world, ['state', 'inner', 'dir'], { name: unique('dir') }))).toBe(
      'ADOPT_REFUSED: adopt(object, ["state", "inner", "dir"]) on an object (Object): "dir" cannot be adopted: the object is ' +
        'frozen. Declare it with source(name, getter) instead.',
    )
    expect(refusal(() => adopt(process, ['env', 'PATH'], { name: unique('path') }))).toBe(
      'ADOPT_REFUSED: adopt(object, ["env", "PATH"]) on process.env: "PATH" cannot be adopted: process.env does not take ' +
        "accessors. Use source('env.PATH', () => process.env.PATH).",
    )
    expect(Object.getOwnPropertyDescriptors(world)).toMatchObject({ state: { writable: true } })
    expect(Object.getOwnPropertyDescriptors(world.state)).toMatchObject({ inner: { writable: true } })
    expect(Object.getOwnPropertyDescriptor(process, 'env')).toMatchObject({ value: process.env })
  })

  once('that a Proxy will not answer for is refused', () => {
    const secret = new Proxy(
      {},
      {
        has() {
          throw new Error('not allowed')
        },
      },
    )
    expect(refusal(() => adopt({ secret }, ['secret', 'dir'], { name: unique('dir') }))).toBe(
      'ADOPT_REFUSED: adopt(object, ["secret", "dir"]) on an object (Object): "dir" cannot be adopted: the object refuses to show ' +
        'it. It is a Proxy that refuses; adopt its target.',
    )
  })

  once('writes what comes and cannot be stood in for, where it takes it', () => {
    const world: World = {}
    const dir = adoptDir(world)
    world.state = Object.seal({ dir: '/a' })
    dir.set('/b')
    expect([world.state.dir, dir.live(), withEpoch(() => dir.get())]).toEqual(['/b', '/b', '/b'])
  })

  once('to what a Proxy on the way will not answer for is not there', () => {
    const no = () => {
      throw new Error('not allowed')
    }
    const world: { secret?: object } = {}
    const dir = adopt<string>(world, ['secret', 'inner', 'dir'], { name: unique('dir') })
    adopted.push(dir)
    world.secret = new Proxy({ inner: { dir: '/a' } }, { has: no })
    expect([dir.live(), withEpoch(() => dir.get())]).toEqual([undefined, undefined])
  })

  once('goes through a fixed property of a Proxy that does not say how it is fixed', () => {
    const quiet = new Proxy(Object.freeze({ state: { dir: '/a' } }), {
      get(target, key) {
        if (typeof key === 'symbol') throw new Error('not allowed')
        return Reflect.get(target, key) as unknown
      },
    })
    const dir = adoptDir(quiet)
    withEpoch(() => {
      elsewhere(() => (quiet.state.dir = '/b'))
      expect([quiet.state.dir, dir.live()]).toEqual(['/a', '/b'])
    })
  })

  once('throws what a getter on the way throws', () => {
    const failure = new Error('gone')
    let broken = false
    const world = {
      get state(): State {
        if (broken) throw failure
        return { dir: '/a' }
      },
    }
    const dir = adoptDir(world)
    broken = true
    expect(() => dir.live()).toThrow(failure)
    expect(() => withEpoch(() => dir.get())).toThrow(failure)
    broken = false
    expect(dir.live()).toBe('/a')

    const later: World = {}
    const late = adoptDir(later)
    Object.defineProperty(later, 'state', Object.getOwnPropertyDescriptor(world, 'state')!)
    broken = true
    expect(() => late.live()).toThrow(failure)
  })

  once('calls the setter at its end at each assignment, of the value that is there too', () => {
    const set: unknown[] = []
    const accessor = {
      get dir() {
        return '/a'
      },
      set dir(value) {
        set.push(value)
      },
    }
    const dir = adoptDir({ state: accessor })
    accessor.dir = '/a'
    dir.set('/a')
    expect(set).toEqual(['/a', '/a'])
  })

  once('stays as it stands while nothing is replaced, whatever is read or opened', () => {
    const own: World = { state: { dir: '/a' } }
    const behind: State = { dir: '/a' }
    const worlds = [
      own,
      {
        get state() {
          return behind
        },
      } as World,
    ]
    const cells = worlds.map((world) => adoptDir(world))
    const standIns = () =>
      worlds.flatMap((world) => [
        Object.getOwnPropertyDescriptor(world, 'state'),
        Object.getOwnPropertyDescriptor(world.state, 'dir'),
      ])
    const before = standIns()
    for (const dir of cells) withEpoch(() => [dir.get(), dir.live()])
    const { state } = own
    own.state = state!
    expect(standIns()).toEqual(before)
  })

  once('leaves a container that cannot be assigned, or seen, as it is', () => {
    const fixed = { value: { dir: '/a' }, writable: false, enumerable: false, configurable: true }
    const world = Object.defineProperty({}, 'state', fixed) as World
    const dir = adoptDir(world)
    expect(Object.keys(world)).toEqual([])
    expect(() => (world.state = { dir: '/b' })).toThrow(TypeError)
    withEpoch(() => {
      elsewhere(() => (world.state!.dir = '/c'))
      expect([world.state!.dir, dir.live()]).toEqual(['/a', '/c'])
    })
    dir.release()
    expect(Object.getOwnPropertyDescriptor(world, 'state')).toEqual(fixed)
  })

  once('follows a container that has no such property, or is none, like any other', () => {
    const world: World = { state: {} }
    const dir = adoptDir(world)
    const assign = (next: unknown): unknown => {
      world.state = next as State
      return dir.live()
    }
    expect([{ dir: '/a' }, {}, { dir: '/b' }, null, { dir: '/c' }, undefined].map(assign)).toEqual([
      '/a',
      undefined,
      '/b',
      undefined,
      '/c',
      undefined,
    ])
  })

  once('stands in for nothing more once it is released', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    dir.release()
    const before = [shapeOf({ key: world.state }), Object.getOwnPropertyDescriptors(world.state!)]
    expect([dir.live(), withEpoch(() => dir.get())]).toEqual([undefined, undefined])
    expect([shapeOf({ key: world.state }), Object.getOwnPropertyDescriptors(world.state!)]).toEqual(before)
    expect(Object.getOwnPropertyDescriptor(world, 'state')).toMatchObject({ writable: true })
  })

  once('that is released leaves the container to the others who go through it', () => {
    const world: World = { state: { dir: '/a', other: 1 } }
    const dir = adoptDir(world)
    const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
    adopted.push(other)
    dir.release()
    withEpoch(() => {
      elsewhere(() => (world.state = { dir: '/b', other: 2 }))
      expect([world.state!.dir, world.state!.other, other.live()]).toEqual(['/b', 1, 2])
    })
  })

  once('that is released while an epoch is open leaves its readers the container they have', () => {
    const world: World = { state: { dir: '/a', other: 1 } }
    const dir = adoptDir(world)
    const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
    adopted.push(other)
    withEpoch(() => {
      dir.release()
      elsewhere(() => (world.state = { dir: '/b', other: 2 })) // nobody has looked since
      expect([world.state!.dir, world.state!.other, other.live()]).toEqual(['/b', 1, 2])
    })
  })

  once('may be released by who is told that the container of another was replaced', () => {
    const world: World = { state: { dir: '/a', other: 1 } }
    const dir = adoptDir(world)
    const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
    listenTo('withepoch:source:write', (message) => {
      if ((message as WriteEvent).source.name === dir.name) other.release()
    })
    world.state = { dir: '/b', other: 2 }
    expect([dir.live(), other.live(), { ...world.state }]).toEqual(['/b', undefined, { dir: '/b', other: 2 }])
  })

  once('ends where it ends: what the value holds is not stood in for', () => {
    const value = { undefined: 1 }
    const held = adopt<object>({ state: { value } }, ['state', 'value'], { name: unique('held') })
    adopted.push(held)
    expect([held.live(), Object.getOwnPropertyDescriptor(value, 'undefined')]).toEqual([
      value,
      { value: 1, writable: true, enumerable: true, configurable: true },
    ])
  })

  once('two paths may go through one container', () => {
    const world: World = { state: { dir: '/a', other: 1 } }
    const dir = adoptDir(world)
    const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
    withEpoch(() => {
      elsewhere(() => (world.state = { dir: '/b', other: 2 }))
      expect([dir.get(), other.get(), dir.live(), other.live()]).toEqual(['/a', 1, '/b', 2])
    })
    dir.release()
    world.state = { dir: '/c', other: 3 }
    expect([other.live(), withEpoch(() => world.state!.other)]).toEqual([3, 3])
    other.release()
    expect(Object.getOwnPropertyDescriptor(world, 'state')).toEqual({
      value: { dir: '/c', other: 3 },
      writable: true,
      enumerable: true,
      configurable: true,
    })
  })

  once(
    'two paths through one container both stay as they were when it is replaced, and their writes local',
    () => {
      const world: World = { state: { dir: '/a', other: 1 } }
      adoptDir(world)
      const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
      adopted.push(other)
      const pinned = withEpoch(() => {
        elsewhere(() => (world.state = { dir: '/b', other: 2 }))
        return { ...world.state }
      })
      const local = withEpoch({ writes: 'local' }, () => {
        elsewhere(() => (world.state = { dir: '/c', other: 3 }))
        world.state!.other = 9
        return { ...world.state }
      })
      expect([pinned, local]).toEqual([
        { dir: '/a', other: 1 },
        { dir: '/b', other: 9 },
      ])
      expect([{ ...world.state }, other.live()]).toEqual([{ dir: '/c', other: 3 }, 3])
    },
  )

  once('through a property that is itself adopted writes into the container that is live', () => {
    const world: World = { state: { other: 1 } }
    const state = adopt(world, 'state', { name: unique('state') })
    const other = adopt<number>(world, ['state', 'other'], { name: unique('other') })
    adopted.push(other, state)
    withEpoch(() => {
      elsewhere(() => (world.state = { other: 2 }))
      other.set(9)
    })
    expect([other.live(), world.state!.other]).toEqual([9, 9])
  })

  once('gives everything back at release: the property, and each container, as they are now', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    world.state = { dir: '/b' }
    world.state.dir = '/c'
    dir.release()
    const plain = { writable: true, enumerable: true, configurable: true }
    expect(Object.getOwnPropertyDescriptor(world, 'state')).toEqual({ value: { dir: '/c' }, ...plain })
    expect(Object.getOwnPropertyDescriptor(world.state, 'dir')).toEqual({ value: '/c', ...plain })
    dir.release()
    world.state = { dir: '/d' }
    expect(Object.getOwnPropertyDescriptor(world.state, 'dir')).toEqual({ value: '/d', ...plain })
  })

  once('keeps an accessor at its end, and one that throws does not keep it from being released', () => {
    const failure = new Error('gone')
    let broken = false
    const accessor = {
      get dir() {
        if (broken) throw failure
        return '/a'
      },
    }
    const before = Object.getOwnPropertyDescriptor(accessor, 'dir')
    const world = { state: accessor }
    const dir = adoptDir(world)
    expect(dir.live()).toBe('/a')
    broken = true
    expect(() => dir.live()).toThrow(failure)
    dir.release()
    expect([Object.getOwnPropertyDescriptor(accessor, 'dir'), shapeOf({ key: world.state })]).toMatchObject([
      before!,
      { writable: true },
    ])
  })

  once.each(['repeatable-read', 'read-committed'] as const)(
    'that is %s stays so when its container is replaced',
    (isolation) => {
      const world: World = { state: { dir: '/a' } }
      const dir = adoptDir(world, { isolation })
      world.state = { dir: '/b' }
      const seen = withEpoch(() => {
        elsewhere(() => (world.state!.dir = '/c'))
        const first = dir.get()
        elsewhere(() => (world.state!.dir = '/d'))
        return [first, dir.get()]
      })
      expect(seen).toEqual(isolation === 'repeatable-read' ? ['/c', '/c'] : ['/c', '/d'])
    },
  )

  describe('whose container is replaced inside an epoch', () => {
    once('is a write of that epoch, which reads its own', () => {
      const world: World = { state: { dir: '/a' } }
      const dir = adoptDir(world)
      withEpoch(() => {
        world.state = { dir: '/b' }
        expect([world.state.dir, dir.get(), dir.live()]).toEqual(['/b', '/b', '/b'])
        elsewhere(() => (world.state!.dir = '/c'))
        expect(world.state.dir).toBe('/b')
      })
    })

    once('is refused where writes are rejected, and where they are local; nothing is replaced', () => {
      const state = { dir: '/a' }
      const world: World = { state }
      const dir = adoptDir(world)
      const replaceIn = (writes: 'reject' | 'local') =>
        withEpoch({ writes, name: writes }, (epoch) =>
          refusal(() => (world.state = { dir: '/b' })).replace(`#${epoch.id}`, '#n'),
        )
      expect([replaceIn('reject'), replaceIn('local')]).toEqual([
        `WRITE_REJECTED: A write to "${dir.name}" inside epoch #n "reject", which was opened with writes: 'reject'. Write outside ` +
          "the epoch (detach), or open it with writes: 'local' or 'publish'.",
        `WRITE_REJECTED: adopt(object, ["state", "dir"]): "state", which leads to "${dir.name}", was replaced inside epoch #n ` +
          '"local", whose writes are local. Everybody shares the container: write the property itself, or replace the container ' +
          'outside the epoch (detach).',
      ])
      expect([world.state === state, dir.live()]).toEqual([true, '/a'])
    })

    once('is none of its business where the value in it is the same', () => {
      const world: World = { state: { dir: '/a' } }
      adoptDir(world)
      const next = { dir: '/a', other: 1 }
      withEpoch({ writes: 'reject' }, () => (world.state = next))
      expect(world.state === next).toBe(true)
    })

    once('is none of its business wherever on the way it is', () => {
      const world = { at: { state: { dir: '/a' } } }
      const dir = adopt<string>(world, ['at', 'state', 'dir'], { name: unique('dir') })
      adopted.push(dir)
      const next = { state: { dir: '/a' } }
      withEpoch({ writes: 'reject' }, () => (world.at = next))
      next.state.dir = '/b'
      expect([world.at === next, dir.live()]).toEqual([true, '/b'])
    })

    once('and is refused leaves nothing behind: the next write goes into the container that is there', () => {
      const state = { dir: '/a' }
      const world: World = { state }
      const dir = adoptDir(world)
      withEpoch({ writes: 'reject' }, () => refusal(() => (world.state = { dir: '/b' })))
      dir.set('/c')
      expect([world.state === state, state.dir, dir.live()]).toEqual([true, '/c', '/c'])
    })

    once('that was local and is closed is refused as any late write', () => {
      const world: World = { state: { dir: '/a' } }
      const dir = adoptDir(world)
      const late = withEpoch({ writes: 'local' }, () => bind(() => (world.state = { dir: '/b' })))
      expect([refusal(late).slice(0, 12), dir.live(), world.state!.dir]).toEqual(['EPOCH_CLOSED', '/a', '/a'])
    })

    once('conflicts like any write with one that it has not seen', () => {
      strict()
      const world: World = { state: { dir: '/a' } }
      const dir = adoptDir(world)
      const code = withEpoch(() => {
        elsewhere(() => (world.state = { dir: '/b' }))
        return refusal(() => (world.state = { ...world.state, other: 1 })).slice(0, 14)
      })
      expect([code, dir.live(), world.state!.other]).toEqual(['WRITE_CONFLICT', '/b', undefined])
    })
  })

  once(
    'in a publish that throws is left alone if it has gone meanwhile, and nobody hears of that',
    async () => {
      const [replaced, written]: World[] = [{ state: { dir: '/a' } }, { state: { dir: '/a' } }]
      const cells = [replaced!, written!].map((world) => adoptDir(world))
      const failure = new Error('undone')
      const fail = () =>
        publish(() => {
          replaced!.state = { dir: '/b' }
          cells[1]!.set('/b')
          for (const world of [replaced!, written!]) delete world.state
          expect(cells.map((each) => each.live())).toEqual([undefined, undefined])
          throw failure
        })
      expect(await unhandledDuring(() => expect(fail).toThrow(failure))).toEqual([])
      expect(cells.map((each) => each.live())).toEqual([undefined, undefined])
    },
  )

  once('in a publish that throws has its value put back, even if the path is gone by then', () => {
    const world: World = { state: { dir: '/a' } }
    const dir = adoptDir(world)
    const other = cell(unique('other'), 1)
    const failure = new Error('undone')
    expect(() =>
      publish(() => {
        other.set(2)
        world.state = { dir: '/b' }
        throw failure
      }),
    ).toThrow(failure)
    expect([world.state!.dir, dir.live(), withEpoch(() => dir.get()), other.live()]).toEqual([
      '/a',
      '/a',
      '/a',
      1,
    ])
    expect(() =>
      publish(() => {
        other.set(2)
        dir.set('/c')
        delete world.state
        throw failure
      }),
    ).toThrow(failure)
    expect([dir.live(), other.live()]).toEqual([undefined, 1])
  })

  once(
    'in a publish that throws is led through the container that was there; the other one keeps what it has',
    () => {
      const [former, next] = [{ dir: '/a' }, { dir: '/b' }]
      const world: World = { state: former }
      const dir = adoptDir(world)
      const failure = new Error('undone')
      expect(() =>
        publish(() => {
          world.state = next
          throw failure
        }),
      ).toThrow(failure)
      expect([world.state === former, next, dir.live()]).toEqual([true, { dir: '/b' }, '/a'])
      former.dir = '/c'
      expect(dir.live()).toBe('/c')
    },
  )

  once('can be a member of a group: a replaced container is looked at like a write', () => {
    const world: World = { state: { dir: '/a', other: 1 } }
    const dir = adoptDir(world)
    const meta = cell<string | undefined>(unique('meta'), '/a')
    const pair = group(unique('pair'), [dir, meta], { coherent: (a, b) => a === b })
    const read = () => withEpoch(() => [dir.get(), meta.get()])
    world.state = { dir: '/b' }
    const half = read()
    meta.set('/b')
    world.state = { dir: '/c' }
    expect([half, read()]).toEqual([
      ['/a', '/a'],
      ['/b', '/b'],
    ])
    pair.release()
  })
})

once('a source that reads an adopted property is live where a getter is', () => {
  const state = { dir: '/a' }
  adopt(state, 'dir', { name: unique('dir') })
  const upper = source(unique('upper'), () => state.dir.toUpperCase())
  withEpoch(() => {
    elsewhere(() => (state.dir = '/b'))
    expect([state.dir, upper.get(), upper.live()]).toEqual(['/a', '/A', '/B'])
  })
})

once('an adopted getter is asked once per entry, however often it is read', () => {
  const getter = vi.fn<() => number>(() => 1)
  const object = Object.defineProperty({} as { key: number }, 'key', { get: getter, configurable: true })
  adopt(object, 'key', { name: unique('key') })
  getter.mockClear()
  const seen = withEpoch(() => [object.key, object.key, object.key])
  // A listener on one of these channels has each pinned read compared with the live value.
  const comparing = ['withepoch:source:drift', 'withepoch:source:read'].filter(
    (name) => channel(name).hasSubscribers,
  )
  expect([seen, getter.mock.calls.length]).toEqual([[1, 1, 1], 1 + 3 * comparing.length])
})
