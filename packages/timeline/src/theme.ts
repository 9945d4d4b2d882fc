/**
 * Colours. Those of values are Okabe and Ito's, which colour-blind people tell apart, and an eighth; they come with an
 * outline in the colour of the text, so that none depends on its contrast with the page. Nothing is said by colour
 * alone: shapes and numbers say it too.
 */

export interface Theme {
  readonly page: string
  readonly lane: string
  readonly line: string
  readonly ink: string
  readonly faint: string
  readonly bar: string
  readonly barLine: string
  readonly merged: string
  /** Of a shape in the legend whose colour would be a value's. */
  readonly neutral: string
  readonly alarm: string
  readonly alarmFill: string
  readonly accent: string
}

export const THEMES: Readonly<Record<'light' | 'dark', Theme>> = {
  light: {
    page: '#ffffff',
    lane: '#f4f6f8',
    line: '#d4dae1',
    ink: '#1b1f24',
    faint: '#57606a',
    bar: '#e3ebf3',
    barLine: '#7d8a98',
    merged: '#b4c2d0',
    neutral: '#7a7f85',
    alarm: '#b3151f',
    alarmFill: '#fde3e4',
    accent: '#0757ba',
  },
  dark: {
    page: '#0d1117',
    lane: '#151b23',
    line: '#343c46',
    ink: '#e6edf3',
    faint: '#9aa5b1',
    bar: '#233142',
    barLine: '#71839a',
    merged: '#41546a',
    neutral: '#7a7f85',
    alarm: '#ff8178',
    alarmFill: '#4a1d20',
    accent: '#6cb6ff',
  },
}

const VALUES = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#9a7fd1']
/** What is legible on each. */
const ON_VALUES = ['#ffffff', '#111111', '#ffffff', '#111111', '#111111', '#ffffff', '#111111', '#111111']

export function valueColour(valueId: number): string {
  return VALUES[Math.max(valueId - 1, 0) % VALUES.length]!
}

export function onValueColour(valueId: number): string {
  return ON_VALUES[Math.max(valueId - 1, 0) % ON_VALUES.length]!
}
