/**
 * Makes what the columns run: the suite as one file of JavaScript that Node 20 understands, which imports the packages
 * and the published bundle of the core as they are; and for workerd, which imports nothing, one file with all in it.
 */
import { builtinModules } from 'node:module'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'

const pathTo = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** Where the built files are. */
export const buildFolder = pathTo('../.build/')

/** The core as it is published; `npm run build` has made it. */
const core = pathTo('../../packages/core/dist/index.js')

const shared = {
  config: false,
  format: 'esm',
  target: 'node20',
  silent: true,
  removeNodeProtocol: false,
  dts: false,
  outDir: buildFolder,
  tsconfig: pathTo('../tsconfig.json'),
} as const

export async function buildSuite(): Promise<void> {
  await build({
    ...shared,
    clean: true,
    splitting: false,
    skipNodeModulesBundle: true,
    entry: ['suite.test.ts', 'alone.ts', 'thread.ts', 'catalogue.ts'].map((file) =>
      pathTo(`../suite/${file}`),
    ),
    esbuildPlugins: [
      {
        name: 'published-core',
        setup(esbuild) {
          esbuild.onResolve({ filter: /^withepoch$/ }, () => ({ path: core, external: true }))
        },
      },
    ],
  })
  await build({
    ...shared,
    clean: false,
    outDir: `${buildFolder}workerd`,
    entry: [pathTo('../suite/worker.ts')],
    noExternal: [/.*/],
    external: [/^node:/],
    platform: 'node',
    // For packages that are CommonJS, and call what is part of the runtime without `node:`.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf('/worker.js');",
    },
    esbuildPlugins: [
      {
        name: 'workerd',
        setup(esbuild) {
          esbuild.onResolve({ filter: /^withepoch$/ }, () => ({ path: core }))
          esbuild.onResolve({ filter: new RegExp(`^(${builtinModules.join('|')})$`) }, ({ path }) => ({
            path: `node:${path}`,
            external: true,
          }))
        },
      },
    ],
  })
}
