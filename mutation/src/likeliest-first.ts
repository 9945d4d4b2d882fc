/**
 * The order in which test files meet a mutant. Stryker stops at the first test that fails, so the file that killed the
 * last mutant comes first, then the one that killed the last before it; of the rest the fast ones come before the slow.
 */
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export class LikeliestFirst extends BaseSequencer {
  #runs = 0
  /** By file: the number of the run that it failed last in, and the longest that it took. */
  readonly #failedIn = new Map<string, number>()
  readonly #longestMs = new Map<string, number>()

  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    this.#runs++
    for (const { project, moduleId } of files) {
      const path = relative(this.ctx.config.root, moduleId)
      const last = this.ctx.cache.getFileTestResults(`${project.name}:${path}`)
      if (last === undefined) continue
      if (last.failed) this.#failedIn.set(moduleId, this.#runs)
      this.#longestMs.set(moduleId, Math.max(last.duration, this.#longestMs.get(moduleId) ?? 0))
    }
    const failedIn = ({ moduleId }: TestSpecification): number => this.#failedIn.get(moduleId) ?? 0
    const longestMs = ({ moduleId }: TestSpecification): number => this.#longestMs.get(moduleId) ?? 0
    return Promise.resolve(files.toSorted((a, b) => failedIn(b) - failedIn(a) || longestMs(a) - longestMs(b)))
  }
}
