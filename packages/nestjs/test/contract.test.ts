/** The adapter keeps the contract, over HTTP and WebSocket, and over TCP. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
