/** BullMQ: a job sees the globals as they are when it is run, and goes on seeing them. It needs a Redis: REDIS_URL says where. */
import { once } from 'node:events'
import { epochPerJob } from '@withepoch/bullmq'
import { Queue, QueueEvents, Worker } from 'bullmq'
import { cell, publish, withEpoch } from 'withepoch'

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const { hostname: host, port } = new URL(url)
const connection = { host, port: Number(port) }
const sender = cell('sender', 'hello@acme.example')
const footer = cell('footer', 'Acme')
const mail = new EventTarget()

const queue = new Queue('mails', { connection })
queue.once('error', (error) => {
  console.error(`This example needs a Redis, and there is none at ${url}: ${error.message}`)
  process.exit(1)
})
await queue.waitUntilReady()
const events = new QueueEvents('mails', { connection, lastEventId: '0-0' }) // else it may begin to listen after the job is done
const send = epochPerJob(async (job) => {
  const before = sender.get()
  mail.dispatchEvent(new Event('started'))
  await once(mail, 'rendered')
  return `${job.name}: from ${before}, signed ${footer.get()}`
})

// Added in an epoch, and run after it: the job is let in again, and sees the sender of then.
const job = await withEpoch({ name: 'sign-up' }, () => queue.add('welcome', {}))
sender.set('team@acme.example')
const started = once(mail, 'started')
const worker = new Worker('mails', send, { connection })
await started
publish(() => [sender.set('hello@globex.example'), footer.set('Globex')])
mail.dispatchEvent(new Event('rendered'))
console.log(await job.waitUntilFinished(events), '- live:', footer.get())
await Promise.all([worker.close(), events.close(), queue.close()])
