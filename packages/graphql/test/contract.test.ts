/** The adapter keeps the contract, on Yoga and on Apollo. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
