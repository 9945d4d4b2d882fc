export { WithEpochInstrumentation, type WithEpochInstrumentationConfig } from './instrumentation.js'
export { EpochSpanProcessor } from './span-processor.js'
