/**
 * What is measured. For the compiler it is the core's source; at run time `build.ts` puts the bundle that would be
 * published in this file's place, because that is what people install.
 */
export * from '../../../packages/core/src/index.js'
