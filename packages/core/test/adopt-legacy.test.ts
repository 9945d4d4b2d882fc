/**
 * `adopt` on libraries that have never heard of us, as npm delivers them. Each keeps a locale for the whole process;
 * the code of a request sets it, awaits, and formats. Untouched, 200 such requests at once answer in each other's
 * languages, which the first test of each pair shows, since a cure proves nothing where nobody was ill. Under
 * `writes: 'local'` the same code, unedited, is request-scoped, and the library's own global never moves.
 */
import { createRequire } from 'node:module'
import dayjs from 'dayjs'
import i18next from 'i18next'
import { DateTime, IANAZone, Settings } from 'luxon'
import numeral from 'numeral'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { adopt, type Adopted, EpochError, memo, source, withEpoch } from 'withepoch'

const REQUESTS = 200
const LOCALES = ['en', 'fr', 'de', 'es', 'it'] as const
type Locale = (typeof LOCALES)[number]

const adopted: Array<{ release(): void }> = []
afterEach(() => {
  for (const each of adopted.splice(0)) each.release()
})
function adoptAll(
  ...places: ReadonlyArray<readonly [object: object, keys: readonly string[], prefix: string]>
) {
  for (const [object, keys, prefix] of places) {
    for (const key of keys) adopted.push(adopt(object, key as never, { name: `${prefix}.${key}` }))
  }
}

/** Lets every other request run, some of them often. */
async function others(request: number): Promise<void> {
  for (let turn = 0; turn <= request % 7; turn++) await (turn % 2 === 0 ? null : new Promise(setImmediate))
}

const localeOf = (request: number): Locale => LOCALES[request % LOCALES.length]!

/** How many of 200 requests at once got an answer that is not all in their own locale. */
async function mixed(
  handle: (locale: Locale, request: number) => Promise<readonly string[]>,
  expected: (locale: Locale) => readonly string[],
  run: (handler: () => Promise<readonly string[]>) => Promise<readonly string[]>,
): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, (_, request) => run(() => handle(localeOf(request), request))),
  )
  const wrong = answers.filter(
    (answer, request) => JSON.stringify(answer) !== JSON.stringify(expected(localeOf(request))),
  )
  return wrong.length
}

const untouched = <R>(handler: () => Promise<R>): Promise<R> => handler()
const local = <R>(handler: () => Promise<R>): Promise<R> =>
  withEpoch({ writes: 'local', ifNested: 'fresh' }, handler)

describe('i18next', () => {
  const GREETINGS: Record<Locale, string> = {
    en: 'hello',
    fr: 'bonjour',
    de: 'hallo',
    es: 'hola',
    it: 'ciao',
  }

  beforeAll(async () => {
    const resources = Object.fromEntries(
      LOCALES.map((locale) => [
        locale,
        {
          translation: {
            greeting: GREETINGS[locale],
            items_one: `{{count}} (${locale})`,
            items_other: `{{count}}s (${locale})`,
          },
        },
      ]),
    )
    await i18next.init({ lng: 'en', fallbackLng: 'en', resources, showSupportNotice: false } as object)
  })

  /** Where it keeps the language of the process: five properties of two objects, set in several steps. */
  const adoptI18next = () =>
    adoptAll(
      [i18next, ['language', 'languages', 'resolvedLanguage', 'isLanguageChangingTo'], 'i18next'],
      [(i18next as unknown as { translator: object }).translator, ['language'], 'i18next.translator'],
    )

  /** What middleware and handlers do. */
  async function handle(locale: Locale, request: number): Promise<string[]> {
    await i18next.changeLanguage(locale)
    const first = i18next.t('greeting')
    await others(request)
    const t = i18next.t('items', { count: 2 })
    await others(request + 3)
    return [
      first,
      t,
      i18next.t('greeting'),
      i18next.language,
      i18next.resolvedLanguage!,
      i18next.languages.join(),
    ]
  }
  const expected = (locale: Locale): string[] => [
    GREETINGS[locale],
    `2s (${locale})`,
    GREETINGS[locale],
    locale,
    locale,
    locale === 'en' ? 'en' : `${locale},en`,
  ]

  test('untouched, requests answer in the language of whoever came last', async () => {
    expect(await mixed(handle, expected, untouched)).toBeGreaterThan(0)
    await i18next.changeLanguage('en')
  })

  test('200 concurrent requests in 5 languages each stay in their own; the process stays in English', async () => {
    adoptI18next()
    expect(await mixed(handle, expected, local)).toBe(0)
    expect([i18next.language, i18next.languages, i18next.resolvedLanguage, i18next.t('greeting')]).toEqual([
      'en',
      ['en'],
      'en',
      'hello',
    ])
  })

  test('a request that sets nothing gets the language of the process, whatever others set', async () => {
    adoptI18next()
    const quiet = local(async () => {
      const before = i18next.t('greeting')
      await others(6)
      return [before, i18next.t('greeting'), i18next.language]
    })
    expect(await mixed(handle, expected, local)).toBe(0)
    expect(await quiet).toEqual(['hello', 'hello', 'en'])
  })

  test('the process can still change its language: later requests get it, open ones keep theirs', async () => {
    adoptI18next()
    const open = local(async () => {
      const before = i18next.t('greeting')
      await others(6)
      return [before, i18next.t('greeting')]
    })
    await i18next.changeLanguage('de')
    expect(await open).toEqual(['hello', 'hello'])
    expect(await local(async () => i18next.t('greeting'))).toBe('hallo')
    await i18next.changeLanguage('en')
  })

  test('released, it is as it was: plain properties, with the language of the process', async () => {
    const before = Object.getOwnPropertyDescriptors(i18next)
    adoptI18next()
    await local(() => i18next.changeLanguage('fr'))
    for (const each of adopted.splice(0)) each.release()
    expect(Object.getOwnPropertyDescriptors(i18next)).toEqual(before)
    await i18next.changeLanguage('it')
    expect([i18next.t('greeting'), Object.getOwnPropertyDescriptor(i18next, 'language')?.value]).toEqual([
      'ciao',
      'it',
    ])
    await i18next.changeLanguage('en')
  })
})

