/** The adapter keeps the contract, on both servers of the SDK. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
