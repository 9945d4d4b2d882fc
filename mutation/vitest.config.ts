/**
 * How the core's tests meet a mutant: from source, once, and only those that are fast and always do the same. Left out:
 * what looks at the source's text (`*.src`), the searches through random interleavings, which would only find by luck
 * and at length what a directed test is to find, what runs the built bundle in a process of its own, where no mutant is
 * switched on, what measures, and what tells types.
 *
 * All files of a mutant share one worker, for starting one costs more than most files take; `fresh-core.ts` gives each
 * file a core of its own all the same.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { endKeptWorker, keptWorkers } from './src/kept-worker.js'
import { LikeliestFirst } from './src/likeliest-first.js'
import { LoadFailures } from './src/load-failures.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const core = JSON.parse(readFileSync(`${root}/packages/core/package.json`, 'utf8')) as { version: string }

export default defineConfig({
  root,
  define: { __VERSION__: JSON.stringify(core.version) },
  resolve: { tsconfigPaths: true },
  plugins: [
    {
      name: 'kept-workers',
      // Set here, because Stryker asks for its pool on vitest's command line, which goes before this file.
      configureVitest({ project, vitest }) {
        Object.assign(project.config, { pool: keptWorkers.name, poolRunner: keptWorkers })
        vitest.onClose(endKeptWorker)
      },
    },
  ],
  test: {
    include: ['packages/core/test/**/*.test.ts'],
    exclude: [
      '**/*.src.test.ts',
      '**/*interleavings.test.ts',
      '**/{process,copies-process,entering-process,listeners-process,memory,performance-guard,retire-pool,types}.test.ts',
    ],
    execArgv: ['--disable-warning=EpochWarning', '--disable-warning=MaxListenersExceededWarning'],
    reporters: ['default', new LoadFailures()],
    isolate: false,
    // No test here takes a second; one that a mutant hangs is not waited for longer than a busy machine needs.
    testTimeout: 20_000,
    sequence: { sequencer: LikeliestFirst },
    setupFiles: ['mutation/src/fresh-core.ts'],
  },
})
