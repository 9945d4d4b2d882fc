/**
 * Makes docs/images/timeline.png, the page of a small busy service in a real Chromium:
 *
 *     npm run screenshot --workspace packages/timeline
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Mark, readRecording, record, renderPage } from '@withepoch/timeline'
import { launch } from '../browser.js'
import { busyService, jobChannel } from './busy-service.js'

const image = fileURLToPath(new URL('../../../../docs/images/timeline.png', import.meta.url))
const dir = await mkdtemp(path.join(tmpdir(), 'timeline-'))
const recording = path.join(dir, 'busy.jsonl')
const recorder = record({
  to: recording,
  channels: {
    [String(jobChannel.name)]: (message): Mark => {
      const { actor, job } = message as { actor: string; job: number }
      return { track: 'jobs', lane: actor, label: `job ${job}`, kind: 'state' }
    },
  },
})
await busyService(6)
await recorder.stop()
const file = path.join(dir, 'busy.html')
await writeFile(file, await renderPage(await readRecording(recording), { title: 'A busy service' }))

const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1200, height: 720 } })
await page.goto(pathToFileURL(file).href)
await page.focus('#timeline')
await page.fill('#search', '')
await page.click('#states button:has-text("late")')
await page.focus('#timeline')
for (const key of ['n', 'f', 'ArrowRight', 'ArrowRight', 'ArrowRight', 'Enter'])
  await page.keyboard.press(key)
await page.click('#states button:has-text("late")')
await page.waitForTimeout(300)
await page.screenshot({ path: image })
await browser.close()
await rm(dir, { recursive: true })
process.stdout.write(`${path.relative(process.cwd(), image)}\n`)
process.exit()
