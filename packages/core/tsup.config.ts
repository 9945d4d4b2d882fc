/**
 * Bundles the core into one ES module. tsup makes the JavaScript and empties `dist` first; the declarations come
 * from `tsc -p tsconfig.build.json` after it.
 *
 * One file, because the library owns process state: whatever part is imported, all of it is there, at one version.
 * package.json says `sideEffects: false` although loading the module creates the carrier on `globalThis`, because
 * only this library's own functions ever look at the carrier: a bundler may drop the module where nothing of it is
 * used, and where anything is used, the statements that create the carrier stay.
 * There is no CommonJS build: on every supported Node `require()` loads this file, so a process that mixes both
 * still has one copy.
 */
import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
  version: string
}

export default defineConfig({
  entry: ['src/index.ts'],
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
  define: { __VERSION__: JSON.stringify(version) },
  // esbuild makes every top-level `const` a `var`. V8 then loads it anew at each use, and cannot know that the carrier is
  // always the same object: a read outside an epoch takes a third longer. All are constants in the source.
  plugins: [{ name: 'constants', renderChunk: (code) => ({ code: code.replace(/^var /gm, 'const ') }) }],
})
