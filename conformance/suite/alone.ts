/** Plays one cell of `primitives/process.ts` in a process of its own: `alone.js NAME WAY`. */
import { processEvents } from './primitives/process.js'
import type { Way } from './primitive.js'
import { play } from './stage.js'

const [name, way] = process.argv.slice(2) as [string, Way]
const primitive = processEvents.primitives.find((each) => each.name === name)
if (primitive === undefined) throw new Error(`there is no ${name}`)

console.log(`seen: ${await play(primitive, way)}`)
process.exit(0)
