/**
 * The one list of test projects. vitest reads it through vitest.config.ts, so that a bare `npx vitest` knows it too.
 *
 * The core's test files run three times: from source, from source with a listener on every diagnostics channel (what
 * is built only when somebody listens must change nothing else), and from the bundle that is published. The last
 * needs `npm run build`; `*.src.test.ts` look at the source files themselves and stay out of it. Every other folder
 * under packages/ is a project of its own name as soon as it exists, and all examples share one project.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const pathTo = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const core = JSON.parse(readFileSync(pathTo('packages/core/package.json'), 'utf8')) as { version: string }

/**
 * `withepoch` and `@withepoch/*` mean the source files, as the `paths` of tsconfig.json say. Made anew for each
 * project: vitest takes the entries out of the `define` that it is given, so a shared one serves only the first.
 * Of the two builds of `graphql`, which refuse each other's schemas, it is the one that Node gives everybody else.
 */
const fromSource = () => ({
  define: { __VERSION__: JSON.stringify(core.version) },
  resolve: {
    tsconfigPaths: true,
    alias: [{ find: /^graphql$/, replacement: pathTo('node_modules/graphql/index.js') }],
  },
})
const fromDist = { resolve: { alias: { withepoch: pathTo('packages/core/dist/index.js') } } }

const coreTests = 'packages/core/test/**/*.test.ts'
const otherPackages = readdirSync(pathTo('packages'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'core')
  .map((entry) => entry.name)

/** The core's tests provoke its process warnings on purpose, and look at the event; printed, they would read as failures. */
const execArgv = ['--disable-warning=EpochWarning']

/**
 * For every test. No test asserts how long something takes, and those that fill the heap or start processes take what they
 * take on a busy machine; this is only against a hang.
 */
const testTimeout = 300_000

/** Where CI wants vitest's JSON report, from which it counts. Unset on a developer's machine. */
const report = process.env['TEST_REPORT']

export default defineConfig({
  test: {
    ...(report ? { reporters: ['default', 'json'], outputFile: { json: report } } : {}),
    coverage: { include: ['packages/*/src/**/*.ts'] },
    projects: [
      { ...fromSource(), test: { name: 'core', include: [coreTests], execArgv, testTimeout } },
      {
        ...fromSource(),
        test: {
          name: 'core:subscribed',
          include: [coreTests],
          setupFiles: ['packages/core/test/setup/subscribe-all.ts'],
          execArgv,
          testTimeout,
        },
      },
      {
        ...fromDist,
        test: {
          name: 'core:dist',
          include: [coreTests],
          exclude: ['**/*.src.test.ts'],
          execArgv,
          testTimeout,
        },
      },
      ...otherPackages.map((name) => ({
        ...fromSource(),
        test: { name, include: [`packages/${name}/test/**/*.test.ts`], testTimeout },
      })),
      { ...fromSource(), test: { name: 'examples', include: ['examples/*/*.test.ts'], testTimeout } },
    ],
  },
})
