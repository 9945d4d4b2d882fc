/** An application that is served over HTTP on a port of its own, with a gateway where there is one. */
import { type DynamicModule, Module, type Provider, type Type } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import { WsAdapter } from '@nestjs/platform-ws'

interface Parts {
  readonly controllers?: Type[]
  readonly providers?: Provider[]
  readonly imports?: Array<Type | DynamicModule>
}

interface ServedApp {
  readonly app: NestExpressApplication
  readonly url: string
}

export async function serve(parts: Parts, setUp?: (app: NestExpressApplication) => void): Promise<ServedApp> {
  class Root {}
  Module(parts)(Root)
  const app = await NestFactory.create<NestExpressApplication>(Root, {
    logger: false,
    forceCloseConnections: true,
  })
  app.useWebSocketAdapter(new WsAdapter(app))
  setUp?.(app)
  await app.listen(0, '127.0.0.1')
  return { app, url: await app.getUrl() }
}
