/**
 * A listener on a diagnostics channel that does not outlive its test, whether that passes or not. What is made of the
 * messages is the test's business, as is one that has to go before the end.
 */
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { onTestFinished } from 'vitest'

/** Gives `listener` what `channel` says from here to the end of the test that calls it. */
export function listenTo(channel: string, listener: ChannelListener): void {
  subscribe(channel, listener)
  onTestFinished(() => void unsubscribe(channel, listener))
}
