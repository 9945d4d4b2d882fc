/**
 * The metrics, named and measured as OpenTelemetry's conventions have it: lower case, dots between namespaces, units in
 * UCUM, no `total`. Attributes are names of epochs, sources, groups and memos, of which code has few; never an id.
 *
 * The metrics API has no provider that forwards (opentelemetry-js#3622): an instrument made before the SDK has started
 * is mute for ever. So the global provider is looked up at each event, and the instruments are made anew for another one.
 */
import {
  type Attributes,
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type ObservableResult,
  type UpDownCounter,
  ValueType,
} from '@opentelemetry/api'
import { type Epoch, holders } from 'withepoch'

/** What the conventions advise for `http.server.request.duration`, for an epoch is a request more often than not. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** What is only counted: unit and description, by name. */
const COUNTERS = {
  'withepoch.epoch.overdue': ['{epoch}', 'Epochs that stayed open past their maxAgeMs'],
  'withepoch.source.drifted_reads': ['{read}', 'Reads of a pinned value that was no longer the live one'],
  'withepoch.source.late_reads': ['{read}', 'Reads by work whose epoch had closed'],
  'withepoch.source.write_conflicts': ['{write}', 'Writes in an epoch to a value that had changed since'],
  'withepoch.group.broken': ['{epoch}', 'Epochs opened while the values of a group did not agree'],
  'withepoch.memo.calls': ['{call}', 'Calls of a memo inside an epoch, by result: hit or miss'],
  'withepoch.derived.calls': ['{call}', 'Calls of a derived value, by result: hit or miss'],
} as const

export type CounterName = keyof typeof COUNTERS

interface Instruments {
  readonly active: UpDownCounter
  readonly duration: Histogram
  readonly counters: ReadonlyMap<CounterName, Counter>
  stop(): void
}

interface Opening {
  readonly attributes: Attributes
  /** By `performance.now()`. */
  readonly at: number
}

export class EpochMetrics {
  readonly #scope: readonly [name: string, version: string]
  /** The epochs that were seen to open, and are open, oldest first. */
  readonly #open = new Map<number, Opening>()
  #given: MeterProvider | undefined
  #provider: MeterProvider | undefined
  #instruments: Instruments | undefined

  constructor(...scope: readonly [name: string, version: string]) {
    this.#scope = scope
  }

  /** The global one is not kept: it may be the mute one that stands in before the SDK has started. */
  setProvider(provider: MeterProvider): void {
    this.#given = provider === metrics.getMeterProvider() ? undefined : provider
  }

  start(): void {
    this.#now()
  }

  stop(): void {
    this.#drop()
    this.#open.clear()
  }

  opened({ id, name }: Epoch): void {
    const attributes = { 'withepoch.epoch.name': name }
    this.#now().active.add(1, attributes)
    this.#open.set(id, { attributes, at: performance.now() })
  }

  closed({ id }: Epoch): void {
    const opening = this.#open.get(id)
    if (opening === undefined) return // it had been open before anybody listened
    const { active, duration } = this.#now()
    this.#open.delete(id)
    active.add(-1, opening.attributes)
    duration.record((performance.now() - opening.at) / 1000, opening.attributes)
  }

  count(name: CounterName, attributes: Attributes): void {
    this.#now().counters.get(name)?.add(1, attributes)
  }

  #now(): Instruments {
    const provider = this.#given ?? metrics.getMeterProvider()
    if (this.#instruments !== undefined && provider === this.#provider) return this.#instruments
    this.#drop()
    this.#provider = provider
    this.#instruments = make(provider.getMeter(...this.#scope), this.#open)
    for (const { attributes } of this.#open.values()) this.#instruments.active.add(1, attributes)
    return this.#instruments
  }

  /** What a provider was told to be open, it is told to be no more. */
  #drop(): void {
    for (const { attributes } of this.#open.values()) this.#instruments?.active.add(-1, attributes)
    this.#instruments?.stop()
    this.#instruments = undefined
  }
}

function make(meter: Meter, open: ReadonlyMap<number, Opening>): Instruments {
  const { INT } = ValueType
  const counters = Object.entries(COUNTERS).map(
    ([name, [unit, description]]) =>
      [name as CounterName, meter.createCounter(name, { unit, description, valueType: INT })] as const,
  )
  // One series: of an asynchronous gauge, the SDK repeats what it was last told of a name that is told no more.
  const age = meter.createObservableGauge('withepoch.epoch.age', {
    unit: 's',
    description: 'Age of the oldest open epoch, 0 when none is open',
  })
  const observeAge = (result: ObservableResult): void => {
    const [oldest] = open.values()
    result.observe(oldest === undefined ? 0 : (performance.now() - oldest.at) / 1000)
  }
  const backlog = meter.createObservableUpDownCounter('withepoch.retire.backlog', {
    unit: '{value}',
    description: 'Replaced values that wait for their last reader, or whose retire is running, by state',
    valueType: INT,
  })
  const observeBacklog = (result: ObservableResult): void => {
    const { retireBacklog, retiring } = holders()
    result.observe(retireBacklog, { 'withepoch.retire.state': 'waiting' })
    result.observe(retiring, { 'withepoch.retire.state': 'running' })
  }
  age.addCallback(observeAge)
  backlog.addCallback(observeBacklog)
  return {
    active: meter.createUpDownCounter('withepoch.epoch.active', {
      unit: '{epoch}',
      description: 'Epochs that are open',
      valueType: INT,
    }),
    duration: meter.createHistogram('withepoch.epoch.duration', {
      unit: 's',
      description: 'How long epochs were open',
      advice: { explicitBucketBoundaries: SECONDS },
    }),
    counters: new Map(counters),
    stop() {
      age.removeCallback(observeAge)
      backlog.removeCallback(observeBacklog)
    },
  }
}
