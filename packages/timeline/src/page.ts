/**
 * The page: one HTML file that holds the recording, the program that shows it, and nothing from anywhere else. The
 * recording stands in it as JSON in which no `<` is left, and a content security policy names the two scripts by their
 * hashes, so that no name in a recording can become markup, and nothing is fetched.
 */
import { createHash } from 'node:crypto'
import { EpochError } from 'withepoch'
import { packRecording } from './page-data.js'
import type { Recording } from './recording.js'
import { loadViewer } from './viewer.js'

export interface PageOptions {
  /** @default 'Timeline' */
  readonly title?: string
}

/**
 * Makes a page of a recording: lanes of epochs, writes, reads by value, drift, late reads, memos; with zoom, search and
 * details. Write it into a file and open it; it needs no network.
 *
 * @example
 * import { parseRecording, renderPage } from '@withepoch/timeline'
 * const recording = await parseRecording([
 *   '{"format":"withepoch-timeline","version":1,"pid":1,"node":"v20.20.2","timeOrigin":0,"t":0}\n',
 * ])
 * const page = await renderPage(recording, { title: 'Nothing yet' })
 * page.startsWith('<!doctype html>') // => true
 */
export async function renderPage(
  recording: Recording,
  { title = 'Timeline' }: PageOptions = {},
): Promise<string> {
  if (typeof title !== 'string') {
    throw new EpochError('INVALID_ARGUMENT', `renderPage: title must be a string, got a ${typeof title}.`)
  }
  const { script, style, body } = await loadViewer()
  const data = JSON.stringify(packRecording(recording, title)).replaceAll('<', '\\u003c')
  const policy = `default-src 'none'; script-src '${hashOf(script)}'; style-src '${hashOf(style)}'; base-uri 'none'; form-action 'none'`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Timeline</title>
<style>${style}</style>
</head>
<body>
${body}<script type="application/json" id="recording">${data}</script>
<script>${script}</script>
</body>
</html>
`
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}
