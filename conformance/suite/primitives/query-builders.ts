/** The query builders whose queries are lazy thenables, over SQLite as WebAssembly. */
import { drizzle } from 'drizzle-orm/sql-js'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'
import knex, { type Knex } from 'knex'
import initSqlJs, { type Database, type SqlJsStatic } from 'sql.js'
import type { Group } from '../primitive.js'
import { SqlJsClient } from '../sql-js-client.js'
import { lazy } from './lazy.js'

export const queryBuilders: Group = {
  id: 'queries',
  primitives: [
    ...lazy('knex query', 'knex', async ({ see, after }) => {
      const db: Knex = knex({
        client: SqlJsClient as unknown as typeof knex.Client,
        connection: { database: await database() } as object,
        useNullAsDefault: true,
      })
      after(() => db.destroy())
      await db.schema.createTable('rows', (table) => table.string('name'))
      db.client.on('query', see)
      return () => db('rows').select('name')
    }),
    ...lazy('drizzle query', 'drizzle-orm', async ({ see }) => {
      const client = await database()
      client.run('create table rows (name text)')
      const rows = sqliteTable('rows', { name: text() })
      const db = drizzle(client, { logger: { logQuery: see } })
      return () => db.select().from(rows)
    }),
  ],
}

let SQL: Promise<SqlJsStatic> | undefined

async function database(): Promise<Database> {
  return new (await (SQL ??= initSqlJs())).Database()
}