describe('luxon', () => {
  const WHEN = Date.UTC(2024, 2, 5, 12)
  const format = () => DateTime.fromMillis(WHEN, { zone: 'utc' }).toFormat('cccc d LLLL')
  const expected = (locale: Locale): string[] => {
    const own = DateTime.fromMillis(WHEN, { zone: 'utc', locale }).toFormat('cccc d LLLL')
    return [own, own, locale]
  }

  async function handle(locale: Locale, request: number): Promise<string[]> {
    Settings.defaultLocale = locale
    await others(request)
    const first = format()
    await others(request + 3)
    return [first, format(), Settings.defaultLocale]
  }

  test('untouched, requests format in the locale of whoever came last', async () => {
    const before = Settings.defaultLocale
    expect(await mixed(handle, expected, untouched)).toBeGreaterThan(0)
    Settings.defaultLocale = before
  })

  test('200 concurrent requests in 5 locales each format in their own; the process keeps its locale', async () => {
    Settings.defaultLocale = 'en'
    adoptAll([Settings, ['defaultLocale'], 'luxon'])
    expect(await mixed(handle, expected, local)).toBe(0)
    expect([Settings.defaultLocale, format()]).toEqual(['en', 'Tuesday 5 March'])
  })

  test('a default zone is overridden by what its getter would return, for its setter does not run', async () => {
    Settings.defaultZone = 'utc'
    const zone = adopt(Settings, 'defaultZone', { name: 'luxon.defaultZone' }) as Adopted<unknown>
    adopted.push(zone)
    const hour = () => DateTime.fromMillis(WHEN).hour
    const at = (name: string) => withEpoch({ values: [[zone, IANAZone.create(name)]] }, () => hour())
    expect([at('Asia/Tokyo'), at('America/New_York'), hour()]).toEqual([21, 7, 12])
    // The setter would have made a zone of the word; a local write keeps the word, with which luxon can do nothing.
    withEpoch({ writes: 'local' }, () => {
      Settings.defaultZone = 'Asia/Tokyo'
      expect([DateTime.fromMillis(WHEN).isValid, Settings.defaultZone]).toEqual([false, 'Asia/Tokyo'])
    })
    expect(hour()).toBe(12)
  })

  test('released, the very accessor is back', () => {
    const before = Object.getOwnPropertyDescriptor(Settings, 'defaultLocale')
    adoptAll([Settings, ['defaultLocale'], 'luxon'])
    for (const each of adopted.splice(0)) each.release()
    expect(Object.getOwnPropertyDescriptor(Settings, 'defaultLocale')).toEqual(before)
  })
})

