/**
 * The page's own parts, bundled: what `tsup` puts into the package, and what the sources use when they are run as they
 * are. Only this file knows esbuild, which the published package does not need.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Viewer } from '../src/viewer.js'

export async function bundleViewer(): Promise<Viewer> {
  const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const [script, style, body] = await Promise.all([
    build({
      entryPoints: [file('main.ts')],
      bundle: true,
      format: 'iife',
      target: 'es2022',
      minify: true,
      legalComments: 'none',
      write: false,
    }),
    readFile(file('style.css'), 'utf8'),
    readFile(file('body.html'), 'utf8'),
  ])
  return { script: script.outputFiles[0]!.text, style, body }
}
