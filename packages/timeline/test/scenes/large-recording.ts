/** A recording as long as asked for, line by line, always the same: what a busy process leaves in some minutes. */

/** Numbers that look random and are not: a linear congruential generator (Numerical Recipes). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

export function* largeRecording(events: number): Generator<string> {
  const random = numbers(42)
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!
  const line = (json: object) => `${JSON.stringify(json)}\n`
  yield line({
    format: 'withepoch-timeline',
    version: 1,
    pid: 4711,
    node: 'v20.20.2',
    timeOrigin: 1764000000000,
    t: 0,
  })
  const sources = ['plugins.workspaceDir', 'config', 'flags', 'locale', 'tenants', 'db.pool']
  const names = ['sessions.list', 'sessions.get', 'config.get', 'chat.send', 'cron', 'models.list']
  const live = sources.map(() => 1)
  const open: { id: number; name: string; closeAt: number; pinned: number[] }[] = []
  let id = 0
  let t = 0
  for (let written = 0; written < events; written++) {
    t += 20 + Math.floor(random() * (random() < 0.01 ? 60_000 : 900))
    const due = open.findIndex((epoch) => epoch.closeAt <= t)
    const chance = random()
    if (due !== -1) {
      const { id: epoch, name } = open.splice(due, 1)[0]!
      yield line({ type: 'epoch:close', t, epoch, name })
    } else if (chance < 0.1 || open.length === 0) {
      const parent = random() < 0.25 ? pick(open) : undefined
      const name = parent === undefined ? pick(names) : 'render'
      const lasts = random() < 0.003 ? 3_000_000 : 4_000 + random() * 90_000
      id += 1
      open.push({ id, name, closeAt: t + lasts, pinned: parent?.pinned ?? [...live] })
      yield line({ type: 'epoch:open', t, epoch: id, name, parent: parent?.id, version: id })
    } else if (chance < 0.14) {
      const index = Math.floor(random() * sources.length)
      live[index]! += 1
      yield line({
        type: 'source:write',
        t,
        source: sources[index],
        version: t,
        valueId: live[index],
        to: 'live',
      })
    } else if (chance < 0.142) {
      const { id: epoch, name } = pick(open)
      yield line({ type: 'epoch:overdue', t, epoch, name, ageMs: 1000, maxAgeMs: 900, closed: false })
    } else {
      const { id: epoch, name, pinned } = pick(open)
      if (chance < 0.3) {
        yield line({
          type: random() < 0.8 ? 'memo:hit' : 'memo:miss',
          t,
          memo: 'pluginMetadata',
          epoch,
          name,
        })
        continue
      }
      const index = Math.floor(random() * sources.length)
      const from = chance > 0.999 ? 'late' : 'pinned'
      const valueId = from === 'late' ? live[index] : pinned[index]
      yield line({
        type: 'source:read',
        t,
        source: sources[index],
        epoch,
        name,
        version: t,
        valueId,
        liveValueId: live[index],
        from,
      })
    }
  }
}
