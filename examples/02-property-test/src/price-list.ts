/**
 * A price list that reads two process globals for each row. `torn` reads them as they are at that moment, `list` in one
 * epoch; nothing else differs.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { cell, memo, source, withEpoch } from 'withepoch'
import { watch } from '@withepoch/testing'

/** A global that is ours. */
export const currency = cell('prices.currency', 'EUR')

/** A global that is somebody else's: a tax table that a reload replaces. */
export const taxes = { table: 'standard' }
export const taxTable = source('prices.taxTable', () => taxes.table)

/** The expensive part; the kit counts who calls it. */
const loadRates = watch((table: string) => (table === 'standard' ? 1.19 : 1.07), { name: 'loadRates' })
const ratesInEpoch = memo(loadRates)

async function rows(count: number, rates: (table: string) => number): Promise<string[]> {
  const answer: string[] = []
  for (let row = 1; row <= count; row++) {
    answer.push(`${(row * rates(taxTable.get())).toFixed(2)} ${currency.get()}`)
    await sleep(1)
  }
  return answer
}

export const torn = (count: number): Promise<string[]> => rows(count, loadRates)

export const list = (count: number): Promise<string[]> =>
  withEpoch({ name: 'prices.list', ifNested: 'fresh' }, () => rows(count, ratesInEpoch))
