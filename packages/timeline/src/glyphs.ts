/**
 * The shapes of events. Each kind has its own, so that none needs its colour to be told apart; the legend draws them with
 * these functions too. A shape is added to a path, and many are filled at once.
 */
import type { Kind } from './model.js'

/** What a canvas and an SVG path have in common. */
export interface Path {
  moveTo(x: number, y: number): void
  lineTo(x: number, y: number): void
  arc(x: number, y: number, r: number, from: number, to: number): void
  rect(x: number, y: number, width: number, height: number): void
  closePath(): void
}

/** Adds the outline of a kind's shape about a point; `r` is its half height. */
export function trace(path: Path, kind: Kind, x: number, y: number, r: number): void {
  switch (kind) {
    case 'read':
    case 'mark':
      path.moveTo(x + r, y)
      path.arc(x, y, r, 0, 2 * Math.PI)
      return
    case 'drift': {
      const d = r * 1.4
      polygon(path, x, y - d, x + d, y, x, y + d, x - d, y)
      return
    }
    case 'late': {
      const d = r * 1.3
      polygon(path, x, y - d, x + d, y + d * 0.8, x - d, y + d * 0.8)
      return
    }
    case 'hit':
    case 'miss':
      path.rect(x - r * 0.8, y - r * 0.8, r * 1.6, r * 1.6)
      return
    case 'write':
      polygon(path, x - r, y - r, x + r, y - r, x, y + r)
      return
    case 'retire':
      polygon(
        path,
        x - r,
        y,
        x - r / 2,
        y - r,
        x + r / 2,
        y - r,
        x + r,
        y,
        x + r / 2,
        y + r,
        x - r / 2,
        y + r,
      )
      return
    case 'conflict':
    case 'group': {
      const [a, b] = [r * 0.45, r * 1.2]
      polygon(path, x - b, y - b + a, x - b + a, y - b, x, y - a, x + b - a, y - b, x + b, y - b + a, x + a, y, x + b, y + b - a, x + b - a, y + b, x, y + a, x - b + a, y + b, x - b, y + b - a, x - a, y) // prettier-ignore
      return
    }
  }
}

/** What stands inside some shapes, so that they differ in more than their outline: the slash of a drift, the bang of a late read. */
export function traceDetail(path: Path, kind: Kind, x: number, y: number, r: number): boolean {
  switch (kind) {
    case 'drift':
      path.moveTo(x - r * 0.5, y + r * 0.5)
      path.lineTo(x + r * 0.5, y - r * 0.5)
      return true
    case 'late':
      path.moveTo(x, y - r * 0.5)
      path.lineTo(x, y + r * 0.25)
      path.moveTo(x, y + r * 0.55)
      path.lineTo(x, y + r * 0.75)
      return true
    default:
      return false
  }
}

function polygon(path: Path, ...points: number[]): void {
  path.moveTo(points[0]!, points[1]!)
  for (let at = 2; at < points.length; at += 2) path.lineTo(points[at]!, points[at + 1]!)
  path.closePath()
}
