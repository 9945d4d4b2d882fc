/** The adapter keeps the contract, over HTTP and over a WebSocket. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
