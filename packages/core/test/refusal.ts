/**
 * How the library refuses, as one string to compare whole: a message that is only matched in part may say anything else
 * besides. It does not know which messages are right.
 */
import { EpochError } from 'withepoch'

/** The code and the whole message of the EpochError that `fn` throws; any other error passes through. */
export function refusal(fn: () => unknown): string {
  try {
    fn()
  } catch (error) {
    if (error instanceof EpochError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'not refused'
}
