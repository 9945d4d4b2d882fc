/**
 * A small service at work, with everything a timeline can show: requests that fork, actors that write beside them,
 * drift, a late read, an epoch that stays open too long, memos, a conflict, a retired value, marks of the service's own.
 * It runs on the real core; only what it waits for is made up.
 */
import { channel } from 'node:diagnostics_channel'
import { setTimeout as wait } from 'node:timers/promises'
import { bind, cell, configure, derived, detach, memo, source, withEpoch } from 'withepoch'

export const jobChannel = channel('busy-service:job')

let scenes = 0

export async function busyService(requests = 8): Promise<void> {
  const scene = ++scenes
  const name = (text: string) => (scene === 1 ? text : `${text} ${scene}`)
  const restore = configure({ maxAgeMs: 25 })
  const state = { workspaceDir: 0 }
  const workspaceDir = source(name('plugins.workspaceDir'), () => state.workspaceDir)
  const locale = cell(name('locale'), 'en', { describe: (value) => value })
  const pool = cell(name('db.pool'), { id: 0 }, { retire: () => {} })
  const metadata = memo(async (dir: number) => (await wait(1), { dir }), { name: 'pluginMetadata' })
  const catalogue = derived(() => ({ for: locale.get() }), { name: 'catalogue' })
  let stopped = false

  const actors = (async () => {
    for (let turn = 1; !stopped; turn++) {
      detach(() => {
        state.workspaceDir = turn % 5
        if (turn % 3 === 0) locale.set(turn % 2 === 0 ? 'en' : 'fr')
        if (turn % 7 === 0) pool.set({ id: turn })
        jobChannel.publish({ actor: `agent ${'ABC'[turn % 3]}`, job: turn, tookMs: 2 })
      })
      await wait(2)
    }
  })()

  const request = (index: number) =>
    withEpoch(
      { name: index % 3 === 0 ? 'sessions.list' : 'config.get', ifNested: 'fresh' },
      async (epoch) => {
        for (let row = 0; row < 6; row++) {
          await metadata(workspaceDir.get())
          locale.get()
          if (row === 2) {
            await withEpoch({ name: 'render', ifNested: 'fork', values: [[locale, 'de']] }, async () => {
              await wait(1)
              locale.get()
              pool.get()
            })
          }
          await wait(1 + (index % 3))
        }
        catalogue()
        if (index === 4) {
          locale.set('it')
          setTimeout(
            bind(() => workspaceDir.get()),
            6,
          )
        }
        if (index === 5) epoch.waitUntil(wait(45))
      },
    )

  const never = withEpoch(
    { name: 'export', ifNested: 'fresh' },
    () => new Promise<void>((resolve) => setTimeout(resolve, 90)),
  )
  for (let index = 0; index < requests; index += 2) {
    await Promise.all([request(index), request(index + 1), wait(4)])
  }
  await wait(10)
  stopped = true
  await actors
  restore()
  void never
}
