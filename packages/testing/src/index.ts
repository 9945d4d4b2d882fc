// search
export { assertIsolation, type AssertParameters } from './assert-isolation.js'
export { isolationProperty, type IsolationOptions } from './isolation-property.js'
export type { ActorContext, CallContext, Subject, WorldEntry } from './subject.js'
export { watch, type WatchOptions } from './watch.js'

// keep what was found
export { replay } from './replay.js'
export type { Drive, Move, Schedule } from './schedule.js'
export { IsolationError } from './isolation-error.js'
export type { Violation } from './run.js'

// control the order yourself
export { Choices, type ChoicesFrom } from './choices.js'
export { Scheduler, type TaskScheduler } from './scheduler.js'
export { simulate, type SimulatedLoop, type Simulation } from './simulated-loop.js'
export { everySchedule, type Walk } from './every-schedule.js'

// in any test
export { assertNoOpenEpochs, strict } from './strict.js'
