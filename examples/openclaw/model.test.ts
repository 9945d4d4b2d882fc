import { expect, test } from 'vitest'
import { startModel } from './src/model.js'

const ask = [{ role: 'user', content: [{ type: 'text', text: 'write note.txt: hello' }] }]

test('a turn is a write, a read of the same file, and what the read gave', async () => {
  const model = await startModel()
  try {
    const first = await complete(model.port, ask)
    expect(first.tool_calls[0].function).toEqual({
      name: 'write',
      arguments: '{"path":"note.txt","content":"hello"}',
    })
    const second = await complete(model.port, [...ask, { role: 'tool', content: 'written' }])
    expect(second.tool_calls[0].function).toEqual({ name: 'read', arguments: '{"path":"note.txt"}' })
    const third = await complete(model.port, [
      ...ask,
      { role: 'tool', content: 'written' },
      { role: 'tool', content: 'hello' },
    ])
    expect(third.content).toBe('hello')
    expect(model.requests()).toBe(3)
  } finally {
    await model.close()
  }
})

test('what earlier turns did does not count for this one', async () => {
  const model = await startModel()
  try {
    const messages = [
      ...ask,
      { role: 'tool', content: 'written' },
      { role: 'tool', content: 'hello' },
      { role: 'user', content: 'write other.txt: again' },
    ]
    expect((await complete(model.port, messages)).tool_calls[0].function.name).toBe('write')
  } finally {
    await model.close()
  }
})

interface Delta {
  readonly content: string
  readonly tool_calls: [{ readonly function: { readonly name: string; readonly arguments: string } }]
}

/** The first delta, which holds everything; and that the stream ends as the protocol wants it. */
async function complete(port: number, messages: readonly object[]): Promise<Delta> {
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'any', stream: true, messages }),
  })
  const events = (await response.text()).split('\n\n').filter((event) => event !== '')
  expect(events.at(-1)).toBe('data: [DONE]')
  const [first] = events.map((event) => event.slice('data: '.length))
  return (JSON.parse(first!) as { choices: [{ delta: Delta }] }).choices[0].delta
}
