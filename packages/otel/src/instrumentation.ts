/**
 * The OpenTelemetry instrumentation: which diagnostics channel feeds what. It has the shape that OpenTelemetry gives an
 * instrumentation, without its base class, which is there to patch modules; nothing is patched here. What stands on spans
 * is the business of `spans.ts`, what is counted that of `metrics.ts`.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { diag, type MeterProvider, trace, type TracerProvider } from '@opentelemetry/api'
import { EpochError, type EpochEvent, type GroupEvent, type MemoEvent, type SourceEvent } from 'withepoch'
import { type CounterName, EpochMetrics } from './metrics.js'
import { EpochSpans } from './spans.js'

declare const __VERSION__: string | undefined

export interface WithEpochInstrumentationConfig {
  /** Whether to listen from the start. `registerInstrumentations` and `NodeSDK` enable it in any case. @default true */
  enabled?: boolean | undefined
  /**
   * Whether to watch for drift. While somebody does, each pinned read compares with the live value, so it calls the
   * source's getter. Turn it off where a getter is dear. @default true
   */
  drift?: boolean | undefined
}

/**
 * Shows epochs in OpenTelemetry: name, id and version on the span in which one opens; drift, late reads and write
 * conflicts as span events; metrics of epochs, reads, memos and retirement. `docs/opentelemetry.md` lists them.
 *
 * Use it as any other instrumentation: in the `instrumentations` of `NodeSDK` or of `registerInstrumentations`. Alone it
 * works too: it listens from its construction on, by the global providers, whenever they are registered. It makes
 * no span, but for what work reads after its span has ended.
 *
 * **Caveat** Two of them count everything twice.
 *
 * @throws INVALID_ARGUMENT when the configuration is not what it must be.
 * @example
 * const instrumentation = new WithEpochInstrumentation()
 * const tracer = provider.getTracer('example')
 * tracer.startActiveSpan('GET /orders', (span) => {
 *   withEpoch({ name: 'orders.list' }, () => {})
 *   span.end()
 * })
 * exporter.getFinishedSpans()[0].attributes['withepoch.epoch.name'] // => 'orders.list'
 * instrumentation.disable()
 */
export class WithEpochInstrumentation {
  readonly instrumentationName = '@withepoch/otel'
  readonly instrumentationVersion: string = typeof __VERSION__ === 'string' ? __VERSION__ : 'source'
  readonly #metrics = new EpochMetrics(this.instrumentationName, this.instrumentationVersion)
  readonly #spans = new EpochSpans(trace.getTracer(this.instrumentationName, this.instrumentationVersion))
  #drift = true
  #unsubscribes: Array<() => void> = []

  constructor(config: WithEpochInstrumentationConfig = {}) {
    this.setConfig(config)
    if (config.enabled !== false) this.enable()
  }

  /** Listens. Of no effect the second time. Epochs that are open already are not counted. */
  enable(): void {
    if (this.#unsubscribes.length > 0) return
    this.#metrics.start()
    this.#subscribe()
  }

  /** Listens no more: from now on nothing is spent. What was counted as open is taken back. */
  disable(): void {
    this.#unsubscribe()
    this.#metrics.stop()
  }

  setTracerProvider(provider: TracerProvider): void {
    this.#spans.tracer = provider.getTracer(this.instrumentationName, this.instrumentationVersion)
  }

  setMeterProvider(provider: MeterProvider): void {
    this.#metrics.setProvider(provider)
  }

  /** `enabled` says whether it listens now. */
  getConfig(): { enabled: boolean; drift: boolean } {
    return { enabled: this.#unsubscribes.length > 0, drift: this.#drift }
  }

  /**
   * Takes effect at once; `enabled` is looked at by the constructor alone.
   *
   * @throws INVALID_ARGUMENT when the configuration is not what it must be; the former one stays.
   */
  setConfig(config: WithEpochInstrumentationConfig): void {
    checkConfig(config)
    this.#drift = config.drift ?? true
    if (this.#unsubscribes.length === 0) return
    this.#unsubscribe()
    this.#subscribe()
  }

  #subscribe(): void {
    const spans = this.#spans
    const metrics = this.#metrics
    this.#on<EpochEvent>('epoch:open', ({ epoch }) => {
      metrics.opened(epoch)
      spans.opened(epoch)
    })
    this.#on<EpochEvent>('epoch:close', ({ epoch }) => {
      metrics.closed(epoch)
      spans.closed(epoch)
    })
    this.#on<EpochEvent>('epoch:overdue', ({ epoch }) =>
      metrics.count('withepoch.epoch.overdue', { 'withepoch.epoch.name': epoch.name }),
    )
    if (this.#drift) this.#onSource('source:drift', 'withepoch.source.drifted_reads')
    this.#onSource('source:late-read', 'withepoch.source.late_reads')
    this.#onSource('source:write-conflict', 'withepoch.source.write_conflicts')
    this.#on<GroupEvent>('group:broken', ({ group }) =>
      metrics.count('withepoch.group.broken', { 'withepoch.group.name': group }),
    )
    for (const kind of ['memo', 'derived'] as const) {
      for (const result of ['hit', 'miss'] as const) {
        this.#on<MemoEvent>(`${kind}:${result}`, ({ memo }) =>
          metrics.count(`withepoch.${kind}.calls`, {
            [`withepoch.${kind}.name`]: memo,
            [`withepoch.${kind}.result`]: result,
          }),
        )
      }
    }
  }

  #onSource(channel: string, counter: CounterName): void {
    const spanEvent = `withepoch.${channel.replace(':', '.').replace('-', '_')}`
    this.#on<SourceEvent>(channel, (event) => {
      const attributes = { 'withepoch.source.name': event.source.name }
      this.#metrics.count(
        counter,
        event.epoch ? { ...attributes, 'withepoch.epoch.name': event.epoch.name } : attributes,
      )
      this.#spans.happened(spanEvent, event)
    })
  }

  /** What an SDK or a processor of somebody's throws must not reach the code that read or wrote. */
  #on<E>(channel: string, handle: (event: E) => void): void {
    const listener = (message: unknown): void => {
      try {
        handle(message as E)
      } catch (error) {
        diag.error(`${this.instrumentationName}: on withepoch:${channel}`, error)
      }
    }
    subscribe(`withepoch:${channel}`, listener)
    this.#unsubscribes.push(() => unsubscribe(`withepoch:${channel}`, listener))
  }

  #unsubscribe(): void {
    for (const unsubscribeOne of this.#unsubscribes.splice(0)) unsubscribeOne()
  }
}

function checkConfig(config: object): void {
  for (const [option, value] of Object.entries(config)) {
    if (
      (option !== 'enabled' && option !== 'drift') ||
      !(value === undefined || typeof value === 'boolean')
    ) {
      throw new EpochError(
        'INVALID_ARGUMENT',
        `new WithEpochInstrumentation(config): the options are enabled and drift, each a boolean; got ${option}: ${typeof value}.`,
      )
    }
  }
}