describe('numeral', () => {
  beforeAll(() => {
    const require = createRequire(import.meta.url)
    for (const locale of ['fr', 'de', 'es', 'it']) require(`numeral/locales/${locale}`)
  })
  const FORMATTED: Record<Locale, string> = {
    en: '1,234.5 $',
    fr: '1 234,5 €',
    de: '1 234,5 €',
    es: '1.234,5 $',
    it: '1.234,5 €',
  }

  async function handle(locale: Locale, request: number): Promise<string[]> {
    numeral.locale(locale) // a function that writes the property, as most libraries have one
    await others(request)
    const first = numeral(1234.5).format('0,0.0 $')
    await others(request + 3)
    return [first, numeral(1234.5).format('0,0.0 $'), numeral.locale()]
  }
  const expected = (locale: Locale): string[] => [FORMATTED[locale], FORMATTED[locale], locale]
  const { options } = numeral as unknown as { options: { currentLocale: string } }

  test('untouched, requests format in the locale of whoever came last', async () => {
    expect(await mixed(handle, expected, untouched)).toBeGreaterThan(0)
    numeral.locale('en')
  })

  test('200 concurrent requests in 5 locales each format in their own; the process keeps its locale', async () => {
    adoptAll([options, ['currentLocale'], 'numeral'])
    expect(await mixed(handle, expected, local)).toBe(0)
    expect([numeral.locale(), options.currentLocale, numeral(1234.5).format('0,0.0 $')]).toEqual([
      'en',
      'en',
      '1,234.5 $',
    ])
  })
})

describe('all three at once', () => {
  test('200 concurrent requests each have one locale in every library', async () => {
    adoptAll(
      [i18next, ['language', 'languages', 'resolvedLanguage', 'isLanguageChangingTo'], 'i18next'],
      [(i18next as unknown as { translator: object }).translator, ['language'], 'i18next.translator'],
      [Settings, ['defaultLocale'], 'luxon'],
      [(numeral as unknown as { options: object }).options, ['currentLocale'], 'numeral'],
    )
    const handle = async (locale: Locale, request: number): Promise<string[]> => {
      Settings.defaultLocale = locale
      numeral.locale(locale)
      await i18next.changeLanguage(locale)
      await others(request)
      return [i18next.t('greeting'), DateTime.utc(2024, 3, 5).toFormat('LLLL'), numeral.locale()]
    }
    const words: Record<Locale, readonly string[]> = {
      en: ['hello', 'March', 'en'],
      fr: ['bonjour', 'mars', 'fr'],
      de: ['hallo', 'März', 'de'],
      es: ['hola', 'marzo', 'es'],
      it: ['ciao', 'marzo', 'it'],
    }
    expect(await mixed(handle, (locale) => words[locale], local)).toBe(0)
    expect([i18next.language, Settings.defaultLocale, numeral.locale()]).toEqual(['en', 'en', 'en'])
  })
})

describe('dayjs', () => {
  beforeAll(() => {
    const require = createRequire(import.meta.url)
    for (const locale of ['fr', 'de', 'es', 'it']) require(`dayjs/locale/${locale}`)
    dayjs.locale('en')
  })

  test('keeps its locale in a variable that no property leads to, and adopt refuses what looks like a way', () => {
    expect(() => adopt(dayjs, 'locale', { call: true } as never)).toThrow(
      new EpochError(
        'INVALID_ARGUMENT',
        'adopt(object, "locale"): call: true is for a function without parameters, got a function of 3 parameter(s).',
      ),
    )
    dayjs.locale('fr')
    const held = Object.entries(dayjs).filter(([, value]) => value === 'fr')
    dayjs.locale('en')
    expect(held).toEqual([])
  })

  test('pinned by a source and handed over per instance, 200 concurrent requests are not mixed either', async () => {
    const locale = source('dayjs.locale', () => dayjs.locale())
    adopted.push(locale)
    const month = memo(async () => {
      await null
      return dayjs('2024-03-05').locale(locale.get()).format('MMMM')
    })
    const months: Record<Locale, string> = { en: 'March', fr: 'mars', de: 'März', es: 'marzo', it: 'marzo' }
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, (_, request) =>
        withEpoch({ ifNested: 'fresh', values: [[locale, localeOf(request)]] }, async () => {
          await others(request)
          return month()
        }),
      ),
    )
    expect(answers).toEqual(Array.from({ length: REQUESTS }, (_, request) => months[localeOf(request)]))
    expect(dayjs.locale()).toBe('en')
  })
})
