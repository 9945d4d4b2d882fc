/**
 * A real Chromium for the page's tests: the one that the system has. Where there is none, the tests that need it say so
 * and are skipped; where `WITHEPOCH_REQUIRE_BROWSER` is set, as in CI, that is a failure.
 */
import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const CANDIDATES = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

export const browserPath = CANDIDATES.find((path) => path !== undefined && existsSync(path))

export const mayMissBrowser = (process.env['WITHEPOCH_REQUIRE_BROWSER'] ?? '') === ''

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'], // prettier-ignore
  })
}
