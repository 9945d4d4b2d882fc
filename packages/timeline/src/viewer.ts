/** The parts of the page that are the same for every recording: bundled into the package when it is built. */

export interface Viewer {
  readonly script: string
  readonly style: string
  readonly body: string
}

/** Put in by tsup; where the sources run as they are, it is not there. */
declare const __VIEWER__: Viewer | undefined

let made: Promise<Viewer> | undefined

export function loadViewer(): Promise<Viewer> {
  if (typeof __VIEWER__ !== 'undefined') return Promise.resolve(__VIEWER__)
  // Not a literal: nobody shall try to bundle the bundler.
  const bundler: string = new URL('../viewer/bundle.ts', import.meta.url).href
  made ??= (import(bundler) as Promise<{ bundleViewer: () => Promise<Viewer> }>).then(({ bundleViewer }) =>
    bundleViewer(),
  )
  return made
}
