/**
 * The sessions on disk: an index (`sessions.json`) and one transcript per session (`transcripts/<id>.jsonl`). It does
 * not know of plugins; a session names its model as its user wrote it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'

const Session = z.strictObject({
  id: z.string().regex(/^[\w-]+$/),
  key: z.string(),
  agentId: z.string(),
  title: z.string(),
  /** `provider/model`, where the session overrides its agent's. */
  model: z.string().optional(),
  updatedAtMs: z.number(),
})
export type Session = z.infer<typeof Session>

const SessionIndex = z.strictObject({
  /** Per agent, the `provider/model` of sessions that name none. */
  defaultModels: z.record(z.string(), z.string()),
  sessions: z.array(Session),
})
export type SessionIndex = z.infer<typeof SessionIndex>

const TranscriptLine = z.strictObject({ role: z.enum(['user', 'assistant']), text: z.string() })
export type TranscriptLine = z.infer<typeof TranscriptLine>

export class SessionStore {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  async readIndex(): Promise<SessionIndex> {
    return SessionIndex.parse(JSON.parse(await readFile(path.join(this.#dir, 'sessions.json'), 'utf8')))
  }

  /** The last line of a session's transcript; undefined where it has none yet. */
  async readLastMessage(id: string): Promise<TranscriptLine | undefined> {
    const lines = (await readFile(this.#transcript(id), 'utf8')).trimEnd().split('\n')
    const last = lines.at(-1)
    return last === undefined || last === '' ? undefined : TranscriptLine.parse(JSON.parse(last))
  }

  async write(
    index: SessionIndex,
    transcriptOf: (session: Session) => readonly TranscriptLine[],
  ): Promise<void> {
    await mkdir(path.join(this.#dir, 'transcripts'), { recursive: true })
    for (const session of index.sessions) {
      const lines = transcriptOf(session).map((line) => JSON.stringify(line))
      await writeFile(this.#transcript(session.id), `${lines.join('\n')}\n`)
    }
    await writeFile(path.join(this.#dir, 'sessions.json'), JSON.stringify(index))
  }

  #transcript(id: string): string {
    return path.join(this.#dir, 'transcripts', `${id}.jsonl`)
  }
}
