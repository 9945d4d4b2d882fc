/** What both runners search with: the sources that the handler reads, and what values they can have. */
import * as fc from 'fast-check'
import { currency, taxes, taxTable } from './price-list.js'

export const world = {
  drive: 'simulated' as const,
  input: fc.integer({ min: 1, max: 4 }),
  sources: {
    currency: { source: currency, values: fc.constantFrom('EUR', 'USD') },
    taxTable: {
      source: taxTable,
      values: fc.constantFrom('standard', 'reduced'),
      set: (table: string) => void (taxes.table = table),
    },
  },
}
