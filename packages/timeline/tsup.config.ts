/**
 * Bundles the package and its command into ES modules, with the page's script, style and markup inside, so that what is
 * published reads no files of its own. The declarations come from `tsc -p tsconfig.build.json`, after it.
 */
import { defineConfig } from 'tsup'
import { bundleViewer } from './viewer/bundle.js'

export default defineConfig(async () => ({
  entry: ['src/index.ts', 'src/cli.ts'],
  format: 'esm' as const,
  target: 'node20',
  sourcemap: true,
  clean: true,
  define: { __VIEWER__: JSON.stringify(await bundleViewer()) },
}))
