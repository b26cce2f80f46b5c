// What ioBroker and Node-RED do with a bridge, by their library.
const assert = require('node:assert/strict')

const { Bridge, lockAction, lockState } = require('nuki-bridge-api')

const { BRIDGE_PORT, BRIDGE_TOKEN, NUKI_ID } = process.env

async function main () {
  for (const forcePlainToken of [false, true]) {
    const bridge = new Bridge('127.0.0.1', BRIDGE_PORT, BRIDGE_TOKEN, { forcePlainToken })
    const info = await bridge.info()
    assert.equal(info.bridgeType, 1)
    const nukis = await bridge.list()
    assert.deepEqual(nukis.map((nuki) => nuki.nukiId), [Number(NUKI_ID)])
    const { nuki } = nukis[0]
    assert.equal(await nuki.lockAction(lockAction.UNLOCK), true)
    assert.equal(await nuki.lockState(), lockState.UNLOCKED)
    assert.equal(await nuki.lockAction(lockAction.LOCK, true), true)
    console.log(`${forcePlainToken ? 'plain' : 'hashed'}: info, list, unlock, state, lock with nowait`)
  }
  const bridge = new Bridge('127.0.0.1', BRIDGE_PORT, BRIDGE_TOKEN)
  const callback = await bridge.addCallback('127.0.0.1', 9, false)
  assert.deepEqual((await bridge.getCallbackUrls()).map((known) => known.url), [callback.url])
  await assert.rejects(bridge.addCallback('127.0.0.1', 9, false), /callback already added/)
  await callback.remove()
  assert.deepEqual(await bridge.getCallbacks(), [])
  console.log('addCallback once, getCallbacks, remove')

  assert.equal((await bridge.configAuth(false)).success, true)
  assert.ok((await bridge.log(0, 5)).length > 0)
  assert.equal((await bridge.clearlog()).success, true)
  assert.deepEqual(await bridge.fwupdate(), { success: false })
  assert.deepEqual(await bridge.reboot(), { success: false })
  console.log('configAuth, log, clearlog, fwupdate, reboot (refused)')
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
