/** Applies decorators as the compiler would, which here is not told to. */
import type { Type } from '@nestjs/common'

/** As written above the method `key`: the last one is applied first. */
export function decorate(target: Type, key: string, ...decorators: MethodDecorator[]): void {
  const prototype = target.prototype as object
  let descriptor = Object.getOwnPropertyDescriptor(prototype, key)!
  for (const decorator of decorators.toReversed()) {
    descriptor = decorator(prototype, key, descriptor) ?? descriptor
  }
  Object.defineProperty(prototype, key, descriptor)
}
