/**
 * Opens an epoch when a BullMQ worker calls the processor with a job; closes it when the processor has settled. What it returned
 * is written to Redis after that, as JSON, and reads nothing. Outside stay the worker's events, and whoever adds the job.
 */
import type { Job } from 'bullmq'
import { EpochError, type EpochOptions, withEpoch } from 'withepoch'

/** What of a job is looked at: a `Job`, or a `SandboxedJob`. */
export interface NamedJob {
  readonly name: string
  readonly queueName?: string | undefined
}

export interface JobOptions<J extends NamedJob = NamedJob> extends Pick<
  EpochOptions,
  'values' | 'writes' | 'maxAgeMs' | 'ifOverdue'
> {
  /** The epoch's name. @default the queue's name and the job's: `mails:welcome` */
  name?: ((job: J) => string) | undefined
}

/** What BullMQ calls a processor, for a `Job` as well as for a `SandboxedJob`. */
export type JobProcessor<J, R> = (job: J, token?: string, signal?: AbortSignal) => Promise<R>

/**
 * One epoch per run of a job, fresh each time: a job sees the globals as they are when it is run, never as they were where it was
 * added or where the worker was made.
 *
 * Use it around the processor that a `Worker` is given, or that a file of a sandboxed processor exports. The epoch is open until
 * the processor has settled. A job that is tried again, or comes back from a delay, is let in again: it has another epoch then.
 *
 * **Caveat** BullMQ aborts the job's `signal`, the third argument, when the job is cancelled. The epoch's own aborts when the epoch
 * closes, which is when the processor has settled.
 *
 * @param processor is called as BullMQ calls it, and sees whether there is a signal as before.
 * @throws INVALID_ARGUMENT when `processor` is no function; by which the job fails, when an option is not what it must be.
 * @example
 * const locale = cell('docs.bullmq.locale', 'en')
 * const processor = epochPerJob(async (job) => `${job.name} in ${locale.get()}`)
 * await processor({ name: 'welcome', queueName: 'mails' }) // => 'welcome in en'
 */
export function epochPerJob<J extends NamedJob = Job, R = unknown>(
  processor: JobProcessor<J, R>,
  options: JobOptions<J> = {},
): JobProcessor<J, R> {
  if (typeof processor !== 'function') {
    throw new EpochError(
      'INVALID_ARGUMENT',
      `epochPerJob(processor): processor must be a function, got ${processor === null ? 'null' : typeof processor}. ` +
        'Say new Worker(queue, epochPerJob(processor)); one that is given as a file is wrapped in that file.',
    )
  }
  const { name = nameOf, ...others } = options
  const inEpoch: JobProcessor<J, R> = (job, ...rest) =>
    withEpoch({ ...others, name: name(job), ifNested: 'fresh' }, () => processor(job, ...rest))
  // A worker makes a signal, and can cancel the job, only where the processor has a third parameter.
  return Object.defineProperty(inEpoch, 'length', { value: processor.length })
}

function nameOf({ queueName, name }: NamedJob): string {
  return queueName === undefined ? name : `${queueName}:${name}`
}
