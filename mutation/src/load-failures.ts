/**
 * Makes a test file that cannot be loaded, and an error that nobody handles, count as a test that failed, as they do in
 * `npm test`. Stryker's runner looks at tests alone: a mutant that breaks what runs at load, the library's or a test
 * file's, would leave it without any and seem to survive. A run in which nothing ran at all is an error: then it was the
 * machine that failed, not a test.
 */
import type { Reporter, RunnerTestCase, RunnerTestFile, SerializedError, Vitest } from 'vitest/node'

type TestError = SerializedError

/** vitest's own troubles, such as a worker that does not answer in time on a machine that is too busy. */
const TROUBLE = /\[vitest-(worker|pool)/

export class LoadFailures implements Reporter {
  #vitest!: Vitest

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
  }

  onTestRunEnd(_modules: readonly unknown[], unhandled: readonly SerializedError[]): void {
    const files = this.#vitest.state.getFiles()
    for (const file of files.filter(({ result, tasks }) => result?.state === 'fail' && tasks.length === 0)) {
      this.#fail(file, 'the file is loaded', file.result?.errors ?? [])
    }
    const [first] = files
    if (unhandled.length > 0 && first !== undefined)
      this.#fail(first, 'no error is left unhandled', [...unhandled])
    if (files.length > 0 && files.every(({ result }) => result === undefined)) {
      this.#vitest.state.catchError(new Error('no test file was run'), 'Unhandled Error')
    }
  }

  #fail(file: RunnerTestFile, name: string, errors: TestError[]): void {
    const trouble = errors.find(({ message }) => TROUBLE.test(message))
    if (trouble === undefined) file.tasks.push(failedTest(file, name, errors))
    else this.#vitest.state.catchError(trouble, 'Unhandled Error')
  }
}

function failedTest(file: RunnerTestFile, name: string, errors: TestError[]): RunnerTestCase {
  return {
    id: `${file.id}_${name}`,
    name,
    fullName: name,
    fullTestName: name,
    type: 'test',
    mode: 'run',
    suite: undefined,
    file,
    meta: {},
    timeout: 0,
    annotations: [],
    artifacts: [],
    context: {} as RunnerTestCase['context'],
    result: { state: 'fail', errors },
  }
}
