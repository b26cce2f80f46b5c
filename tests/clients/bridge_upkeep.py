#!/usr/bin/env python3
"""What a client may do to the gateway itself, with pynuki over the fake org.bluez: nothing by default; then, as its owner
allows it, reset, start anew and unpair, and the log of it all.

Needs the packages of requirements.txt; `tests/clients/run bridge_upkeep` provides them."""
import json
import logging
import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning, module="pynuki")
# it warns of every "success": false, and those are wanted here
logging.disable(logging.WARNING)

import requests
from pynuki import NukiBridge

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

ALLOW = '[bridge]\nallow = ["reboot", "unpair", "factory_reset"]\n'


def bridge(gateway):
    return NukiBridge("127.0.0.1", token=gateway.api.token, port=gateway.api.port, secure=False, timeout=20)


def is_refused_by_default(gateway):
    step("by default nothing is done, and every answer is JSON")
    client = bridge(gateway)
    for what in (client.reboot, client.factory_reset, client.firmware_update, lambda: client.unpair(NUKI_ID)):
        expect(what() == {"success": False}, f"{what} is refused")
    expect([lock.nuki_id for lock in client.locks] == [NUKI_ID], "the lock is still there")


def hands_out_the_token(gateway):
    step("/auth: 403, held, handed out once")
    client = bridge(gateway)
    try:
        client.auth()
    except requests.HTTPError as error:
        expect(error.response.status_code == 403, "/auth is off", error)
    else:
        raise AssertionError("/auth answered though it is off")
    gateway.run("auth", "allow", "--listen", f"127.0.0.1:{gateway.api.port}")
    expect(client.auth() == {"success": True, "token": gateway.api.token}, "in the window the token comes at once")
    expect(client.config_auth(True) == {"success": True}, "/configAuth switches it on")
    try:
        NukiBridge("127.0.0.1", port=gateway.api.port, timeout=1).auth()
    except requests.Timeout:
        pass
    else:
        raise AssertionError("/auth was not held though the window is shut")
    expect(client.config_auth(False) == {"success": True}, "and off")


def keeps_a_log(gateway):
    step("/log, newest first; /clearlog")
    client = bridge(gateway)
    client.lock_state(NUKI_ID)
    wait_for("the link is in the log", lambda: "BLE-Connected" in [line["type"] for line in client.log()])
    lines = client.log(0, 1000)
    expect(all(line["timestamp"].endswith("+00:00") for line in lines), "every line has a time", lines)
    reads = [line for line in lines if line["type"] == "HTTP-LockState"]
    expect(reads[0]["nukiId"] == f"{NUKI_ID:08X}", "a number is hex in the log", reads)
    expect(gateway.api.token not in json.dumps(lines), "no token is in the log")
    expect(client.clear_log() == {"success": True}, "/clearlog succeeds")
    expect("HTTP-LockState" not in json.dumps(client.log()), "the log is empty")


def starts_anew(gateway):
    step("/reboot: the same process, from the beginning, the switch of /configAuth kept")
    client = bridge(gateway)
    wait_for("the gateway has run for a while", lambda: client.update()["uptime"] >= 3)
    client.config_auth(True)
    expect(client.reboot() == {"success": True}, "/reboot succeeds")

    def uptime():
        try:
            return client.update()["uptime"]
        except requests.ConnectionError:
            return None
    wait_for("the gateway is back", lambda: (uptime() or 3) < 3, 60, alive=[gateway.process])
    gateway.wait_first_state(NUKI_ID)
    discovered = requests.get(f"{gateway.api.base}/discover/bridges", timeout=20).json()["bridges"]
    expect(discovered[0]["port"] == gateway.api.port, "it may be found, as before", discovered)
    expect(client.lock_state(NUKI_ID)["success"] is True, "it reads the lock again")


def resets_and_unpairs(gateway):
    step("/factoryReset: callbacks and /configAuth; /unpair: the key")
    client = bridge(gateway)
    client.callback_add("http://127.0.0.1:9/x")
    expect(client.factory_reset() == {"success": True}, "/factoryReset succeeds")
    expect(client.callback_list() == {"callbacks": []}, "no callback is left", client.callback_list())
    expect([lock.nuki_id for lock in client.locks] == [NUKI_ID], "the lock is left")
    expect(client.unpair(NUKI_ID) == {"success": True}, "/unpair succeeds")
    expect(client.list() == [], "no lock is left", client.list())
    secrets = json.loads((gateway.data / "secrets.json").read_text())
    expect(secrets["locks"] == [], "its key is gone from the disk")
    wait_for("it is a stranger on the air",
             lambda: [d["paired"] for d in client.update()["scanResults"] if d["nukiId"] == NUKI_ID] == [False])
    events = gateway.rows("select count(*) as n from locks")
    expect(events[0]["n"] == 1, "the event log still knows it")


def test(workspace, _args):
    sim = SimLock(workspace)
    bus = FakeBus(workspace, sim)
    gateway = Gateway(workspace, bus)
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    is_refused_by_default(gateway)
    expect(gateway.process.stop() == 0, "the gateway ends on TERM")

    config = workspace.dir / "keyturner.toml"
    config.write_text(ALLOW)
    gateway.start(options=["--config", config])
    gateway.wait_first_state(NUKI_ID)
    hands_out_the_token(gateway)
    keeps_a_log(gateway)
    starts_anew(gateway)
    resets_and_unpairs(gateway)
    expect(gateway.process.stop() == 0, "the gateway ends on TERM")


if __name__ == "__main__":
    run_script(test)
