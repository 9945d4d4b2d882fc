/**
 * What a user's strict compiler makes of the published declarations: checked against `dist`, with `skipLibCheck` off, by
 * `npm run typecheck:published`. The repository's own tsconfig skips declaration files, and publint and attw look at the
 * package's shape only.
 */
import {
  adopt,
  cell,
  derived,
  drain,
  group,
  memo,
  source,
  withEpoch,
  type Epoch,
  type SourceEvent,
} from 'withepoch'

const limit = cell('limit', 10)
const dir = source('dir', () => '/a')
group('pair', [limit, dir], { coherent: (count, path) => count > path.length })
const load = memo(async (key: string) => key.length)
const shared = derived(async () => load(dir.get()))

export const answer: Promise<number> = withEpoch(
  { name: 'consumer', values: [[limit, 20]] },
  async (epoch: Epoch) => {
    return epoch.get(limit) + (await shared())
  },
)
export const language: string = adopt({ language: 'en' }, 'language').get()
export const nameOf = (event: SourceEvent): string => event.source.name
export const drained: Promise<void> = drain({ timeoutMs: 1 })
