/** What is going on, on stderr: one line that changes, on a terminal; the finished cells everywhere. */
export class Progress {
  readonly #shows = process.stderr.isTTY === true && process.stderr.columns > 0

  readonly say = (what: string): void => {
    if (!this.#shows) return
    this.clear()
    // A line longer than the terminal could not be taken back.
    process.stderr.write(what.slice(0, process.stderr.columns - 1))
  }

  print(line: string): void {
    this.clear()
    process.stderr.write(`${line}\n`)
  }

  clear(): void {
    if (this.#shows) process.stderr.write('\r\x1b[2K')
  }
}

export function colourOn(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
}
