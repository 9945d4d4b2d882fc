// declare
export { source, type Isolation, type Source, type SourceOptions } from './source.js'
export { cell, type Cell, type CellOptions } from './cell.js'
export { adopt, type Adopted, type AdoptOptions } from './adopt.js'
export { publish } from './publish.js'
export { group, type Group, type GroupOptions } from './group.js'

// enter
export { withEpoch, type EpochOptions, type Override } from './with-epoch.js'
export { getEpoch, tryGetEpoch } from './with-epoch.js'
export type { Epoch, Writes } from './epoch.js'

// reuse
export { memo, type Memo, type MemoOptions } from './memo.js'
export { derived, type Derived, type DerivedOptions } from './derived.js'

// propagate and end
export { bind, bindEmitter, bindIterable, detach } from './bind.js'
export { drain, type DrainOptions } from './drain.js'
export { holders, type Holder, type Holders, type LateReader } from './holders.js'

// set up, watch, and what can go wrong
export { configure, type Settings } from './configure.js'
export type { EpochEvent, GroupEvent, MemoEvent, OverdueEvent } from './diagnostics.js'
export type { ReadEvent, SourceEvent, WriteEvent } from './diagnostics.js'
export { EpochError, type EpochErrorCode } from './errors.js'
