/**
 * Names for the sources of a test file. Source names are unique in the process and tests share one, so each test takes
 * names of its own. This file knows nothing of what is named.
 */

/** `unique(word)` for one file: `<file>.<word>.<number>`, another at each call. */
export function uniqueNames(file: string): (word: string) => string {
  let count = 0
  return (word) => `${file}.${word}.${++count}`
}
