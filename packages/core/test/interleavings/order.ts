/**
 * In which order waiting actors go on: a list of choices, or a function that is asked each time, which is how all orders
 * are gone through. The list is data and can be pasted; what it is short of is 0, the one that has waited for longest.
 */
export type Order = readonly number[] | ((waiting: number) => number)

/** Asks the order for the next of `waiting` actors. */
export function choosing(order: Order): (waiting: number) => number {
  if (typeof order === 'function') return order
  let turn = 0
  return (waiting) => (order[turn++] ?? 0) % waiting
}
