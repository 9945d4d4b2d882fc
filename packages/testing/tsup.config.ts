/**
 * Two entries, so that a regression test can replay a schedule without fast-check being installed; what they share is
 * one chunk. The declarations come from `tsc -p tsconfig.build.json` after it.
 */
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/replay.ts'],
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
})
