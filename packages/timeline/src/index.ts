// record
export { record, type MarkOf, type Recorded, type Recorder, type RecordOptions } from './record.js'
export type { Mark, RecordingHeader, TimelineEvent } from './recording.js'

// read back
export { parseRecording, readRecording } from './read-recording.js'
export type { Recording } from './recording.js'

// show
export { renderPage, type PageOptions } from './page.js'
export { renderSummary, summarise } from './summary.js'
export type { EpochSummary, SourceSummary, Summary } from './summary.js'
export { toTrace, type Trace, type TraceEvent } from './trace-events.js'
export { renderPicture, type PictureOptions, type PicturePanel } from './picture.js'
