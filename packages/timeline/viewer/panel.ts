/**
 * The panel beside the timeline: a table of the epochs by name, or what is selected. Everything in it comes from the
 * recording, so it is put in as text, never as markup.
 */
import { describeEpoch, describeEvent, type Description } from './describe.js'
import { type EpochInfo, type Model, NONE } from '../src/model.js'
import { formatDuration, formatTime } from '../src/scale.js'

export interface PanelActions {
  showEpoch(epoch: EpochInfo): void
  showEvent(event: number): void
  search(text: string): void
  close(): void
}

const MOST_ROWS = 200

export function fillSummary(panel: HTMLElement, model: Model, actions: PanelActions): void {
  const names = new Map<
    string,
    { epochs: number; drifted: number; late: number; torn: number; alarms: number; us: number[] }
  >()
  for (const epoch of model.epochs) {
    let counts = names.get(epoch.name)
    if (counts === undefined) {
      names.set(epoch.name, (counts = { epochs: 0, drifted: 0, late: 0, torn: 0, alarms: 0, us: [] }))
    }
    counts.epochs += 1
    counts.drifted += epoch.drifted
    counts.late += epoch.late
    if (epoch.torn) counts.torn += 1
    if (epoch.open || epoch.overdue !== undefined) counts.alarms += 1
    if (!epoch.open) counts.us.push(epoch.end - epoch.start)
  }
  const rows = [...names].toSorted(([, a], [, b]) => b.epochs - a.epochs)
  const table = element('table')
  const head = table.createTHead().insertRow()
  for (const title of ['epoch', '×', 'median', 'drift', 'late', 'torn', 'too long']) {
    const cell = element('th', title)
    cell.scope = 'col'
    head.append(cell)
  }
  const body = table.createTBody()
  for (const [name, counts] of rows.slice(0, MOST_ROWS)) {
    const row = body.insertRow()
    const first = element('th')
    first.scope = 'row'
    first.append(button(name, () => actions.search(`name:"${name.replaceAll('"', '')}"`)))
    row.append(first)
    const sorted = counts.us.toSorted((a, b) => a - b)
    const median = sorted[Math.ceil(sorted.length / 2) - 1]
    for (const text of [
      String(counts.epochs),
      median === undefined ? '–' : formatDuration(median),
      ...[counts.drifted, counts.late, counts.torn, counts.alarms].map((count) =>
        count === 0 ? '–' : String(count),
      ),
    ]) {
      row.insertCell().textContent = text
    }
  }
  const children: HTMLElement[] = [element('h2', 'Epochs by name')]
  if (rows.length === 0) children.push(element('p', 'No epoch was opened while this was recorded.'))
  else children.push(wrapped(table))
  if (rows.length > MOST_ROWS)
    children.push(element('p', `The ${MOST_ROWS} most frequent of ${rows.length} names.`))
  children.push(
    element('p', 'Select an epoch or an event to see more of it. A name shows its epochs alone.', 'faint'),
  )
  panel.replaceChildren(...children)
}

export function fillEvent(panel: HTMLElement, model: Model, event: number, actions: PanelActions): void {
  const epoch = model.epochOf[event] === NONE ? undefined : model.epochs[model.epochOf[event]!]
  const links =
    epoch === undefined ? [] : [button(`Epoch ${epoch.name} #${epoch.id}`, () => actions.showEpoch(epoch))]
  fill(panel, describeEvent(model, event), links, actions)
}

export function fillEpoch(panel: HTMLElement, model: Model, epoch: EpochInfo, actions: PanelActions): void {
  const links: HTMLElement[] = []
  if (epoch.parent !== NONE) {
    const parent = model.epochs[epoch.parent]!
    links.push(button(`Parent: ${parent.name} #${parent.id}`, () => actions.showEpoch(parent)))
  } else if (epoch.parentId !== undefined)
    links.push(element('p', `Parent: #${epoch.parentId}, not recorded`))
  for (const child of epoch.children.slice(0, 20)) {
    const { name, id } = model.epochs[child]!
    links.push(button(`Child: ${name} #${id}`, () => actions.showEpoch(model.epochs[child]!)))
  }
  if (epoch.children.length > 20) links.push(element('p', `and ${epoch.children.length - 20} more children`))
  fill(panel, describeEpoch(epoch, model.data.start), links, actions)
  if (epoch.events.length === 0) return
  const list = element('ol')
  list.className = 'events'
  for (const event of epoch.events.slice(0, MOST_ROWS)) {
    const { title } = describeEvent(model, event)
    const value = model.value[event]! > 0 && model.kindOf(event) !== 'late' ? ` → ${model.value[event]}` : ''
    const item = element('li')
    item.append(
      button(`${formatTime(model.t[event]! - epoch.start)}  ${title}${value}`, () =>
        actions.showEvent(event),
      ),
    )
    list.append(item)
  }
  panel.append(element('h3', 'What it did, from its opening'), list)
  if (epoch.events.length > MOST_ROWS) {
    panel.append(element('p', `The first ${MOST_ROWS} of ${epoch.events.length}.`, 'faint'))
  }
}

function fill(
  panel: HTMLElement,
  { title, sentence, fields }: Description,
  links: readonly HTMLElement[],
  actions: PanelActions,
) {
  const close = button('Close', () => actions.close())
  close.className = 'close'
  close.title = 'Close (Esc)'
  const list = element('dl')
  for (const [name, value] of fields) list.append(element('dt', name), element('dd', value))
  panel.replaceChildren(close, element('h2', title), element('p', sentence), list, ...links)
}

function wrapped(table: HTMLElement): HTMLElement {
  const box = element('div')
  box.className = 'scrolls'
  box.append(table)
  return box
}

function button(text: string, onClick: () => void): HTMLButtonElement {
  const made = element('button', text)
  made.type = 'button'
  made.addEventListener('click', onClick)
  return made
}

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
  className = '',
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  made.textContent = text
  if (className !== '') made.className = className
  return made
}
