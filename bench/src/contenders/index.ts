/** All contenders, in the order of the table's columns; loaded one at a time, each in a process of its own. */
import type { Contender } from './contender.js'

interface Entry {
  readonly title: string
  /** The package whose version the table shows, and whose `engines` says where it runs. */
  readonly package?: string
  readonly load: () => Promise<{ contender: Contender; enterLocally?: (work: () => number) => number }>
}

export const contenders = {
  withepoch: { title: 'withepoch', load: () => import('./withepoch.js') },
  raw: { title: 'raw AsyncLocalStorage', load: () => import('./raw.js') },
  pin: { title: 'hand-written pin', load: () => import('./pin.js') },
  'ten-pins': { title: 'ten hand-written pins', load: () => import('./ten-pins.js') },
  'nestjs-cls': { title: 'nestjs-cls', package: 'nestjs-cls', load: () => import('./nestjs-cls.js') },
  'fastify-request-context': {
    title: '@fastify/request-context',
    package: '@fastify/request-context',
    load: () => import('./fastify-request-context.js'),
  },
  unctx: { title: 'unctx', package: 'unctx', load: () => import('./unctx.js') },
  hono: { title: 'hono context-storage', package: 'hono', load: () => import('./hono.js') },
  opentelemetry: {
    title: 'OpenTelemetry context',
    package: '@opentelemetry/context-async-hooks',
    load: () => import('./opentelemetry.js'),
  },
} as const satisfies Record<string, Entry>

export type ContenderName = keyof typeof contenders
