/** One-shot callbacks of the platform: files, names, compression, cryptography, a program's end. */
import { execFile } from 'node:child_process'
import { createHash, generateKeyPair, pbkdf2, randomBytes, scrypt, webcrypto } from 'node:crypto'
import { lookup } from 'node:dns'
import { lookup as lookupPromise } from 'node:dns/promises'
import { readFile, realpath, stat } from 'node:fs'
import { open, readFile as readFilePromise } from 'node:fs/promises'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'
import type { Group, Primitive } from '../primitive.js'
import { someFile } from '../some-file.js'
import { notInWorkerd } from '../workerd.js'

type Callback = (error: unknown, ...results: unknown[]) => void

function callback(name: string, call: (done: Callback) => unknown): Primitive {
  return { name, run: ({ as, see }) => void as('own', () => call(see)) }
}

function promise(name: string, call: () => unknown): Primitive {
  return { name, run: ({ as, see }) => as('own', async () => (await call(), see())) }
}

function fileCallback(name: string, call: (path: string, done: Callback) => unknown): Primitive {
  return {
    name,
    run({ as, see, after }) {
      const path = someFile(after)
      as('own', () => call(path, see))
    },
  }
}

function filePromise(name: string, call: (path: string) => unknown): Primitive {
  return {
    name,
    async run({ as, see, after }) {
      const path = someFile(after)
      await as('own', async () => (await call(path), see()))
    },
  }
}

const asksTheInternet = notInWorkerd('its `dns` asks a server on the internet')

export const callbacks: Group = {
  id: 'callbacks',
  primitives: [
    fileCallback('`fs.readFile`', (path, done) => readFile(path, done)),
    fileCallback('`fs.stat`', (path, done) => stat(path, done)),
    fileCallback('`fs.realpath.native`', (path, done) => realpath.native(path, done)),
    filePromise('`fs/promises`: `readFile`', (path) => readFilePromise(path)),
    filePromise('`fs/promises`: `open`, `read`, `close`', async (path) => {
      const file = await open(path)
      await file.read(Buffer.alloc(1))
      await file.close()
    }),
    { ...callback('`dns.lookup`', (done) => lookup('localhost', done)), unsupported: asksTheInternet },
    {
      ...promise('`dns/promises`: `lookup`', () => lookupPromise('localhost')),
      unsupported: asksTheInternet,
    },
    callback('`zlib.gzip`', (done) => gzip('text', done)),
    callback('`zlib.brotliCompress`', (done) => brotliCompress('text', done)),
    promise('`promisify(zlib.gzip)`', () => promisify(gzip)('text')),
    callback('`crypto.randomBytes`', (done) => randomBytes(8, done)),
    callback('`crypto.pbkdf2`', (done) => pbkdf2('secret', 'salt', 1, 8, 'sha256', done)),
    callback('`crypto.scrypt`', (done) => scrypt('secret', 'salt', 8, done)),
    callback('`crypto.generateKeyPair`', (done) => generateKeyPair('ec', { namedCurve: 'P-256' }, done)),
    promise('`crypto.subtle.digest`', () =>
      webcrypto.subtle.digest('SHA-256', createHash('sha256').update('text').digest()),
    ),
    {
      ...callback('`child_process.execFile`', (done) => execFile('true', done)),
      unsupported: notInWorkerd('it starts no programs'),
    },
    {
      ...promise('`promisify(child_process.execFile)`', () => promisify(execFile)('true')),
      unsupported: notInWorkerd('it starts no programs'),
    },
    promise('`Blob.text()`', () => new Blob(['text']).text()),
    promise('`Response.json()`', () => new Response('{}').json()),
    {
      ...promise('`WebAssembly.compile`', () =>
        WebAssembly.compile(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)),
      ),
      unsupported: notInWorkerd('it compiles no WebAssembly while it runs'),
    },
  ],
}
