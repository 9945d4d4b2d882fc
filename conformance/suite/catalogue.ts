/** Prints the rows and their ways, for the command that compares them with the golden file. */
import { groups } from './groups.js'
import { waysOf } from './primitive.js'

const catalogue = groups.map(({ id, primitives }) => ({
  id,
  rows: primitives.map((primitive) => ({
    name: primitive.name,
    package: primitive.package,
    intuitive: primitive.intuitive,
    ways: waysOf(primitive),
  })),
}))

process.stdout.write(JSON.stringify(catalogue), () => process.exit(0))
