/**
 * The groups of cases by name; what stands after a colon is the group's argument. A group's module is loaded only when it
 * is asked for, because it declares sources, which every entry of the process would then pay for.
 */
import type { Group } from './group.js'

export const groups: Readonly<Record<string, Group>> = {
  enter: async (run) => (await import('./enter.js')).enterGroup(run),
  read: async (run) => (await import('./read.js')).readGroup(run),
  outside: async (run) => (await import('./outside.js')).outsideGroup(run),
  write: async (run) => (await import('./write.js')).writeGroup(run),
  reuse: async (run) => (await import('./reuse.js')).reuseGroup(run),
  contender: async (run) => (await import('./contender.js')).contenderGroup(run),
  request: async (run) => (await import('./contender.js')).requestGroup(run),
  bytes: async (run) => (await import('./bytes.js')).bytesGroup(run),
  profile: async (run) => (await import('./profile.js')).profileGroup(run),
  scale: async (run) => (await import('./scale.js')).scaleGroup(run),
}
