// People at the simulated door, and what the lock itself has written down.
import { createConnection } from 'node:net'

/** One command at the control socket of `keyturner sim`; its answer. */
export function atDoor (command) {
  return new Promise((resolve, reject) => {
    let said = ''
    const socket = createConnection(process.env.DOOR)
    socket.setTimeout(15_000, () => socket.destroy(new Error(`the simulated lock does not answer ${command}`)))
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      said += bytes
      if (!said.endsWith('\n')) return
      socket.end()
      const answer = JSON.parse(said)
      answer.ok ? resolve(answer) : reject(new Error(`${command}: ${answer.error}`))
    })
    socket.on('connect', () => socket.write(`${command}\n`))
  })
}

/** How often the lock has done something, by its own log. */
export async function executed (action) {
  const { entries } = await atDoor('log')
  return entries.filter((entry) => entry.action === action && entry.completion_status === 'success').length
}
