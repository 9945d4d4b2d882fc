/** The adapter keeps the contract, on gateways that speak JSON-RPC and on one with frames of its own. */
import { keepsContract } from '../../testing/test/contract/keeps-contract.js'
import { doors } from './doors.js'

keepsContract(doors)
