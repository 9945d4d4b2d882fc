/** Types of what has none: Express 4 under its other name is used as Express 5 is, and @koa/multer as its README says. */
declare module 'express4' {
  export { default } from 'express'
}
declare module '@koa/multer' {
  import type { Middleware } from 'koa'
  import type { Options } from 'multer'
  export default function multer(options: Options): { single(field: string): Middleware }
}
