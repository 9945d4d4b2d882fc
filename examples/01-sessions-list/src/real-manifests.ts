/**
 * The real manifests: every `openclaw.plugin.json` of a published openclaw, taken from the registry's tarball as it is
 * and kept in a cache folder. Nothing is unpacked but these files. It does not know what they say.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import pacote from 'pacote'
import { extract } from 'tar'

export const OPENCLAW = 'openclaw@2026.5.22'
export const REAL_MANIFESTS = 91

const MANIFEST_IN_TARBALL = /^package\/dist\/extensions\/[^/]+\/openclaw\.plugin\.json$/

/** Which registry to ask (npm's setting by default), and where its client keeps tarballs (npm's cache by default). */
export type RegistryOptions = { registry?: string; cache?: string }

/**
 * The folder that holds `<plugin>/openclaw.plugin.json` for all of them; fetched once, then from the cache.
 *
 * @throws when the registry does not answer, or the tarball does not hold 91 manifests.
 */
export async function fetchRealManifests(cacheDir: string, from: RegistryOptions = {}): Promise<string> {
  const dir = path.join(cacheDir, OPENCLAW)
  if (existsSync(dir)) return dir
  const unfinished = `${dir}.unfinished-${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  try {
    await unpackManifests(unfinished, from)
    const found = (await readdir(unfinished)).length
    if (found !== REAL_MANIFESTS) {
      throw new Error(
        `The tarball of ${OPENCLAW} holds ${found} plugin manifests, expected ${REAL_MANIFESTS}.`,
      )
    }
    await rename(unfinished, dir)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return dir
}

/** pacote checks the tarball against the registry's integrity hash as it streams. */
async function unpackManifests(into: string, from: RegistryOptions): Promise<void> {
  const registry = process.env['npm_config_registry']
  try {
    await pacote.tarball.stream(
      OPENCLAW,
      (stream) =>
        new Promise<void>((resolve, reject) => {
          const unpacking = extract({ cwd: into, strip: 3, filter: (file) => MANIFEST_IN_TARBALL.test(file) })
          stream.on('error', reject)
          unpacking.on('error', reject)
          unpacking.on('close', resolve)
          stream.pipe(unpacking)
        }),
      { ...(registry === undefined ? {} : { registry }), ...from },
    )
  } catch (error) {
    throw new Error(
      `Could not fetch ${OPENCLAW} from the npm registry: ${(error as Error).message}. ` +
        'Check the network, or run without --real to use generated manifests.',
      { cause: error },
    )
  }
}
