/**
 * Bundles the package into one ES module and the preload beside it. The declarations come from
 * `tsc -p tsconfig.build.json` after it.
 */
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/register.ts'],
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
})
