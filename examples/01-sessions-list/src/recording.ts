/**
 * What the channels said during a span of time, as lists: the stuff that the picture is drawn from and the test checks.
 * It does not know what any of it means.
 */
import {
  callEndChannel,
  type CallEvent,
  callStartChannel,
  rowChannel,
  type RowSeen,
  type Scan,
  scanChannel,
  type Write,
  writeChannel,
} from './trace.js'

export class Recording {
  readonly writes: Write[] = []
  readonly scans: Scan[] = []
  readonly rows: RowSeen[] = []
  readonly callStarts: CallEvent[] = []
  readonly callEnds: CallEvent[] = []

  readonly #subscriptions = (
    [
      [writeChannel, this.writes],
      [scanChannel, this.scans],
      [rowChannel, this.rows],
      [callStartChannel, this.callStarts],
      [callEndChannel, this.callEnds],
    ] as const
  ).map(([channel, list]) => ({ channel, listener: (event: unknown) => void list.push(event as never) }))

  constructor() {
    for (const { channel, listener } of this.#subscriptions) channel.subscribe(listener)
  }

  stop(): this {
    for (const { channel, listener } of this.#subscriptions) channel.unsubscribe(listener)
    return this
  }
}
