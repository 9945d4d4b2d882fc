/**
 * The page, in a real Chromium: that it shows what was recorded, by pointer, by keys and to those who listen; that no
 * name becomes markup; that a hundred thousand events are as little work per frame as a few.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseRecording, type Recording, renderPage, type TimelineEvent } from '@withepoch/timeline'
import { browserPath, launch, mayMissBrowser } from './browser.js'
import { close, open, read, recordingOf } from './recording.js'
import { largeRecording } from './scenes/large-recording.js'

const missing = browserPath === undefined
if (missing && mayMissBrowser) {
  process.stderr.write(
    '\n  !! No Chromium found: the tests of the page are SKIPPED. Install one (Debian: apt-get install chromium) or set CHROMIUM.\n\n',
  )
}
test.runIf(!mayMissBrowser)('a browser is there, as WITHEPOCH_REQUIRE_BROWSER demands', () => {
  expect(browserPath).toBeDefined()
})

type Stats = {
  frames: number
  last: { rows: number; bars: number; points: number; texts: number; fills: number }
}
type Shown = { from: number; to: number; scrollTop: number }

describe.skipIf(missing)('the page', { timeout: 120_000 }, () => {
  let browser: Browser
  let dir: string
  const pages: Page[] = []
  let files = 0

  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'timeline-page-'))
    browser = await launch()
  }, 120_000)
  afterEach(async () => {
    for (const page of pages.splice(0)) await page.context().close()
  })
  afterAll(async () => {
    await browser?.close()
    await rm(dir, { recursive: true, force: true })
  })

  /** Opens the recording's page; anything that it complains of, and anything that it asks for, fails the test. */
  async function show(
    recording: Recording,
    { width = 1280, height = 800, scheme = 'light' as 'light' | 'dark', title = 'A title', before = '' } = {},
  ): Promise<Page> {
    const file = path.join(dir, `page-${++files}.html`)
    await writeFile(file, await renderPage(recording, { title }))
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme })
    const page = await context.newPage()
    if (before !== '') await page.addInitScript(before)
    pages.push(page)
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => complaints.push(message.text()))
    page.on('request', (request) => requests.push(request.url()))
    await page.goto(pathToFileURL(file).href)
    await frames(page, 1)
    expect(requests).toEqual([pathToFileURL(file).href])
    return page
  }
  let complaints: string[] = []
  let requests: string[] = []
  afterEach(() => {
    const heard = complaints
    complaints = []
    requests = []
    if (heard.length > 0) throw new Error(`The page complained: ${heard.join('; ')}`)
  })

  const stats = (page: Page) => page.evaluate<Stats>('withepochTimeline.stats')
  const shown = (page: Page) => page.evaluate<Shown>('withepochTimeline.shown()')
  async function frames(page: Page, least: number): Promise<void> {
    while ((await stats(page)).frames < least) await page.waitForTimeout(10)
  }
  /** Does something and waits until it has been drawn. */
  async function drawn(page: Page, act: () => Promise<unknown>): Promise<Stats> {
    const before = (await stats(page)).frames
    await act()
    await frames(page, before + 1)
    return stats(page)
  }
  const text = (page: Page, selector: string) => page.locator(selector).innerText()

  const events: TimelineEvent[] = [
    open(1, 1000, 'list'),
    read(1, 2000, 1),
    { type: 'source:write', t: 3000, source: 'config', version: 2, valueId: 2, to: 'live' },
    read(1, 4000, 1, 2),
    open(2, 5000, 'render', 1),
    { type: 'memo:miss', t: 5100, memo: 'scan', epoch: 2, name: 'render' },
    close(2, 6000, 'render'),
    open(3, 6500, 'export'),
    { type: 'epoch:overdue', t: 7000, epoch: 3, name: 'export', ageMs: 1, maxAgeMs: 0.5, closed: false },
    close(1, 8000, 'list'),
    read(1, 9000, 2, 2, 'late'),
  ]

  const observedRoute: TimelineEvent[] = Array.from({ length: 30 }, (_, n): TimelineEvent[] => {
    const epoch = n + 1
    const t = epoch * 100_000
    return [
      { ...open(epoch, t, 'GET /sessions/list'), observing: true } as TimelineEvent,
      read(epoch, t + 100, epoch, epoch, 'live'),
      close(epoch, t + 200, 'GET /sessions/list'),
      read(epoch, t + 90_000, epoch + 1, epoch + 1, 'late'),
    ]
  }).flat()

  test('says what it holds', async () => {
    const page = await show(await recordingOf(...events))
    expect(await text(page, 'h1')).toBe('A title')
    expect(await page.title()).toBe('A title')
    expect(await text(page, '#about')).toContain('3 epochs, 11 events in 9.00 ms · process 7, Node v20.20.2')
    expect(await page.isVisible('#warning')).toBe(false)
    // source row, three epochs, and six points: a write, three reads, a memo and no mark.
    expect((await stats(page)).last).toMatchObject({ bars: 2 + 3, points: 5 })
  })

  test('is painted as soon as it is sized, not a frame later', async () => {
    const page = await show(await recordingOf(...events), {
      before: 'globalThis.requestAnimationFrame = () => 0',
    })
    const corners = (selector: string) =>
      page.evaluate<number[][]>(
        `(() => {
          const from = document.querySelector('${selector}')
          const { width, height } = from
          const on = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
          on.drawImage(from, 0, 0)
          return [[0, 0], [width - 1, height - 1]].map(([x, y]) => [...on.getImageData(x, y, 1, 1).data])
        })()`,
      )
    const painted = [
      [255, 255, 255, 255],
      [255, 255, 255, 255],
    ]
    expect(await corners('#timeline')).toEqual(painted)
    const width = () => page.evaluate<number>("document.querySelector('#timeline').width")
    for (const next of [900, 1400]) {
      await page.setViewportSize({ width: next, height: 700 })
      await expect.poll(width).toBe(next)
      expect(await corners('#timeline')).toEqual(painted)
    }
  })

  test('says what is missing', async () => {
    const recording = await recordingOf(...events, { type: 'dropped', t: 9500, count: 3 })
    const page = await show({ ...recording, unreadable: 1, truncated: true })
    expect(await text(page, '#warning')).toBe(
      'Not everything is here: 3 events dropped, because the disk was too slow, 1 line unreadable, the last line cut short.',
    )
  })

  test('goes from event to event by keys, says what each is, and shows its details', async () => {
    const page = await show(await recordingOf(...events))
    await page.focus('#timeline')
    const heard: string[] = []
    const press = async (key: string) => {
      await drawn(page, () => page.keyboard.press(key))
      heard.push((await page.locator('#announcement').textContent())!)
    }
    await press('ArrowDown') // the row of the source
    await press('ArrowDown') // the first row of epochs
    for (let n = 0; n < 3; n++) await press('ArrowRight')
    expect(heard.slice(1)).toEqual([
      'list #1. Epoch, closed after 7.00 ms.',
      'Read of config. in list #1, pinned, and still the live value',
      'Drift: read of config. in list #1: the pinned value, number 1, is no longer the live one, number 2. A live read would have seen two worlds.',
      'Late read of config. in list #1: by work that outlived it, so it got the live value.',
    ])
    await page.keyboard.press('ArrowLeft')
    await drawn(page, () => page.keyboard.press('Enter'))
    expect(await text(page, '#panel h2')).toBe('Drift: read of config')
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('panel')
    const fields = await page.locator('#panel dd').allInnerTexts()
    expect(fields).toEqual(['4.000 ms', 'list #1', '3.00 ms', 'config', 'number 1', 'number 2', 'pinned'])
    await page.click('#panel button:has-text("Epoch list #1")')
    expect(await text(page, '#panel h2')).toBe('list #1')
    await page.click('#panel button:has-text("Child: render #2")')
    expect(await page.locator('#panel').innerText()).toContain('Parent: list #1')
    await page.keyboard.press('Escape')
    expect(await page.isVisible('#panel')).toBe(false)
  })

  test('shows what an observed call reads after its door has closed as its own reads', async () => {
    const page = await show(
      await recordingOf(
        { ...open(1, 1000, 'GET /page'), observing: true } as TimelineEvent,
        read(1, 1100, 1, 1, 'live'),
        close(1, 1200, 'GET /page'),
        read(1, 9000, 2, 2, 'late'),
      ),
    )
    await page.focus('#timeline')
    const heard: string[] = []
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowRight']) {
      await drawn(page, () => page.keyboard.press(key))
      heard.push((await page.locator('#announcement').textContent())!)
    }
    expect(heard.slice(1)).toEqual([
      'GET /page #1. Epoch, closed after 8.00 ms.',
      'Read of config. in GET /page #1, the live value',
      'Read of config. in GET /page #1, the live value',
    ])
    await page.click('#states button:has-text("torn")')
    expect(await text(page, '#found')).toBe('1 of 1 epoch')
    await page.click('#states button:has-text("late")')
    expect(await text(page, '#found')).toBe('0 of 1 epoch')
  })

  test('tabs through the tools to the timeline, in the order in which they stand', async () => {
    const page = await show(await recordingOf(...events))
    const order: string[] = []
    for (let n = 0; n < 14; n++) {
      await page.keyboard.press('Tab')
      order.push(
        await page.evaluate<string>('document.activeElement.id || document.activeElement.dataset.state'),
      )
    }
    expect(order).toEqual(['search', 'drift', 'late', 'overdue', 'open', 'torn', 'fork', 'zoom-in', 'zoom-out', 'zoom-all', 'theme', 'summary', 'show-help', 'timeline']) // prettier-ignore
    const label = await page.getAttribute('#timeline', 'aria-label')
    expect(label).toContain('Arrow keys')
    for (const button of await page.locator('button').all()) {
      expect(
        ((await button.textContent()) ?? '') + ((await button.getAttribute('aria-label')) ?? ''),
      ).not.toBe('')
    }
  })

  test('shows all keys on a question mark, and gives the focus back', async () => {
    const page = await show(await recordingOf(...events))
    await page.focus('#timeline')
    await page.keyboard.press('?')
    expect(await page.isVisible('#help')).toBe(true)
    await page.keyboard.press('Escape')
    expect(await page.isVisible('#help')).toBe(false)
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('timeline')
  })

  test('zooms at the pointer, by keys and buttons, and moves by dragging', async () => {
    const page = await show(await recordingOf(...events))
    const all = await shown(page)
    await page.mouse.move(700, 300)
    await drawn(page, () => page.mouse.wheel(0, -400))
    const wheeled = await shown(page)
    expect(wheeled.to - wheeled.from).toBeLessThan((all.to - all.from) * 0.8)
    // What is under the pointer stays there.
    const share = (700 - 168) / (1280 - 168)
    const under = ({ from, to }: Shown) => from + share * (to - from)
    expect(Math.abs(under(wheeled) - under(all))).toBeLessThan((all.to - all.from) / 100)

    await page.mouse.down()
    await drawn(page, () => page.mouse.move(500, 300, { steps: 4 }))
    await page.mouse.up()
    const dragged = await shown(page)
    expect(dragged.from).toBeGreaterThan(wheeled.from)
    expect(dragged.to - dragged.from).toBeCloseTo(wheeled.to - wheeled.from)
    expect(await page.isVisible('#panel')).toBe(false) // a drag selects nothing

    await page.focus('#timeline')
    await drawn(page, () => page.keyboard.press('0'))
    expect(await shown(page)).toEqual(all)
    await drawn(page, () => page.keyboard.press('+'))
    const keyed = await shown(page)
    expect(keyed.to - keyed.from).toBeCloseTo((all.to - all.from) / 1.6)
    await drawn(page, () => page.click('#zoom-out'))
    expect(await shown(page)).toEqual(all)
    for (let n = 0; n < 60; n++) await page.keyboard.press('+')
    const closest = await shown(page)
    expect(closest.to - closest.from).toBeCloseTo(10)
    await drawn(page, () => page.keyboard.press('0'))
    await page.keyboard.down('Shift')
    await page.mouse.move(400, 300)
    await page.mouse.down()
    await page.mouse.move(600, 300, { steps: 3 })
    await drawn(page, () => page.mouse.up())
    await page.keyboard.up('Shift')
    const range = await shown(page)
    expect(range.to - range.from).toBeCloseTo(((all.to - all.from) * 200) / (1280 - 168))
  })

  test('selects what is clicked, and says what is pointed at', async () => {
    const page = await show(await recordingOf(...events))
    const { from, to } = await shown(page)
    const x = 168 + ((4000 - from) / (to - from)) * (1280 - 168)
    const top = (await page.locator('#timeline').boundingBox())!.y
    // Axis, heading, source, heading, and the line of reads in the first row of epochs.
    const y = top + 26 + 28 + 26 + 28 + 23
    await page.mouse.move(x, y)
    expect(await text(page, '#tip')).toMatch(/^Drift: read of config\s+in list #1/)
    await page.mouse.click(x, y)
    expect(await text(page, '#panel h2')).toBe('Drift: read of config')
  })

  test('finds by name, by number and by what happened', async () => {
    const page = await show(await recordingOf(...events))
    await page.keyboard.press('/')
    await page.keyboard.type('expo')
    await expect.poll(() => text(page, '#found')).toBe('1 of 3 epochs')
    await page.keyboard.press('Enter')
    expect(await page.locator('#announcement').textContent()).toContain(
      'export #3. Epoch, still open when the recording ended, overdue',
    )
    await page.click('#states button:has-text("late")')
    expect(await page.inputValue('#search')).toBe('expo is:late')
    expect(await page.getAttribute('[data-state="late"]', 'aria-pressed')).toBe('true')
    expect(await text(page, '#found')).toBe('0 of 3 epochs')
    await page.fill('#search', 'no such thing')
    await expect.poll(() => page.isVisible('#empty')).toBe(true)
    await page.click('#clear')
    expect(await page.isVisible('#empty')).toBe(false)
    await page.click('#summary')
    await page.click('#panel button:has-text("render")')
    expect(await page.inputValue('#search')).toBe('name:"render"')
    expect(await text(page, '#found')).toBe('1 of 3 epochs')
  })

  test('follows the system’s light or dark, and the button', async () => {
    const page = await show(await recordingOf(...events), { scheme: 'dark' })
    const background = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    expect(await background()).toBe('rgb(13, 17, 23)')
    await page.emulateMedia({ colorScheme: 'light' })
    await expect.poll(background).toBe('rgb(255, 255, 255)')
    await page.click('#theme')
    expect(await background()).toBe('rgb(13, 17, 23)')
    expect(await text(page, '#theme')).toBe('Light')
  })

  test('fits a small screen', async () => {
    const page = await show(await recordingOf(...events), { width: 360, height: 640 })
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    expect(await overflow()).toBe(0)
    await page.click('#summary')
    expect(await overflow()).toBe(0)
    const box = (await page.locator('#timeline').boundingBox())!
    expect(box.height).toBeGreaterThan(120)
  })

  test('cuts nothing at 390 pixels: the legend is in the help, and the summary has room', async () => {
    const page = await show(await recordingOf(...observedRoute), { width: 390, height: 800 })
    const cut = (selector: string) =>
      page.evaluate<number>(
        `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('${selector}'))`,
      )
    expect(await page.isVisible('#legend')).toBe(false)
    await page.click('#summary')
    expect(await cut('#panel .scrolls')).toBe(0)
    await page.click('#show-help')
    expect(await text(page, '#help-legend')).toContain('late read: its epoch had closed')
    expect(await cut('#help')).toBe(0)
  })

  test('labels a state with the description that the recording has of it, also from a later line', async () => {
    const page = await show(
      await recordingOf(
        open(1, 1000, 'list'),
        read(1, 2000, 1),
        { ...read(1, 4000, 1), described: 'en' } as TimelineEvent,
        close(1, 8000, 'list'),
      ),
      {
        before: `globalThis.painted = []
          const { fillText } = CanvasRenderingContext2D.prototype
          CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
            painted.push(text)
            return fillText.call(this, text, ...at)
          }`,
      },
    )
    const painted = await page.evaluate<string[]>('painted')
    expect(painted).toContain('1: en')
    expect(painted).not.toContain('value 1')
  })

  test('shows all from the first event to the last, without the idle time around them', async () => {
    const page = await show(
      await recordingOf(open(1, 5_000_000, 'list'), close(1, 5_001_000, 'list'), {
        type: 'stop',
        t: 60_000_000,
        events: 2,
        dropped: 0,
      }),
    )
    expect(await shown(page)).toMatchObject({ from: 4_999_990, to: 5_001_010 })
    expect(await text(page, '#about')).toContain('1 epoch, 2 events')
  })

  test('shows a recording of nothing', async () => {
    const page = await show(await recordingOf())
    expect(await text(page, '#about')).toContain('0 epochs, 0 events')
    await page.click('#summary')
    expect(await text(page, '#panel')).toContain('No epoch was opened')
    await page.focus('#timeline')
    for (const key of ['ArrowRight', 'ArrowDown', 'Enter', 'n', 'f', '+', '0', 'Home', 'PageDown', 'Escape'])
      await page.keyboard.press(key)
  })

  test('no name becomes markup, wherever it is shown', async () => {
    const evil = `</script><img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>`
    const page = await show(
      await recordingOf(
        open(1, 10, evil),
        {
          type: 'source:read',
          t: 20,
          source: evil,
          epoch: 1,
          name: evil,
          described: evil,
          valueId: 1,
          liveValueId: 2,
          from: 'pinned',
        },
        { type: 'memo:miss', t: 21, memo: evil, epoch: 1, name: evil },
        {
          type: 'epoch:overdue',
          t: 25,
          epoch: 1,
          name: evil,
          ageMs: 1,
          maxAgeMs: 1,
          closed: false,
          stack: evil,
        },
        close(1, 30, evil),
        { type: 'mark', t: 40, track: evil, lane: evil, label: evil, series: evil, fields: { [evil]: evil } },
      ),
      { title: evil },
    )
    expect(await text(page, 'h1')).toBe(evil)
    await page.click('#summary')
    expect(await page.locator('#panel').innerText()).toContain('onerror')
    await page.focus('#timeline')
    for (const key of ['ArrowDown', 'Enter']) await page.keyboard.press(key)
    for (let row = 0; row < 6; row++) {
      await page.focus('#timeline')
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Enter')
      expect(await page.locator('#panel').innerText()).toContain('onerror')
    }
    expect(await page.evaluate<unknown>('globalThis.hit')).toBeUndefined()
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.locator('script').count()).toBe(2)
  })

  describe('a recording of 100,000 events', () => {
    test('is as much work per frame as the screen has room for, at every zoom', async () => {
      const page = await show(await parseRecording(largeRecording(100_000)))
      expect(await text(page, '#about')).toContain('100,000 events')
      await page.focus('#timeline')
      const room = 1280 - 168
      const most = { rows: 0, bars: 0, points: 0 }
      const at = async (act: () => Promise<unknown>) => {
        const { rows, bars, points } = (await drawn(page, act)).last
        // Bars are three pixels wide at least, shapes nine apart.
        expect(bars).toBeLessThanOrEqual(rows * (room / 3 + 2))
        expect(points).toBeLessThanOrEqual(rows * (room / 9 + 4))
        most.rows = Math.max(most.rows, rows)
        most.bars = Math.max(most.bars, bars)
        most.points = Math.max(most.points, points)
      }
      await page.mouse.move(700, 400)
      for (let n = 0; n < 20; n++) await at(() => page.mouse.wheel(0, -300))
      for (let n = 0; n < 20; n++) await at(() => page.mouse.wheel(0, 300))
      await at(() => page.keyboard.press('PageDown'))
      await at(() => page.keyboard.press('+'))
      await at(() => page.keyboard.press('Shift+ArrowRight'))
      expect(most.rows).toBeLessThanOrEqual(30)
      expect(most.bars).toBeGreaterThan(1000) // the crowd was there
      expect(most.bars + most.points).toBeLessThan(10_000)
    })

    test('a late read is seen among all the others', async () => {
      const crowd = Array.from({ length: 3000 }, (_, n) => read(1, 1000 + n, 1))
      const recording = await recordingOf(
        open(1, 0, 'crowd'),
        ...crowd.slice(0, 1500),
        read(1, 2500, 2, 2, 'late'),
        ...crowd.slice(1501),
        close(1, 1_000_000, 'crowd'),
      )
      const page = await show(recording)
      const box = (await page.locator('#timeline').boundingBox())!
      const { from, to } = await shown(page)
      await page.mouse.move(
        box.x + 168 + ((2500 - from) / (to - from)) * (1280 - 168),
        box.y + 26 + 28 + 26 + 28 + 23,
      )
      expect(await text(page, '#tip')).toContain('Late read of config')
    })
  })
})
