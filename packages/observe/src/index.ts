// watch
export { observe, type Observation, type ObserveOptions } from './observe.js'
export type { Example, Report, SourceReport } from './report.js'
export type { Frame, Site } from './sites.js'

// say where calls enter
export { type CallName, type Door, httpRequests, onEvent, onMethod } from './doors.js'

// who holds on
export { printHoldersOn, type PrintHoldersOptions } from './print-holders.js'
