/** The cases of the contract as vitest's tests, for the doors of one adapter: one is skipped where its door says why. */
import { contract, type ContractOptions, type Door } from '@withepoch/testing/contract'
import { describe, expect, test } from 'vitest'

export function keepsContract(doors: readonly Door[], options: ContractOptions = {}): void {
  describe.each(doors)('$name', (door) => {
    for (const { title, without, run } of contract(door, options)) {
      test.skipIf(without)(`${title}`, async () => {
        await expect(run()).resolves.toBeUndefined()
      })
    }
  })
}
