#!/usr/bin/env python3
"""pyNukiBT, an independent central, against the simulated lock itself, without the gateway: pairing,
state and log must agree with what the lock says about itself. Over the fake org.bluez, with unmodified bleak.

Needs the packages of requirements.txt; `tests/clients/run pynukibt_central` provides them."""
import asyncio
import os

from kit.fakebus import FakeBus
from kit.peer import central, find
from kit.simlock import BEN, NUKI_ID, PIN, SimLock
from kit.waiting import expect
from kit.workspace import run_script, step

SECONDS = 60


async def pair(sim, nuki):
    step("pairing")
    sim.command("pairing on")
    await nuki.connect()        # pair() needs to know the kind of lock, which connect() finds out
    result = await nuki.pair()
    expect(len(result["auth_id"]) == 4 and len(result["nuki_public_key"]) == 32, "an authorization id and a key", result)


async def compare_state(sim, nuki):
    step("state")
    await nuki.update_state()
    state = str(nuki.last_state["lock_state"]).lower()
    expect(state == sim.state(), "pyNukiBT and the lock agree on the state", state, sim.state())
    expect(nuki.config["nuki_id"] == NUKI_ID, "the config has the lock's id", nuki.config)


async def compare_log(sim, nuki):
    step("a keypad entry in the log")
    sim.command(f"keypad {BEN.digits}")
    await asyncio.to_thread(sim.wait_state, "unlocked")
    await compare_state(sim, nuki)
    entries = await nuki.request_log_entries(int(PIN), sort_order=1, count=1)
    expect(len(entries) == 1, "one log entry", entries)
    theirs, own = entries[0], sim.log()[-1]
    expect(theirs["index"] == own["index"] and theirs["name"] == own["name"], "the same entry, with its name", theirs, own)
    expect(str(theirs["type"]) == "KEYPAD_ACTION" and theirs["data"]["code_id"] == BEN.code_id,
           f"a keypad action with code {BEN.code_id}", theirs)
    expect(str(theirs["data"]["completion_status"]) == "SUCCESS", "a successful one", theirs)


async def check_pin(nuki):
    step("security PIN")
    expect(await nuki.verify_security_pin(int(PIN)) is True, "the right PIN is right")
    expect(await nuki.verify_security_pin(int(PIN) + 1) is False, "a wrong PIN is wrong")


async def talk(sim):
    nuki = central(await find(f"Nuki_{NUKI_ID:08X}"))
    await pair(sim, nuki)
    await compare_state(sim, nuki)
    await compare_log(sim, nuki)
    await check_pin(nuki)
    await nuki.disconnect()


def test(workspace, _args):
    sim = SimLock(workspace)
    # bleak reads it when it opens the bus
    os.environ.update(FakeBus(workspace, sim).env)
    asyncio.run(asyncio.wait_for(talk(sim), 5 * SECONDS))


if __name__ == "__main__":
    run_script(test)
