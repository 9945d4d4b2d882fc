// declare
export { source, type Isolation, type Source, type SourceOptions } from './source.js'
export { cell, type Cell } from './cell.js'
export { publish } from './publish.js'

// enter
export { withEpoch, type EpochOptions, type Override } from './with-epoch.js'
export { getEpoch, tryGetEpoch } from './with-epoch.js'
export type { Epoch, Writes } from './epoch.js'

// reuse
export { memo, type Memo, type MemoOptions } from './memo.js'

// propagate
export { bind, bindEmitter, bindIterable, detach } from './bind.js'

// set up, watch, and what can go wrong
export { configure, type Settings } from './configure.js'
export type { EpochEvent, MemoEvent, SourceEvent, WriteEvent } from './diagnostics.js'
export { EpochError, type EpochErrorCode } from './errors.js'
