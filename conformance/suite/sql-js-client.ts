/**
 * knex's own SQLite dialect over sql.js, SQLite as WebAssembly: a real engine without a native build or a server. It
 * answers the three calls of the `sqlite3` package that the dialect makes.
 */
import type { Knex } from 'knex'
import Dialect from 'knex/lib/dialects/sqlite3/index.js'
import type { Database, ParamsObject } from 'sql.js'

type Done = (this: unknown, error: unknown, rows?: ParamsObject[]) => void

/** What knex's declarations say of a client, which leave out the settings. */
const SqliteClient = Dialect as unknown as new () => Pick<Knex.Client, 'config'> & {
  connectionSettings: object
}

export class SqlJsClient extends SqliteClient {
  _driver(): object {
    return {}
  }

  async acquireRawConnection(): Promise<object> {
    const { database } = this.connectionSettings as { database: Database }
    const all = (sql: string, bindings: never, done: Done): void => {
      try {
        const statement = database.prepare(sql, bindings)
        const rows: ParamsObject[] = []
        while (statement.step()) rows.push(statement.getAsObject())
        statement.free()
        done.call({ lastID: 0, changes: 0 }, null, rows)
      } catch (error) {
        done.call({}, error)
      }
    }
    return { all, run: all, close: (done: Done) => done.call({}, null) }
  }
}
