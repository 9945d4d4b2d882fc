/**
 * The gateway in one mode, beside agents and crons that take turns: what `npm run demo:observe` watches. It prints what
 * each call saw, and knows nothing of who watches.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadRegistry, startActors } from './actors.js'
import { type Mode, modes, type SessionsList, startGateway } from './gateway.js'
import { setActivePluginRegistry } from './plugin-registry.js'
import { RpcClient } from './rpc-client.js'
import { prepareWorkspaces, workspaceLetter } from './workspaces.js'

const HELP = `Lists sessions on a busy gateway, for somebody to watch.

Usage: tsx examples/01-sessions-list/src/busy.ts [options]

  --mode <mode>    ${modes.join(', ')} (default live)
  --calls <n>      how many calls (default 10)
  --rows <n>       how many sessions to list (default 50)
  --plugins <n>    generated plugins per workspace (default 150)
  --data <folder>  where to keep workspaces and sessions (default .data in the example's folder)
`

const { values: options } = parseArgs({
  options: {
    mode: { type: 'string', default: 'live' },
    calls: { type: 'string', default: '10' },
    rows: { type: 'string', default: '50' },
    plugins: { type: 'string', default: '150' },
    data: { type: 'string', default: fileURLToPath(new URL('../.data', import.meta.url)) },
    help: { type: 'boolean', default: false },
  },
})
const [calls, rows, plugins] = [Number(options.calls), Number(options.rows), Number(options.plugins)]
const isCount = (count: number): boolean => Number.isInteger(count) && count > 0

if (options.help) process.stdout.write(HELP)
else if (!modes.includes(options.mode as Mode) || ![calls, rows, plugins].every(isCount)) {
  process.stderr.write(`--mode takes one of ${modes.join(', ')}, the others whole numbers from 1.\n\n${HELP}`)
  process.exitCode = 2
} else await main(options.mode as Mode)

async function main(mode: Mode): Promise<void> {
  const workspaces = await prepareWorkspaces({
    dataDir: options.data,
    manifests: { generated: plugins },
    sessions: Math.max(200, rows),
  })
  const { workspaceDirs, store } = workspaces
  setActivePluginRegistry(loadRegistry(workspaceDirs[0]!), 'start')
  const gateway = await startGateway({ mode, store })
  const client = await RpcClient.connect(gateway.url)
  const actors = startActors(
    workspaceDirs.map((workspaceDir, n) => ({
      name: `actor ${n + 1}`,
      kind: n < 3 ? 'agent' : 'cron',
      workspaceDir,
    })),
  )
  let torn = 0
  for (let call = 0; call < calls; call++) {
    const { provenance } = (await client.call('sessions.list', {
      limit: rows,
      provenance: true,
    })) as SessionsList
    const letters = new Set(provenance!.workspaceDirs.map(workspaceLetter))
    if (letters.size > 1) torn++
  }
  await actors.stop()
  await client.close()
  await gateway.close()
  process.stdout.write(`${mode}: ${calls} calls, ${torn} answered from more than one workspace\n`)
}
