declare module 'knex/lib/dialects/sqlite3/index.js' {
  const Dialect: unknown
  export default Dialect
}
