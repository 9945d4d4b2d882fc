/** The adapter keeps the contract, on `node:http` and on each framework. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
