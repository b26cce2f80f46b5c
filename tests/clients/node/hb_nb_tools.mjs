// What homebridge-nb does with a bridge, by its own library.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'

import { NbClient } from 'hb-nb-tools/NbClient'
import { NbListener } from 'hb-nb-tools/NbListener'

const { BRIDGE_PORT, BRIDGE_TOKEN, NUKI_ID, DOOR } = process.env
const { DeviceTypes, LockActions, LockStates } = NbClient
// homebridge-nb asks by the number in hex, and waits as long as this
const nukiId = Number(NUKI_ID).toString(16).toUpperCase().padStart(8, '0')
const timeout = 15

async function atTheDoor (command) {
  const socket = createConnection(DOOR)
  socket.write(command + '\n')
  const [answer] = await once(socket, 'data')
  socket.destroy()
  assert.equal(JSON.parse(answer).ok, true, `${command}: ${answer}`)
}

const stranger = new NbClient({ host: `127.0.0.1:${BRIDGE_PORT}`, encryption: 'none', timeout })
assert.equal(await stranger.auth(), BRIDGE_TOKEN)
console.log('auth')

for (const encryption of ['encryptedToken', 'hashedToken', 'none']) {
  const client = new NbClient({ host: `127.0.0.1:${BRIDGE_PORT}`, token: BRIDGE_TOKEN, encryption, timeout })
  await client.init()
  assert.match(client.id, /^[0-9A-F]{8}$/)
  assert.equal(client.firmware, '2.18.0')
  const [device] = (await client.list()).body
  assert.equal(NbClient.modelName(device.deviceType, device.firmwareVersion), 'Smart Lock 3')
  assert.ok(device.lastKnownState)
  for (const [action, state] of [[LockActions.UNLOCK, LockStates.UNLOCKED], [LockActions.LOCK, LockStates.LOCKED]]) {
    assert.equal((await client.lockAction(nukiId, device.deviceType, action)).body.success, true)
    assert.equal((await client.lockState(nukiId, device.deviceType)).body.state, state)
  }
  console.log(`${encryption}: init, list, unlock, lock, state`)
}

const client = new NbClient({ host: `127.0.0.1:${BRIDGE_PORT}`, token: BRIDGE_TOKEN, timeout })
await client.init()
const wrong = new NbClient({ host: `127.0.0.1:${BRIDGE_PORT}`, token: 'wrong', timeout })
wrong.on('error', () => {})     // it emits what it throws
await assert.rejects(wrong.list(), /401/)

const listener = new NbListener()
listener.on('error', (error) => { throw error })
const url = await listener.addClient(client)
assert.equal((await client.callbackAdd(url)).body.success, true)
const { callbacks } = (await client.callbackList()).body
assert.deepEqual(callbacks, [{ id: 0, url }])
const event = once(client, 'event')
await atTheDoor('manual unlock')
let [body] = await event
while (body.state !== LockStates.UNLOCKED) {
  [body] = await once(client, 'event')
}
assert.equal(body.deviceType, DeviceTypes.SMARTLOCK3)
assert.equal(body.nukiId, Number(NUKI_ID))
assert.equal((await client.callbackRemove(callbacks[0].id)).body.success, true)
console.log('callbackAdd, callbackList, event, callbackRemove')

const types = (await client.log()).body.map((line) => line.type)
assert.ok(types.includes('HTTP-LockActionSuccess'), types)
assert.deepEqual((await client.fwupdate()).body, { success: false })
assert.deepEqual((await client.reboot()).body, { success: false })
assert.equal((await client.lock(nukiId, DeviceTypes.SMARTLOCK3)).body.success, true)
console.log('log, fwupdate, reboot (refused), lock')
process.exit(0)
