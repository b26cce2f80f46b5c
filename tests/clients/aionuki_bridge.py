#!/usr/bin/env python3
"""aionuki against the gateway and a simulated lock over the fake org.bluez: fetches the token by /auth, logs in with
hashed and plain tokens, list, state, lock, unlock, callbacks.

Needs the packages of requirements.txt; `tests/clients/run aionuki_bridge` provides them."""
import asyncio
import logging
import warnings

# aionuki 2.0.1 uses datetime.utcnow(), which newer Pythons announce the end of
warnings.filterwarnings("ignore", category=DeprecationWarning, module="aionuki")
# it warns of every "success": false, and those are wanted here
logging.disable(logging.WARNING)

import aiohttp
from aionuki import NukiBridge

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.receiver import Receiver
from kit.simlock import NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

STATE_UNLOCKED = 3


def bridge(gateway, token, secure):
    return NukiBridge("127.0.0.1", port=gateway.api.port, token=token, secure=secure, timeout=20)


async def fetches_the_token(gateway):
    step("/auth: off, then open for one client")
    # aionuki signs its /auth with the token that it does not have yet
    async with bridge(gateway, None, secure=True) as client:
        try:
            await client.auth()
        except aiohttp.ClientResponseError as error:
            expect(error.status == 403, "/auth is off at first", error)
        else:
            raise AssertionError("aionuki got a token though nobody allowed it")
        gateway.run("auth", "allow", "--listen", f"127.0.0.1:{gateway.api.port}")
        token = await client.auth()
        expect(token == gateway.api.token, "the token that /auth hands out is the bridge's")


async def reads_and_acts(gateway, sim, secure):
    step(f"token {'hashed' if secure else 'plain'}: info, list, state, unlock, lock")
    async with bridge(gateway, gateway.api.token, secure) as client:
        await client.connect()
        expect(await client.is_hardware_bridge, "a hardware bridge", await client.info())
        devices = await client.getDevices()
        expect([device.nuki_id for device in devices] == [NUKI_ID], f"one device, {NUKI_ID}", devices)
        state = await client.lock_state(NUKI_ID)
        expect(state["success"] is True and state["stateName"] == "locked", "lockState says locked", state)
        answer = await client.unlock(NUKI_ID, block=secure)
        expect(answer["success"] is True, "unlock succeeds", answer)
        wait_for("the lock itself is unlocked", lambda: sim.state() == "unlocked")
        answer = await client.simple_lock(NUKI_ID)
        expect(answer == {"success": True, "batteryCritical": False}, "/lock succeeds", answer)
        expect(sim.state() == "locked", "the lock itself is locked", sim.state())


async def callbacks(gateway, sim, receiver):
    step("callback: add once, a turn by hand, remove")
    async with bridge(gateway, gateway.api.token, secure=True) as client:
        url = receiver.url()
        for _ in range(2):
            expect((await client.callback_add(url))["success"] is True, "the callback is registered, or found in the list")
        expect((await client.callback_list())["callbacks"] == [{"id": 0, "url": url}], "it is listed once, byte for byte")
        sim.command("manual unlock")
        body = await asyncio.to_thread(receiver.wait_post, "state unlocked", lambda b: b["state"] == STATE_UNLOCKED)
        expect(body["nukiId"] == NUKI_ID, "the POST is about the lock", body)
        await client.callback_remove_all()
        expect(await client.callback_list() == {"callbacks": []}, "no callback is left")


def test(workspace, _args):
    sim = SimLock(workspace)
    bus = FakeBus(workspace, sim)
    gateway = Gateway(workspace, bus)
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    gateway.wait_single_use_tokens()
    receiver = Receiver(workspace)

    async def all_of_it():
        await fetches_the_token(gateway)
        for secure in (True, False):
            await reads_and_acts(gateway, sim, secure)
        await callbacks(gateway, sim, receiver)

    asyncio.run(all_of_it())


if __name__ == "__main__":
    run_script(test)
