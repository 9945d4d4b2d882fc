/**
 * Three entries, so that a regression test can replay a schedule, and an adapter be held to the contract, without fast-check
 * being installed; what they share is in chunks. The declarations come from `tsc -p tsconfig.build.json` after it.
 */
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: { index: 'src/index.ts', replay: 'src/replay.ts', contract: 'src/contract/index.ts' },
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
})
